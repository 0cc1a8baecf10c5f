"""The audit trail as it is shown: its filters, its words, and its CSV."""

import csv
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from importers.audit import trail as audit_trail
from importers.audit.actions import Action
from importers.audit.actors import OPERATOR, WORKER, Actor, nobody
from importers.consent import statements
from importers.models import AuditEvent, Batch, FaceList, Import, Person, Right
from importers.reporting import objects, trail
from importers.reporting.objects import Thing
from importers.reporting.trail import Filter
from tests.support.makers import AddFile

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]
MAY = date(2026, 5, 15)


def shown(**chosen: Any) -> list[int]:
    return [event.pk for event in trail.page(Filter(**chosen)).rows]


def date_rows(*times: str) -> None:
    """Write a row at each of these times, in this order."""
    for number, time in enumerate(times, start=1):
        audit_trail.append(WORKER, Action.BATCH_DONE)
        at = datetime.fromisoformat(f"{time}+00:00")
        AuditEvent.objects.filter(pk=number).update(at=at)


@pytest.fixture
def rows(actor: Actor, make_imports: Any) -> list[Import]:
    """Six rows by different people about two imports; one account is called like the worker."""
    imports: list[Import] = make_imports(2)
    namesake = Person.objects.create_user("worker")
    audit_trail.append(actor, Action.IMPORT_DRAFTED, imports[0])
    audit_trail.append(actor, Action.IMPORT_DRAFTED, imports[1])
    audit_trail.append(WORKER, Action.IMPORT_COMPLETED, imports[0])
    audit_trail.append(OPERATOR, Action.IMPORT_RECOUNTED, imports[0])
    audit_trail.append(nobody("192.0.2.9"), Action.PERSON_REFUSED)
    audit_trail.append(Actor("worker", namesake), Action.PERSON_SIGNED_IN, namesake)
    return imports


def test_each_filter_narrows_the_trail(rows: list[Import], actor: Actor) -> None:
    first = Thing("import", str(rows[0].pk))
    account = str(actor.person.pk)
    assert shown() == [6, 5, 4, 3, 2, 1]
    assert shown(person=account) == [2, 1]
    assert shown(person="worker") == [3]
    assert shown(person="operator") == [4]
    assert shown(person="nobody") == [5]
    assert shown(action="import.drafted") == [2, 1]
    assert shown(object=first) == [4, 3, 1]
    assert shown(object=first, person=account, action="import.drafted") == [1]


def test_period_includes_both_days_from_midnight_to_midnight() -> None:
    date_rows(
        *("2026-05-13T23:59:59.999999", "2026-05-14T00:00:00", "2026-05-15T23:59:59.999999"),
        *("2026-05-16T00:00:00", "2026-05-20T00:00:00"),
    )
    assert shown(since=MAY - timedelta(days=1), until=MAY) == [3, 2]
    assert shown(since=MAY) == [5, 4, 3]
    assert shown(until=MAY) == [3, 2, 1]
    assert shown(since=date.min, until=date.max) == [5, 4, 3, 2, 1]
    assert shown(since=date(2027, 1, 1)) == shown(until=date(2025, 1, 1)) == []


def test_period_finds_rows_of_servers_whose_clocks_differ() -> None:
    date_rows("2026-05-15T00:10:00", "2026-05-14T23:50:00", "2026-05-15T00:20:00")
    assert shown(since=MAY) == [3, 1]
    assert shown(until=MAY - timedelta(days=1)) == [2]


def test_every_object_is_found_by_its_words(draft: Import, add_file: AddFile) -> None:
    image = add_file().image
    batch = Batch.objects.create(face_import=draft, number=3, image_count=1)
    things = [
        *(draft, image, batch, draft.face_list, draft.created_by),
        statements.in_force("consent"),
    ]
    for thing in things:
        audit_trail.append(WORKER, Action.BATCH_DONE, thing)
    events = list(AuditEvent.objects.filter(actor_name="worker"))
    names = objects.named(events, frozenset(Right))
    assert [names[objects.find(name.words) or Thing("", "")] for name in names.values()] == [
        *names.values()
    ]
    assert {name.words.split(" ")[0] for name in names.values()} == {
        *("Import", "Image", "Batch", "List", "Person", "Statement")
    }
    hidden = objects.named(events, frozenset())
    assert {name.words for name in hidden.values() if name.page} == {
        names[Thing("facelist", str(draft.face_list_id))].words,
        names[Thing("statement", str(things[-1].pk))].words,
    }


@pytest.mark.parametrize(
    "text",
    [
        *("import", "import x", "import -1", f"import {'9' * 30}", "import ²", "12", "batch 1"),
        *("batch 1 of import 5", "image 8d0f0f1e-0000-4000-8000-000000000000", "list lst_none"),
        *("person nobody", "secret 1"),
    ],
)
def test_what_is_no_object_is_not_found(text: str) -> None:
    assert objects.find(text) is None


def test_row_is_shown_in_words(face_list: FaceList, actor: Actor) -> None:
    details = {"sha256": ["ab" * 32, *"bcdefgh"], "face_import": 12, "filter": {"person": "5"}}
    audit_trail.append(actor, Action.LIST_ADDED, face_list, **details, left=0, empty=[])
    (row,) = trail.rows(trail.page(Filter()).rows, frozenset(Right))
    assert row.words == "Added the list"
    assert row.object
    assert row.object.words == "List lst_unknown (Confirmed fraud)"
    assert dict(row.facts) == {
        "SHA-256": "abababababab…, b, c, d, e and 3 more",
        "Import": "12",
        "Filter": "person 5",
        "Left": "0",
    }


def test_csv_has_each_row_whole_and_no_formula(face_list: FaceList, actor: Actor) -> None:
    sly = Actor("=cmd|' /C calc'!A0", actor.user, "192.0.2.7")
    audit_trail.append(sly, Action.LIST_ADDED, face_list, sha256=["ab" * 32] * 9)
    audit_trail.append(WORKER, Action.LISTS_SYNCED)
    lines = list(csv.reader(trail.csv_lines(Filter(action="list.added"))))
    event = AuditEvent.objects.get(pk=1)
    assert lines[0] == list(trail.CSV_COLUMNS)
    assert lines[1:] == [
        [
            "1",
            event.at.astimezone(UTC).isoformat(timespec="microseconds"),
            str(actor.person.pk),
            "'=cmd|' /C calc'!A0",
            "192.0.2.7",
            "list.added",
            "facelist",
            str(face_list.pk),
            f'{{"sha256": [{", ".join([f'"{"ab" * 32}"'] * 9)}]}}',
            event.previous_hash,
            event.hash,
        ]
    ]
