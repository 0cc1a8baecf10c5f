"""Who acts: a person at an address, the worker, or an operator at the command line."""

from dataclasses import dataclass
from typing import Self

from django.contrib.auth.models import AnonymousUser

from importers.models import Person


@dataclass(frozen=True)
class Actor:
    """`name` is a username or one of ours below; `address` is an IP address or "command line"."""

    name: str
    user: Person | None = None
    address: str = ""
    sign_in_method: str = ""

    @classmethod
    def of_user(cls, user: Person | AnonymousUser, *, address: str, sign_in_method: str) -> Self:
        """Raises ValueError for somebody who is not signed in."""
        if not isinstance(user, Person):
            raise ValueError("Only a person who is signed in can act.")
        return cls(user.get_username(), user, address, sign_in_method)

    @property
    def person(self) -> Person:
        """Raises ValueError if this is not a person."""
        if self.user is None:
            raise ValueError("Only a person can do this.")
        return self.user


WORKER = Actor("worker")
OPERATOR = Actor("operator", address="command line")
NOBODY = "nobody"
SINGLE_SIGN_ON = "single sign-on"  # its claims decide roles
# The trail would not tell an account of this name from one of ours.
RESERVED_NAMES = {WORKER.name, OPERATOR.name, NOBODY, SINGLE_SIGN_ON}


def nobody(address: str) -> Actor:
    """Return the actor for somebody at that address who is not signed in."""
    return Actor(NOBODY, address=address)
