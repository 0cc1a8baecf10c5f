import os
import secrets
import socket
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.models import QuerySet

from importers.access import roles
from importers.gateway.environments import current
from importers.models import Environment, FaceList, Person
from importers.models.people import DEMO_PEOPLE, demo_accounts

AUDIT_DAYS = 90  # an auditor comes for a time


class Command(BaseCommand):
    help = (
        "Prepares the database of a trial, creates the demo accounts, and prints how to sign in. "
        "Refuses unless DEBUG is set, and refuses a database that is in real use."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "The demo accounts share one password. To allow them, set DEBUG=True."
            )
        refuse_real_use()
        port = _port("PORT", 8000)
        check_free(port, "PORT", "make run PORT=8080")
        if settings.PERSONA_IS_LOCAL and not settings.PERSONA_API_KEY:
            check_free(
                _port("LOCAL_PERSONA_PORT", 8001), "PERSONA_PORT", "make run PERSONA_PORT=9001"
            )
        call_command("migrate", verbosity=0)
        password = _password()
        for username, (role, first, last) in DEMO_PEOPLE.items():
            roles.assign(_account(username, first, last, password), [role])
        audit_ends_on = date.today() + timedelta(days=AUDIT_DAYS)
        Person.objects.filter(username="auditor").update(ends_on=audit_ends_on)
        others = ", ".join(name for name in DEMO_PEOPLE if name != "officer")
        self.stdout.write(
            f"\n  Consentry  http://127.0.0.1:{port}\n"
            f"  Sign in    officer (or {others})\n"
            f"  Password   {password}\n  Stop       Ctrl-C\n"
        )


def refuse_real_use() -> None:
    """Raise CommandError before anything changes if the key or the database is not a trial's."""
    environment = current()
    if environment not in (Environment.LOCAL, Environment.SANDBOX):
        raise CommandError(
            "PERSONA_API_KEY is not a sandbox key: for a demo, unset it or use a sandbox key."
        )
    tables = connection.introspection.table_names()
    if Person._meta.db_table in tables and Person.objects.exclude(pk__in=demo_accounts()).exists():
        found = "accounts other than the demo's"
    elif FaceList._meta.db_table in tables and _real_lists(environment).exists():
        found = "face lists from Persona"
    else:
        return
    raise CommandError(
        f"The database holds {found}, so the demo would take it over: for a demo, "
        "set DATABASE_URL to a new database."
    )


def _real_lists(environment: Environment) -> QuerySet[FaceList]:
    """Return the lists that no trial in this environment made."""
    return FaceList.objects.exclude(environment__in=[Environment.LOCAL, environment])


def check_free(port: int, variable: str, remedy: str) -> None:
    with socket.socket() as attempt:
        # As gunicorn does: a port that was closed a moment ago is free.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError as error:
            raise CommandError(
                f"Port {port} is in use by another program. Stop that, or choose another port "
                f"with {variable}, such as “{remedy}”."
            ) from error


def _port(variable: str, default: int) -> int:
    value = os.environ.get(variable) or str(default)
    if not value.isdecimal() or not 1 <= int(value) <= 65535:
        raise CommandError(f"{variable} must be a port from 1 to 65535, not {value!r}.")
    return int(value)


def _password() -> str:
    """Return the shared password, stored so that only this system account can read it."""
    kept = Path(settings.VAR_DIR, "demo-password")
    if not kept.exists():
        kept.touch(mode=0o600)
        kept.write_text("-".join(secrets.token_hex(2) for _ in range(4)))
    return kept.read_text()


def _account(username: str, first: str, last: str, password: str) -> Person:
    user, _ = Person.objects.get_or_create(
        username=username, defaults={"first_name": first, "last_name": last}
    )
    if not user.check_password(password):  # setting it again would end every session
        user.set_password(password)
        user.save()
    return user
