"""`manage.py import_faces`: the rules of the page for scripts; exit 0, 1 or 2."""

import getpass
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from django.conf import settings as project
from django.db import connection as database

from importers.consent import seal, statements
from importers.imaging.inspection import MAX_BYTES
from importers.local_persona import LocalPersona
from importers.management.commands import import_faces as command
from importers.models import Attestation, AuditEvent, Batch, FaceList, Image, Import, Person
from importers.models.consent import LawfulBasis
from tests.support.approvals import guard
from tests.support.attestations import SIGNATURE
from tests.support.forwarding import environment_beside, forward
from tests.support.import_faces import import_faces
from tests.support.pictures import draw

pytestmark = pytest.mark.django_db
REPORT_KEYS = {
    *("import", "state", "accepted", "left_out", "batches"),
    *("successful_count", "duplicate_count", "error_count"),
}


class TestImport:
    def test_folder_is_imported_with_its_names(
        self, folder: Path, options: tuple[object, ...], officer: Person
    ) -> None:
        outcome = import_faces(folder, *options)
        assert outcome.code == 0
        made = Import.objects.get()
        assert outcome.out == f"Import {made.pk}: forwarding, 3 accepted, 0 rejected.\n"
        names = list(made.files.values_list("original_name", flat=True))
        assert names == ["faces/a.jpg", "faces/inner/b.jpg", "faces/inner/c.png"]
        assert (made.created_by, made.state) == (officer, "forwarding")
        assert made.batches.get().image_count == 3

    def test_files_and_folders_are_imported_once_each(
        self, folder: Path, options: tuple[object, ...], tmp_path: Path
    ) -> None:
        alone = tmp_path / "alone.jpg"
        alone.write_bytes(draw(9))
        assert import_faces(alone, folder / "inner", alone, *options).code == 0
        names = Image.objects.values_list("original_name", flat=True)
        assert list(names) == ["alone.jpg", "inner/b.jpg", "inner/c.png"]

    def test_template_attestation_is_accepted(
        self, folder: Path, options: tuple[object, ...]
    ) -> None:
        import_faces(folder, *options)
        record = Attestation.objects.get()
        seal.check(record)
        assert (record.signed_by_username, record.typed_name) == ("officer", "Maya Okafor")
        assert record.sign_in_method == "command line"
        assert record.jurisdictions == ["us-il", "us-tx"]
        assert record.consent_from == date(2026, 1, 5)
        assert record.statement_text == statements.FIRST[LawfulBasis.CONSENT]
        assert {image.listing_reason for image in Image.objects.all()} == {"confirmed_fraud"}

    def test_trail_names_the_account_of_the_operating_system(
        self, folder: Path, options: tuple[object, ...]
    ) -> None:
        import_faces(folder, *options)
        system = f"command line: {getpass.getuser()}@{socket.gethostname()}"
        assert Attestation.objects.get().signed_from == system
        recorded = AuditEvent.objects.exclude(actor=None)
        assert {(event.actor_name, event.address) for event in recorded} == {("officer", system)}
        assert "import.attested" in {event.action for event in recorded}

    def test_images_are_sent_one_by_one_if_the_attestation_says_so(
        self, folder: Path, options: tuple[object, ...], attestation: Path
    ) -> None:
        change(attestation, mode="one_by_one")
        import_faces(folder, *options)
        assert [batch.image_count for batch in Batch.objects.all()] == [1, 1, 1]
        assert Import.objects.get().mode == "one_by_one"

    def test_rejected_files_exit_1_and_are_named(
        self, folder: Path, options: tuple[object, ...]
    ) -> None:
        (folder / "notes.txt").write_text("not a picture " * 100)
        outcome = import_faces(folder, *options)
        assert outcome.code == 1
        assert "3 accepted, 1 rejected." in outcome.out
        assert "rejected: 'faces/notes.txt': " in outcome.err
        assert Batch.objects.get().image_count == 3

    def test_file_names_cannot_control_the_terminal(
        self, folder: Path, options: tuple[object, ...]
    ) -> None:
        (folder / "\x1b[2Jno\u202ete\n.txt").write_text("not a picture " * 100)
        outcome = import_faces(folder, *options)
        assert outcome.code == 1
        assert "\\x1b[2Jno\\u202ete\\n.txt" in outcome.err
        assert not {"\x1b", "\u202e"} & set(outcome.err)

    def test_import_without_an_accepted_file_exits_2(
        self, tmp_path: Path, options: tuple[object, ...]
    ) -> None:
        (tmp_path / "notes.txt").write_text("not a picture " * 100)
        outcome = import_faces(tmp_path / "notes.txt", *options, "--json")
        assert outcome.code == 2
        assert outcome.report["state"] == "canceled"
        assert outcome.report["accepted"] == 0
        assert not Batch.objects.exists()
        assert not Attestation.objects.exists()

    def test_empty_folder_exits_2(self, tmp_path: Path, options: tuple[object, ...]) -> None:
        (tmp_path / "nothing").mkdir()
        assert import_faces(tmp_path / "nothing", *options).code == 2
        assert not Batch.objects.exists()

    def test_oversized_file_is_rejected_unread(
        self, folder: Path, options: tuple[object, ...]
    ) -> None:
        with (folder / "film.jpg").open("wb") as film:
            film.truncate(50 * MAX_BYTES)
        outcome = import_faces(folder, *options, "--json")
        assert outcome.code == 1
        assert [file["code"] for file in outcome.report["left_out"]] == ["too_large"]
        assert Image.objects.get(reason="too_large").byte_size == 50 * MAX_BYTES


