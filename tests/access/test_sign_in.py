"""Signing in and out through the real pages; each is recorded in the audit trail."""

from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from importers.models import AuditEvent, Person
from tests.support.people import PASSWORD
from tests.support.trail import actions, breaks


def sign_in(client: Client, name: str, password: str) -> int:
    data = {"login": name, "password": password}
    return client.post(reverse("account_login"), data, REMOTE_ADDR="192.0.2.9").status_code


def test_sign_in_is_recorded(client: Client, officer: Person) -> None:
    assert sign_in(client, "officer", PASSWORD) == 302
    event = AuditEvent.objects.get()
    assert event.action == "person.signed_in"
    assert (event.actor, event.actor_name, event.address) == (officer, "officer", "192.0.2.9")
    assert (event.object_type, event.object_id) == ("person", str(officer.pk))


def test_sign_out_is_recorded(client: Client, officer: Person) -> None:
    sign_in(client, "officer", PASSWORD)
    assert client.post(reverse("account_logout"), REMOTE_ADDR="192.0.2.9").status_code == 302
    event = AuditEvent.objects.latest("pk")
    assert AuditEvent.objects.count() == 2
    assert event.action == "person.signed_out"
    assert (event.actor, event.actor_name, event.address) == (officer, "officer", "192.0.2.9")


def test_sign_out_without_a_session_is_not_recorded(client: Client, db: None) -> None:
    client.post(reverse("account_logout"))
    client.logout()
    assert not AuditEvent.objects.exists()


def test_refused_sign_in_is_recorded_with_its_account(client: Client, officer: Person) -> None:
    assert sign_in(client, "officer", "wrong password, alas") == 200
    event = AuditEvent.objects.get()
    assert event.action == "person.refused"
    assert (event.actor, event.actor_name, event.address) == (None, "nobody", "192.0.2.9")
    assert (event.object_type, event.object_id) == ("person", str(officer.pk))


def test_account_is_found_in_any_letter_case(client: Client, officer: Person) -> None:
    sign_in(client, "OFFICER", "wrong password, alas")
    assert AuditEvent.objects.get().object_id == str(officer.pk)


def test_unknown_account_name_is_not_stored(client: Client, officer: Person) -> None:
    """It may be a password that was typed into the wrong field."""
    assert sign_in(client, PASSWORD, "officer") == 200
    event = AuditEvent.objects.get()
    assert (event.action, event.object_type, event.object_id) == ("person.refused", "", "")
    assert PASSWORD not in str(AuditEvent.objects.values().get())


@pytest.mark.parametrize("change", [{"is_active": False}, {"ends_on": date(2026, 1, 1)}])
def test_refused_sign_in_to_an_account_that_ended_is_recorded(
    change: dict[str, Any], client: Client, officer: Person
) -> None:
    Person.objects.filter(pk=officer.pk).update(**change)
    sign_in(client, "officer", PASSWORD)
    assert "_auth_user_id" not in client.session
    event = AuditEvent.objects.get()
    assert (event.action, event.object_id) == ("person.refused", str(officer.pk))


def test_sign_ins_belong_to_the_audit_chain(client: Client, officer: Person) -> None:
    sign_in(client, "officer", "wrong password, alas")
    sign_in(client, "officer", PASSWORD)
    client.post(reverse("account_logout"))
    assert actions() == ["person.refused", "person.signed_in", "person.signed_out"]
    assert breaks() == []


def test_sign_up_is_closed(client: Client, db: None) -> None:
    data = {"username": "mallory", "password1": PASSWORD, "password2": PASSWORD}
    client.post(reverse("account_signup"), data)
    assert not Person.objects.exists()
    assert not AuditEvent.objects.exists()
