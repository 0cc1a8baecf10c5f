"""The files of a record: attestation, manifest and images."""

import csv
import hashlib
import io
import json
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from importers.audit.actors import Actor
from importers.consent import seal
from importers.models import Attestation, AuditEvent, Batch, FaceList, Image, Import, Person
from tests.support.attestations import sign, submit
from tests.support.makers import MakeDraft
from tests.support.pages import words_of

pytestmark = pytest.mark.django_db
FILES = {
    "attestation_json": "attestation.json",
    "manifest": "manifest.txt",
    "images_csv": "images.csv",
}


def download(client: Client, name: str, face_import: Import) -> Any:
    response = client.get(reverse(name, args=[face_import.pk]))
    assert response.status_code == 200
    return response


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def attestation_of(client: Client, face_import: Import) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(body(download(client, "attestation_json", face_import)))
    return content


def csv_rows(client: Client, face_import: Import) -> list[dict[str, str]]:
    text = body(download(client, "images_csv", face_import)).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("name", FILES)
def test_download_has_a_neutral_name_and_is_recorded(
    name: str, signed_in: Client, submitted: Import, officer: Person
) -> None:
    response = download(signed_in, name, submitted)
    file = FILES[name]
    expected = f'attachment; filename="import-{submitted.pk}-{file}"'
    assert response.headers["Content-Disposition"] == expected
    event = AuditEvent.objects.get(action="record.exported")
    assert (event.actor, event.address) == (officer, "127.0.0.1")
    assert (event.object_type, event.object_id) == ("import", str(submitted.pk))
    assert event.details == {"file": file}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("discarded", [False, True])
def test_unsigned_import_has_no_files(
    discarded: bool, name: str, signed_in: Client, draft: Import
) -> None:
    if discarded:
        signed_in.post(reverse("import_discard", args=[draft.pk]))
    assert signed_in.get(reverse(name, args=[draft.pk])).status_code == 404
    assert not AuditEvent.objects.filter(action="record.exported").exists()


def test_stream_is_recorded_before_its_first_row_leaves(
    signed_in: Client, submitted: Import
) -> None:
    response = download(signed_in, "images_csv", submitted)
    assert response.streaming
    assert AuditEvent.objects.filter(action="record.exported").count() == 1


def test_record_lists_its_downloads(signed_in: Client, submitted: Import) -> None:
    download(signed_in, "manifest", submitted)
    download(signed_in, "manifest", submitted)
    text = words_of(signed_in.get(f"/imports/{submitted.pk}/record/"))
    assert "Downloaded from the record officer" in text


class TestManifest:
    def test_sha256_of_the_file_is_that_of_the_attestation(
        self, signed_in: Client, make_draft: MakeDraft, known_list: FaceList, actor: Actor
    ) -> None:
        draft = make_draft(known_list, 3)
        draft.files.filter(original_name="face-1.jpg").update(
            subject_reference="S-Ä-17", case_reference="FR-9", note="Two lines.\nAnd a tab:\t."
        )
        sent = submit(draft, actor)
        content = body(download(signed_in, "manifest", sent))
        assert hashlib.sha256(content).hexdigest() == Attestation.objects.get().manifest_sha256
        assert content.count(b"\n") == 3
        note = hashlib.sha256(b"Two lines.\nAnd a tab:\t.").hexdigest()
        assert f"\tS-Ä-17\tFR-9\tconfirmed_fraud\t{note}\n" in content.decode()

    def test_changed_image_no_longer_gives_the_sealed_hash(
        self, signed_in: Client, submitted: Import
    ) -> None:
        Image.objects.filter(original_name="face-0.jpg").update(case_reference="another")
        content = body(download(signed_in, "manifest", submitted))
        assert hashlib.sha256(content).hexdigest() != Attestation.objects.get().manifest_sha256

    def test_manifest_of_an_unknown_version_is_not_found(
        self, signed_in: Client, submitted: Import
    ) -> None:
        Attestation.objects.update(manifest_version=99)
        assert signed_in.get(reverse("manifest", args=[submitted.pk])).status_code == 404


