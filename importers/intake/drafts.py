"""Drafts: an import while its images may still change."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import transaction

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.intake import known
from importers.models import EntryFile, FaceList, Import
from importers.vault import sweeping


class NotADraft(Exception):
    """The import was sealed or discarded in the meantime: its images can no longer change."""


def open_draft(face_list: FaceList, actor: Actor) -> Import:
    with transaction.atomic():
        draft = Import.objects.create(face_list=face_list, created_by=actor.person)
        trail.append(actor, Action.IMPORT_DRAFTED, draft, list=face_list.persona_id)
    return draft


def change_list(draft: Import, face_list: FaceList, actor: Actor) -> None:
    """Send the draft to another list. Raises NotADraft."""
    with locked(draft):
        Import.objects.filter(pk=draft.pk).update(face_list=face_list)
        draft.face_list = face_list
        known.reassess(draft)
        trail.append(actor, Action.IMPORT_LIST_CHANGED, draft, list=face_list.persona_id)


def save_answers(draft: Import, answers: dict[str, list[str]], actor: Actor) -> None:
    """Keep answers as they were typed, complete or not. Raises NotADraft."""
    with locked(draft):
        row = Import.objects.filter(pk=draft.pk)
        if row.values_list("draft_answers", flat=True).get() != answers:
            row.update(draft_answers=answers)
            trail.append_once(actor, Action.ANSWERS_CHANGED, draft)
    draft.draft_answers = answers


def reassess(draft: Import) -> None:
    """Set aside the images that the list was sent meanwhile. Raises NotADraft."""
    with locked(draft):
        known.reassess(draft)


def has_entry_file(draft: Import) -> bool:
    return EntryFile.objects.filter(face_import=draft).exists()


def discard(draft: Import, actor: Actor) -> None:
    """Cancel a draft and destroy its images; the rows and hashes remain. Raises NotADraft."""
    with locked(draft):
        stored = draft.files.filter(destroyed_at=None).exclude(storage_key="")
        count = stored.update(storage_key="", thumbnail_key="", destroyed_at=datetime.now(UTC))
        draft.move(Import.State.CANCELED, of=(Import.State.DRAFT,))
        trail.append(actor, Action.IMPORT_DISCARDED, draft, destroyed=count)
    sweeping.sweep(draft)  # after the commit, when no row names the bytes any longer


@contextmanager
def locked(draft: Import) -> Iterator[None]:
    """A transaction in which the import is a draft and stays one. Raises NotADraft."""
    with transaction.atomic():
        rows = Import.objects.select_for_update().filter(pk=draft.pk, state=Import.State.DRAFT)
        if rows.first() is None:
            raise NotADraft
        yield
