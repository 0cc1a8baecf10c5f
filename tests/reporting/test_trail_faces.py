"""Who saw which faces between two dates, from the audit trail."""

import csv
from datetime import UTC, date, datetime
from typing import Any

import pytest

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import WORKER, Actor
from importers.models import AuditEvent, Image, Person
from importers.reporting import faces_seen
from importers.reporting.faces_seen import Question, answer
from importers.reporting.objects import Thing
from tests.support.image_rows import add_rows
from tests.support.makers import MakeImports

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


@pytest.fixture
def second(colleague: Person) -> Actor:
    return Actor.of_user(colleague, address="192.0.2.8", sign_in_method="password")


@pytest.fixture
def faces(make_imports: MakeImports) -> list[Image]:
    """Two images of one import and one of another."""
    one, other = make_imports(2)
    add_rows(one, 2)
    add_rows(other, 1)
    return list(Image.objects.order_by("pk"))


def see(actor: Actor, time: str, *images: Image, alone: bool = False) -> None:
    """Record a view of images of one import at that time, on 14 May 2026 unless it has a date."""
    face_import = images[0].face_import
    if alone:
        trail.append(actor, Action.FACE_VIEWED, images[0], face_import=face_import.pk)
    else:
        keys = [image.pk for image in images]
        trail.append(actor, Action.GALLERY_VIEWED, face_import, images=keys)
    time = time if "T" in time else f"2026-05-14T{time}"
    at = datetime.fromisoformat(time).replace(tzinfo=UTC)
    AuditEvent.objects.filter(pk=trail.head().length).update(at=at)


def found(**asked: Any) -> list[tuple[str, int, str, str, int]]:
    """Person, image, first and last time and times of each row of the answer."""
    return [
        (seen.person, seen.image, f"{seen.first:%H:%M}", f"{seen.last:%H:%M}", seen.times)
        for seen in answer(Question(**asked))
    ]


@pytest.fixture
def seen(faces: list[Image], actor: Actor, second: Actor) -> list[Image]:
    first, other, elsewhere = faces
    see(actor, "09:00", first, other)
    see(second, "10:00", first, other)
    see(actor, "11:00", first, alone=True)
    see(actor, "12:00", elsewhere, alone=True)
    see(actor, "08:30", first, alone=True)  # written later, by a server whose clock is behind
    trail.append(WORKER, Action.BATCH_DONE)
    return faces


def test_each_person_and_face_is_one_row(seen: list[Image]) -> None:
    first, other, elsewhere = (image.pk for image in seen)
    assert found() == [
        ("officer", first, "08:30", "11:00", 3),
        ("approver", first, "10:00", "10:00", 1),
        ("officer", other, "09:00", "09:00", 1),
        ("approver", other, "10:00", "10:00", 1),
        ("officer", elsewhere, "12:00", "12:00", 1),
    ]


def test_question_is_about_a_person_an_import_or_an_image(seen: list[Image], second: Actor) -> None:
    first, other, elsewhere = seen
    of_second = [row for row in found() if row[0] == "approver"]
    assert found(person=str(second.person.pk)) == of_second
    one = Thing("import", str(first.face_import_id))
    assert {row[1] for row in found(object=one)} == {first.pk, other.pk}
    assert found(object=Thing("image", str(first.pk))) == [
        row for row in found() if row[1] == first.pk
    ]
    both = found(object=Thing("image", str(other.pk)), person=str(second.person.pk))
    assert both == [("approver", other.pk, "10:00", "10:00", 1)]
    assert [row[1] for row in found(object=Thing("import", str(elsewhere.face_import_id)))] == [
        elsewhere.pk
    ]


def test_period_includes_both_days(faces: list[Image], actor: Actor) -> None:
    for time in (
        *("2026-05-13T23:59:59", "2026-05-14T00:00:00", "2026-05-15T23:59:59"),
        "2026-05-16T00:00:00",
    ):
        see(actor, time, faces[0])
        see(actor, time, faces[0], alone=True)
    (row,) = answer(Question(since=date(2026, 5, 14), until=date(2026, 5, 15)))
    assert (row.first.day, row.last.day, row.times) == (14, 15, 4)


def test_face_removed_from_its_draft_is_named_by_its_number(
    faces: list[Image], actor: Actor
) -> None:
    gone, number = faces[0], faces[0].pk
    see(actor, "09:00", gone, faces[1])
    see(actor, "10:00", gone, alone=True)
    gone.delete()
    rows = answer(Question(object=Thing("image", str(number))))
    assert [(row.key, row.times) for row in faces_seen.with_keys(rows)] == [(None, 2)]


def test_more_views_than_can_be_read_are_refused(
    seen: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces_seen, "MOST_VIEWS", 7)
    assert len(answer(Question())) == 5
    monkeypatch.setattr(faces_seen, "MOST_VIEWS", 6)
    with pytest.raises(faces_seen.TooMany):
        answer(Question())
    assert answer(Question(object=Thing("image", str(seen[2].pk))))


def test_csv_names_person_image_and_times(seen: list[Image], actor: Actor) -> None:
    rows = answer(Question(object=Thing("image", str(seen[2].pk))))
    columns, line = csv.reader(faces_seen.csv_lines(rows))
    assert columns == list(faces_seen.CSV_COLUMNS)
    assert line == [
        *(str(actor.person.pk), "officer", str(seen[2].face_import_id), str(seen[2].key)),
        str(seen[2].pk),
        *("2026-05-14T12:00:00+00:00", "2026-05-14T12:00:00+00:00", "1"),
    ]
