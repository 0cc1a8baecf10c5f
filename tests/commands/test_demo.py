"""`manage.py demo`: it creates people once and reports a port that is in use."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings as project
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from importers.management.commands import demo as demo_command
from importers.models import Environment, FaceList, Person
from tests.support.postgresql import free_port

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def demo(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DEBUG, an empty folder for var/, and ports that were free just now."""
    settings.DEBUG = True
    settings.VAR_DIR = tmp_path
    monkeypatch.setenv("PORT", str(free_port()))
    monkeypatch.setenv("LOCAL_PERSONA_PORT", str(free_port()))


@pytest.fixture
def busy_port() -> Iterator[int]:
    """The port of another program that listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def run() -> str:
    out = StringIO()
    call_command("demo", stdout=out)
    return out.getvalue()


def refusal() -> str:
    with pytest.raises(CommandError) as caught:
        run()
    return str(caught.value)


def test_demo_creates_a_person_for_each_role() -> None:
    run()
    names = {user.username: user.get_full_name() for user in Person.objects.all()}
    assert names == {
        "admin": "Ada Lindqvist",
        "officer": "Maya Okafor",
        "approver": "Tomás Rivera",
        "auditor": "Ines Haddad",
    }
    assert not Person.objects.filter(is_superuser=True).exists()
    auditor = Person.objects.exclude(ends_on=None).get()
    assert auditor.roles == ["auditor"]
    assert auditor.ends_on == date.today() + timedelta(days=90)


def test_printed_password_is_enough_to_sign_in(client: Client, tmp_path: Path) -> None:
    printed = run().split()
    password = printed[printed.index("Password") + 1]
    assert password == (tmp_path / "demo-password").read_text()
    assert len(password) >= 15
    for name in ("admin", "officer", "approver", "auditor"):
        response = client.post("/account/login/", {"login": name, "password": password})
        assert response.status_code == 302
        assert client.get("/lists/").context["user"].username == name
        client.post("/account/logout/")


def test_demo_prints_the_address_of_its_port(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("PORT", str(port))
    assert f"http://127.0.0.1:{port}\n" in run()


def test_password_file_is_readable_only_by_its_owner(tmp_path: Path) -> None:
    run()
    assert (tmp_path / "demo-password").stat().st_mode & 0o777 == 0o600


def test_second_run_changes_nothing_and_keeps_sessions(client: Client) -> None:
    first = run()
    password = first.split()[first.split().index("Password") + 1]
    client.post("/account/login/", {"login": "officer", "password": password})
    before = list(Person.objects.order_by("pk").values())
    assert run() == first
    assert list(Person.objects.order_by("pk").values()) == before
    assert client.get("/").status_code == 200


def test_changed_password_is_reset(client: Client, tmp_path: Path) -> None:
    run()
    officer = Person.objects.get(username="officer")
    officer.set_password("something else entirely")
    officer.save()
    run()
    officer.refresh_from_db()
    assert officer.check_password((tmp_path / "demo-password").read_text())


def test_demo_refuses_without_debug(settings: Settings, tmp_path: Path) -> None:
    settings.DEBUG = False
    assert "set DEBUG=True" in refusal()
    assert not Person.objects.exists()
    assert not (tmp_path / "demo-password").exists()


@pytest.mark.parametrize(
    ("variable", "remedy"),
    [("PORT", "make run PORT="), ("LOCAL_PERSONA_PORT", "make run PERSONA_PORT=")],
)
def test_port_in_use_is_reported_in_one_sentence(
    variable: str, remedy: str, busy_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(busy_port))
    message = refusal()
    assert message.startswith(f"Port {busy_port} is in use by another program")
    assert remedy in message
    assert "\n" not in message
    assert not Person.objects.exists()


def test_real_persona_does_not_need_the_local_port(
    busy_port: int, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.PERSONA_API_KEY, settings.PERSONA_IS_LOCAL = "persona_sandbox_abc", False
    monkeypatch.setenv("LOCAL_PERSONA_PORT", str(busy_port))
    assert "Sign in" in run()


def test_trial_with_a_sandbox_key_can_be_started_again(settings: Settings, officer: Person) -> None:
    settings.PERSONA_API_KEY, settings.PERSONA_IS_LOCAL = "persona_sandbox_abc", False
    FaceList.objects.create(environment=Environment.SANDBOX, persona_id="lst_1")
    FaceList.objects.create(environment=Environment.LOCAL, persona_id="lst_2")
    assert "Sign in" in run()


@pytest.mark.parametrize("key", ["persona_production_abc", "key_without_a_prefix"])
def test_demo_refuses_a_key_that_is_not_for_the_sandbox(
    key: str, settings: Settings, tmp_path: Path
) -> None:
    settings.PERSONA_API_KEY, settings.PERSONA_IS_LOCAL = key, False
    assert_refused("PERSONA_API_KEY is not a sandbox key", tmp_path)


@pytest.mark.parametrize("username", ["admin", "jane"])
def test_demo_refuses_a_database_with_other_accounts(username: str, tmp_path: Path) -> None:
    Person.objects.create_superuser(username, password="a password of production")
    assert_refused("accounts other than the demo's", tmp_path)


@pytest.mark.parametrize(
    "environment", [Environment.SANDBOX, Environment.PRODUCTION, Environment.UNNAMED]
)
def test_demo_refuses_a_database_with_lists_from_persona(
    environment: Environment, officer: Person, tmp_path: Path
) -> None:
    FaceList.objects.create(environment=environment, persona_id="lst_1")
    assert_refused("face lists from Persona", tmp_path)


def assert_refused(reason: str, tmp_path: Path) -> None:
    """The refusal is one sentence with that reason, before the database or var/ changes."""
    before = list(Person.objects.order_by("pk").values())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_command, "call_command", never)
        message = refusal()
    assert reason in message
    assert (message.count("."), message.count("\n")) == (1, 0)
    assert list(Person.objects.order_by("pk").values()) == before
    assert not (tmp_path / "demo-password").exists()


def never(*args: object, **options: object) -> None:
    pytest.fail("The demo migrated the database before it refused.")


def test_demo_prepares_an_empty_database(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    ports = {"PORT": str(free_port()), "LOCAL_PERSONA_PORT": str(free_port())}
    code = (
        "import sys, pathlib; from django.conf import settings; import django; django.setup(); "
        "settings.VAR_DIR = pathlib.Path(sys.argv[1]); "
        "from django.core.management import call_command; call_command('demo')"
    )
    own = {"DJANGO_SETTINGS_MODULE": "config.settings", "DEBUG": "True", "SECRET_KEY": "k" * 60}
    database = {"DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}"}
    for _ in range(2):  # the second run finds the trial's own database
        done = subprocess.run(
            [sys.executable, "-c", code, folder],
            cwd=project.BASE_DIR,
            env={"PATH": os.environ["PATH"]} | own | database | ports,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.stderr == ""
        assert "Sign in    officer" in done.stdout


@pytest.mark.parametrize("value", ["0", "65536", "http", "-1", "8000.5"])
def test_invalid_port_is_reported_by_its_variable(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", value)
    assert refusal() == f"PORT must be a port from 1 to 65535, not {value!r}."