class TestJson:
    def test_json_report_has_the_promised_shape(
        self, folder: Path, options: tuple[object, ...]
    ) -> None:
        (folder / "notes.txt").write_text("not a picture " * 100)
        outcome = import_faces(folder, *options, "--json")
        left_out = Image.objects.get(state="left_out")
        assert set(outcome.report) == REPORT_KEYS
        assert outcome.report == {
            "import": Import.objects.get().pk,
            "state": "forwarding",
            "accepted": 3,
            "left_out": [
                {
                    "file": "faces/notes.txt",
                    "code": left_out.reason,
                    "reason": left_out.explanation,
                }
            ],
            "batches": 1,
            "successful_count": 0,
            "duplicate_count": 0,
            "error_count": 0,
        }
        assert outcome.err == ""
        assert outcome.out.count("\n") == 1

    def test_image_that_the_list_was_sent_before_is_left_out(
        self, folder: Path, options: tuple[object, ...], persona: LocalPersona
    ) -> None:
        import_faces(folder, *options)
        forward()
        (folder / "new.jpg").write_bytes(draw(7))
        outcome = import_faces(folder, *options, "--json")
        assert (outcome.code, outcome.report["accepted"]) == (1, 1)
        assert [row["code"] for row in outcome.report["left_out"]] == ["already_sent"] * 3

    def test_image_is_sent_again_with_a_reason(
        self, folder: Path, options: tuple[object, ...], persona: LocalPersona
    ) -> None:
        import_faces(folder, *options)
        forward()
        (folder / "new.jpg").write_bytes(draw(7))
        outcome = import_faces(folder, *options, "--send-again", "Errors then.")
        assert outcome.code == 0
        forward()
        second = Batch.objects.latest("pk")
        assert (second.successful_count, second.duplicate_count) == (1, 3)
        assert Image.objects.filter(included_because="Errors then.").count() == 3


def test_import_that_needs_an_approval_awaits_it(
    folder: Path, options: tuple[object, ...], known_list: FaceList
) -> None:
    guard(known_list)
    outcome = import_faces(folder, *options, "--wait")
    assert (outcome.code, Batch.objects.exists()) == (0, False)
    assert ": awaiting_approval, 3 accepted, 0 rejected." in outcome.out
    assert outcome.err == "A second person must approve this import. Nothing is sent before that.\n"


def test_list_unknown_here_is_looked_up_at_persona(
    folder: Path, options: tuple[object, ...], persona: LocalPersona
) -> None:
    new = persona.add_list("Made this morning")
    assert import_faces(folder, *options, "--list", new).code == 0
    assert Import.objects.get().face_list.name == "Made this morning"
    assert AuditEvent.objects.filter(action="lists.synced").count() == 1


def test_storage_failure_leaves_a_draft_and_sends_nothing(
    folder: Path, options: tuple[object, ...], media: Path
) -> None:
    media.mkdir()
    (media / "imports").write_text("a file where the folder should be")
    outcome = import_faces(folder, *options)
    draft = Import.objects.get()
    assert outcome.code == 2
    assert f"Import {draft.pk} is kept as a draft" in outcome.err
    assert draft.is_draft
    assert not Batch.objects.exists()


