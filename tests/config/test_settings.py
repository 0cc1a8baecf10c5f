"""Settings from the environment: nonsense is refused by name, and production is strict."""

import importlib.util
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.conf import settings as project
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django import Settings

from config import env

KEY = "k" * 60
PRODUCTION = {"SECRET_KEY": KEY, "PERSONA_API_KEY": "persona_production_abc"}
Load = Callable[..., ModuleType]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Settings read from just this environment, in a copy whose var/ is the test's own."""
    copy = tmp_path / "config" / "settings.py"
    copy.parent.mkdir()
    shutil.copy(Path(project.BASE_DIR, "config", "settings.py"), copy)

    def load(**environment: str) -> ModuleType:
        monkeypatch.setattr(os, "environ", environment)
        spec = importlib.util.spec_from_file_location("settings_under_test", copy)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def refusal(load: Load, **environment: str) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        load(**environment)
    return str(caught.value)


class TestSecretKey:
    def test_production_needs_one_and_says_where_to_give_it(self, load: Load) -> None:
        told = refusal(load)
        assert "SECRET_KEY is not set" in told
        assert "SECRET_KEY_FILE" in told
        assert "make run" in told

    @pytest.mark.parametrize("blank", ["", "   ", "\n"])
    def test_a_blank_one_is_none(self, blank: str, load: Load) -> None:
        assert "SECRET_KEY is not set" in refusal(load, SECRET_KEY=blank)

    def test_a_demo_makes_one_once_and_keeps_it_from_others(
        self, load: Load, tmp_path: Path
    ) -> None:
        first, second = load(DEBUG="True").SECRET_KEY, load(DEBUG="True").SECRET_KEY
        kept = tmp_path / "var" / "secret-key"
        assert first == second == kept.read_text()
        assert len(first) >= 50
        assert kept.stat().st_mode & 0o777 == 0o600
        assert kept.parent.stat().st_mode & 0o777 == 0o700

    def test_the_key_that_is_given_wins_over_the_one_that_was_made(self, load: Load) -> None:
        assert load(DEBUG="True").SECRET_KEY != KEY
        assert load(DEBUG="True", SECRET_KEY=KEY).SECRET_KEY == KEY


