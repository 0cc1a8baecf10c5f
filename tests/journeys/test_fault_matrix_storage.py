"""The matrix of faults: storage that takes no image, and storage that gives one not back."""

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from pytest_django import Settings

from importers import audit, intake
from importers.audit import Actor
from importers.forwarding.poll import poll
from importers.forwarding.retry import retry
from importers.forwarding.send import send_next
from importers.local_persona import LocalPersona
from importers.models import AuditEvent, Batch, FaceList, Image, Import
from tests.journeys.test_fault_matrix import (
    OWNER,
    Wire,
    holds_whatever_happens,
    own_rows,
    persona,
    wire,
)
from tests.support.attestations import submit
from tests.support.forwarding import forward, states_of, time_passes
from tests.support.pages import upload as give
from tests.support.pages import upload_by_form as give_by_form
from tests.support.pages import words
from tests.support.people import PASSWORD
from tests.support.pictures import draw
from tests.support.product import product

__all__ = ["persona", "wire"]

State = Batch.State
MOUNT, UMOUNT = "/bin/mount", "/bin/umount"
DISK_BYTES, LEFT_BYTES = 1_048_576, 65_536
Back = Callable[[], object]


def picture() -> bytes:
    """Larger than what is left on the disk: a part of it can be written."""
    data = draw(5, size=(600, 600), kind="PNG")
    assert LEFT_BYTES < len(data) < DISK_BYTES - LEFT_BYTES
    return data


