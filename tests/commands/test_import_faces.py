"""`manage.py import_faces`: the same rules as the page, for scripts. Exit 0, 1 or 2."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.conf import settings as project
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection as database

from importers import connection, consent, pacing
from importers.images import MOST_BYTES
from importers.local_persona import IMPORT, LocalPersona
from importers.management.commands import import_faces
from importers.management.commands.import_faces import TEMPLATE
from importers.models import (
    Attestation,
    AuditEvent,
    Batch,
    FaceList,
    Image,
    Import,
    PersonaLine,
)
from tests.support.forwarding import environment_beside, forward
from tests.support.pictures import draw

pytestmark = pytest.mark.django_db
REPORT_KEYS = {
    *("import", "state", "accepted", "left_out", "batches"),
    *("successful_count", "duplicate_count", "error_count"),
}


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def report(self) -> Any:
        return json.loads(self.out)


def run(*arguments: object) -> Outcome:
    """The command in this process, with the exit code that `manage.py` would give."""
    out, err = StringIO(), StringIO()
    try:
        call_command("import_faces", *map(str, arguments), stdout=out, stderr=err)
    except CommandError as refusal:
        return Outcome(refusal.returncode, out.getvalue(), f"{err.getvalue()}{refusal}")
    except SystemExit as end:
        return Outcome(int(end.code or 0), out.getvalue(), err.getvalue())
    return Outcome(0, out.getvalue(), err.getvalue())


@pytest.fixture
def attestation(tmp_path: Path) -> Path:
    path = tmp_path / "attestation.json"
    path.write_text(run("--attestation-template").out)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """faces/a.jpg, faces/inner/b.jpg and faces/inner/c.png."""
    path = tmp_path / "faces"
    (path / "inner").mkdir(parents=True)
    (path / "a.jpg").write_bytes(draw(1))
    (path / "inner" / "b.jpg").write_bytes(draw(2))
    (path / "inner" / "c.png").write_bytes(draw(3, kind="PNG"))
    return path


@pytest.fixture
def told(known_list: FaceList, officer: User, attestation: Path) -> tuple[object, ...]:
    """What every good call says besides the paths."""
    return (
        *("--list", known_list.persona_id),
        *("--user", "officer", "--attestation", attestation),
    )


def sent(persona: LocalPersona) -> list[str]:
    return [
        seen.path
        for seen in persona.requests()
        if f"{seen.method} " + seen.path.removeprefix("/api/v1") == IMPORT
    ]


class TestGoodCalls:
    def test_folder_is_imported_with_its_names(
        self, folder: Path, told: tuple[object, ...], officer: User
    ) -> None:
        outcome = run(folder, *told)
        assert outcome.code == 0
        done = Import.objects.get()
        assert outcome.out == f"Import {done.pk}: forwarding, 3 accepted, 0 left out.\n"
        names = list(done.files.values_list("original_name", flat=True))
        assert names == ["faces/a.jpg", "faces/inner/b.jpg", "faces/inner/c.png"]
        assert (done.created_by, done.state) == (officer, "forwarding")
        assert done.batches.get().image_count == 3

    def test_files_and_folders_are_imported_once_each(
        self, folder: Path, told: tuple[object, ...], tmp_path: Path
    ) -> None:
        alone = tmp_path / "alone.jpg"
        alone.write_bytes(draw(9))
        assert run(alone, folder / "inner", alone, *told).code == 0
        names = Image.objects.values_list("original_name", flat=True)
        assert list(names) == ["alone.jpg", "inner/b.jpg", "inner/c.png"]

    def test_template_attestation_is_accepted(self, folder: Path, told: tuple[object, ...]) -> None:
        run(folder, *told)
        record = Attestation.objects.get()
        consent.check(record)
        assert (record.signed_by_username, record.signed_from) == ("officer", "command line")
        assert record.jurisdictions == TEMPLATE["jurisdictions"]
        assert str(record.consent_from) == TEMPLATE["consent_from"]
        assert record.typed_name == TEMPLATE["typed_name"]
        assert record.statement_text == consent.FIRST_STATEMENT

    def test_rejected_files_exit_1_and_are_named(
        self, folder: Path, told: tuple[object, ...]
    ) -> None:
        (folder / "notes.txt").write_text("not a picture " * 100)
        outcome = run(folder, *told)
        assert outcome.code == 1
        assert "3 accepted, 1 left out." in outcome.out
        assert "left out: 'faces/notes.txt': " in outcome.err
        assert Batch.objects.get().image_count == 3

    def test_file_names_cannot_control_the_terminal(
        self, folder: Path, told: tuple[object, ...]
    ) -> None:
        (folder / "\x1b[2Jno\u202ete\n.txt").write_text("not a picture " * 100)
        outcome = run(folder, *told)
        assert outcome.code == 1
        assert "\\x1b[2Jno\\u202ete\\n.txt" in outcome.err
        assert not {"\x1b", "\u202e"} & set(outcome.err)

    def test_import_without_an_accepted_file_exits_2(
        self, tmp_path: Path, told: tuple[object, ...]
    ) -> None:
        (tmp_path / "notes.txt").write_text("not a picture " * 100)
        outcome = run(tmp_path / "notes.txt", *told, "--json")
        assert outcome.code == 2
        assert outcome.report["state"] == "canceled"
        assert outcome.report["accepted"] == 0
        assert not Batch.objects.exists()
        assert not Attestation.objects.exists()

    def test_empty_folder_exits_2(self, tmp_path: Path, told: tuple[object, ...]) -> None:
        (tmp_path / "nothing").mkdir()
        assert run(tmp_path / "nothing", *told).code == 2
        assert not Batch.objects.exists()

    def test_oversized_file_is_rejected_unread(
        self, folder: Path, told: tuple[object, ...]
    ) -> None:
        with (folder / "film.jpg").open("wb") as film:
            film.truncate(50 * MOST_BYTES)
        outcome = run(folder, *told, "--json")
        assert outcome.code == 1
        assert [left["code"] for left in outcome.report["left_out"]] == ["too_large"]
        assert Image.objects.get(reason="too_large").byte_size == 50 * MOST_BYTES


class TestJson:
    def test_json_report_has_the_promised_shape(
        self, folder: Path, told: tuple[object, ...]
    ) -> None:
        (folder / "notes.txt").write_text("not a picture " * 100)
        outcome = run(folder, *told, "--json")
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

    def test_persona_counts_duplicates_of_an_earlier_import(
        self, folder: Path, told: tuple[object, ...], persona: LocalPersona
    ) -> None:
        run(folder, *told)
        forward()
        (folder / "new.jpg").write_bytes(draw(7))
        run(folder, *told)
        forward()
        second = Batch.objects.latest("pk")
        assert (second.successful_count, second.duplicate_count) == (1, 3)


class TestRefusals:
    """Exit 2, one sentence, no import made, and Persona was sent nothing."""

    @pytest.fixture(autouse=True)
    def nothing_happens(self, persona: LocalPersona, db: None) -> Any:
        yield
        assert not Import.objects.exists()
        assert not Attestation.objects.exists()
        assert sent(persona) == []

    def refused(self, *arguments: object) -> str:
        outcome = run(*arguments)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.endswith((".", "again."))
        return outcome.err

    @pytest.mark.parametrize(
        ("option", "told_as"),
        [("--list", "--list"), ("--user", "--user"), ("--attestation", "--attestation")],
    )
    def test_missing_option_is_refused(
        self, option: str, told_as: str, folder: Path, told: tuple[object, ...]
    ) -> None:
        where = told.index(option)
        left = (*told[:where], *told[where + 2 :])
        assert self.refused(folder, *left) == f"{told_as} is missing. Nothing was sent."

    def test_missing_path_is_refused(self, told: tuple[object, ...]) -> None:
        assert self.refused(*told) == "PATH is missing. Nothing was sent."

    def test_unknown_person_is_refused(self, folder: Path, told: tuple[object, ...]) -> None:
        assert "no active account named 'nobody'" in self.refused(folder, *told, "--user", "nobody")

    def test_deactivated_person_is_refused(self, folder: Path, told: tuple[object, ...]) -> None:
        User.objects.update(is_active=False)
        assert "no active account named 'officer'" in self.refused(folder, *told)

    def test_missing_file_is_refused_beside_a_good_one(
        self, folder: Path, told: tuple[object, ...]
    ) -> None:
        missing = folder / "no-such.jpg"
        assert self.refused(folder, missing, *told) == f"{missing} is not there. Nothing was sent."

    def test_list_unknown_to_persona_is_refused(
        self, folder: Path, told: tuple[object, ...], persona: LocalPersona
    ) -> None:
        text = self.refused(folder, *told, "--list", "lst_nobodyKnows")
        assert "could not be looked up at Persona" in text
        assert [seen.path.rpartition("/")[2] for seen in persona.requests()] == ["lst_nobodyKnows"]

    def test_list_without_faces_is_refused(
        self, folder: Path, told: tuple[object, ...], persona: LocalPersona
    ) -> None:
        other = persona.add_list("Addresses", kind="list/email-address")
        assert "is not a list of faces" in self.refused(folder, *told, "--list", other)

    def test_list_archived_here_is_refused(self, folder: Path, told: tuple[object, ...]) -> None:
        FaceList.objects.update(archived=True)
        assert "The list Known fraud is archived" in self.refused(folder, *told)

    def test_list_archived_at_persona_is_refused(
        self, folder: Path, told: tuple[object, ...], persona: LocalPersona
    ) -> None:
        archived = persona.add_list("Old fraud", archived=True)
        assert "Old fraud is archived" in self.refused(folder, *told, "--list", archived)

    def test_list_that_cannot_be_looked_up_is_refused(
        self, folder: Path, told: tuple[object, ...], persona: LocalPersona
    ) -> None:
        unread = persona.add_list("Not read yet")
        persona.faults.inject("unauthorized")
        assert "Token is invalid" in self.refused(folder, *told, "--list", unread)
        connection.try_at_once()
        PersonaLine.objects.update(limit=2)
        pacing.take("local")
        assert "rate limit is used up" in self.refused(folder, *told, "--list", unread)

    @pytest.mark.parametrize(
        "text", ["", "{", "[]", "3", "null", '"text"', "\ufeff{}", "{}" * 2, '{"attested": {}}']
    )
    def test_file_that_is_no_attestation_is_refused(
        self, text: str, folder: Path, told: tuple[object, ...], attestation: Path
    ) -> None:
        attestation.write_text(text)
        said = self.refused(folder, *told)
        assert "can't be read as an attestation" in said or "not complete" in said

    def test_missing_attestation_file_is_refused(
        self, folder: Path, told: tuple[object, ...], tmp_path: Path
    ) -> None:
        said = self.refused(folder, *told, "--attestation", tmp_path / "none.json")
        assert "--attestation-template prints an example" in said

    def test_binary_attestation_is_refused(
        self, folder: Path, told: tuple[object, ...], attestation: Path
    ) -> None:
        attestation.write_bytes(draw(1))
        assert "can't be read as an attestation" in self.refused(folder, *told)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("attested", False),
            ("attested", None),
            ("adults_only", False),
            ("lawful_basis", "because"),
            ("jurisdictions", []),
            ("jurisdictions", ["mars"]),
            ("purpose", ""),
            ("consent_from", "2999-01-01"),
            ("typed_name", "7"),
            ("typed_name", None),
            ("evidence_reference", None),
        ],
    )
    def test_attestation_with_a_wrong_answer_is_refused(
        self, field: str, value: object, folder: Path, told: tuple[object, ...], attestation: Path
    ) -> None:
        attestation.write_text(json.dumps(TEMPLATE | {field: value}))
        said = self.refused(folder, *told)
        assert said.startswith("The attestation is not complete. ")
        assert f" {field}: " in said

    @pytest.mark.parametrize(
        ("field", "value", "told_as"),
        [
            ("attested", "no", "attested must be true or false"),
            ("adults_only", 0, "adults_only must be true or false"),
            ("jurisdictions", "us-il", "jurisdictions must be a list"),
            ("purpose", ["one", "two"], "purpose must be text"),
            ("typed_name", 7, "typed_name must be text"),
            ("consent_until", "2026-03-31", "there is no field 'consent_until'"),
        ],
    )
    def test_attestation_with_a_wrong_type_is_refused(
        self,
        field: str,
        value: object,
        told_as: str,
        folder: Path,
        told: tuple[object, ...],
        attestation: Path,
    ) -> None:
        attestation.write_text(json.dumps(TEMPLATE | {field: value}))
        assert f"can't be read as an attestation ({told_as})" in self.refused(folder, *told)

    @pytest.mark.parametrize("field", ["attested", "typed_name", "lawful_basis", "adults_only"])
    def test_attestation_without_an_answer_is_refused(
        self, field: str, folder: Path, told: tuple[object, ...], attestation: Path
    ) -> None:
        left = {name: value for name, value in TEMPLATE.items() if name != field}
        attestation.write_text(json.dumps(left))
        assert f"{field}: " in self.refused(folder, *told)


def test_list_unknown_here_is_looked_up_at_persona(
    folder: Path, told: tuple[object, ...], persona: LocalPersona
) -> None:
    new = persona.add_list("Made this morning")
    assert run(folder, *told, "--list", new).code == 0
    assert Import.objects.get().face_list.name == "Made this morning"
    assert AuditEvent.objects.filter(action="lists.read").count() == 1


def test_storage_failure_leaves_a_draft_and_sends_nothing(
    folder: Path, told: tuple[object, ...], media: Path
) -> None:
    media.mkdir()
    (media / "imports").write_text("a file where the folder should be")
    outcome = run(folder, *told)
    draft = Import.objects.get()
    assert outcome.code == 2
    assert f"import {draft.pk} is kept as a draft" in outcome.err
    assert draft.is_draft
    assert not Batch.objects.exists()


def test_unreadable_file_leaves_a_draft_and_sends_nothing(
    folder: Path, told: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    outcome = run(folder, *told)
    assert outcome.code == 2
    assert "faces/a.jpg could not be read (Permission denied). Nothing was sent" in outcome.err
    assert not Batch.objects.exists()


def test_consent_dates_may_be_missing_or_null(
    folder: Path, told: tuple[object, ...], attestation: Path
) -> None:
    days = {"lawful_basis": "legal_claims", "consent_from": None}
    left = {name: value for name, value in TEMPLATE.items() if name != "consent_to"}
    attestation.write_text(json.dumps(left | days))
    assert run(folder, *told).code == 0
    assert Attestation.objects.get().consent_from is None


@pytest.mark.django_db(transaction=True)
class TestWaiting:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(import_faces, "WAIT_SECONDS", 0.02)

    def test_wait_returns_personas_counts(
        self, folder: Path, told: tuple[object, ...], persona: LocalPersona
    ) -> None:
        with working():
            outcome = run(folder, *told, "--wait", "--json")
        assert outcome.code == 0
        assert outcome.report["state"] == "completed"
        counts = [outcome.report[f"{kind}_count"] for kind in ("successful", "duplicate", "error")]
        assert counts == [3, 0, 0]
        (entry,) = persona.ledger()
        assert sorted(file.sha256 for file in entry.files) == sorted(
            Image.objects.values_list("sha256", flat=True)
        )

    def test_wait_returns_when_a_batch_needs_a_person(
        self, folder: Path, told: tuple[object, ...], persona: LocalPersona
    ) -> None:
        persona.faults.inject("unprocessable")
        with working():
            outcome = run(folder, *told, "--wait", "--json")
        assert outcome.report["state"] == "needs_attention"
        assert persona.ledger() == []


@contextmanager
def working() -> Iterator[None]:
    """The worker's rounds in a thread, for as long as the block lasts."""
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
def test_program_exits_with_the_same_codes(
    folder: Path, told: tuple[object, ...], persona: LocalPersona, media: Path
) -> None:
    environment = environment_beside(persona, media)

    def program(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", "import_faces", *map(str, arguments)]
        return subprocess.run(
            command, cwd=project.BASE_DIR, env=environment, capture_output=True, text=True,
            check=False, timeout=60,
        )  # fmt: skip

    good = program(folder, *told, "--json")
    assert (good.returncode, json.loads(good.stdout)["accepted"], good.stderr) == (0, 3, "")
    (folder / "notes.txt").write_text("not a picture " * 100)
    assert program(folder, *told).returncode == 1
    refused = program(folder, *told, "--user", "nobody")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Traceback" not in refused.stderr
    assert program(folder, *told, "--no-such-option").returncode == 2
    assert Import.objects.count() == 2
