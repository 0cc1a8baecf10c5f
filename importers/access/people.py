"""Accounts, and every change that an administrator or an operator makes to one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Value, When

from importers.access import links, roles, second_factor, sessions
from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import RESERVED_NAMES, Actor
from importers.models import Person, Right, Role, people
from importers.models.people import AccountState


class Refused(Exception):
    """Nothing was changed; the text, which is for the person who asked, says why.

    Refused
    ├── OwnAccount
    ├── LastAdministrator
    ├── NotCurrent
    └── UsernameTaken
    """


class OwnAccount(Refused):
    """Somebody would give themselves rights, or extend their own."""


class LastAdministrator(Refused):
    """Nobody would be left to manage people in the long run."""


class NotCurrent(Refused):
    """The account cannot be used."""


class UsernameTaken(Refused):
    """An account or an actor of ours has this name."""


@dataclass(frozen=True)
class Access:
    """What an account may do, and until when."""

    roles: frozenset[Role]
    rights: frozenset[Right] = frozenset()  # beside the roles
    ends_on: date | None = None

    @property
    def on_record(self) -> dict[str, list[str]]:
        return {"roles": sorted(self.roles), "rights": sorted(self.rights)}


def accounts() -> QuerySet[Person]:
    """Return every account with its state and what it signs in with; its roles are fetched too."""
    everyone: Any = Person.objects.prefetch_related("groups", "user_permissions")
    known = everyone.annotate(
        has_second_factor=Exists(second_factor.held_by(OuterRef("pk"))),
        has_single_sign_on=Exists(SocialAccount.objects.filter(user=OuterRef("pk"))),
    )
    no_password = Q(password__startswith=UNUSABLE_PASSWORD_PREFIX)
    state = Case(
        When(is_active=False, then=Value(AccountState.DEACTIVATED)),
        When(ends_on__lt=date.today(), then=Value(AccountState.ENDED)),
        When(no_password, has_single_sign_on=False, then=Value(AccountState.INVITED)),
        default=Value(AccountState.ACTIVE),
    )
    rows: QuerySet[Person] = known.annotate(state=state)
    return rows


def found(*, role: str = "", state: str = "") -> QuerySet[Person]:
    """Return the accounts with this role and in this state, each if it is given."""
    rows: Any = accounts()
    if role:
        rows = rows.filter(groups__name=role)
    if state:
        rows = rows.filter(state=state)
    chosen: QuerySet[Person] = rows
    return chosen


def access_of(person: Person) -> Access:
    return Access(frozenset(person.roles), frozenset(person.additional_rights), person.ends_on)


def invite(username: str, access: Access, actor: Actor, **details: str) -> Person:
    """Make an account without a password. `details` are names and email. Raises UsernameTaken."""
    username = Person.normalize_username(username)  # as it will be stored
    with _accounts_locked():
        taken = Person.objects.filter(username__iexact=username).exists()
        if taken or username.lower() in RESERVED_NAMES:
            raise UsernameTaken("This username is taken.")
        person = Person.objects.create_user(username, ends_on=access.ends_on, **details)
        _give(person, access)
        trail.append(actor, Action.PERSON_INVITED, person, **access.on_record)
    return person


def make_link(person: Person, actor: Actor) -> str:
    """Return the path of a new one-time link. Raises OwnAccount and NotCurrent."""
    _refuse_own(person, actor, "You change your own password with Change password.")
    if not person.is_current:
        raise NotCurrent("This account cannot be used, so it gets no link.")
    with transaction.atomic():
        path = links.one_time_link(person)
        trail.append(actor, Action.PERSON_LINK_MADE, person)
    return path


def change_details(person: Person, actor: Actor, **details: str) -> None:
    """Change names and email."""
    with _accounts_locked():
        row = Person.objects.get(pk=person.pk)
        changed = sorted(name for name, value in details.items() if getattr(row, name) != value)
        if changed:
            Person.objects.filter(pk=row.pk).update(**details)
            trail.append(actor, Action.PERSON_CHANGED, row, fields=changed)


def change_access(person: Person, access: Access, actor: Actor) -> None:
    """Give exactly this access. Raises OwnAccount and LastAdministrator."""
    _refuse_own(person, actor, "Another administrator changes your roles, rights and last day.")
    with _accounts_locked():
        row = Person.objects.get(pk=person.pk)
        before = access_of(row)
        Person.objects.filter(pk=row.pk).update(ends_on=access.ends_on)
        _give(row, access)
        if before.on_record != access.on_record:
            change = {"before": before.on_record, "after": access.on_record}
            trail.append(actor, Action.PERSON_ROLES_CHANGED, row, **change)
        if before.ends_on != access.ends_on:
            trail.append(actor, Action.PERSON_CHANGED, row, fields=["ends_on"])


def deactivate(person: Person, actor: Actor) -> None:
    """Close the account and end its sessions at once. Raises OwnAccount and LastAdministrator."""
    _refuse_own(person, actor, "Another administrator deactivates your account.")
    with _accounts_locked():
        if Person.objects.filter(pk=person.pk, is_active=True).update(is_active=False):
            trail.append(actor, Action.PERSON_DEACTIVATED, person)
            sessions.end_all(person, actor)


def reactivate(person: Person, actor: Actor) -> None:
    """Raises OwnAccount."""
    _refuse_own(person, actor, "Another administrator reactivates your account.")
    with _accounts_locked():
        if Person.objects.filter(pk=person.pk, is_active=False).update(is_active=True):
            trail.append(actor, Action.PERSON_REACTIVATED, person)


def reset_second_factor(person: Person, actor: Actor) -> None:
    """Remove what a person has lost, and end their sessions. Raises OwnAccount."""
    _refuse_own(person, actor, "Another administrator resets your second factor.")
    with transaction.atomic():
        second_factor.reset(person, actor)


@contextmanager
def _accounts_locked() -> Iterator[None]:
    """A transaction in which nobody else changes accounts. Raises LastAdministrator at its end.

    An administrator with a last day does not count: one day, nobody would be left.
    """
    with transaction.atomic():
        list(Group.objects.select_for_update().filter(name=Role.ADMINISTRATOR))
        lasting = people.who_may(Right.MANAGE_PEOPLE).filter(ends_on=None)
        had_one = lasting.exists()
        yield
        if had_one and not lasting.exists():
            raise LastAdministrator(
                "This is the last administrator without a last day. Invite another one first."
            )


def _refuse_own(person: Person, actor: Actor, sentence: str) -> None:
    if actor.user == person:
        raise OwnAccount(sentence)


def _give(person: Person, access: Access) -> None:
    roles.assign(person, access.roles)
    ours = Permission.objects.filter(content_type__app_label="importers")
    person.user_permissions.set(ours.filter(codename__in=access.rights))
