"""The counters of an import: right after any course of events, and corrected by a recount."""

import io
import random

import pytest
from django.core.management import call_command
from django.db import transaction

from importers.audit.actors import Actor
from importers.intake import aside, files
from importers.models import AuditEvent, Batch, Import, counters
from tests.support.files import remove_one
from tests.support.makers import AddFile, MakeImports
from tests.support.pictures import draw

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]

COUNTED = ("image_count", "left_out_count", *counters.RESULTS)


def counted(face_import: Import) -> list[int | None]:
    row = Import.objects.get(pk=face_import.pk)
    return [getattr(row, column) for column in COUNTED]


def revision(face_import: Import) -> int:
    return Import.objects.get(pk=face_import.pk).revision


@pytest.mark.parametrize("seed", range(3))
def test_files_are_counted_in_any_course_of_events(
    seed: int, draft: Import, add_file: AddFile, actor: Actor
) -> None:
    course = random.Random(seed)  # noqa: S311
    for step in range(20):
        match course.choice(["add", "add", "add again", "reject", "remove", "restore", "clear"]):
            case "add":
                add_file(f"face-{step}.jpg", draw(step))
            case "add again":
                add_file("face.jpg", draw(100))
            case "reject":
                add_file(f"text-{step}.txt", b"no picture")
            case "remove" if image := draft.files.order_by("?").first():
                remove_one(image, actor)
            case "restore":
                aside.restore(draft, draft.files.all(), actor)
            case "clear":
                files.clear_rejected(draft, actor)
    accepted = draft.files.filter(state="accepted").count()
    rejected = draft.files.filter(state="left_out").count()
    assert accepted
    assert counted(draft) == [accepted, rejected, None, None, None]
    assert list(counters.recount()) == []


def test_results_are_unknown_until_persona_reports_a_first_one(make_imports: MakeImports) -> None:
    sent, other = make_imports(2)
    for number in (1, 2):
        Batch.objects.create(face_import=sent, number=number, image_count=5)
    one, two = (sent.batches.filter(number=number) for number in (1, 2))
    one.update(persona_status="pending")
    assert counted(sent)[2:] == [None, None, None]
    one.update(successful_count=3, duplicate_count=0)
    assert counted(sent)[2:] == [3, 0, None]
    two.update(successful_count=2, duplicate_count=1, error_count=2)
    one.update(successful_count=4)
    assert counted(sent)[2:] == [6, 1, 2]
    assert counted(other) == [0, 0, None, None, None]
    assert list(counters.recount()) == []


def test_revision_rises_with_what_the_page_shows_alone(make_imports: MakeImports) -> None:
    (sent,) = make_imports(1)
    batch = Batch.objects.create(face_import=sent, number=1, image_count=5)
    row = Batch.objects.filter(pk=batch.pk)
    before = revision(sent)
    row.update(attempts=1)
    assert revision(sent) == before + 1
    row.update(attempts=1, persona_status="", fence=7, lease_owner="a worker")
    assert revision(sent) == before + 1


def test_change_that_is_rolled_back_counts_nothing(draft: Import, add_file: AddFile) -> None:
    class Failed(Exception):
        pass

    def fail() -> None:
        with transaction.atomic():
            add_file()
            raise Failed

    with pytest.raises(Failed):
        fail()
    assert counted(draft)[0] == 0


def test_recount_corrects_what_differs_and_names_it(draft: Import, add_file: AddFile) -> None:
    add_file()
    Import.objects.filter(pk=draft.pk).update(image_count=7, error_count=3)
    outputs = [io.StringIO(), io.StringIO()]
    for out in outputs:
        call_command("recount", stdout=out)
    assert [out.getvalue() for out in outputs] == [
        f"Import {draft.pk}: counters corrected.\n",
        "All counters are correct.\n",
    ]
    events = AuditEvent.objects.filter(action="import.recounted")
    assert [(row.actor_name, row.object_id) for row in events] == [("operator", str(draft.pk))]
    assert counted(draft) == [1, 0, None, None, None]
