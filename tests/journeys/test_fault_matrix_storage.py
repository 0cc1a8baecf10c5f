"""The fault matrix of storage: storage that cannot be written, and images that cannot be read."""

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from pytest_django import Settings

from importers import checks
from importers.audit.actors import Actor
from importers.forwarding.claims import Leases
from importers.forwarding.control import retry
from importers.forwarding.polling import poll
from importers.forwarding.sending import send_next
from importers.intake import drafts, upload_handler
from importers.local_persona import LocalPersona
from importers.models import AuditEvent, Batch, FaceList, Image, Import
from tests.support.attestations import submit
from tests.support.disks import DISK_BYTES, LEFT_BYTES, Mend, full_disk, read_only_disk
from tests.support.fault_matrix import OWNER, invariants_hold, query
from tests.support.forwarding import forward, states_of, time_passes
from tests.support.pages import upload, upload_by_form, words
from tests.support.people import PASSWORD
from tests.support.pictures import draw
from tests.support.product import product
from tests.support.wire import Wire

State = Batch.State


def picture() -> bytes:
    """A picture larger than the space left on the disk: a part of it can be written."""
    data = draw(5, size=(600, 600), kind="PNG")
    assert LEFT_BYTES < len(data) < DISK_BYTES - LEFT_BYTES
    return data


@contextmanager
def full_storage(media: Path, settings: Settings) -> Iterator[Mend]:
    with full_disk(media) as free_space:
        yield free_space


@contextmanager
def full_upload_folder(media: Path, settings: Settings) -> Iterator[Mend]:
    """An upload that is not kept in memory is written here while it arrives."""
    folder = media.with_name("arriving")
    none_in_memory = patch.object(upload_handler, "SMALL_REQUEST_BYTES", 0)
    with none_in_memory, full_disk(folder) as free_space:
        settings.FILE_UPLOAD_TEMP_DIR = str(folder)
        yield free_space


@contextmanager
def read_only_folder(media: Path, settings: Settings) -> Iterator[Mend]:
    with read_only_disk(media) as remount:
        yield remount


@contextmanager
def file_instead_of_folder(media: Path, settings: Settings) -> Iterator[Mend]:
    media.write_text("no folder")
    yield media.unlink


@dataclass(frozen=True)
class Unwritable:
    """`is_seen` says whether `/readyz` and the check at the start of a command can see it."""

    name: str
    fault: Callable[[Path, Settings], AbstractContextManager[Mend]]
    is_seen: bool = True


UNWRITABLE = [
    Unwritable("image disk full", full_storage),
    Unwritable("upload disk full", full_upload_folder, is_seen=False),
    Unwritable("read-only folder", read_only_folder),
    Unwritable("file instead of the folder", file_instead_of_folder),
]


def by_script(client: Client, draft: Import) -> tuple[int, str]:
    answer = upload(client, draft, "face.png", picture())
    is_json = answer.headers["Content-Type"] == "application/json"
    return answer.status_code, answer.json().get("reason", "") if is_json else ""


def by_form(client: Client, draft: Import) -> tuple[int, str]:
    answer = upload_by_form(client, draft, ("face.png", picture()))
    return answer.status_code, words(answer.content.decode())


@pytest.mark.django_db
@pytest.mark.parametrize(("door", "status"), [(by_script, 507), (by_form, 200)])
@pytest.mark.parametrize("row", UNWRITABLE, ids=lambda row: row.name)
def test_upload_to_unwritable_storage_stores_nothing_until_mended(
    row: Unwritable,
    door: Callable[[Client, Import], tuple[int, str]],
    status: int,
    wire: Wire,
    signed_in: Client,
    known_list: FaceList,
    actor: Actor,
    media: Path,
    settings: Settings,
) -> None:
    draft = drafts.open_draft(known_list, actor)
    events = AuditEvent.objects.count()
    with row.fault(media, settings) as mend:
        signed_in.raise_request_exception = False
        assert door(signed_in, draft)[0] == status
        assert "could not store" in door(signed_in, draft)[1]
        assert not Image.objects.exists()
        assert AuditEvent.objects.count() == events
        assert signed_in.get("/").status_code == 200
        assert signed_in.get("/readyz").json()["storage"] is not row.is_seen
        assert bool(checks.folder_of_images_is_writable()) is row.is_seen
        assert [path.name for path in files_under(media)] in ([], ["filler"], ["media"])
        mend()
        assert door(signed_in, draft)[0] == 200
        assert_arrives_once(draft, actor, wire)


