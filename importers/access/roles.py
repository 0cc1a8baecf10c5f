"""Roles: which rights each has. `migrate` makes them so, and a release may change them."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import DEFAULT_DB_ALIAS, connections

from importers.models import Person, Right, Role

SEEING = frozenset({Right.SEE_IMPORTS, Right.SEE_FACES})
RIGHTS = {
    Role.OFFICER: SEEING | {Right.MAKE_IMPORTS, Right.EXPORT, Right.PAUSE_SENDING, Right.ADD_LISTS},
    Role.APPROVER: SEEING | {Right.APPROVE},
    Role.AUDITOR: SEEING | {Right.EXPORT, Right.SEE_TRAIL},
    # No faces, and nothing that names the people shown: who gives rights does not use them.
    Role.ADMINISTRATOR: frozenset(
        {
            Right.MANAGE_PEOPLE,
            Right.PUBLISH_STATEMENTS,
            Right.SET_POLICY,
            Right.ADD_LISTS,
            Right.SEE_TRAIL,
        }
    ),
}


def of(person: Person) -> list[tuple[str, list[str]]]:
    """Return the person's roles, and what each allows, in words."""
    return [(role.label, allowed_to(role)) for role in person.roles]


def allowed_to(role: Role) -> list[str]:
    return [right.label for right in Right if right in RIGHTS[role]]


def assign(person: Person, roles: Iterable[Role]) -> None:
    """Give the person exactly these roles."""
    person.groups.set(Group.objects.filter(name__in=roles))


def install(using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """Make each role's group, with exactly its rights. Django has made the permissions by now."""
    # `migrate` may have been limited to another app, or may have removed the tables.
    if Group._meta.db_table not in connections[using].introspection.table_names():
        return
    permissions = Permission.objects.using(using).filter(content_type__app_label="importers")
    for role, rights in RIGHTS.items():
        group, _is_new = Group.objects.using(using).get_or_create(name=role)
        group.permissions.set(permissions.filter(codename__in=rights))