class TestFiles:
    @pytest.mark.parametrize("name", ["SECRET_KEY", "PERSONA_API_KEY", "DATABASE_URL"])
    def test_a_secret_may_lie_in_a_file(self, name: str, load: Load, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        given = {"DATABASE_URL": "postgres://user:pw@db/consentry"}.get(name, f"{name} " + KEY)
        secret.write_text(f"  {given}\n")
        settings = load(**(PRODUCTION | {name: "not this", f"{name}_FILE": str(secret)}))
        if name == "DATABASE_URL":
            assert settings.DATABASES["default"]["PASSWORD"] == "pw"
        else:
            assert getattr(settings, name) == given

    def test_a_file_that_cannot_be_read_is_named(self, load: Load, tmp_path: Path) -> None:
        told = refusal(load, SECRET_KEY=KEY, PERSONA_API_KEY_FILE=str(tmp_path / "none"))
        assert told == "PERSONA_API_KEY_FILE cannot be read: No such file or directory."
        assert "SECRET_KEY_FILE" in refusal(load, SECRET_KEY_FILE=str(tmp_path))


class TestNonsense:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("DEBUG", "perhaps"),
            ("DEBUG", "2"),
            ("TRUSTED_PROXY_COUNT", "-1"),
            ("TRUSTED_PROXY_COUNT", "one"),
            ("LOCAL_PERSONA_PORT", "0"),
            ("LOCAL_PERSONA_PORT", "65536"),
            ("PERSONA_RATE_SHARE", "0"),
            ("PERSONA_RATE_SHARE", "1.01"),
            ("PERSONA_RATE_SHARE", "half"),
            ("PERSONA_RATE_SHARE", "nan"),
            ("PERSONA_RATE_SHARE", "inf"),
            ("PERSONA_TIMEOUT_SECONDS", "0"),
            ("PERSONA_TIMEOUT_SECONDS", "601"),
            ("PERSONA_TIMEOUT_SECONDS", "1.5"),
            ("PERSONA_KEY_LIFE_HOURS", "0"),
            ("PERSONA_KEY_LIFE_HOURS", "25"),
            ("BATCH_MAX_IMAGES", "0"),
            ("BATCH_MAX_IMAGES", "101"),
            ("BATCH_MAX_IMAGES", "0x10"),
            ("BATCH_MAX_BYTES", "9999999"),
            ("BATCH_MAX_BYTES", "1e7"),
            ("MEDIA_STORAGE", "media"),
            ("MEDIA_STORAGE", "file:media"),
            ("MEDIA_STORAGE", "../media"),
            ("MEDIA_STORAGE", "https://bucket/prefix"),
        ],
    )
    def test_a_wrong_value_is_refused_by_its_name(self, name: str, value: str, load: Load) -> None:
        assert name in refusal(load, **(PRODUCTION | {name: value}))

    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("PERSONA_RATE_SHARE", "1", 1.0),
            ("PERSONA_RATE_SHARE", "0.01", 0.01),
            ("PERSONA_TIMEOUT_SECONDS", " 600 ", 600),
            ("BATCH_MAX_IMAGES", "100", 100),
            ("BATCH_MAX_BYTES", "10_000_000", 10_000_000),
            ("PERSONA_KEY_LIFE_HOURS", "24", 24),
            ("PERSONA_VERSION", "2023-01-05", "2023-01-05"),
        ],
    )
    def test_a_right_value_is_taken(
        self, name: str, value: str, expected: object, load: Load
    ) -> None:
        assert getattr(load(**(PRODUCTION | {name: value})), name) == expected

    @pytest.mark.parametrize("word", ["1", "TRUE", "yes", "On"])
    def test_truth_has_several_words(self, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ANYTHING", word)
        assert env.boolean("ANYTHING", False)

    def test_an_empty_value_is_the_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ANYTHING", " ")
        assert env.integer("ANYTHING", 7, least=1, most=9) == 7
        assert env.boolean("ANYTHING", True)
        assert env.words("ANYTHING", "a, b,,c ") == ["a", "b", "c"]

    def test_the_defaults_are_those_of_the_public_contract(self, load: Load) -> None:
        settings = load(**PRODUCTION)
        names = ("PERSONA_VERSION", "PERSONA_RATE_SHARE", "PERSONA_TIMEOUT_SECONDS")
        assert [getattr(settings, name) for name in names] == ["2025-12-08", 0.5, 60]
        assert (settings.BATCH_MAX_IMAGES, settings.BATCH_MAX_BYTES) == (50, 25_000_000)
        assert settings.PERSONA_BASE_URL == "https://api.withpersona.com/api/v1"
        assert settings.ALLOWED_HOSTS == ["localhost", "127.0.0.1", "[::1]"]
        settings = load(**PRODUCTION, ALLOWED_HOSTS="faces.example.org")
        assert settings.ALLOWED_HOSTS == ["faces.example.org", "localhost", "127.0.0.1", "[::1]"]
        assert settings.DEBUG is False


class TestWhereImagesLie:
    AWS_KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "made up"}

    @staticmethod
    def images(load: Load, **environment: str) -> tuple[str, dict[str, str]]:
        described = load(**(PRODUCTION | environment)).STORAGES["default"]
        return described["BACKEND"].rpartition(".")[2], described["OPTIONS"]

    def test_by_default_in_a_folder_outside_what_is_served(
        self, load: Load, tmp_path: Path
    ) -> None:
        folder = tmp_path / "var" / "media"
        assert self.images(load) == ("DurableFileStorage", {"location": str(folder)})
        assert not folder.is_relative_to(load(**PRODUCTION).STATIC_ROOT)

    def test_in_a_folder_of_ones_own(self, load: Load) -> None:
        _, options = self.images(load, MEDIA_STORAGE="file:/srv/faces")
        assert options == {"location": "/srv/faces"}

    @pytest.mark.parametrize(
        ("address", "expected"),
        [
            ("s3://faces", {"bucket_name": "faces"}),
            ("s3://faces/", {"bucket_name": "faces"}),
            ("s3://my.faces-1/a", {"bucket_name": "my.faces-1", "location": "a"}),
            ("s3://faces/a/b=c_d/", {"bucket_name": "faces", "location": "a/b=c_d"}),
        ],
    )
    def test_in_a_bucket_where_boto3_looks_for_all_that_is_not_given(
        self, address: str, expected: dict[str, str], load: Load
    ) -> None:
        assert self.images(load, MEDIA_STORAGE=address) == ("PrivateS3Storage", expected)

    @pytest.mark.parametrize(
        "address",
        [
            *("s3:", "s3://", "s3:///prefix", "s3:faces", "s3:/faces", "s3://-faces/a"),
            *("s3://faces//a", "s3://faces/../a", "s3://faces/.", "s3://faces/a b"),
            *("s3://faces?region=x", "s3://AKID:secret@faces/a", "s3://faces:9000/a"),
        ],
    )
    def test_what_is_no_bucket_is_refused_and_not_repeated(self, address: str, load: Load) -> None:
        told = refusal(load, **(PRODUCTION | {"MEDIA_STORAGE": address}))
        assert told.startswith("MEDIA_STORAGE must be s3://bucket/prefix: ")
        assert "secret" not in told

    def test_what_is_neither_folder_nor_bucket_is_told_both(self, load: Load) -> None:
        told = refusal(load, **(PRODUCTION | {"MEDIA_STORAGE": "gs://faces"}))
        assert told == "MEDIA_STORAGE must be file:/… (a folder) or s3://bucket/prefix."

    def test_the_usual_variables_say_who_asks_and_where(self, load: Load) -> None:
        _, options = self.images(
            load,
            MEDIA_STORAGE="s3://faces/a",
            AWS_REGION="eu-central-1",
            AWS_DEFAULT_REGION="us-east-1",
            AWS_ENDPOINT_URL="https://all.example",
            AWS_ENDPOINT_URL_S3="https://s3.example:9000",
            AWS_SESSION_TOKEN="token",
            **self.AWS_KEYS,
        )
        assert options == {
            "bucket_name": "faces",
            "location": "a",
            "endpoint_url": "https://s3.example:9000",
            "region_name": "eu-central-1",
            "access_key": "AKID",
            "secret_key": "made up",
            "security_token": "token",
        }

    def test_the_names_that_others_use_are_understood_too(self, load: Load) -> None:
        others = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": "https://all.example/s3"}
        _, options = self.images(load, MEDIA_STORAGE="s3://faces", **others)
        assert options["region_name"] == "us-east-1"
        assert options["endpoint_url"] == "https://all.example/s3"

    def test_the_keys_may_lie_in_files(self, load: Load, tmp_path: Path) -> None:
        for name, value in self.AWS_KEYS.items():
            (tmp_path / name).write_text(f"{value}\n")
        files = {f"{name}_FILE": str(tmp_path / name) for name in self.AWS_KEYS}
        _, options = self.images(load, MEDIA_STORAGE="s3://faces", **files)
        assert (options["access_key"], options["secret_key"]) == ("AKID", "made up")

    @pytest.mark.parametrize("name", AWS_KEYS)
    def test_half_a_pair_of_keys_is_refused(self, name: str, load: Load) -> None:
        half = {name: self.AWS_KEYS[name], "MEDIA_STORAGE": "s3://faces"}
        told = refusal(load, **(PRODUCTION | half))
        assert told.startswith("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together")
        assert self.AWS_KEYS[name] not in told

    @pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])
    @pytest.mark.parametrize("address", ["minio:9000", "ftp://minio", "https://key:secret@minio"])
    def test_an_endpoint_that_is_no_address_is_refused(
        self, name: str, address: str, load: Load
    ) -> None:
        told = refusal(load, **(PRODUCTION | {"MEDIA_STORAGE": "s3://faces", name: address}))
        assert told == f"{name} must be like https://s3.example.org."

    def test_with_images_in_a_folder_the_usual_variables_are_nobodys_business(
        self, load: Load
    ) -> None:
        backend, _ = self.images(load, AWS_ACCESS_KEY_ID="AKID", AWS_ENDPOINT_URL="nonsense")
        assert backend == "DurableFileStorage"


