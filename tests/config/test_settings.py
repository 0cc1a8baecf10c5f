"""Settings: the secret key, the address of Persona, the defaults and production."""

import os
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from tests.support.settings import KEY, PRODUCTION, Load, refusal


class TestSecretKey:
    def test_production_requires_a_secret_key_and_says_where_to_set_it(self, load: Load) -> None:
        message = refusal(load)
        assert "SECRET_KEY is not set" in message
        assert "SECRET_KEY_FILE" in message
        assert "make run" in message

    @pytest.mark.parametrize("blank", ["", "   ", "\n"])
    def test_a_blank_secret_key_counts_as_not_set(self, blank: str, load: Load) -> None:
        assert "SECRET_KEY is not set" in refusal(load, SECRET_KEY=blank)

    def test_a_demo_generates_a_secret_key_once_and_keeps_it_private(
        self, load: Load, tmp_path: Path
    ) -> None:
        first, second = load(DEBUG="True").SECRET_KEY, load(DEBUG="True").SECRET_KEY
        kept = tmp_path / "var" / "secret-key"
        assert first == second == kept.read_text()
        assert len(first) >= 50
        assert kept.stat().st_mode & 0o777 == 0o600
        assert kept.parent.stat().st_mode & 0o777 == 0o700

    def test_a_given_secret_key_wins_over_the_generated_one(self, load: Load) -> None:
        assert load(DEBUG="True").SECRET_KEY != KEY
        assert load(DEBUG="True", SECRET_KEY=KEY).SECRET_KEY == KEY


def test_the_defaults_match_the_public_contract(load: Load) -> None:
    settings = load(**PRODUCTION)
    names = ("PERSONA_VERSION", "PERSONA_RATE_SHARE", "PERSONA_TIMEOUT_SECONDS")
    assert [getattr(settings, name) for name in names] == ["2025-12-08", 0.5, 60]
    assert (settings.BATCH_MAX_IMAGES, settings.BATCH_MAX_BYTES) == (50, 25_000_000)
    assert (settings.BATCH_LEASE_SECONDS, settings.PERSONA_RATE_WINDOW_SECONDS) == (45, 60)
    assert (settings.SESSION_IDLE_MINUTES, settings.SESSION_COOKIE_AGE) == (30, 12 * 60 * 60)
    assert settings.PERSONA_BASE_URL == "https://api.withpersona.com/api/v1"
    assert settings.ALLOWED_HOSTS == ["localhost", "127.0.0.1", "[::1]"]
    settings = load(**PRODUCTION, ALLOWED_HOSTS="faces.example.org")
    assert settings.ALLOWED_HOSTS == ["faces.example.org", "localhost", "127.0.0.1", "[::1]"]
    assert settings.DEBUG is False


