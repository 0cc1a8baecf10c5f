"""The objects of the audit trail, as people write them: `Import 12`, `Batch 3 of import 12`."""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple
from uuid import UUID

from importers.models import AuditEvent, Batch, FaceList, Image, Person, Right, Statement

NUMBER = re.compile(r"[0-9]{1,18}")
BATCH = re.compile(r"([0-9]{1,9}) of import ([0-9]{1,18})", re.IGNORECASE)
KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Thing(NamedTuple):
    """An object as the trail stores it."""

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class Named(NamedTuple):
    """An object in words, and the name and argument of its page."""

    words: str
    page: str = ""
    argument: object = ""


def find(text: str) -> Thing | None:
    """Return the object that a person wrote, or None if there is none."""
    kind, _, name = text.strip().partition(" ")
    type_, finder = FINDERS.get(kind.lower(), ("", lambda _: None))
    found = finder(name.strip())
    return None if found is None else Thing(type_, str(found))


def named(events: Iterable[AuditEvent], rights: frozenset[Right]) -> dict[Thing, Named]:
    """Return the objects of these rows, with no page for what the reader has no right to."""
    things = {Thing(event.object_type, event.object_id) for event in events if event.object_type}
    found = {thing: Named(str(thing).capitalize()) for thing in things}
    for type_, names in NAMES.items():
        pks = [thing.id for thing in things if thing.type == type_]
        if pks:
            found |= {Thing(type_, str(pk)): name for pk, name in names(pks)}
    return {
        thing: name if NEEDED.get(thing.type) in (None, *rights) else name._replace(page="")
        for thing, name in found.items()
    }


def _number(name: str) -> int | None:
    return int(name) if NUMBER.fullmatch(name) else None


def _find_image(name: str) -> int | None:
    """Take a number too: an image that was removed from its draft no longer has a key."""
    if KEY.fullmatch(name):
        return Image.objects.filter(key=UUID(name)).values_list("pk", flat=True).first()
    return _number(name)


def _find_batch(name: str) -> int | None:
    if (written := BATCH.fullmatch(name)) is None:
        return None
    found = Batch.objects.filter(face_import=int(written[2]), number=int(written[1]))
    return found.values_list("pk", flat=True).first()


def _find_list(name: str) -> int | None:
    found = FaceList.objects.filter(persona_id=name.partition(" ")[0])
    return found.values_list("pk", flat=True).first()


def _find_person(name: str) -> int | None:
    return Person.objects.filter(username__iexact=name).values_list("pk", flat=True).first()


def _find_statement(name: str) -> int | None:
    return _number(name.partition(" ")[0])


FINDERS: dict[str, tuple[str, Callable[[str], int | None]]] = {
    "import": ("import", _number),
    "image": ("image", _find_image),
    "batch": ("batch", _find_batch),
    "list": ("facelist", _find_list),
    "person": ("person", _find_person),
    "statement": ("statement", _find_statement),
}

Names = Iterable[tuple[object, Named]]


def _imports(pks: list[str]) -> Names:
    return [(pk, Named(f"Import {pk}", "import", pk)) for pk in pks]


def _images(pks: list[str]) -> Names:
    rows = Image.objects.filter(pk__in=pks).values_list("pk", "key")
    return [(pk, Named(f"Image {key}", "image_record", key)) for pk, key in rows]


def _batches(pks: list[str]) -> Names:
    for batch in Batch.objects.filter(pk__in=pks):
        words = f"Batch {batch.number} of import {batch.face_import_id}"
        yield batch.pk, Named(words, "import", batch.face_import_id)


def _lists(pks: list[str]) -> Names:
    for row in FaceList.objects.filter(pk__in=pks):
        yield row.pk, Named(f"List {row.persona_id} ({row.name or 'unnamed'})", "lists")


def _people(pks: list[str]) -> Names:
    rows = Person.objects.filter(pk__in=pks).values_list("pk", "username")
    return [(pk, Named(f"Person {username}", "person", pk)) for pk, username in rows]


def _statements(pks: list[str]) -> Names:
    for row in Statement.objects.filter(pk__in=pks):
        words = f"{row.get_lawful_basis_display()}, version {row.version}"
        yield row.pk, Named(f"Statement {row.pk} ({words})", "statements")


NAMES: dict[str, Callable[[list[str]], Names]] = {
    "import": _imports,
    "image": _images,
    "batch": _batches,
    "facelist": _lists,
    "person": _people,
    "statement": _statements,
}
# Their pages need a right; those of lists and statements need none.
NEEDED = {
    **dict.fromkeys(("import", "image", "batch"), Right.SEE_IMPORTS),
    "person": Right.MANAGE_PEOPLE,
}
