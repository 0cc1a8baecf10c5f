"""How people sign in, from the environment: by password, or at a provider of OpenID Connect."""

import re
from dataclasses import dataclass, field

from django.core.exceptions import ImproperlyConfigured

from config import env

ROLES = ("officer", "approver", "auditor", "administrator")
ISSUER_MAX_LENGTH = 200  # it is stored with each identity, because only together they are unique


@dataclass(frozen=True, kw_only=True)
class Provider:
    """`roles` holds pairs of a value of the claim `roles_claim` and the role that it gives."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str = "Single sign-on"
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    roles_claim: str = "groups"
    roles: tuple[tuple[str, str], ...]


def provider() -> Provider | None:
    """Return the provider, or None if OIDC_ISSUER is not set."""
    issuer = env.text("OIDC_ISSUER").rstrip("/")
    given = {name: env.text(name) for name in ("OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")}
    given["OIDC_ROLES"] = ",".join(env.words("OIDC_ROLES"))
    if not issuer:
        if name := next((name for name, value in given.items() if value), None):
            raise ImproperlyConfigured(f"{name} is set, but OIDC_ISSUER is not.")
        return None
    _check_issuer(issuer)
    if name := next((name for name, value in given.items() if not value), None):
        raise ImproperlyConfigured(f"OIDC_ISSUER is set, but {name} is not.")
    return Provider(
        issuer=issuer,
        client_id=given["OIDC_CLIENT_ID"],
        client_secret=given["OIDC_CLIENT_SECRET"],
        name=env.text("OIDC_NAME", Provider.name),
        scopes=_scopes(),
        roles_claim=env.text("OIDC_ROLES_CLAIM", Provider.roles_claim),
        roles=tuple(_role(pair) for pair in env.words("OIDC_ROLES")),
    )


def by_password(provider: Provider | None) -> bool:
    """Return True if people may sign in with a password or a passkey of ours."""
    allowed = env.boolean("PASSWORD_SIGN_IN", True)
    if not allowed and provider is None:
        raise ImproperlyConfigured(
            "PASSWORD_SIGN_IN is False, but OIDC_ISSUER is not set, so nobody could sign in."
        )
    return allowed


def _check_issuer(issuer: str) -> None:
    found = re.fullmatch(
        r"(https?)://([A-Za-z0-9.-]+|\[::1\])(:[0-9]+)?(/[A-Za-z0-9._~/-]*)?", issuer
    )
    scheme, host = found.group(1, 2) if found else ("", "")
    is_here = host in {"127.0.0.1", "localhost", "[::1]"}
    if scheme != "https" and not is_here or "/.well-known/" in issuer:
        raise ImproperlyConfigured(
            "OIDC_ISSUER must be the provider's https address, as its discovery document has it "
            "under issuer and without /.well-known/; http only for a provider on this machine."
        )
    if len(issuer) > ISSUER_MAX_LENGTH:
        raise ImproperlyConfigured(f"OIDC_ISSUER is longer than {ISSUER_MAX_LENGTH} characters.")


def _scopes() -> tuple[str, ...]:
    scopes = tuple(env.text("OIDC_SCOPES", " ".join(Provider.scopes)).replace(",", " ").split())
    if "openid" not in scopes:
        raise ImproperlyConfigured("OIDC_SCOPES must contain openid.")
    return scopes


def _role(pair: str) -> tuple[str, str]:
    value, _, role = (part.strip() for part in pair.rpartition("="))
    if not value or role not in ROLES:
        raise ImproperlyConfigured(
            f"OIDC_ROLES must be like face-officers=officer,auditors=auditor, not {pair!r}. "
            f"Roles: {', '.join(ROLES)}."
        )
    return value, role
