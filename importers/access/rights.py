"""Every question of right: what a view needs, and whether the person who asks has it.

What a person may not know of is not found (404); what they may not do is forbidden (403).
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

from importers.models import Person, Right

# For those who may not see imports: the first page that fits.
HOMES = {
    Right.MANAGE_PEOPLE: "people",
    Right.SEE_TRAIL: "audit",
}
View = Callable[..., Any]
NEEDED = "needed_rights"
ROLELESS = "needs_no_right"


def needs(*rights: Right) -> Callable[[View], View]:
    """Open a view to people who hold all these rights; without any, to every role.

    `middleware.RightsRequired` refuses everybody else, and a view that does not say what it needs
    is open to nobody.
    """

    def mark(view: View) -> View:
        setattr(view, NEEDED, frozenset(rights))
        return view

    return mark


def own_account(view: View) -> View:
    """Open a view of a person's own account to them, whether or not they hold a role."""
    setattr(view, ROLELESS, True)
    return view


def of(request: HttpRequest) -> frozenset[Right]:
    """Return the rights of the person who sent the request; none if nobody is signed in."""
    return request.user.rights if isinstance(request.user, Person) else frozenset()


def may(request: HttpRequest, right: Right) -> bool:
    return right in of(request)


def home(request: HttpRequest) -> str:
    """Return the name of the page that the person works on."""
    return next((page for right, page in HOMES.items() if may(request, right)), "lists")


def missing(request: HttpRequest, view: View) -> frozenset[Right]:
    """Return the rights that the view needs and the person lacks, all of them if it names none."""
    if getattr(view, ROLELESS, False) or not getattr(view, "login_required", True):
        return frozenset()
    needed: frozenset[Right] = getattr(view, NEEDED, frozenset(Right))
    if not (held := of(request)):  # a view that needs none still needs some role
        return needed or frozenset(Right)
    return needed - held