class TestPersonasAddress:
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
    def test_another_host_is_never_sent_a_face(self, address: str, load: Load) -> None:
        told = refusal(load, **(PRODUCTION | {"PERSONA_BASE_URL": address}))
        assert "PERSONA_BASE_URL must be an https address at withpersona.com" in told

    @pytest.mark.parametrize(
        "address",
        [
            "https://withpersona.com/api/v1",
            "https://API.withpersona.com/api/v1",
            "https://api.eu.withpersona.com:443/api/v1/",
        ],
    )
    def test_personas_own_hosts_are_taken(self, address: str, load: Load) -> None:
        settings = load(**(PRODUCTION | {"PERSONA_BASE_URL": address}))
        assert settings.PERSONA_IS_LOCAL is False
        assert f"{settings.PERSONA_BASE_URL}/" == address.rstrip("/") + "/"

    @pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost", "[::1]:8001"])
    def test_this_machine_is_local_persona_with_a_key_or_without(
        self, host: str, load: Load
    ) -> None:
        address = {"PERSONA_BASE_URL": f"http://{host}/api/v1"}
        assert load(SECRET_KEY=KEY, **address).PERSONA_IS_LOCAL
        assert load(**(PRODUCTION | address)).PERSONA_IS_LOCAL

    def test_without_a_key_it_is_local_persona_at_its_port(self, load: Load) -> None:
        settings = load(SECRET_KEY=KEY, LOCAL_PERSONA_PORT="9001")
        assert settings.PERSONA_BASE_URL == "http://127.0.0.1:9001/api/v1"
        assert settings.PERSONA_IS_LOCAL

    def test_persona_without_a_key_is_refused(self, load: Load) -> None:
        address = "https://api.withpersona.com/api/v1"
        told = refusal(load, SECRET_KEY=KEY, PERSONA_BASE_URL=address)
        assert told == "PERSONA_BASE_URL is set, but PERSONA_API_KEY is not."


