"""`manage.py check --deploy` as an operator runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as project
from pytest_django import Settings

from importers import checks
from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import nobody
from importers.models import Person, Role
from tests.support.people import make_person
from tests.support.settings import PRODUCTION, Load

STRONG_KEY = "".join(chr(33 + number) for number in range(64))
SOUND = PRODUCTION | {"SECRET_KEY": STRONG_KEY, "TRUSTED_PROXY_COUNT": "1", "MFA_REQUIRED": "all"}


def deploy_check(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the check in only the given environment, beside a database of its own."""
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


def test_the_deployment_check_accepts_production(tmp_path: Path) -> None:
    done = deploy_check(tmp_path, **SOUND)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_deployment_check_asks_for_the_persona_key(tmp_path: Path) -> None:
    done = deploy_check(tmp_path, SECRET_KEY=STRONG_KEY)
    assert done.returncode == 1
    assert "consentry.W001" in done.stderr
    assert "PERSONA_API_KEY_FILE" in done.stderr


def test_a_password_alone_is_reported(settings: Settings) -> None:
    settings.MFA_REQUIRED, settings.PASSWORD_SIGN_IN = frozenset(), True
    assert [found.id for found in checks.second_factors_are_required()] == ["consentry.W010"]
    settings.MFA_REQUIRED = frozenset({"officer"})
    assert checks.second_factors_are_required() == []
    settings.MFA_REQUIRED, settings.PASSWORD_SIGN_IN = frozenset(), False
    assert checks.second_factors_are_required() == []


def test_a_refused_setting_stops_every_command(tmp_path: Path) -> None:
    done = deploy_check(tmp_path, DEBUG="perhaps")
    assert done.returncode == 1
    assert "DEBUG must be True or False, not 'perhaps'." in done.stderr


@pytest.mark.parametrize(
    ("endpoint", "complaints"),
    [("http://s3.example.org", 1), ("https://s3.example.org", 0), ("http://127.0.0.1:9000", 0)],
)
def test_the_deployment_check_requires_tls_to_the_bucket(
    tmp_path: Path, endpoint: str, complaints: int
) -> None:
    bucket = {"MEDIA_STORAGE": "s3://faces", "AWS_ENDPOINT_URL_S3": endpoint}
    done = deploy_check(tmp_path, **(SOUND | bucket))
    assert done.stderr.count("consentry.W002") == complaints


@pytest.mark.parametrize(
    ("address", "complaints"),
    [
        ("db.example.org/consentry", 1),
        ("db.example.org/consentry?sslmode=prefer", 1),
        ("db.example.org/consentry?sslmode=require", 0),
        ("db.example.org/consentry?sslmode=verify-ca", 0),
        ("db.example.org/consentry?sslmode=verify-full", 0),
        ("localhost/consentry", 0),
        ("[::1]/consentry", 0),
        ("%2Frun%2Fpostgresql/consentry", 0),
        ("/consentry", 0),
    ],
)
def test_the_deployment_check_requires_tls_to_a_remote_database(
    address: str, complaints: int, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(**(SOUND | {"DATABASE_URL": f"postgres://{address}"}))
    monkeypatch.setattr(checks, "settings", loaded)
    warnings = checks.database_is_reached_encrypted()
    assert [warning.id for warning in warnings] == ["consentry.W004"] * complaints


def test_the_deployment_check_asks_for_the_number_of_proxies(tmp_path: Path) -> None:
    done = deploy_check(tmp_path, **(SOUND | {"TRUSTED_PROXY_COUNT": "0"}))
    assert done.returncode == 1
    assert done.stderr.count("consentry.") == done.stderr.count("consentry.W005") == 1
    assert "exact number of proxies" in done.stderr


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("addresses", "complaints"),
    [
        (["127.0.0.1"] * 5, 1),
        (["192.0.2.7", *["127.0.0.1"] * 3, "::1", "127.0.0.1"], 1),
        (["127.0.0.1"] * 4, 0),
        ([*["127.0.0.1"] * 4, "192.0.2.7"], 0),
    ],
)
def test_the_deployment_check_notices_a_proxy_that_hides_every_address(
    addresses: list[str], complaints: int, settings: Settings
) -> None:
    settings.DEBUG, settings.ALLAUTH_TRUSTED_PROXY_COUNT = False, 1
    for address in addresses:
        trail.append(nobody(address), Action.PERSON_SIGNED_IN)
        trail.append(nobody("127.0.0.1"), Action.PERSON_REFUSED)
    found = checks.proxies_are_counted()
    assert [warning.id for warning in found] == ["consentry.W005"] * complaints


@pytest.mark.parametrize("kind", ["production", "sandbox"])
@pytest.mark.parametrize("scheme", ["http", "HTTP"])
def test_the_deployment_check_refuses_a_real_key_over_plain_http(
    scheme: str, kind: str, tmp_path: Path
) -> None:
    local = {
        "PERSONA_API_KEY": f"persona_{kind}_abc",
        "PERSONA_BASE_URL": f"{scheme}://127.0.0.1:8001/api/v1",
    }
    done = deploy_check(tmp_path, **(SOUND | local))
    assert done.returncode == 1
    assert done.stderr.count("consentry.") == done.stderr.count("consentry.W006") == 1
    assert "persona_" not in done.stderr


@pytest.fixture
def demo_accounts(db: None) -> None:
    """Two accounts as the demo makes them; one is deactivated."""
    Person.objects.create_user("officer", first_name="Maya", last_name="Okafor")
    Person.objects.create_user("auditor", first_name="Ines", last_name="Haddad", is_active=False)


def test_the_deployment_check_names_demo_accounts(demo_accounts: None, settings: Settings) -> None:
    settings.DEBUG = False
    (warning,) = checks.demo_accounts_are_absent()
    assert warning.id == "consentry.W003"
    assert warning.msg.endswith("are active: officer.")


def test_demo_accounts_are_expected_in_a_trial(demo_accounts: None, settings: Settings) -> None:
    settings.DEBUG = True
    assert checks.demo_accounts_are_absent() == []


@pytest.mark.django_db
def test_the_deployment_check_accepts_other_accounts_with_the_same_names(
    settings: Settings,
) -> None:
    settings.DEBUG = False
    for username in ("admin", "officer"):
        Person.objects.create_user(username, first_name="Jane", last_name="Doe")
    assert checks.demo_accounts_are_absent() == []


@pytest.mark.django_db
def test_the_deployment_check_asks_for_an_administrator() -> None:
    gone = make_person("ada", Role.ADMINISTRATOR, is_active=False)
    make_person("officer", Role.OFFICER)
    (warning,) = checks.somebody_manages_people()
    assert (warning.id, "manage.py invite" in str(warning.hint)) == ("consentry.W008", True)
    Person.objects.filter(pk=gone.pk).update(is_active=True)
    assert checks.somebody_manages_people() == []


@pytest.mark.django_db
def test_the_deployment_check_names_superusers() -> None:
    make_person("officer", Role.OFFICER)
    assert checks.superusers_are_absent() == []
    Person.objects.create_superuser("root")
    (warning,) = checks.superusers_are_absent()
    assert (warning.id, warning.msg) == ("consentry.W009", "Superusers have no rights here: root.")
