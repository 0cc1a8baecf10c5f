"""Which Persona we talk to, from the environment."""

import re

from django.core.exceptions import ImproperlyConfigured

from config import env


def api_key() -> str:
    key = env.text("PERSONA_API_KEY")
    if not (key.isascii() and key.isprintable()):
        raise ImproperlyConfigured(
            "PERSONA_API_KEY contains a character that no key has, perhaps an invisible one. "
            "Copy the key again."
        )
    return key


def is_local(base_url: str, key: str) -> bool:
    """Return True if the address is on this machine; refuse all others but Persona's over TLS.

    The pattern is strict because URL parsers disagree about which part of an odd address is the
    host, and a face must not go to a host that we did not check.
    """
    address = re.fullmatch(
        r"(https?)://([a-z0-9.-]+|\[::1\])(:[0-9]+)?(/[a-z0-9./-]*)?", base_url.lower()
    )
    scheme, host = address.group(1, 2) if address else ("", "")
    if host in {"127.0.0.1", "localhost", "[::1]"}:
        return True
    if not key:
        raise ImproperlyConfigured("PERSONA_BASE_URL is set, but PERSONA_API_KEY is not.")
    if scheme != "https" or not f".{host}".endswith(".withpersona.com"):
        raise ImproperlyConfigured(
            "PERSONA_BASE_URL must be an https address at withpersona.com, or an address on "
            "this machine."
        )
    return False
