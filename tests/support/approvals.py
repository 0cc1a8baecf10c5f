"""A second person, and their decisions about what was signed."""

from importers.audit.actors import Actor
from importers.forwarding import submission
from importers.models import FaceList, Import, Role
from tests.support.attestations import in_force
from tests.support.people import make_person


def guard(face_list: FaceList) -> FaceList:
    """Let imports to the list need an approval."""
    face_list.needs_approval = True
    face_list.save()
    return face_list


def make_approver(username: str = "approver", *more: Role) -> Actor:
    person = make_person(
        username, Role.APPROVER, *more, first_name="Tomás", last_name=username.title()
    )
    return Actor.of_user(person, address="192.0.2.9", sign_in_method="password")


def approve(waiting: Import, approver: Actor) -> Import:
    submission.approve(waiting, in_force(waiting).seal, approver)
    waiting.refresh_from_db()
    return waiting


def refuse(waiting: Import, approver: Actor, reason: str = "The case is closed.") -> Import:
    submission.refuse(waiting, in_force(waiting).seal, reason, approver)
    waiting.refresh_from_db()
    return waiting
