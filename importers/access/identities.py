"""The identities that people have at the provider: whom each admits, and as what.

An account is found by the issuer and the subject alone. A name or an address never links an
identity to an account: whoever may choose them at the provider would take the account over.
"""

from typing import Any, Never

from allauth.account.adapter import get_adapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import render

from importers.access import actors, claims
from importers.access.roles import assign
from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import RESERVED_NAMES, SINGLE_SIGN_ON, Actor
from importers.models import Person, Role


def admit(request: HttpRequest, login: SocialLogin) -> None:
    """Give the account the roles that the claims name. Refuse one that has none, or has ended."""
    roles, person = claims.roles(login.claims), login.user
    if person.pk and not person.is_current:
        _record_refusal(request, login, "ended", person)
        raise ImmediateHttpResponse(get_adapter().respond_user_inactive(request, person))
    if person.pk:
        _give(person, roles, request)
    if not roles:
        refuse(request, login, "no_role")


def make_account(request: HttpRequest, login: SocialLogin) -> None:
    """Make the account of somebody who signs in for the first time."""
    person = login.user
    person.username = claims.username(login.claims)
    person.first_name, person.last_name = claims.full_name(login.claims)
    person.set_unusable_password()
    taken = Person.objects.filter(username__iexact=person.username).first()
    if taken or not person.username or person.username.lower() in RESERVED_NAMES:
        refuse(request, login, "name_taken", taken)
    try:
        with transaction.atomic():
            person.save()
            _link(login, person)
            trail.append(_actor(request), Action.PERSON_CREATED, person, by=SINGLE_SIGN_ON)
            _give(person, claims.roles(login.claims), request)
    except IntegrityError:  # another request made it a moment ago
        person.pk = None
        refuse(request, login, "name_taken")


def connect(request: HttpRequest, login: SocialLogin) -> None:
    """Let this identity open the account of the person who is signed in, and who has none yet."""
    person = login.state["person"]
    if not person or request.user.pk != person or login.user.pk or is_connected(request):
        refuse(request, login, "another_account")
    actor = actors.of(request)
    try:
        with transaction.atomic():
            _link(login, actor.person)
            trail.append(actor, Action.PERSON_CONNECTED, actor.person)
    except IntegrityError:  # another request connected it a moment ago
        refuse(request, login, "another_account")


def disconnect(request: HttpRequest) -> None:
    """Let the identity no longer open the account, unless nothing else opens it."""
    if not can_disconnect(request):
        return
    actor = actors.of(request)
    with transaction.atomic():
        if _of(actor.person).delete()[0]:
            trail.append(actor, Action.PERSON_DISCONNECTED, actor.person)


def can_disconnect(request: HttpRequest) -> bool:
    """Return True if the person can sign in without the identity."""
    return settings.PASSWORD_SIGN_IN and actors.of(request).person.has_usable_password()


def is_connected(request: HttpRequest) -> bool:
    return _of(actors.of(request).person).exists()


def refuse(
    request: HttpRequest, login: SocialLogin, reason: str, account: Person | None = None
) -> Never:
    """Record the refusal, with the account that it concerns, and show the page that explains it."""
    _record_refusal(request, login, reason, account)
    page = render(request, f"socialaccount/{reason}.html", status=403)
    raise ImmediateHttpResponse(page)


def _of(person: Person) -> QuerySet[Any]:
    issuer = settings.OIDC.issuer if settings.OIDC else ""
    rows: QuerySet[Any] = SocialAccount.objects.filter(user=person, provider=issuer)
    return rows


def _link(login: SocialLogin, person: Person) -> None:
    login.account.user = person
    login.account.save()


def _give(person: Person, roles: set[Role], request: HttpRequest) -> None:
    before, after = set(person.groups.values_list("name", flat=True)), set(map(str, roles))
    if before == after:
        return
    with transaction.atomic():
        assign(person, roles)
        change = {"before": sorted(before), "after": sorted(after)}
        trail.append(
            _actor(request), Action.PERSON_ROLES_CHANGED, person, by=SINGLE_SIGN_ON, **change
        )


def _record_refusal(
    request: HttpRequest, login: SocialLogin, reason: str, account: Person | None
) -> None:
    account = account or (login.user if login.user.pk else None)
    details = {"by": SINGLE_SIGN_ON, "reason": reason, "name": claims.username(login.claims)}
    trail.append(_actor(request), Action.PERSON_REFUSED, account, **details)


def _actor(request: HttpRequest) -> Actor:
    return Actor(SINGLE_SIGN_ON, address=actors.address(request))
