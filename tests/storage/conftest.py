"""An S3 server (moto's, which keeps its objects in this process) and a new bucket per test."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer
from pytest_django import Settings

from config import storage
from importers.audit.actors import Actor
from importers.intake import drafts
from importers.models import FaceList, Import
from tests.support.s3 import KEY_ID, S3, SECRET


@pytest.fixture(scope="package")
def server() -> Iterator[str]:
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    yield "http://{}:{}".format(*moto.get_host_and_port())
    moto.stop()


@pytest.fixture(scope="package")
def silent_url() -> Iterator[str]:
    """An address with a bound port where no server listens."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


@pytest.fixture
def s3(
    server: str,
    silent_url: str,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> S3:
    """A new bucket; the settings point to it as an operator's environment would."""
    environment = {
        "MEDIA_STORAGE": "s3://faces/consentry",
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "eu-central-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def point_to(url: str) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        settings.STORAGES = settings.STORAGES | {"default": storage.of_images(tmp_path)}

    point_to(server)
    requests.post(f"{server}/moto-api/reset", timeout=5)
    client = boto3.client("s3", region_name="eu-central-1")
    place: Any = {"LocationConstraint": "eu-central-1"}
    client.create_bucket(Bucket="faces", CreateBucketConfiguration=place)
    return S3(client, server, silent_url, point_to)


@pytest.fixture
def outage(s3: S3) -> None:
    """No server listens at the endpoint."""
    s3.start_outage()


@pytest.fixture
def draft(known_list: FaceList, actor: Actor) -> Import:
    return drafts.open_draft(known_list, actor)
