"""EMAIL_HOST: links are mailed through this server, or nothing is mailed."""

import pytest

from tests.support.settings import PRODUCTION, Load, refusal

SERVER = PRODUCTION | {"EMAIL_HOST": "mail.example.org", "DEFAULT_FROM_EMAIL": "faces@example.org"}
ACCOUNT = {"EMAIL_HOST_USER": "faces", "EMAIL_HOST_PASSWORD": "made up"}


def test_nothing_is_mailed_without_a_server(load: Load) -> None:
    assert not hasattr(load(**PRODUCTION), "MAILERS")


def test_mail_travels_encrypted_unless_it_is_turned_off(load: Load) -> None:
    loaded = load(**(SERVER | ACCOUNT))
    assert loaded.DEFAULT_FROM_EMAIL == "faces@example.org"
    options = loaded.MAILERS["default"]["OPTIONS"]
    assert (options["host"], options["port"]) == ("mail.example.org", 587)
    assert (options["username"], options["password"]) == ("faces", "made up")
    assert (options["use_tls"], options["timeout"]) == (True, 10)
    plain = load(**(SERVER | {"EMAIL_USE_TLS": "False", "EMAIL_PORT": "25"}))
    options = plain.MAILERS["default"]["OPTIONS"]
    assert (options["port"], options["use_tls"]) == (25, False)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"DEFAULT_FROM_EMAIL": ""}, "DEFAULT_FROM_EMAIL is not"),
        ({"EMAIL_HOST_USER": "faces"}, "EMAIL_HOST_PASSWORD belong together"),
        ({"EMAIL_PORT": "smtp"}, "EMAIL_PORT must be a number"),
    ],
)
def test_incomplete_server_is_refused(given: dict[str, str], named: str, load: Load) -> None:
    assert named in refusal(load, **(SERVER | given))
