"""Sessions: how long one lasts, which ones a person has, and how they are ended.

A session ends SESSION_HOURS after the sign-in, however often it is used, and SESSION_IDLE_MINUTES
after it was last used. What a page asks for by itself, such as a poll, is not a use. Both moments
are kept in the session, in seconds since 1970; a session without them is over.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, update_session_auth_hash
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from importers.access import actors, devices
from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.models import Person

SIGNED_IN_AT, USED_AT = "signed_in_at", "used_at"
NOTED_EVERY_SECONDS = 60


@dataclass(frozen=True)
class OpenSession:
    """A session that has not ended: where somebody is signed in, and since when."""

    pk: int
    key: str
    device: str
    address: str
    since: datetime
    used: datetime


@receiver(user_logged_in)
def begin(request: HttpRequest, **_: Any) -> None:
    request.session[SIGNED_IN_AT] = request.session[USED_AT] = time.time()


def end_if_over(request: HttpRequest) -> None:
    """Sign the person out if their session is over, and record why."""
    session = request.session
    reason = _over(session) if SESSION_KEY in session else ""
    if not reason:
        return
    with transaction.atomic():
        # Of several requests that find it over, one records it.
        is_first = _delete([session.session_key or ""])
        if is_first and request.user.is_authenticated:
            actor = actors.of(request)
            trail.append(actor, Action.PERSON_SESSION_ENDED, actor.person, reason=reason)
    _sign_out(request)


def note_use(request: HttpRequest) -> None:
    """Note, at most once a minute, that the person uses their session.

    It is stored at once and alone: a long upload that stored its session at its end would undo
    what other requests have stored in it.
    """
    session, now = request.session, time.time()
    if SESSION_KEY not in session or now - session[USED_AT] < NOTED_EVERY_SECONDS:
        return
    session[USED_AT] = now
    try:
        session.save()
    except UpdateError:  # it was ended a moment ago
        _sign_out(request)
    else:
        session.modified = False


def of(person: Person) -> list[OpenSession]:
    """Return the sessions in which the person is signed in, the one used last first."""
    rows = UserSession.objects.filter(user=person)
    stored = Session.objects.filter(pk__in=rows.values("session_key")).in_bulk()
    contents = {key: session.get_decoded() for key, session in stored.items()}
    expected = person.get_session_auth_hash()  # another one after a change of the password
    found = [
        OpenSession(
            row.pk,
            row.session_key,
            devices.in_words(row.user_agent),
            row.ip,
            _moment(content[SIGNED_IN_AT]),
            _moment(content[USED_AT]),
        )
        for row in rows
        if (content := contents.get(row.session_key)) and not _over(content)
        if constant_time_compare(content.get(HASH_SESSION_KEY, ""), expected)
    ]
    return sorted(found, key=lambda session: session.used, reverse=True)


def end_all(person: Person, actor: Actor) -> int:
    """Sign the person out everywhere, and return how many sessions that ended."""
    with transaction.atomic():
        count = _end(of(person), person, actor)
        begin_round(person)  # also those whose key no row holds
    return count


def begin_round(person: Person) -> None:
    """Make what every session of the person holds wrong, so that none of them is valid."""
    Person.objects.filter(pk=person.pk).update(session_round=F("session_round") + 1)
    person.refresh_from_db(fields=["session_round"])


def keep(request: HttpRequest, person: Person) -> None:
    """Take this session along into a new round, in which it has another key."""
    update_session_auth_hash(request, person)
    UserSession.objects.create_from_request(request)


def end_others(request: HttpRequest, only: str = "") -> int:
    """End the person's sessions except this one, or just the one with the primary key `only`."""
    actor, own = actors.of(request), request.session.session_key
    others = [session for session in of(actor.person) if session.key != own]
    chosen = [session for session in others if only in ("", str(session.pk))]
    return _end(chosen, actor.person, actor)


def _end(sessions: list[OpenSession], person: Person, actor: Actor) -> int:
    with transaction.atomic():
        count = _delete([session.key for session in sessions])
        if count:
            trail.append(actor, Action.PERSON_SESSIONS_ENDED, person, count=count)
    return count


def _delete(keys: list[str]) -> int:
    UserSession.objects.filter(session_key__in=keys).delete()
    count, _ = Session.objects.filter(pk__in=keys).delete()
    return count


def _over(stamps: SessionBase | dict[str, Any]) -> str:
    """Return "limit" or "idle" if a session with these stamps is over, else ""."""
    now = time.time()
    if now - stamps.get(SIGNED_IN_AT, 0) >= settings.SESSION_COOKIE_AGE:
        return "limit"
    if now - stamps.get(USED_AT, 0) >= settings.SESSION_IDLE_MINUTES * 60:
        return "idle"
    return ""


def _sign_out(request: HttpRequest) -> None:
    request.session.flush()
    request.user = AnonymousUser()


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
