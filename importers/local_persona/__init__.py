"""Local Persona: a stand-in for Persona's API, to try the product and to test it.

    with LocalPersona(delay=2) as persona:
        persona.url, persona.key
        persona.faults.inject("drop_made", times=1)

It listens on 127.0.0.1 only and keeps hashes, sizes and verdicts, never images. What
Persona documents, it does; where Persona's papers are silent it chooses, and the choices
are these:

- Counting rule: a file that Pillow cannot decode wholly as JPEG or PNG is an error; the
  SHA-256 of an image already active in that list, or earlier in the same request, is a
  duplicate; anything else is successful. Verdicts are reached on arrival.
- A key whose first request is still running answers 409 (or waits, `in_flight="wait"`).
- An unknown list answers an import with 404 (or 400, `unknown_list=400`).
- A replay carries the Request-Id of the first answer.
- 401, 429 and 403 are answered before the idempotency key is looked at, so never stored.
- With `rate_limit=None` nothing is limited and no RateLimit header is sent.
- Photo addresses lead to a blank picture, for none is kept.
"""

from .faults import FAULTS, IMPORT, IMPORTERS, Fault, FaultBox
from .server import DEFAULT_KEY, LocalPersona, PortTaken
from .store import LedgerEntry, SentFile
from .traffic import SeenRequest

__all__ = [
    "DEFAULT_KEY",
    "FAULTS",
    "IMPORT",
    "IMPORTERS",
    "Fault",
    "FaultBox",
    "LedgerEntry",
    "LocalPersona",
    "PortTaken",
    "SeenRequest",
    "SentFile",
]
