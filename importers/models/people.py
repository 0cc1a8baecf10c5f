"""People, and what each may do: roles are Django's groups, rights are its permissions."""

from datetime import date
from functools import cached_property
from typing import Any

from django.contrib.auth.models import AbstractUser, Group, Permission
from django.db import models
from django.db.models import OuterRef, Q, QuerySet, StringAgg, Subquery, TextField, Value
from django.db.models.functions import Coalesce, Lower

from importers.models.levels import Level


class Right(models.TextChoices):
    """What a person may do: the codename of a permission of `Person`."""

    SEE_IMPORTS = "see_imports", "See imports and records, and search them"
    SEE_FACES = "see_faces", "See faces"
    MAKE_IMPORTS = "make_imports", "Prepare, sign and send imports"
    APPROVE = "approve", "Approve or refuse imports"
    EXPORT = "export", "Export imports and records"
    PAUSE_SENDING = "pause_sending", "Pause and resume sending"
    SEE_TRAIL = "see_trail", "Read the audit trail"
    ADD_LISTS = "add_lists", "Sync and add lists"
    SET_POLICY = "set_policy", "Set the policy of a list"
    PUBLISH_STATEMENTS = "publish_statements", "Publish statements"
    MANAGE_PEOPLE = "manage_people", "Manage people"


class Role(models.TextChoices):
    """The name of a group. `migrate` makes it (`access.roles`)."""

    OFFICER = "officer", "Officer"
    APPROVER = "approver", "Approver"
    AUDITOR = "auditor", "Auditor"
    ADMINISTRATOR = "administrator", "Administrator"


class Method(models.TextChoices):
    """How a person proves who they are: the codes of allauth, and what a page calls them."""

    PASSWORD = "password", "password"
    TOTP = "totp", "authenticator app"
    PASSKEY = "webauthn", "passkey"
    RECOVERY_CODE = "recovery_codes", "recovery code"
    SINGLE_SIGN_ON = "socialaccount", "single sign-on"


# What a person may be given beside a role, for a task that needs no whole role.
ADDITIONAL_RIGHTS = (
    *(Right.SEE_IMPORTS, Right.SEE_FACES, Right.EXPORT),
    *(Right.SEE_TRAIL, Right.PAUSE_SENDING),
)


class AccountState(models.TextChoices):
    """No column holds it: `access.people` derives it."""

    ACTIVE = "active", "Active"
    INVITED = "invited", "Invited"
    ENDED = "ended", "Ended"
    DEACTIVATED = "deactivated", "Deactivated"


STATE_LEVELS = {
    AccountState.ACTIVE: Level.SUCCESS,
    AccountState.INVITED: Level.WARNING,
    AccountState.ENDED: Level.NEUTRAL,
    AccountState.DEACTIVATED: Level.NEUTRAL,
}

NAME_MAX_LENGTH = 150  # of the username, the first and the last name

# The demo's accounts: role, first and last name.
DEMO_PEOPLE = {
    "admin": (Role.ADMINISTRATOR, "Ada", "Lindqvist"),
    "officer": (Role.OFFICER, "Maya", "Okafor"),
    "approver": (Role.APPROVER, "Tomás", "Rivera"),
    "auditor": (Role.AUDITOR, "Ines", "Haddad"),
}


class Person(AbstractUser):
    """An account. Nobody is a superuser: what a person may do follows from the roles alone."""

    ends_on = models.DateField(
        "Last day", null=True, blank=True, help_text="the last day on which it can be used"
    )
    # Raised to end the sessions that began before.
    session_round = models.PositiveIntegerField(default=0, editable=False)

    state: str  # these three only on rows of `access.people`
    has_second_factor: bool
    has_single_sign_on: bool

    class Meta:
        ordering = ["username"]
        constraints = [models.UniqueConstraint(Lower("username"), name="username_once")]
        permissions = [(right.value, right.label) for right in Right]

    @cached_property
    def rights(self) -> frozenset[Right]:
        codes: str | None = getattr(self, "right_codes", None)
        given = (
            _given_to(self).values_list("codename", flat=True) if codes is None else codes.split()
        )
        return frozenset(map(Right, given))

    @cached_property
    def roles(self) -> list[Role]:
        names: str | None = getattr(self, "role_names", None)
        held = {group.name for group in self.groups.all()} if names is None else names.split()
        return [role for role in Role if role in held]

    def get_session_auth_hash(self) -> str:
        """Return what a session must carry: it ends with the password, or with its round."""
        return f"{super().get_session_auth_hash()}-{self.session_round}"

    @property
    def additional_rights(self) -> list[Right]:
        given = {permission.codename for permission in self.user_permissions.all()}
        return [right for right in ADDITIONAL_RIGHTS if right in given]

    @property
    def state_label(self) -> str:
        return str(AccountState(self.state).label)

    @property
    def level(self) -> Level:
        return STATE_LEVELS[AccountState(self.state)]

    @property
    def is_current(self) -> bool:
        """Return True if the account can be used today."""
        return self.is_active and (self.ends_on is None or self.ends_on >= date.today())


def current() -> QuerySet[Person]:
    """Return the people whose account can be used today."""
    not_ended = Q(ends_on=None) | Q(ends_on__gte=date.today())
    return Person.objects.filter(not_ended, is_active=True)


def with_rights(people: QuerySet[Person]) -> QuerySet[Person]:
    """Read each person's rights and roles in the same query."""
    person = OuterRef("pk")
    rights = _given_to(person).order_by().values("content_type")
    roles = _roles_of(person).order_by().values("user")
    return people.annotate(
        right_codes=_joined(rights, "codename"), role_names=_joined(roles, "name")
    )


def _joined(rows: QuerySet[Any, Any], column: str) -> Coalesce:
    """Return the values of rows that are grouped already, with spaces between them."""
    words = StringAgg(column, Value(" "), output_field=TextField())
    return Coalesce(
        Subquery(rows.annotate(words=words).values("words")), Value(""), output_field=TextField()
    )


def _given_to(person: Person | OuterRef) -> QuerySet[Permission]:
    """Return our permissions that the person's groups, or they themselves, hold."""
    held = Q(group__user=person) | Q(user=person)
    return Permission.objects.filter(held, codename__in=Right.values)


def _roles_of(person: Person | OuterRef) -> QuerySet[Group]:
    return Group.objects.filter(user=person, name__in=Role.values)


def who_may(right: Right) -> QuerySet[Person]:
    """Return the people who hold the right and whose account can be used today."""
    in_role, own = Q(groups__permissions__codename=right), Q(user_permissions__codename=right)
    return current().filter(in_role | own).distinct()


def display_name(person: Person) -> str:
    """Return the full name, or the username of an account that has none."""
    return person.get_full_name() or person.get_username()


def demo_accounts() -> QuerySet[Person]:
    """Return the accounts that the demo made. An `admin` with another full name is not one."""
    made = Q(pk__in=[])
    for username, (_, first, last) in DEMO_PEOPLE.items():
        made |= Q(username=username, first_name=first, last_name=last)
    return Person.objects.filter(made)
