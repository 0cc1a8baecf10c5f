"""Any single edit of what was signed, or of the trail, is found and named."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import models, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as search
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pytest_django import Settings

from importers.audit import verification
from importers.audit.actors import Actor
from importers.consent import seal
from importers.forwarding import assignment
from importers.models import AuditEvent, AuditHead, Entry, FaceList, Import, Person
from importers.models.entries import ENTRY
from tests.support.attestations import in_force, submit
from tests.support.makers import MakeDraft

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]
OF_AN_IMAGE = (
    *("sha256", "state", "face_import_id", "batch_id", "key", "original_name", "byte_size"),
    *("format", "width", "height", "uploaded_at", "included_because", *ENTRY),
)
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
TEXT = st.text(CHARACTERS, max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9999) | TEXT,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(TEXT, inside, max_size=3),
    max_leaves=5,
).filter(lambda value: value is not None)
DAYS = st.dates()
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@pytest.fixture
def sealed(
    draft: Import, make_draft: MakeDraft, face_list: FaceList, actor: Actor, settings: Settings
) -> Import:
    """A signed import of two batches, beside another person, another list and another import."""
    settings.BATCH_MAX_IMAGES = 2
    Person.objects.create_user("colleague")
    make_draft(
        FaceList.objects.create(environment="local", persona_id="lst_other"), 1, first_seed=50
    )
    draft.files.filter(original_name="face-1.jpg").update(subject_reference="S-17", note="Twice.")
    entry = Entry(listing_reason="confirmed_fraud", case_reference="FR-2026-014")
    return submit(draft, actor, entry=entry, jurisdictions=["us-il", "uk"])


def columns_of(sealed: Import) -> dict[str, list[tuple[models.Model, str]]]:
    """Every value that an edit can change, by the kind of its row."""
    of_an_event = [field.attname for field in AuditEvent._meta.concrete_fields]
    to, head = sealed.face_list, AuditHead.objects.get()
    trail = [(event, name) for event in AuditEvent.objects.all() for name in of_an_event]
    return {
        "attestation": [(in_force(sealed), name) for name in (*seal.FIELDS[3], "seal")],
        "image": [(image, name) for image in sealed.files.all() for name in OF_AN_IMAGE],
        "list": [(sealed, "face_list_id"), (to, "environment"), (to, "persona_id")],
        "trail": [*trail, (head, "length"), (head, "hash")],
        "record in the trail": [one for one in trail if one[0].action == "import.attested"],
    }


def other_values(row: models.Model, column: str) -> SearchStrategy[Any]:
    field, now = row._meta.get_field(column), getattr(row, column)
    return _values(field, now).filter(lambda value: value != now)


def _values(field: Any, now: Any) -> SearchStrategy[Any]:
    if field.name == "state":
        return st.just("left_out")
    if isinstance(field, models.ForeignKey):
        known = field.related_model._default_manager.values_list("pk", flat=True)
        return st.sampled_from([*known, *([None] if field.null else [])])
    if isinstance(field, models.UUIDField):
        return st.uuids()
    if isinstance(field, models.BooleanField):
        return st.booleans()
    if isinstance(field, models.JSONField):
        return JSON
    if isinstance(field, models.DateTimeField):
        return MOMENTS | st.just(now + timedelta(microseconds=1))
    if isinstance(field, models.DateField):
        return DAYS | st.none() if field.null else DAYS
    if isinstance(field, models.IntegerField):
        taken = set(AuditEvent.objects.values_list("pk", flat=True)) if field.primary_key else ()
        return st.integers(0, 30_000).filter(lambda number: number not in taken)
    near = [now[:-1], f"{now} ", f" {now}", now.swapcase(), now.replace("\n", "\r\n"), f"{now}é"]
    length = field.max_length or 10_000
    return (TEXT | st.sampled_from(near)).map(lambda text: text[:length])


def name_of(row: models.Model, sealed: Import) -> str:
    """How a sentence names what was edited."""
    if isinstance(row, AuditEvent):
        return f"Row {row.pk} "
    return "does not match its head" if isinstance(row, AuditHead) else f"Import {sealed.pk}: "


def breaks() -> list[str]:
    """What `verify_audit` finds."""
    return [*verification.find_breaks(), *seal.find_breaks(), *assignment.find_breaks()]


@given(st.data())
@search(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_edit_is_found_and_named(sealed: Import, data: st.DataObject) -> None:
    columns = columns_of(sealed)
    kind = data.draw(st.sampled_from([*columns]), "kind")
    row, column = data.draw(st.sampled_from(columns[kind]), "row and column")
    changed = {column: data.draw(other_values(row, column), column)}
    if column == "state":
        changed["reason"] = "damaged"
    with transaction.atomic():
        assert type(row)._default_manager.filter(pk=row.pk).update(**changed) == 1
        found = breaks()
        transaction.set_rollback(True)
    names = {name_of(row, sealed)}
    if isinstance(row, AuditEvent) and column == "id":
        names.add(f"Row {changed[column]} ")  # where it is now
    assert any(name in sentence for name in names for sentence in found), found


def test_untouched_import_and_trail_have_no_breaks(sealed: Import) -> None:
    assert breaks() == []
