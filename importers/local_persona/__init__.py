"""Local Persona: a stand-in for Persona's API, to try the product and to test it.

    with LocalPersona(delay=2) as persona:
        persona.url, persona.key
        persona.faults.inject("drop_made", times=1)

It listens on 127.0.0.1 only, answers the requests that our client makes, and keeps hashes and
counts, never images. Where Persona's documentation is silent, the choices are ours:

- A file that Pillow cannot decode completely as JPEG or PNG is an error; an image whose SHA-256
  is in the list already, or earlier in the request, is a duplicate; anything else is successful.
  The counts are fixed on arrival and shown after the delay.
- A key whose first request is still running is answered with 409, an unknown list with 404.
- A replay carries the Request-Id of the first reply. 401 and 429 come before the key is looked
  up, so they are never stored.
- With `rate_limit=None` nothing is limited and no RateLimit header is sent.
- Pages are followed forwards only: `links.prev` is always null.
"""

from .faults import FAULTS, IMPORT, IMPORTERS
from .messages import SeenRequest
from .server import DEFAULT_KEY, LocalPersona
from .store import LedgerEntry, SentFile

__all__ = [
    "DEFAULT_KEY",
    "FAULTS",
    "IMPORT",
    "IMPORTERS",
    "LedgerEntry",
    "LocalPersona",
    "SeenRequest",
    "SentFile",
]
