"""A web server killed amid groups of files, again and again: no file is lost, none comes twice.

`make soak` kills it many more times.
"""

import hashlib
import itertools
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from tests.support.delays import random_delays
from tests.support.people import PASSWORD
from tests.support.pictures import draw
from tests.support.product import Product, product
from tests.support.site import Person

NO_PERSONA = "http://127.0.0.1:9/api/v1"
KILLS = 60 if "SOAK" in os.environ else 2
GROUP, CLIENTS, LONGEST_LIFE_SECONDS, PATIENCE_SECONDS = 12, 3, 0.3, 20
SWEEP = """
from importers.models import Import
from importers.vault import sweeping

sweeping.sweep(Import.objects.get())
"""
Group = dict[str, bytes]


@dataclass
class Folder:
    """A folder without end that is dropped on a page, and what the page learned of its files."""

    reported: Group = field(default_factory=dict)
    unanswered: list[Group] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    cut_off: int = 0
    is_answered: threading.Event = field(default_factory=threading.Event)

    def upload(self, officer: Person, draft: str) -> None:
        """Upload groups, first those without an answer, until the web server is killed."""
        while True:
            group = self.unanswered.pop() if self.unanswered else self._new_group()
            try:
                answer = officer.upload(draft, group)
            except requests.RequestException:
                self.unanswered.append(group)
                self.cut_off += 1
                return
            assert [file["state"] for file in answer.json()["files"]] == ["accepted"] * GROUP
            self.reported |= group
            self.is_answered.set()

    def _new_group(self) -> Group:
        numbers = itertools.islice(self.numbers, GROUP)
        return {f"{number}.jpg": draw(number, size=(200, 200)) for number in numbers}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_web_server_loses_and_doubles_no_file(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    server = request.getfixturevalue("postgresql_url") if kind == "postgresql" else ""
    folder = Folder()
    with (
        random_delays() as delays,
        product(tmp_path, NO_PERSONA, PASSWORD, server=server) as installed,
    ):
        draft = installed.open_draft()
        web = installed.start_web()
        officer = Person(installed.url)
        for _ in range(KILLS):
            with ThreadPoolExecutor(CLIENTS) as clients:
                uploads = [clients.submit(folder.upload, officer, draft) for _ in range(CLIENTS)]
                assert folder.is_answered.wait(PATIENCE_SECONDS)
                threading.Event().wait(delays.uniform(0, LONGEST_LIFE_SECONDS))
                installed.kill(web)
            web = installed.start_web()
            folder.is_answered.clear()
            assert [upload.result() for upload in uploads] == [None] * CLIENTS
            assert folder.reported.items() <= accepted(installed, tmp_path / "media").items()

        for group in folder.unanswered:
            assert officer.upload(draft, group).status_code == 200
            folder.reported |= group
        installed.shell(SWEEP)
        assert accepted(installed, tmp_path / "media") == folder.reported
        assert len(files_under(tmp_path / "media")) == 2 * len(folder.reported)
        installed.manage("verify_audit")
    assert folder.cut_off >= KILLS


def accepted(installed: Product, media: Path) -> Group:
    """Return the stored bytes of each accepted image by its name, which no other image has."""
    rows = installed.rows(
        "SELECT original_name, storage_key, sha256 FROM importers_image WHERE state = 'accepted'"
    )
    stored = {name: (media / key).read_bytes() for name, key, _ in rows}
    assert len(stored) == len(rows)
    assert all(hashlib.sha256(stored[name]).hexdigest() == sha256 for name, _, sha256 in rows)
    return stored


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