def files_under(folder: Path) -> list[Path]:
    return [folder] if folder.is_file() else [path for path in folder.rglob("*") if path.is_file()]


def assert_arrives_once(draft: Import, actor: Actor, wire: Wire) -> None:
    image = draft.files.get()
    assert Path(default_storage.path(image.storage_key)).read_bytes() == picture()
    submit(draft, actor)
    forward()
    (entry,) = wire.ledger()
    assert [file.sha256 for file in entry.files] == [image.sha256]
    assert Batch.objects.get().state == State.DONE
    assert invariants_hold(query, wire)


@contextmanager
def limited_file_size(size: int) -> Iterator[None]:
    """Limit the size of each file that processes started within the block can write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_import_faces_stores_nothing_when_a_file_cannot_be_written_to_its_end(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """As with an exhausted quota, a part of the file is written. This needs no mounted disk."""
    data = draw(5, size=(1_600, 1_600), kind="PNG")
    with (
        LocalPersona(delay=0) as persona,
        Wire(persona) as proxy,
        product(tmp_path, proxy.url, PASSWORD) as installed,
    ):
        faces, list_id = tmp_path / "faces", persona.add_list("Known fraud")
        faces.mkdir()
        (faces / "face.png").write_bytes(data)
        with limited_file_size(len(data) - 1), pytest.raises(subprocess.CalledProcessError):
            installed.import_faces(faces, list_id)
        assert "An image could not be stored" in capfd.readouterr().err
        assert files_under(tmp_path / "media") == []
        assert installed.rows("SELECT * FROM importers_image") == []
        installed.import_faces(faces, list_id)
        installed.manage("forward", "--drain")
        installed.manage("verify_audit")
        (entry,) = proxy.ledger()
        assert [file.size for file in entry.files] == [len(data)]
        assert invariants_hold(installed.rows, proxy, check_audit=False)


def put_folder(place: Path) -> None:
    place.mkdir()


def put_link_to_itself(place: Path) -> None:
    place.symlink_to(place)


def put_nothing(place: Path) -> None:
    """The image was moved aside before."""


def put_part_of_it(place: Path) -> None:
    place.write_bytes(aside(place).read_bytes()[:-1])


def put_another_picture(place: Path) -> None:
    place.write_bytes(draw(77))


@dataclass(frozen=True)
class Lost:
    """An image that cannot be read from storage. Once mended, `needs_retry` asks for a person."""

    name: str
    fault: Callable[[Path], None]
    state: Batch.State
    problem: str
    sentence: str
    needs_retry: bool = True


UNREADABLE = (State.QUEUED, "storage_unreadable", "cannot be read from storage now", False)
NOT_SEALED = (State.FAILED, "seal_broken", "is not the one that was attested")
LOST = [
    Lost("folder", put_folder, *UNREADABLE),
    Lost("link to itself", put_link_to_itself, *UNREADABLE),
    Lost("missing", put_nothing, State.FAILED, "image_missing", "is no longer in storage"),
    Lost("cut short", put_part_of_it, *NOT_SEALED),
    Lost("another picture", put_another_picture, *NOT_SEALED),
]


def aside(place: Path) -> Path:
    return place.with_suffix(".aside")


def put_back(place: Path) -> None:
    if place.is_dir():
        place.rmdir()
    aside(place).replace(place)


@pytest.mark.django_db
@pytest.mark.parametrize("row", LOST, ids=lambda row: row.name)
def test_unreadable_image_stops_only_its_own_batch_until_mended(
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
    send_every_batch()
    batch = sent.batches.get(number=2)
    assert states_of(sent) == [State.DONE, row.state, State.DONE]
    assert (batch.problem, batch.importer_id) == (row.problem, "")
    assert f"{image.key} {row.sentence}" in batch.problem_detail
    assert len(wire.ledger()) == len(wire.sent) == 2
    assert invariants_hold(query, wire)
    put_back(place)
    assert retry(sent, actor) == row.needs_retry
    time_passes()
    forward()
    assert states_of(sent) == [State.DONE] * 3
    assert Import.objects.get().state == Import.State.COMPLETED
    assert len(wire.ledger()) == len(wire.sent) == 3
    assert invariants_hold(query, wire)


def send_every_batch() -> None:
    assert [send_next(Leases(OWNER)) for _ in range(4)] == [True, True, True, False]
    time_passes()
    assert poll()