@contextmanager
def full_disk(folder: Path) -> Iterator[Back]:
    """A real one, of a megabyte; it gets space again by what is given."""
    folder.mkdir()
    told = [MOUNT, "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    try:
        subprocess.run(told, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"No file system can be mounted here: {getattr(error, 'stderr', error)!r}")
    try:
        filler = folder / "filler"
        filler.write_bytes(bytes(DISK_BYTES - LEFT_BYTES))
        yield filler.unlink
    finally:
        subprocess.run([UMOUNT, "--lazy", folder], check=True)


@contextmanager
def storage_is_full(media: Path, settings: Settings) -> Iterator[Back]:
    with full_disk(media) as back:
        yield back


@contextmanager
def uploads_are_full(media: Path, settings: Settings) -> Iterator[Back]:
    """Where an upload lies while it arrives."""
    folder = media.with_name("arriving")
    with full_disk(folder) as back:
        settings.FILE_UPLOAD_TEMP_DIR = str(folder)
        yield back


@contextmanager
def a_file_lies_in_its_place(media: Path, settings: Settings) -> Iterator[Back]:
    media.write_text("no folder")
    yield media.unlink


@dataclass(frozen=True)
class Full:
    name: str
    fault: Callable[[Path, Settings], AbstractContextManager[Back]]


FULL = [
    Full("the disk of the images is full", storage_is_full),
    Full("the disk that uploads arrive on is full", uploads_are_full),
    Full("a file lies where the folder should be", a_file_lies_in_its_place),
]


def by_script(client: Client, draft: Import) -> tuple[int, str]:
    answer = give(client, draft, "face.png", picture())
    is_told = answer.headers["Content-Type"] == "application/json"
    return answer.status_code, answer.json().get("reason", "") if is_told else ""


def by_form(client: Client, draft: Import) -> tuple[int, str]:
    answer = give_by_form(client, draft, ("face.png", picture()))
    return answer.status_code, words(answer.content.decode())


@pytest.mark.django_db
@pytest.mark.parametrize(("door", "status"), [(by_script, 507), (by_form, 200)])
@pytest.mark.parametrize("row", FULL, ids=lambda row: row.name)
def test_an_upload_while(
    row: Full,
    door: Callable[[Client, Import], tuple[int, str]],
    status: int,
    wire: Wire,
    signed_in: Client,
    known_list: FaceList,
    actor: Actor,
    media: Path,
    settings: Settings,
) -> None:
    draft = intake.open_draft(known_list, actor)
    events = AuditEvent.objects.count()
    with row.fault(media, settings) as space_is_back:
        signed_in.raise_request_exception = False
        assert door(signed_in, draft)[0] == status
        assert "could not store" in door(signed_in, draft)[1]
        assert not Image.objects.exists()
        assert AuditEvent.objects.count() == events
        assert [path.name for path in files_under(media)] in ([], ["filler"], ["media"])
        space_is_back()
        assert door(signed_in, draft)[0] == 200
        arrives_once(draft, actor, wire)


def files_under(folder: Path) -> list[Path]:
    return [folder] if folder.is_file() else [path for path in folder.rglob("*") if path.is_file()]


def arrives_once(draft: Import, actor: Actor, wire: Wire) -> None:
    image = draft.files.get()
    assert Path(default_storage.path(image.storage_key)).read_bytes() == picture()
    submit(draft, actor)
    forward()
    (entry,) = wire.ledger()
    assert [file.sha256 for file in entry.files] == [image.sha256]
    assert Batch.objects.get().state == State.DONE
    assert all_holds(wire)


@contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    """In the processes that are started meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_command_that_may_write_no_file_so_large_stores_nothing_and_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Everywhere, and as an exhausted quota does: a part of the file is written."""
    data = draw(5, size=(2_400, 2_400), kind="PNG")
    with (
        LocalPersona(delay=0) as persona,
        Wire(persona) as line,
        product(tmp_path, line.url, PASSWORD) as installed,
    ):
        faces, list_id = tmp_path / "faces", persona.add_list("Known fraud")
        faces.mkdir()
        (faces / "face.png").write_bytes(data)
        with no_file_grows_beyond(len(data) - 1), pytest.raises(subprocess.CalledProcessError):
            installed.import_faces(faces, list_id)
        assert "An image could not be stored" in capfd.readouterr().err
        assert files_under(tmp_path / "media") == []
        assert installed.rows("SELECT * FROM importers_image") == []
        installed.import_faces(faces, list_id)
        installed.manage("forward", "--drain")
        installed.manage("verify_audit")
        (entry,) = line.ledger()
        assert [file.size for file in entry.files] == [len(data)]
        assert holds_whatever_happens(installed.rows, line, [])


def is_a_folder(place: Path) -> None:
    place.mkdir()


def leads_to_itself(place: Path) -> None:
    place.symlink_to(place)


def is_gone(place: Path) -> None:
    """Moved aside, and nothing put there."""


def is_cut_short(place: Path) -> None:
    place.write_bytes(aside(place).read_bytes()[:-1])


def is_another_picture(place: Path) -> None:
    place.write_bytes(draw(77))


@dataclass(frozen=True)
class Lost:
    """An image that storage gives not back. `a_person`: once it is mended, somebody has to ask."""

    name: str
    fault: Callable[[Path], None]
    state: Batch.State
    problem: str
    sentence: str
    a_person: bool = True


UNREADABLE = (State.QUEUED, "storage_unreadable", "cannot be read from storage now", False)
NOT_SEALED = (State.FAILED, "seal_broken", "is not the one that was attested")
LOST = [
    Lost("cannot be opened", is_a_folder, *UNREADABLE),
    Lost("leads nowhere", leads_to_itself, *UNREADABLE),
    Lost("is gone", is_gone, State.FAILED, "image_missing", "is no longer in storage"),
    Lost("is cut short", is_cut_short, *NOT_SEALED),
    Lost("is another one", is_another_picture, *NOT_SEALED),
]


def aside(place: Path) -> Path:
    return place.with_suffix(".aside")


def is_mended(place: Path) -> None:
    if place.is_dir():
        place.rmdir()
    aside(place).replace(place)


@pytest.mark.django_db
@pytest.mark.parametrize("row", LOST, ids=lambda row: row.name)
def test_one_image_of_a_batch_that(
    row: Lost,
    wire: Wire,
    make_draft: Callable[..., Import],
    known_list: FaceList,
    actor: Actor,
    settings: Settings,
) -> None:
    settings.BATCH_MAX_IMAGES = 2
    sent = submit(make_draft(known_list, images=6), actor)
    image = sent.files.filter(batch__number=2).order_by("pk")[1]
    place = Path(default_storage.path(image.storage_key))
    place.rename(aside(place))
    row.fault(place)
    the_others_go_on()
    batch = sent.batches.get(number=2)
    assert states_of(sent) == [State.DONE, row.state, State.DONE]
    assert (batch.problem, batch.importer_id) == (row.problem, "")
    assert f"{image.key} {row.sentence}" in batch.problem_detail
    assert len(wire.ledger()) == len(wire.sent) == 2
    assert all_holds(wire)
    is_mended(place)
    assert retry(sent, actor) == row.a_person
    time_passes()
    forward()
    assert states_of(sent) == [State.DONE] * 3
    assert Import.objects.get().state == Import.State.COMPLETED
    assert len(wire.ledger()) == len(wire.sent) == 3
    assert all_holds(wire)


def the_others_go_on() -> None:
    assert [send_next(OWNER) for _ in range(4)] == [True, True, True, False]
    time_passes()
    assert poll()


def all_holds(wire: Wire) -> bool:
    return holds_whatever_happens(own_rows, wire, list(audit.breaks()))