@pytest.mark.parametrize(
    ("cores", "web_processes", "expected"),
    [(1, "1", 1), (2, "", 1), (16, "", 4), (8, "4", 2), (2, "8", 1), (None, "", 1)],
)
def test_image_processes_share_the_cores_with_the_web_processes(
    cores: int | None,
    web_processes: str,
    expected: int,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    default = load(**PRODUCTION, WEB_CONCURRENCY=web_processes).IMAGE_PROCESSES
    assert default == expected
    assert load(**PRODUCTION, IMAGE_PROCESSES="3").IMAGE_PROCESSES == 3
    assert "IMAGE_PROCESSES must be from 1 to 4" in refusal(load, **PRODUCTION, IMAGE_PROCESSES="5")


class TestPersonaAddress:
    @pytest.mark.parametrize(
        "address",
        [
            "http://api.withpersona.com/api/v1",
            "https://evil.example/api/v1",
            "https://withpersona.com.evil.example/api/v1",
            "https://evilwithpersona.com/api/v1",
            "https://api.withpersona.com@evil.example/",
            "https://evil.example\\@api.withpersona.com/",
            "http://evil.example\\@localhost/",
            "http://localhost@evil.example/",
            "https://evil.example#.withpersona.com",
            "https://evil.example?.withpersona.com",
            "https://api.withpersona.com evil.example",
            "http://127.0.0.1.evil.example/",
            "http://169.254.169.254/latest",
            "http://[::1",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "api.withpersona.com/api/v1",
            "localhost:8001",
            "https://",
        ],
    )
    def test_an_address_on_another_host_is_refused(self, address: str, load: Load) -> None:
        message = refusal(load, **(PRODUCTION | {"PERSONA_BASE_URL": address}))
        assert "PERSONA_BASE_URL must be an https address at withpersona.com" in message

    @pytest.mark.parametrize(
        "address",
        [
            "https://withpersona.com/api/v1",
            "https://API.withpersona.com/api/v1",
            "https://api.eu.withpersona.com:443/api/v1/",
        ],
    )
    def test_persona_hosts_are_accepted(self, address: str, load: Load) -> None:
        settings = load(**(PRODUCTION | {"PERSONA_BASE_URL": address}))
        assert settings.PERSONA_IS_LOCAL is False
        assert f"{settings.PERSONA_BASE_URL}/" == address.rstrip("/") + "/"

    @pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost", "[::1]:8001"])
    def test_an_address_on_this_machine_is_local_persona(self, host: str, load: Load) -> None:
        address = {"PERSONA_BASE_URL": f"http://{host}/api/v1"}
        assert load(SECRET_KEY=KEY, **address).PERSONA_IS_LOCAL
        assert load(**(PRODUCTION | address)).PERSONA_IS_LOCAL

    def test_without_an_api_key_the_address_is_local_persona(self, load: Load) -> None:
        settings = load(SECRET_KEY=KEY, LOCAL_PERSONA_PORT="9001")
        assert settings.PERSONA_BASE_URL == "http://127.0.0.1:9001/api/v1"
        assert settings.PERSONA_IS_LOCAL

    @pytest.mark.parametrize("key", ["persona_\u200babc", "persona_\nabc", "persona_é"])
    def test_an_api_key_with_an_impossible_character_is_refused(self, key: str, load: Load) -> None:
        message = refusal(load, SECRET_KEY=KEY, PERSONA_API_KEY=key)
        assert message.startswith("PERSONA_API_KEY contains a character that no key has")
        assert "abc" not in message

    def test_persona_without_an_api_key_is_refused(self, load: Load) -> None:
        address = "https://api.withpersona.com/api/v1"
        message = refusal(load, SECRET_KEY=KEY, PERSONA_BASE_URL=address)
        assert message == "PERSONA_BASE_URL is set, but PERSONA_API_KEY is not."


class TestProduction:
    def test_cookies_are_sent_only_over_tls_and_only_to_this_host(self, load: Load) -> None:
        settings = load(**PRODUCTION)
        assert settings.SESSION_COOKIE_SECURE
        assert settings.CSRF_COOKIE_SECURE
        assert settings.SESSION_COOKIE_NAME == "__Host-sessionid"
        assert settings.CSRF_COOKIE_NAME == "__Host-csrftoken"
        assert settings.SESSION_COOKIE_SAMESITE == "Lax"
        assert settings.KNOWN_BROWSER_COOKIE == "__Host-known-browser"

    def test_browsers_must_use_tls_for_two_years(self, load: Load) -> None:
        settings = load(**PRODUCTION)
        assert settings.SECURE_SSL_REDIRECT
        assert settings.SECURE_HSTS_SECONDS == 2 * 365 * 24 * 60 * 60
        assert settings.SECURE_HSTS_INCLUDE_SUBDOMAINS
        assert settings.SECURE_HSTS_PRELOAD

    def test_a_demo_runs_on_plain_http(self, load: Load) -> None:
        settings = load(DEBUG="True")
        for name in ("SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "SECURE_HSTS_SECONDS"):
            assert not hasattr(settings, name)

    def test_proxy_headers_are_trusted_only_with_a_proxy_count(self, load: Load) -> None:
        assert not hasattr(load(**PRODUCTION), "SECURE_PROXY_SSL_HEADER")
        behind = load(**PRODUCTION, TRUSTED_PROXY_COUNT="1")
        assert behind.SECURE_PROXY_SSL_HEADER == ("HTTP_X_FORWARDED_PROTO", "https")
        assert behind.ALLAUTH_TRUSTED_PROXY_COUNT == 1

    @pytest.mark.django_db
    def test_only_the_health_pages_answer_without_tls(
        self, load: Load, settings: Settings, client: Client
    ) -> None:
        production = load(**PRODUCTION)
        settings.SECURE_SSL_REDIRECT = production.SECURE_SSL_REDIRECT
        settings.SECURE_REDIRECT_EXEMPT = production.SECURE_REDIRECT_EXEMPT
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        for path in ("/", "/account/login/", "/healthz/../", "/imports/new/"):
            answer: Any = client.get(path)
            assert answer.status_code == 301
            assert answer.url.startswith("https://")

    def test_sqlite_commits_are_durable(self, load: Load, tmp_path: Path) -> None:
        database = load(**PRODUCTION).DATABASES["default"]
        assert database["NAME"] == str(tmp_path / "var" / "consentry.sqlite3")
        assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
        assert "synchronous=FULL" in database["OPTIONS"]["init_command"]
        assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]

    def test_postgresql_does_not_get_the_sqlite_options(self, load: Load, tmp_path: Path) -> None:
        url = "postgres://user:pw@db.example:5433/consentry"
        database = load(**PRODUCTION, DATABASE_URL=url).DATABASES["default"]
        assert (database["ENGINE"], database["HOST"], database["PORT"]) == (
            "django.db.backends.postgresql",
            "db.example",
            5433,
        )
        assert "init_command" not in database.get("OPTIONS", {})

    def test_stored_files_are_readable_only_by_this_account(self, load: Load) -> None:
        settings = load(**PRODUCTION)
        assert settings.FILE_UPLOAD_PERMISSIONS == 0o600
        assert settings.FILE_UPLOAD_DIRECTORY_PERMISSIONS == 0o700
