"""Who did what, from the audit trail."""

from collections.abc import Iterator

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.intake import drafts
from importers.models import FaceList, Image, Import, Person
from importers.reporting import acts
from importers.vault import viewing
from tests.support.attestations import submit
from tests.support.files import incoming, receive_one
from tests.support.makers import MakeDraft
from tests.support.pictures import draw

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


@pytest.fixture
def second(colleague: Person) -> Actor:
    return Actor.of_user(colleague, address="192.0.2.8", sign_in_method="password")


@pytest.fixture
def shared(face_list: FaceList, actor: Actor, second: Actor) -> Import:
    """A draft to which two people added one image each, and one of them a file that is none."""
    draft = drafts.open_draft(face_list, actor)
    receive_one(draft, incoming("first.jpg", draw(1)), actor)
    receive_one(draft, incoming("second.jpg", draw(2)), second)
    receive_one(draft, incoming("note.txt", b"No picture. " * 200), second)
    return draft


def named(of_import: Import, name: str) -> Image:
    return of_import.files.get(original_name=name)


@pytest.mark.parametrize(
    ("name", "person", "address"),
    [
        ("first.jpg", "officer", "192.0.2.7"),
        ("second.jpg", "approver", "192.0.2.8"),
        ("note.txt", "approver", "192.0.2.8"),
    ],
)
def test_upload_names_the_person_who_sent_the_file(
    name: str, person: str, address: str, shared: Import
) -> None:
    event = acts.upload_of(named(shared, name))
    assert event
    assert (event.actor_name, event.address) == (person, address)


def test_upload_is_unknown_where_no_row_names_the_image(face_list: FaceList, actor: Actor) -> None:
    draft = drafts.open_draft(face_list, actor)
    unnamed = draft.files.create(original_name="a.jpg", byte_size=1, state="accepted")
    assert acts.upload_of(unnamed) is None


def test_views_are_those_of_this_face_alone_the_latest_first(
    shared: Import, actor: Actor, second: Actor
) -> None:
    first, other = named(shared, "first.jpg"), named(shared, "second.jpg")
    viewing.show_gallery(shared, [first, other], actor)
    viewing.show(first, second)
    viewing.show(other, second)
    assert [event.actor_name for event in acts.views_of(first)] == ["approver", "officer"]
    assert [event.action for event in acts.views_of(first)] == ["face.viewed", "gallery.viewed"]


def test_views_of_a_face_do_not_include_pages_without_it(shared: Import, actor: Actor) -> None:
    viewing.show_gallery(shared, [named(shared, "second.jpg")], actor)
    assert acts.views_of(named(shared, "first.jpg")) == []


def test_acts_of_an_import_are_grouped_by_person_in_order(
    shared: Import, make_draft: MakeDraft, face_list: FaceList, actor: Actor
) -> None:
    submit(shared, actor)
    submit(make_draft(face_list, 1, first_seed=9), actor)
    found = acts.of_import(shared)
    assert [(act.words, act.person, act.times) for act in found] == [
        ("Created the draft", "officer", 1),
        ("Uploaded images", "officer", 1),
        ("Uploaded images", "approver", 2),
        ("Signed", "officer", 1),
        ("Released for sending", "officer", 1),
    ]
    assert found[2].first < found[2].last
    assert found[3].first == found[3].last


def plans(queries: CaptureQueriesContext) -> Iterator[str]:
    """Yield how SQLite runs each query on the audit trail."""
    with database.cursor() as cursor:
        for query in queries.captured_queries:
            if "auditevent" in query["sql"]:
                cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
                yield " ".join(row[3] for row in cursor.fetchall())


@pytest.mark.skipif(database.vendor != "sqlite", reason="reads SQLite's query plans")
def test_trail_is_read_by_its_index(shared: Import) -> None:
    image = named(shared, "first.jpg")
    with CaptureQueriesContext(database) as queries:
        acts.of_import(shared)
        acts.upload_of(image)
        acts.views_of(image)
    found = list(plans(queries))
    assert len(found) == 4
    for plan in found:
        assert "INDEX audit_object (object_type=? AND object_id=?)" in plan


def test_every_act_on_a_signed_import_has_words() -> None:
    of_imports = ("import.", "images.", "entries.", "left_out.", "gallery.", "record.", "approval.")
    recorded = {action for action in Action if action.startswith(of_imports)}
    assert recorded - {Action.IMPORT_DISCARDED} == set(acts.WORDS)
