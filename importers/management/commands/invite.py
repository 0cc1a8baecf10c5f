from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from importers.access import people
from importers.access.people import Access
from importers.audit.actors import OPERATOR
from importers.models import Person, Role

THIS_MACHINE = {"localhost", "127.0.0.1", "[::1]"}


class Command(BaseCommand):
    help = (
        "Makes an account and prints a link with which its person chooses a password. It works "
        "once and expires after 24 hours. This is how the first administrator is made."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--first", metavar="NAME", default="")
        parser.add_argument("--last", metavar="NAME", default="")
        parser.add_argument(
            "--role", action="append", choices=Role.values, default=[], help="may be repeated"
        )
        parser.add_argument(
            "--link", action="store_true", help="only make a new link, for an account that exists"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            person = _existing(options["username"]) if options["link"] else _invited(options)
            path = people.make_link(person, OPERATOR)
        except people.Refused as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write(f"  Path     {path}")
        if host := _public_host():
            self.stdout.write(f"  Address  https://{host}{path}")


def _existing(username: str) -> Person:
    person = Person.objects.filter(username__iexact=username).first()
    if person is None:
        raise CommandError(f"There is no account {username}.")
    return person


def _invited(options: dict[str, Any]) -> Person:
    if not (options["first"] and options["last"] and options["role"]):
        raise CommandError("A new account needs --first, --last and at least one --role.")
    access = Access(frozenset(map(Role, options["role"])))
    names = {"first_name": options["first"], "last_name": options["last"]}
    try:
        return people.invite(options["username"], access, OPERATOR, **names)
    except people.UsernameTaken as taken:
        raise CommandError(f"{taken} For a new link to an account, add --link.") from taken


def _public_host() -> str | None:
    """Return the first whole host name in ALLOWED_HOSTS that is not this machine's."""
    names = (host for host in settings.ALLOWED_HOSTS if host not in THIS_MACHINE)
    return next((host for host in names if not host.startswith((".", "*"))), None)
