"""The roles and names that the provider's claims give a person."""

import re
import unicodedata
from typing import Any

from django.conf import settings

from importers.models import Role
from importers.models.people import NAME_MAX_LENGTH

Claims = dict[str, Any]


def roles(claims: Claims) -> set[Role]:
    """Return the roles that OIDC_ROLES gives for the values of the claim."""
    if not (provider := settings.OIDC):
        return set()
    given = claims.get(provider.roles_claim)
    values = given if isinstance(given, list) else [given]
    return {Role(role) for value, role in provider.roles if value in values}


def username(claims: Claims) -> str:
    """Return the first claim that leaves a username: letters, digits and @.+-_ alone."""
    names = (_text(claims, claim) for claim in ("preferred_username", "email", "sub"))
    cleaned = (re.sub(r"[^\w.@+-]+", "-", name).strip("-") for name in names)
    return next(filter(None, cleaned), "")


def full_name(claims: Claims) -> tuple[str, str]:
    """Return the first and the last name, each blank if no claim has it."""
    first, _, last = _text(claims, "name").partition(" ")
    return _text(claims, "given_name") or first, _text(claims, "family_name") or last


def _text(claims: Claims, claim: str) -> str:
    """Return the claim as an account may hold it: on one line, without invisible characters."""
    given = claims.get(claim)
    text = unicodedata.normalize("NFKC", given) if isinstance(given, str) else ""
    visible = "".join(one for one in text if one.isprintable() or one.isspace())
    return " ".join(visible.split())[:NAME_MAX_LENGTH]