class TestAttestation:
    def test_file_is_readable_json_in_utf_8(
        self, signed_in: Client, make_draft: MakeDraft, known_list: FaceList, actor: Actor
    ) -> None:
        sent = submit(make_draft(known_list, 1), actor, purpose="Für den Zweck: Betrugsabwehr.")
        response = download(signed_in, "attestation_json", sent)
        assert response.headers["Content-Type"] == "application/json"
        text = body(response).decode()
        assert '\n    "purpose": "Für den Zweck: Betrugsabwehr."' in text
        assert text.endswith("}\n")

    def test_seal_can_be_computed_from_the_file_alone(
        self, signed_in: Client, submitted: Import
    ) -> None:
        content = attestation_of(signed_in, submitted)
        canonical = json.dumps(
            content["sealed"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        assert hashlib.sha256(canonical.encode()).hexdigest() == content["seal"]["sha256"]
        assert content["seal"]["sha256"] == Attestation.objects.get().seal

    def test_file_holds_every_sealed_field(self, signed_in: Client, submitted: Import) -> None:
        content = attestation_of(signed_in, submitted)
        signed = Attestation.objects.get()
        assert set(content["sealed"]) == set(seal.FIELDS[signed.seal_version])
        assert content["sealed"]["typed_name"] == "Maya Okafor"
        assert content["sealed"]["term_ends_on"] == signed.term_ends_on.isoformat()
        assert content["sealed"]["statement_text"] == signed.statement_text

    def test_file_names_import_list_manifest_and_batches(
        self, signed_in: Client, submitted: Import
    ) -> None:
        Batch.objects.update(
            state="done", importer_id="mprt_1", successful_count=3, duplicate_count=0,
            error_count=0, persona_status="ready",
            finished_at=datetime(2026, 11, 24, 12, 30, 1, tzinfo=UTC),
        )  # fmt: skip
        content, signed = attestation_of(signed_in, submitted), Attestation.objects.get()
        assert (content["schema"], content["schema_version"]) == ("consentry-attestation", 1)
        assert content["import"]["id"] == submitted.pk
        assert (content["import"]["created_by"], content["import"]["mode"]) == ("officer", "bulk")
        assert content["list"] == {
            "id": signed.list_persona_id,
            "name": "Known fraud",
            "environment": "local",
        }
        assert content["manifest"] == {
            "version": 2,
            "sha256": signed.manifest_sha256,
            "images": 3,
        }
        (batch,) = content["batches"]
        assert (batch["number"], batch["image_count"], batch["state"]) == (1, 3, "done")
        assert (batch["importer_id"], batch["persona_status"]) == ("mprt_1", "ready")
        assert batch["successful_count"] == 3
        assert batch["finished_at"] == "2026-11-24T12:30:01+00:00"

    def test_record_id_stays_the_same(
        self, signed_in: Client, submitted: Import, make_draft: MakeDraft, actor: Actor
    ) -> None:
        first = attestation_of(signed_in, submitted)["record_id"]
        assert UUID(first)
        assert attestation_of(signed_in, submitted)["record_id"] == first
        other = submit(make_draft(submitted.face_list, 1, first_seed=9), actor)
        assert attestation_of(signed_in, other)["record_id"] != first

    def test_file_says_whether_the_seal_is_intact(
        self, signed_in: Client, submitted: Import
    ) -> None:
        found = attestation_of(signed_in, submitted)["seal"]
        assert (found["version"], found["intact"], found["problem"]) == (3, True, "")
        Attestation.objects.update(term_ends_on=date(2099, 1, 1))
        found = attestation_of(signed_in, submitted)["seal"]
        assert found["intact"] is False
        assert found["problem"] == "The attestation was changed after it was sealed."

    def test_seal_of_an_unknown_version_is_exported_as_broken(
        self, signed_in: Client, submitted: Import
    ) -> None:
        Attestation.objects.update(seal_version=99)
        content = attestation_of(signed_in, submitted)
        assert content["seal"]["problem"] == "The seal has the unknown version 99."
        assert content["sealed"]["typed_name"] == "Maya Okafor"

    def test_attestation_without_batches_is_exported(
        self, signed_in: Client, make_draft: MakeDraft, known_list: FaceList, actor: Actor
    ) -> None:
        draft = make_draft(known_list, 1)
        sign(draft, actor)
        assert attestation_of(signed_in, draft)["batches"] == []


class TestImages:
    def test_csv_has_a_row_for_each_accepted_image(
        self, signed_in: Client, submitted: Import
    ) -> None:
        Batch.objects.update(
            state="done", importer_id="mprt_1", successful_count=2, duplicate_count=1, error_count=0
        )
        rows = csv_rows(signed_in, submitted)
        assert [row["original_name"] for row in rows] == ["face-0.jpg", "face-1.jpg", "face-2.jpg"]
        image = submitted.files.get(original_name="face-0.jpg")
        assert rows[0] == {
            "image": str(image.key),
            "original_name": "face-0.jpg",
            "sha256": image.sha256,
            "byte_size": str(image.byte_size),
            "subject_reference": "",
            "case_reference": "",
            "listing_reason": "confirmed_fraud",
            "note": "",
            "included_because": "",
            "batch": "1",
            "importer": "mprt_1",
            "outcome": "1 of these 3 was a duplicate",
            "uploaded_at": image.uploaded_at.isoformat(timespec="seconds"),
            "destroyed_at": "",
        }

    def test_csv_leaves_rejected_files_out(
        self, signed_in: Client, make_draft: MakeDraft, known_list: FaceList, actor: Actor
    ) -> None:
        draft = make_draft(known_list, 1)
        draft.files.create(original_name="a.pdf", byte_size=1, state="left_out", reason="format")
        sent = submit(draft, actor)
        assert [row["original_name"] for row in csv_rows(signed_in, sent)] == ["face-0.jpg"]

    @pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "@SUM(A1)", "a;=1", "\t=1"])
    def test_csv_cell_is_never_a_formula(
        self, text: str, signed_in: Client, submitted: Import
    ) -> None:
        Image.objects.update(original_name=text, note=text, subject_reference=text)
        row = csv_rows(signed_in, submitted)[0]
        for cell in (row["original_name"], row["note"], row["subject_reference"]):
            assert cell != text
            assert cell.replace("'", "") == text.replace("'", "")
