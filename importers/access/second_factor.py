"""The second factor: who must use one, what a person has, and the record of each change."""

from collections.abc import Callable
from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_used
from django.conf import settings
from django.db.models import OuterRef, QuerySet
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest

from importers.access import actors, methods, sessions
from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import OPERATOR, Actor
from importers.models import Person, people
from importers.models.people import Method

View = Callable[..., Any]
SETS_UP = "sets_up_second_factor"


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # the library has no types
    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": "This is not the right code. Use the newest one.",
        "cannot_generate_recovery_codes": "Set up an authenticator app or a passkey first.",
    }

    def get_totp_issuer(self) -> str:
        """Name the host too: people may use several installations."""
        return f"Consentry ({context.request.get_host()})"

    def get_totp_label(self, user: Person) -> str:
        return user.get_username()

    def build_totp_svg(self, url: str) -> str:
        """Return it without the XML declaration, for the page itself."""
        return str(super().build_totp_svg(url)).partition("?>")[2]

    def generate_authenticator_name(self, user: Person, type: str) -> str:
        return f"Passkey {passkeys_of(user).count() + 1}"

    def get_public_key_credential_user_entity(self, user: Person) -> dict[str, Any]:
        entity: dict[str, Any] = super().get_public_key_credential_user_entity(user)
        names = {"name": user.get_username(), "display_name": people.display_name(user)}
        return entity | names


def sets_up(view: View) -> View:
    """Open a view to people who must use a second factor but have not done so yet."""
    setattr(view, SETS_UP, True)
    return view


def is_missing(request: HttpRequest) -> bool:
    """Return True if a role of the person requires one that this session has not seen."""
    if not isinstance(request.user, Person) or not is_required(request.user):
        return False
    return not methods.has_second_factor(request)


def is_required(person: Person) -> bool:
    return bool(settings.MFA_REQUIRED) and not settings.MFA_REQUIRED.isdisjoint(person.roles)


def is_unused(request: HttpRequest) -> bool:
    """Return True if the person has one that this session has not seen: it began before."""
    person = actors.of(request).person
    return not methods.has_second_factor(request) and held_by(person).exists()


def is_open_without(view: View) -> bool:
    return getattr(view, SETS_UP, False) or not getattr(view, "login_required", True)


def held_by(person: Person | OuterRef) -> QuerySet[Authenticator]:
    """Return the authenticator app and the passkeys of the person, without recovery codes."""
    own: QuerySet[Authenticator] = Authenticator.objects.filter(user=person)
    return own.exclude(type=Method.RECOVERY_CODE).order_by("pk")


def passkeys_of(person: Person) -> QuerySet[Authenticator]:
    return held_by(person).filter(type=Method.PASSKEY)


def recovery_codes_left(person: Person) -> int:
    codes = Authenticator.objects.filter(user=person, type=Method.RECOVERY_CODE).first()
    return len(codes.wrap().get_unused_codes()) if codes else 0


def may_remove(person: Person) -> bool:
    """Return False for the last second factor of a person who must have one."""
    return not is_required(person) or held_by(person).count() > 1


def reset(person: Person, actor: Actor) -> None:
    """Remove all that a person has lost, and end their sessions. Call it in a transaction."""
    Authenticator.objects.filter(user=person).delete()
    sessions.end_all(person, actor)


@receiver(authenticator_added)
def count_as_used(
    request: HttpRequest, user: Person, authenticator: Authenticator, **_: Any
) -> None:
    """Setting one up has just proved it. Recovery codes prove nothing until one is used."""
    if authenticator.type != Method.RECOVERY_CODE:
        record_authentication(request, user, "mfa", id=authenticator.pk, type=authenticator.type)


@receiver(authenticator_removed)
def end_other_sessions(request: HttpRequest, user: Person, **_: Any) -> None:
    sessions.begin_round(user)
    sessions.keep(request, user)


@receiver(post_save, sender=Authenticator)
def record_added(instance: Authenticator, created: bool, **_: Any) -> None:
    if not created:
        return
    if instance.type == Method.RECOVERY_CODE:
        trail.append(_actor(), Action.PERSON_RECOVERY_CODES_MADE, instance.user)
    else:
        trail.append(_actor(), Action.PERSON_FACTOR_ADDED, instance.user, type=instance.type)


@receiver(post_delete, sender=Authenticator)
def record_removed(instance: Authenticator, **_: Any) -> None:
    if instance.type != Method.RECOVERY_CODE:  # these go with the last of the others
        trail.append(_actor(), Action.PERSON_FACTOR_REMOVED, instance.user, type=instance.type)


@receiver(authenticator_used)
def record_recovery_code(user: Person, authenticator: Authenticator, **_: Any) -> None:
    if authenticator.type == Method.RECOVERY_CODE:
        left = recovery_codes_left(user)
        trail.append(_actor(user), Action.PERSON_RECOVERY_CODE_USED, user, left=left)


def _actor(signing_in: Person | None = None) -> Actor:
    """Return who acts: maybe a person whose sign-in is not complete, maybe an operator."""
    request = context.request
    if request is None:
        return OPERATOR
    if signing_in is None:
        return actors.of(request)
    return actors.signing_in(request, signing_in)
