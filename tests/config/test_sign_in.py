"""OIDC_… and PASSWORD_SIGN_IN: who may sign in, and how."""

from pathlib import Path

import pytest

from config.sign_in import ROLES
from importers.models import Role
from tests.support.settings import PRODUCTION, Load, refusal

OIDC = {
    "OIDC_ISSUER": "https://id.example.org/realms/acme/",
    "OIDC_CLIENT_ID": "consentry",
    "OIDC_CLIENT_SECRET": "s3cret",
    "OIDC_ROLES": "face-officers=officer, cn=auditors=auditor,",
}


def test_single_sign_on_is_off_by_default(load: Load) -> None:
    settings = load(**PRODUCTION, OIDC_ISSUER=" ")
    assert (settings.OIDC, settings.PASSWORD_SIGN_IN) == (None, True)


def test_provider_comes_from_the_environment(load: Load, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from a file\n")
    given = OIDC | {"OIDC_CLIENT_SECRET": "", "OIDC_CLIENT_SECRET_FILE": str(secret)}
    provider = load(**PRODUCTION, **given).OIDC
    assert provider.issuer == "https://id.example.org/realms/acme"
    assert (provider.client_id, provider.client_secret) == ("consentry", "from a file")
    assert (provider.name, provider.roles_claim) == ("Single sign-on", "groups")
    assert provider.scopes == ("openid", "profile", "email")
    assert provider.roles == (("face-officers", "officer"), ("cn=auditors", "auditor"))
    assert "from a file" not in repr(provider)
    chosen = {"OIDC_NAME": "Acme", "OIDC_ROLES_CLAIM": "roles", "OIDC_SCOPES": "openid groups"}
    provider = load(**PRODUCTION, **OIDC, **chosen).OIDC
    assert (provider.name, provider.roles_claim) == ("Acme", "roles")
    assert provider.scopes == ("openid", "groups")


@pytest.mark.parametrize(
    "issuer",
    [
        "http://id.example.org",
        "http://localhost@id.example.org",
        "http://127.0.0.1.id.example.org",
        "https://user:secret@id.example.org",
        "https://id.example.org?secret=1",
        "https://id.example.org/.well-known/openid-configuration",
        "id.example.org",
        "https://",
    ],
)
def test_issuer_that_is_not_a_safe_address_is_refused(issuer: str, load: Load) -> None:
    message = refusal(load, **(PRODUCTION | OIDC | {"OIDC_ISSUER": issuer}))
    assert message.startswith("OIDC_ISSUER must be the provider's https address")
    assert "secret" not in message


def test_provider_on_this_machine_may_use_plain_http(load: Load) -> None:
    address = "http://localhost:9400"
    assert load(**(PRODUCTION | OIDC | {"OIDC_ISSUER": address})).OIDC.issuer == address


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"OIDC_CLIENT_ID": ""}, "OIDC_ISSUER is set, but OIDC_CLIENT_ID is not."),
        ({"OIDC_CLIENT_SECRET": ""}, "OIDC_ISSUER is set, but OIDC_CLIENT_SECRET is not."),
        ({"OIDC_ROLES": ","}, "OIDC_ISSUER is set, but OIDC_ROLES is not."),
        ({"OIDC_ISSUER": ""}, "OIDC_CLIENT_ID is set, but OIDC_ISSUER is not."),
        ({"OIDC_SCOPES": "profile"}, "OIDC_SCOPES must contain openid."),
        ({"OIDC_ROLES": "staff=admin"}, "OIDC_ROLES must be like face-officers=officer"),
        ({"OIDC_ROLES": "officer"}, "OIDC_ROLES must be like face-officers=officer"),
        ({"OIDC_ISSUER": f"https://{'a' * 200}.org"}, "OIDC_ISSUER is longer than 200"),
    ],
)
def test_incomplete_or_wrong_provider_is_refused(
    change: dict[str, str], message: str, load: Load
) -> None:
    assert refusal(load, **(PRODUCTION | OIDC | change)).startswith(message)


def test_passwords_are_only_turned_off_with_single_sign_on(load: Load) -> None:
    assert load(**PRODUCTION, **OIDC, PASSWORD_SIGN_IN="False").PASSWORD_SIGN_IN is False
    message = refusal(load, **PRODUCTION, PASSWORD_SIGN_IN="False")
    assert message.startswith("PASSWORD_SIGN_IN is False, but OIDC_ISSUER is not set")


def test_roles_of_the_settings_are_those_of_the_product() -> None:
    assert sorted(ROLES) == sorted(Role.values)
