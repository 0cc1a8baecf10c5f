"""Accounts: invitations, and what an administrator may change of whom."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from importers.access import people
from importers.access.people import Access, LastAdministrator, OwnAccount, UsernameTaken
from importers.audit.actors import OPERATOR, Actor
from importers.models import AuditEvent, Person, Right, Role
from importers.models.people import current, who_may
from tests.support.people import make_person
from tests.support.threads import at_once
from tests.support.trail import actions

pytestmark = pytest.mark.django_db
NAMES = {"first_name": "Noor", "last_name": "Aziz"}
OFFICER = Access(frozenset({Role.OFFICER}))
ADMINISTRATOR = Access(frozenset({Role.ADMINISTRATOR}))
YESTERDAY, TOMORROW = (date.today() + timedelta(days=days) for days in (-1, 1))
WITH_LAST_DAY = Access(frozenset({Role.ADMINISTRATOR}), ends_on=TOMORROW)


def by(person: Person) -> Actor:
    return Actor.of_user(person, address="192.0.2.7", sign_in_method="password")


@pytest.fixture
def ada(db: None) -> Person:
    return make_person("ada", Role.ADMINISTRATOR, first_name="Ada", last_name="Lindqvist")


@pytest.fixture
def bea(db: None) -> Person:
    """A second administrator."""
    return make_person("bea", Role.ADMINISTRATOR)


def access_of(person: Person) -> Access:
    return people.access_of(Person.objects.get(pk=person.pk))


def last_row() -> AuditEvent:
    return AuditEvent.objects.latest("pk")


class TestInvitation:
    def test_invited_person_has_the_access_and_no_password(self, ada: Person) -> None:
        access = Access(frozenset({Role.OFFICER}), frozenset({Right.SEE_TRAIL}), TOMORROW)
        made = people.invite("noor", access, by(ada), **NAMES)
        assert access_of(made) == access
        assert made.get_full_name() == "Noor Aziz"
        assert not made.has_usable_password()
        row = last_row()
        assert (row.action, row.actor, row.object_id) == ("person.invited", ada, str(made.pk))
        assert row.details == {"roles": ["officer"], "rights": ["see_trail"]}

    @pytest.mark.parametrize("name", ["ada", "ADA", "worker", "Operator", "nobody"])
    def test_name_of_another_actor_is_refused(self, name: str, ada: Person) -> None:
        with pytest.raises(UsernameTaken):
            people.invite(name, OFFICER, by(ada), **NAMES)
        assert Person.objects.get() == ada

    @pytest.mark.on_both_databases
    @pytest.mark.django_db(transaction=True)
    def test_name_is_given_once_to_two_who_ask_at_once(self, ada: Person) -> None:
        def invite(name: str) -> bool:
            try:
                people.invite("noor" if name == "worker 0" else "NOOR", OFFICER, by(ada), **NAMES)
            except UsernameTaken:
                return False
            return True

        assert sorted(at_once(2, invite)) == [False, True]

    def test_closed_account_gets_no_link(self, ada: Person, officer: Person) -> None:
        for closed in ({"is_active": False}, {"is_active": True, "ends_on": YESTERDAY}):
            Person.objects.filter(pk=officer.pk).update(**closed)
            officer.refresh_from_db()
            with pytest.raises(people.NotCurrent):
                people.make_link(officer, by(ada))
        assert actions() == []


@pytest.mark.on_both_databases
class TestStates:
    def test_each_account_is_in_one_state(self, ada: Person) -> None:
        make_person("gone", Role.OFFICER, is_active=False)
        make_person("past", Role.OFFICER, ends_on=YESTERDAY)
        make_person("last day", Role.OFFICER, ends_on=date.today())
        people.invite("noor", OFFICER, OPERATOR, **NAMES)
        found = {person.username: person.state for person in people.accounts()}
        assert found == {
            "ada": "active",
            "gone": "deactivated",
            "past": "ended",
            "last day": "active",
            "noor": "invited",
        }
        assert [person.username for person in people.found(state="ended")] == ["past"]
        officers = people.found(role="officer", state="active")
        assert [person.username for person in officers] == ["last day"]


class TestChanges:
    def test_roles_are_recorded_before_and_after(self, ada: Person, officer: Person) -> None:
        after = Access(frozenset({Role.AUDITOR}), frozenset({Right.PAUSE_SENDING}))
        people.change_access(officer, after, by(ada))
        assert access_of(officer) == after
        row = AuditEvent.objects.get()
        assert (row.action, row.object_id) == ("person.roles_changed", str(officer.pk))
        assert row.details == {
            "before": {"roles": ["officer"], "rights": []},
            "after": {"roles": ["auditor"], "rights": ["pause_sending"]},
        }

    def test_last_day_is_recorded_as_a_change(self, ada: Person, officer: Person) -> None:
        until = Access(OFFICER.roles, ends_on=TOMORROW)
        for _ in range(2):
            people.change_access(officer, until, by(ada))
        assert access_of(officer) == until
        row = AuditEvent.objects.get()
        assert (row.action, row.details) == ("person.changed", {"fields": ["ends_on"]})

    def test_changed_details_are_named_and_not_quoted(self, ada: Person, officer: Person) -> None:
        given = {"first_name": "Maya", "last_name": "Okafor-Lind", "email": "maya@example.org"}
        for _ in range(2):
            people.change_details(officer, by(ada), **given)
        officer.refresh_from_db()
        assert officer.get_full_name() == "Maya Okafor-Lind"
        row = AuditEvent.objects.get()
        assert (row.action, row.details) == ("person.changed", {"fields": ["email", "last_name"]})

    def test_deactivation_is_recorded_once_and_undone(self, ada: Person, officer: Person) -> None:
        for _ in range(2):
            people.deactivate(officer, by(ada))
        assert not current().filter(pk=officer.pk).exists()
        people.reactivate(officer, by(ada))
        assert current().filter(pk=officer.pk).exists()
        assert actions() == ["person.deactivated", "person.reactivated"]


class TestOwnAccount:
    @pytest.mark.parametrize(
        "change",
        [
            lambda ada: people.change_access(ada, OFFICER, by(ada)),
            lambda ada: people.deactivate(ada, by(ada)),
            lambda ada: people.reactivate(ada, by(ada)),
            lambda ada: people.make_link(ada, by(ada)),
        ],
        ids=["access", "deactivation", "reactivation", "link"],
    )
    def test_nobody_changes_their_own_access(
        self, change: Callable[[Person], Any], ada: Person, bea: Person
    ) -> None:
        with pytest.raises(OwnAccount):
            change(ada)
        assert access_of(ada) == ADMINISTRATOR
        assert actions() == []


class TestLastAdministrator:
    @pytest.mark.parametrize(
        "change",
        [
            lambda ada: people.change_access(ada, OFFICER, OPERATOR),
            lambda ada: people.change_access(ada, WITH_LAST_DAY, OPERATOR),
            lambda ada: people.deactivate(ada, OPERATOR),
        ],
        ids=["roles", "last day", "deactivation"],
    )
    def test_last_administrator_stays(self, change: Callable[[Person], Any], ada: Person) -> None:
        make_person("leaving", Role.ADMINISTRATOR, ends_on=TOMORROW)
        make_person("gone", Role.ADMINISTRATOR, is_active=False)
        with pytest.raises(LastAdministrator):
            change(ada)
        ada.refresh_from_db()
        assert (access_of(ada), ada.is_active) == (ADMINISTRATOR, True)
        assert actions() == []

    def test_one_of_two_administrators_may_leave(self, ada: Person, bea: Person) -> None:
        people.deactivate(bea, by(ada))
        assert list(who_may(Right.MANAGE_PEOPLE)) == [ada]

    @pytest.mark.on_both_databases
    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize(
        "change",
        [
            lambda other, actor: people.deactivate(other, actor),
            lambda other, actor: people.change_access(other, OFFICER, actor),
        ],
        ids=["deactivation", "roles"],
    )
    def test_two_who_remove_each_other_at_once_leave_one(
        self, change: Callable[[Person, Actor], None], ada: Person, bea: Person
    ) -> None:
        def remove(name: str) -> bool:
            actor, other = (ada, bea) if name == "worker 0" else (bea, ada)
            try:
                change(other, by(actor))
            except LastAdministrator:
                return False
            return True

        assert sorted(at_once(2, remove)) == [False, True]
        assert who_may(Right.MANAGE_PEOPLE).count() == 1