def test_unreadable_file_leaves_a_draft_and_sends_nothing(
    folder: Path, options: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    outcome = import_faces(folder, *options)
    assert outcome.code == 2
    assert "faces/a.jpg could not be read (Permission denied). Nothing was sent" in outcome.err
    assert not Batch.objects.exists()


@pytest.mark.parametrize(
    "missing", [{"listing_reason": ""}, {"lawful_basis": "legal_claims", "case_reference": ""}]
)
def test_images_without_their_entry_stay_a_draft(
    missing: dict[str, str], folder: Path, options: tuple[object, ...], attestation: Path
) -> None:
    basis = missing.get("lawful_basis", "consent")
    attestation.write_text(import_faces("--attestation-template", "--basis", basis).out)
    change(attestation, **SIGNATURE | missing)
    outcome = import_faces(folder, *options)
    draft = Import.objects.get()
    assert outcome.code == 2
    assert outcome.err == (
        f"Each image needs its entry. Nothing was sent. Import {draft.pk} is kept as a draft."
    )
    assert draft.is_draft
    assert not Attestation.objects.exists()


class TestTemplate:
    @pytest.mark.parametrize("basis", LawfulBasis)
    def test_template_of_each_basis_is_valid_once_it_is_signed(
        self,
        basis: str,
        folder: Path,
        options: tuple[object, ...],
        attestation: Path,
    ) -> None:
        template = import_faces("--attestation-template", "--basis", basis).out
        attestation.write_text(template)
        refused = import_faces(folder, *options)
        assert (refused.code, Import.objects.count()) == (2, 0)
        assert refused.err == (
            "The attestation is incomplete. attested: Set it to true to attest to the statement.; "
            "typed_name: Type your full name as your account has it: Maya Okafor. "
            "Nothing was sent."
        )
        change(attestation, **SIGNATURE)
        assert import_faces(folder, *options).code == 0
        record = Attestation.objects.get()
        seal.check(record)
        assert record.lawful_basis == basis
        assert record.warnings == json.loads(template)["warnings"]
        assert record.statement_text == statements.FIRST[LawfulBasis(basis)]

    def test_template_without_a_basis_is_that_of_consent(self) -> None:
        default = import_faces("--attestation-template").out
        assert default == import_faces("--attestation-template", "--basis", "consent").out
        assert json.loads(default)["lawful_basis"] == "consent"

    def test_answers_that_are_not_asked_for_may_be_missing_or_null(
        self, folder: Path, options: tuple[object, ...], attestation: Path
    ) -> None:
        change(attestation, law=None, consent_to=None)
        assert import_faces(folder, *options).code == 0
        assert Attestation.objects.get().consent_to is None


def change(attestation: Path, **changes: object) -> None:
    attestation.write_text(json.dumps(json.loads(attestation.read_text()) | changes))


@contextmanager
def running_worker() -> Iterator[None]:
    """Run the worker's rounds in a thread while the block runs."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.05):
            forward(5)
        database.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.django_db(transaction=True)
class TestWait:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(command, "WAIT_SECONDS", 0.02)

    def test_wait_returns_personas_counts(
        self, folder: Path, options: tuple[object, ...], persona: LocalPersona
    ) -> None:
        with running_worker():
            outcome = import_faces(folder, *options, "--wait", "--json")
        assert outcome.code == 0
        assert outcome.report["state"] == "completed"
        counts = [outcome.report[f"{kind}_count"] for kind in ("successful", "duplicate", "error")]
        assert counts == [3, 0, 0]
        (entry,) = persona.ledger()
        assert sorted(file.sha256 for file in entry.files) == sorted(
            Image.objects.values_list("sha256", flat=True)
        )

    def test_wait_returns_when_a_batch_needs_a_person(
        self, folder: Path, options: tuple[object, ...], persona: LocalPersona
    ) -> None:
        persona.faults.inject("unprocessable")
        with running_worker():
            outcome = import_faces(folder, *options, "--wait", "--json")
        assert outcome.report["state"] == "needs_attention"
        assert persona.ledger() == []


@pytest.mark.django_db(transaction=True)
def test_program_exits_with_the_same_codes(
    folder: Path, options: tuple[object, ...], persona: LocalPersona, media: Path
) -> None:
    environment = environment_beside(persona, media)

    def program(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", "import_faces", *map(str, arguments)]
        return subprocess.run(
            command, cwd=project.BASE_DIR, env=environment, capture_output=True, text=True,
            check=False, timeout=60,
        )  # fmt: skip

    good = program(folder, *options, "--json")
    assert (good.returncode, json.loads(good.stdout)["accepted"], good.stderr) == (0, 3, "")
    (folder / "notes.txt").write_text("not a picture " * 100)
    assert program(folder, *options, "--send-again", "A test.").returncode == 1
    refused = program(folder, *options, "--user", "nobody")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Traceback" not in refused.stderr
    assert program(folder, *options, "--no-such-option").returncode == 2
    assert Import.objects.count() == 2
