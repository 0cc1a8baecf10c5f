"""Entries of a draft's images: for a selection, or for many from a file, matched by name."""

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import QuerySet

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.intake import drafts
from importers.models import Entry, EntryFile, Image, Import
from importers.models.entries import ENTRY
from importers.models.imports import base_name

ROWS_AT_ONCE = 500


@dataclass(frozen=True)
class Matching:
    """What applying a file of entries would do.

    `entries` has an entry for each image that a row names. `unused` are the rows that name no image
    or, with a folder missing, more than one; `without_row` are the images that no row names.
    """

    entries: dict[int, Entry]
    unused: list[dict[str, Any]]
    without_row: list[str]

    @property
    def subject_references(self) -> list[str]:
        unused = [row["subject_reference"] for row in self.unused]
        return [*(entry.subject_reference for entry in self.entries.values()), *unused]


def describe(draft: Import, images: QuerySet[Image], entry: Entry, actor: Actor) -> int:
    """Set the fields that the entry has, and leave the others. Return for how many images.

    Raises NotADraft.
    """
    given = {name: value for name, value in asdict(entry).items() if value}
    with drafts.locked(draft):
        count = images.update(**given) if given else 0
        if count:
            trail.append(actor, Action.ENTRIES_CHANGED, draft, fields=[*given], images=count)
    return count


def keep_file(draft: Import, rows: list[dict[str, Any]], actor: Actor) -> None:
    """Keep the rows of a file until they are applied or dismissed. Raises NotADraft."""
    with drafts.locked(draft):
        EntryFile.objects.update_or_create(face_import=draft, defaults={"rows": rows})
        trail.append(actor, Action.ENTRIES_UPLOADED, draft, rows=len(rows))


def dismiss_file(draft: Import, actor: Actor) -> None:
    """Raises NotADraft."""
    with drafts.locked(draft):
        dismissed, _ = EntryFile.objects.filter(face_import=draft).delete()
        if dismissed:
            trail.append(actor, Action.ENTRIES_DISMISSED, draft)


def matching(draft: Import) -> Matching | None:
    """Return what the kept file means for the images as they are now; None if there is no file."""
    kept = EntryFile.objects.filter(face_import=draft).first()
    if kept is None:
        return None
    accepted = draft.files.filter(state=Image.State.ACCEPTED).order_by("sort_name", "pk")
    images = dict(accepted.values_list("pk", "original_name"))
    by_name = _by_name(images)
    entries: dict[int, Entry] = {}
    unused = []
    for row in kept.rows:
        found = by_name.get(row["file"], [])
        if len(found) == 1:
            entries[found[0]] = Entry(**{name: row[name] for name in ENTRY})
        else:
            unused.append(row)
    without_row = [name for pk, name in images.items() if pk not in entries]
    return Matching(entries, unused, without_row)


def subject_references(draft: Import, kept: Matching | None) -> list[str]:
    """Return those of the images and of the rows that are not applied yet."""
    accepted = draft.files.filter(state=Image.State.ACCEPTED).exclude(subject_reference="")
    waiting = kept.subject_references if kept else []
    return [*accepted.values_list("subject_reference", flat=True), *waiting]


def apply_file(draft: Import, actor: Actor) -> int:
    """Give each image that a row names the entry of that row. Return how many. Raises NotADraft."""
    with drafts.locked(draft):
        found = matching(draft)
        entries = found.entries if found else {}
        images = [Image(pk=pk, **asdict(entry)) for pk, entry in entries.items()]
        Image.objects.bulk_update(images, ENTRY, batch_size=ROWS_AT_ONCE)
        EntryFile.objects.filter(face_import=draft).delete()
        if images:
            trail.append(actor, Action.ENTRIES_CHANGED, draft, fields=[*ENTRY], images=len(images))
    return len(images)


def _by_name(images: dict[int, str]) -> dict[str, list[int]]:
    """Return the images that a row may mean, by whole name and by base name."""
    found: dict[str, list[int]] = defaultdict(list)
    for pk, name in images.items():
        for known_as in {name, base_name(name)}:
            found[known_as].append(pk)
    return found