class TestProduction:
    def test_cookies_go_over_tls_alone_and_to_this_host_alone(self, load: Load) -> None:
        settings = load(**PRODUCTION)
        assert settings.SESSION_COOKIE_SECURE
        assert settings.CSRF_COOKIE_SECURE
        assert settings.SESSION_COOKIE_NAME == "__Host-sessionid"
        assert settings.CSRF_COOKIE_NAME == "__Host-csrftoken"
        assert settings.SESSION_COOKIE_SAMESITE == "Lax"
        assert settings.SESSION_COOKIE_AGE <= 12 * 60 * 60

    def test_browsers_are_held_to_tls_for_two_years(self, load: Load) -> None:
        settings = load(**PRODUCTION)
        assert settings.SECURE_SSL_REDIRECT
        assert settings.SECURE_HSTS_SECONDS == 2 * 365 * 24 * 60 * 60
        assert settings.SECURE_HSTS_INCLUDE_SUBDOMAINS
        assert settings.SECURE_HSTS_PRELOAD

    def test_a_demo_runs_on_plain_http(self, load: Load) -> None:
        settings = load(DEBUG="True")
        for name in ("SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "SECURE_HSTS_SECONDS"):
            assert not hasattr(settings, name)

    def test_a_proxy_is_believed_only_where_one_is_named(self, load: Load) -> None:
        assert not hasattr(load(**PRODUCTION), "SECURE_PROXY_SSL_HEADER")
        behind = load(**PRODUCTION, TRUSTED_PROXY_COUNT="1")
        assert behind.SECURE_PROXY_SSL_HEADER == ("HTTP_X_FORWARDED_PROTO", "https")
        assert behind.ALLAUTH_TRUSTED_PROXY_COUNT == 1

    @pytest.mark.django_db
    def test_only_the_health_of_the_service_is_told_without_tls(
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

    def test_sqlite_keeps_what_it_committed(self, load: Load, tmp_path: Path) -> None:
        database = load(**PRODUCTION).DATABASES["default"]
        assert database["NAME"] == str(tmp_path / "var" / "consentry.sqlite3")
        assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
        assert "synchronous=FULL" in database["OPTIONS"]["init_command"]
        assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]

    def test_postgresql_gets_none_of_sqlites_options(self, load: Load, tmp_path: Path) -> None:
        url = "postgres://user:pw@db.example:5433/consentry"
        database = load(**PRODUCTION, DATABASE_URL=url).DATABASES["default"]
        assert (database["ENGINE"], database["HOST"], database["PORT"]) == (
            "django.db.backends.postgresql",
            "db.example",
            5433,
        )
        assert "init_command" not in database.get("OPTIONS", {})

    def test_stored_files_are_for_this_account_alone(self, load: Load) -> None:
        settings = load(**PRODUCTION)
        assert settings.FILE_UPLOAD_PERMISSIONS == 0o600
        assert settings.FILE_UPLOAD_DIRECTORY_PERMISSIONS == 0o700


def deploy_check(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`manage.py check --deploy` as an operator runs it, in an environment of its own."""
    own = {"PATH": os.environ["PATH"], "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}"}
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    return subprocess.run(
        command,
        cwd=project.BASE_DIR,
        env=own | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_deployment_check_is_content_with_production(tmp_path: Path) -> None:
    key = "".join(chr(33 + number) for number in range(64))
    done = deploy_check(tmp_path, **(PRODUCTION | {"SECRET_KEY": key}))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_deployment_check_misses_personas_key_and_says_what_to_do(tmp_path: Path) -> None:
    done = deploy_check(tmp_path, SECRET_KEY="".join(chr(33 + number) for number in range(64)))
    assert done.returncode == 1
    assert "consentry.W001" in done.stderr
    assert "PERSONA_API_KEY_FILE" in done.stderr


def test_a_refusal_stops_every_command(tmp_path: Path) -> None:
    done = deploy_check(tmp_path, DEBUG="perhaps")
    assert done.returncode == 1
    assert "DEBUG must be True or False, not 'perhaps'." in done.stderr


@pytest.mark.parametrize(
    ("endpoint", "complaints"),
    [("http://s3.example.org", 1), ("https://s3.example.org", 0), ("http://127.0.0.1:9000", 0)],
)
def test_the_deployment_check_misses_tls_on_the_way_to_the_images(
    tmp_path: Path, endpoint: str, complaints: int
) -> None:
    key = "".join(chr(33 + number) for number in range(64))
    bucket = {"MEDIA_STORAGE": "s3://faces", "AWS_ENDPOINT_URL_S3": endpoint}
    done = deploy_check(tmp_path, **(PRODUCTION | {"SECRET_KEY": key} | bucket))
    assert done.stderr.count("consentry.W002") == complaints


def test_gunicorn_listens_on_this_machine_and_logs_no_one_s_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PORT", "8123")
    chosen = runpy.run_path(str(Path(project.BASE_DIR, "config", "gunicorn.py")))
    assert chosen["bind"] == "127.0.0.1:8123"
    assert chosen["logconfig_dict"]["loggers"]["gunicorn.access"]["level"] == "WARNING"
