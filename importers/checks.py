"""System checks: settings that would fail later, reported at the start with the remedy."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.files.storage import default_storage
from django.db import DatabaseError

from importers.audit.actions import Action
from importers.models import AuditEvent, Person, Right
from importers.models.people import demo_accounts, who_may
from importers.storage import DurableFileStorage

Check = Callable[..., list[checks.CheckMessage]]
THIS_MACHINE = {"127.0.0.1", "localhost", "::1"}
ENOUGH_SIGN_INS = 5  # a person may sign in from the server itself


def asks_the_database(check: Check) -> Check:
    """Report nothing if the database is not migrated, or is unreachable, which /readyz reports."""

    @wraps(check)
    def checked(**options: Any) -> list[checks.CheckMessage]:
        try:
            return check(**options)
        except DatabaseError:
            return []

    return checked


@checks.register(checks.Tags.security, deploy=True)
def persona_key_is_given(**_: Any) -> list[checks.CheckMessage]:
    if settings.PERSONA_API_KEY:
        return []
    return [
        checks.Warning(
            "PERSONA_API_KEY is not set: images go to Local Persona on this machine only.",
            hint="Set PERSONA_API_KEY or PERSONA_API_KEY_FILE.",
            id="consentry.W001",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def images_travel_encrypted(**_: Any) -> list[checks.CheckMessage]:
    endpoint = settings.STORAGES["default"].get("OPTIONS", {}).get("endpoint_url", "")
    host = urlsplit(endpoint).hostname
    if not endpoint.startswith("http:") or host in THIS_MACHINE:
        return []
    return [
        checks.Warning(
            "The S3 endpoint uses plain HTTP: faces cross the network unencrypted.",
            hint="Use an https address in AWS_ENDPOINT_URL_S3.",
            id="consentry.W002",
        )
    ]


@checks.register(checks.Tags.files)
def folder_of_images_is_writable(**_: Any) -> list[checks.CheckMessage]:
    """Every command reports it, and so does the worker when it starts. A bucket is not asked."""
    if not isinstance(default_storage, DurableFileStorage):
        return []
    try:
        default_storage.probe()
    except OSError as error:
        return [
            checks.Warning(
                f"No image can be stored in {default_storage.location}. {error.strerror}",
                hint="Make MEDIA_STORAGE a folder that this account can write to, with free space.",
                id="consentry.W007",
            )
        ]
    return []


@checks.register(checks.Tags.security, deploy=True)
@asks_the_database
def demo_accounts_are_absent(**_: Any) -> list[checks.CheckMessage]:
    if settings.DEBUG:
        return []
    names = list(demo_accounts().filter(is_active=True).values_list("username", flat=True))
    if not names:
        return []
    return [
        checks.Warning(
            f"Demo accounts, which share one password, are active: {', '.join(names)}.",
            hint="Deactivate them on the People page, or use a new database.",
            id="consentry.W003",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def database_is_reached_encrypted(**_: Any) -> list[checks.CheckMessage]:
    database = settings.DATABASES["default"]
    host = database.get("HOST", "")
    is_local = not host or host.startswith("/") or host in THIS_MACHINE  # a path is a socket
    if database["ENGINE"] != "django.db.backends.postgresql" or is_local:
        return []
    if database.get("OPTIONS", {}).get("sslmode") in {"require", "verify-ca", "verify-full"}:
        return []
    return [
        checks.Warning(
            "The connection to PostgreSQL on another host may be unencrypted.",
            hint="Add ?sslmode=verify-full to DATABASE_URL, or at least ?sslmode=require.",
            id="consentry.W004",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
@asks_the_database
def proxies_are_counted(**_: Any) -> list[checks.CheckMessage]:
    if settings.DEBUG:
        return []
    if not settings.ALLAUTH_TRUSTED_PROXY_COUNT:
        return [
            _wrong_count(
                "TRUSTED_PROXY_COUNT is 0: behind a proxy, every request is refused, because the "
                "audit trail would record the proxy's address."
            )
        ]
    if _latest_sign_ins_came_from_this_machine():
        return [
            _wrong_count(
                "The audit trail records this machine's own address for the latest sign-ins: the "
                "outermost proxy does not pass on the client's address."
            )
        ]
    return []


def _wrong_count(message: str) -> checks.CheckMessage:
    hint = "Set TRUSTED_PROXY_COUNT to the exact number of proxies, each of which adds one address."
    return checks.Warning(message, hint=hint, id="consentry.W005")


def _latest_sign_ins_came_from_this_machine() -> bool:
    sign_ins = AuditEvent.objects.filter(action=Action.PERSON_SIGNED_IN).order_by("-pk")
    addresses = list(sign_ins.values_list("address", flat=True)[:ENOUGH_SIGN_INS])
    return len(addresses) == ENOUGH_SIGN_INS and set(addresses) <= THIS_MACHINE


@checks.register(checks.Tags.security, deploy=True)
def persona_key_travels_encrypted(**_: Any) -> list[checks.CheckMessage]:
    is_real = settings.PERSONA_API_KEY.startswith(("persona_production_", "persona_sandbox_"))
    if not is_real or not settings.PERSONA_BASE_URL.lower().startswith("http:"):
        return []
    return [
        checks.Warning(
            "A real Persona key is sent over plain HTTP to a program on this machine.",
            hint="Unset PERSONA_BASE_URL, or unset PERSONA_API_KEY to use Local Persona.",
            id="consentry.W006",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
@asks_the_database
def somebody_manages_people(**_: Any) -> list[checks.CheckMessage]:
    if who_may(Right.MANAGE_PEOPLE).exists():
        return []
    return [
        checks.Warning(
            "Nobody can manage people: no account in use has the role of an administrator.",
            hint="Run: manage.py invite USERNAME --first NAME --last NAME --role administrator",
            id="consentry.W008",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
@asks_the_database
def superusers_are_absent(**_: Any) -> list[checks.CheckMessage]:
    found = Person.objects.filter(is_superuser=True)
    names = list(found.order_by("username").values_list("username", flat=True))
    if not names:
        return []
    return [
        checks.Warning(
            f"Superusers have no rights here: {', '.join(names)}.",
            hint="Deactivate them on the People page, and invite people with roles.",
            id="consentry.W009",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def second_factors_are_required(**_: Any) -> list[checks.CheckMessage]:
    if settings.MFA_REQUIRED or not settings.PASSWORD_SIGN_IN:
        return []
    return [
        checks.Warning(
            "MFA_REQUIRED is not set: a password alone opens the faces of your lists.",
            hint="Set MFA_REQUIRED=all, or leave only single sign-on: PASSWORD_SIGN_IN=False.",
            id="consentry.W010",
        )
    ]
