"""`manage.py invite`: how the first administrator is made."""

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from importers.models import AuditEvent, Person, Right
from importers.models.people import who_may
from tests.support.people import make_person
from tests.support.trail import actions

pytestmark = pytest.mark.django_db
NAMES = ("--first", "Ada", "--last", "Lindqvist")
FIRST = (*NAMES, "--role", "administrator")


def invite(*words: str) -> str:
    out = StringIO()
    call_command("invite", *words, stdout=out)
    return out.getvalue()


def refusal(*words: str) -> str:
    with pytest.raises(CommandError) as caught:
        invite(*words)
    return str(caught.value)


def test_first_administrator_is_made_with_a_link(client: Client) -> None:
    (path,) = re.findall(r"Path +(/\S+)", invite("ada", *FIRST))
    ada = who_may(Right.MANAGE_PEOPLE).get()
    assert (ada.username, ada.get_full_name()) == ("ada", "Ada Lindqvist")
    assert "Set your password" in client.get(path, follow=True).content.decode()
    assert actions() == ["person.invited", "person.link_made"]
    for row in AuditEvent.objects.all():
        assert (row.actor, row.actor_name, row.address) == (None, "operator", "command line")
        assert row.object_id == str(ada.pk)


def test_address_is_printed_for_a_public_host(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["localhost", ".example.org", "faces.example.org"]
    assert re.search(r"https://faces\.example\.org/account/link/\S+/", invite("ada", *FIRST))
    settings.ALLOWED_HOSTS = ["127.0.0.1", "*"]
    assert "Address" not in invite("ada", "--link")


def test_several_roles_are_given() -> None:
    invite("ada", *NAMES, "--role", "officer", "--role", "auditor")
    assert Person.objects.get().roles == ["officer", "auditor"]


def test_link_is_made_for_an_account_that_exists() -> None:
    make_person("ada", first_name="Ada")
    assert "Path" in invite("ADA", "--link")
    assert actions() == ["person.link_made"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("ada", *FIRST), "This username is taken. For a new link to an account, add --link."),
        (("bea", "--link"), "There is no account bea."),
        (("bea", *NAMES), "A new account needs --first, --last and at least one --role."),
        (("closed", "--link"), "This account cannot be used, so it gets no link."),
    ],
)
def test_refused_invitation_changes_nothing(words: tuple[str, ...], sentence: str) -> None:
    make_person("ada")
    make_person("closed", is_active=False)
    assert refusal(*words) == sentence
    assert Person.objects.count() == 2
    assert actions() == []
