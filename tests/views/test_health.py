"""The two addresses for load balancers. For images in a bucket see `storage/test_s3_outages.py`."""

import os
from pathlib import Path

import pytest
from django.test import Client

from importers.worker import jobs

pytestmark = pytest.mark.django_db
ALL = {"database": True, "storage": True, "worker": True}


@pytest.fixture
def working() -> None:
    jobs.report_alive("the test's worker")


def test_healthz_answers_alive(client: Client) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"alive\n")


def test_readyz_is_ready_before_the_first_image(client: Client, working: None, media: Path) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (200, ALL)
    assert not media.exists()


def test_readyz_is_ready_once_images_exist(client: Client, working: None, media: Path) -> None:
    (media / "imports").mkdir(parents=True)
    assert client.get("/readyz").json() == ALL


def test_readyz_fails_without_a_worker(client: Client) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (503, ALL | {"worker": False})


def test_readyz_fails_when_the_image_folder_is_a_file(
    client: Client, working: None, media: Path
) -> None:
    media.write_text("not a folder")
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (503, ALL | {"storage": False})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("exists", [True, False])
def test_readyz_fails_when_storage_is_not_writable(
    exists: bool, client: Client, working: None, media: Path
) -> None:
    closed = media if exists else media.parent
    closed.mkdir(exist_ok=True)
    closed.chmod(0o500)
    try:
        assert client.get("/readyz").json() == ALL | {"storage": False}
    finally:
        closed.chmod(0o700)
