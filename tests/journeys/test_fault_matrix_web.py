"""The fault matrix of the web server: killed amid an upload, and logs that cannot be written."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from importers.local_persona import LocalPersona
from tests.support.faces import write_faces
from tests.support.pages import outcome_of
from tests.support.people import PASSWORD
from tests.support.pictures import draw
from tests.support.product import Product, product
from tests.support.site import Person

PATIENCE_SECONDS = 20
ARRIVED_BYTES, ANNOUNCED_BYTES = 3_000_000, 15_000_000


@pytest.fixture(scope="module")
def persona() -> Iterator[LocalPersona]:
    with LocalPersona(delay=0) as started:
        yield started


@pytest.fixture(scope="module")
def list_id(persona: LocalPersona) -> str:
    return persona.add_list("Known fraud")


@pytest.fixture(scope="module")
def installed(
    persona: LocalPersona, list_id: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    with product(tmp_path_factory.mktemp("web"), persona.url, PASSWORD) as ready:
        yield ready


def open_draft(installed: Product, officer: Person, list_id: str) -> str:
    """Return the path of a new draft's page."""
    officer.post("/lists/sync/", {})
    query = f"SELECT id FROM importers_facelist WHERE persona_id = '{list_id}'"  # noqa: S608
    ((face_list,),) = installed.rows(query)
    return officer.post("/imports/new/", {"face_list": str(face_list)}).headers["Location"]


def wait_for_file_on_disk(session: int, folder: Path, size: int) -> None:
    """Wait until a process of that session has written so much to an open file in the folder."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not any(file.st_size >= size for file in _open_files(session, folder)):
        assert time.monotonic() < deadline


def _open_files(session: int, folder: Path) -> Iterator[os.stat_result]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(ProcessLookupError, FileNotFoundError):  # one that just ended
            if os.getsid(int(process.name)) == session:
                for descriptor in (process / "fd").iterdir():
                    if str(descriptor.readlink()).startswith(f"{folder}/"):
                        yield descriptor.stat()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="Only Linux shows open files")
def test_web_server_killed_amid_an_upload_leaves_no_face(
    installed: Product, list_id: str, tmp_path: Path
) -> None:
    web = installed.start_web(TMPDIR=str(tmp_path))
    officer = Person(installed.url)
    draft = open_draft(installed, officer, list_id)
    with officer.start_upload(draft, ARRIVED_BYTES, ANNOUNCED_BYTES):
        wait_for_file_on_disk(web.pid, tmp_path, ARRIVED_BYTES - 100_000)
        installed.kill(web)
    assert list(tmp_path.rglob("*")) == []
    assert installed.rows("SELECT * FROM importers_image") == []
    installed.start_web(TMPDIR=str(tmp_path))
    assert outcome_of(officer.upload(draft, {"face.jpg": draw()}))["state"] == "accepted"
    assert list(tmp_path.rglob("*")) == []
    installed.stop()


def test_web_server_and_worker_go_on_without_logs(
    installed: Product, list_id: str, tmp_path: Path
) -> None:
    write_faces(tmp_path / "faces", 2)
    installed.import_faces(tmp_path / "faces", list_id)
    with Path("/dev/full").open("wb") as full:
        web = installed.start_web(stderr=full)
        officer = Person(installed.url)
        assert officer.get("/nowhere/").status_code == 404  # and logs a warning
        assert officer.get("/").status_code == 200
        worker = installed.start_worker("--drain", stderr=full)  # it logs each request to Persona
        # 120 is Python's own: at the very end, it could not write what was left of the log.
        assert worker.wait(PATIENCE_SECONDS) in (0, 120)
        assert installed.rows("SELECT state FROM importers_batch") == [("done",)]
        assert web.poll() is None
