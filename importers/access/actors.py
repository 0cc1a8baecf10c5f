"""Who sent a request: the person, from where, and how they signed in."""

from allauth.account.adapter import get_adapter
from django.http import HttpRequest

from importers.access import methods
from importers.audit.actors import Actor
from importers.models import Person


def of(request: HttpRequest) -> Actor:
    """Raises ValueError if nobody is signed in."""
    names = methods.in_words(request) or "session"
    return Actor.of_user(request.user, address=address(request), sign_in_method=names)


def signing_in(request: HttpRequest, person: Person) -> Actor:
    """Return the person as the actor of what concerns their own sign-in."""
    return Actor.of_user(person, address=address(request), sign_in_method="")


def address(request: HttpRequest | None) -> str:
    """Return the client's address, behind TRUSTED_PROXY_COUNT proxies; a client cannot forge it."""
    return str(get_adapter().get_client_ip(request)) if request else ""
