"""Intake: photos over HTTP into a draft."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import requests

from importers.intake.files import GROUP_FILES
from tests.bench.figures import Bench, Figure, at_least, medians
from tests.bench.photos import new_photos
from tests.bench.rows import write_history
from tests.support.bare_site import bare_site
from tests.support.product import Product
from tests.support.site import Person

CLIENTS, ROUNDS = 4, 5
Upload = Callable[[int], None]  # of so many new photos in one request


def figures(bench: Bench) -> Iterator[Figure]:
    photos = 1_000 if bench.is_full else 400
    with bare_site(bench.folder) as url, bench.installed() as installed:
        installed.start_web()
        rates = compare(bare_uploads(url), 1, uploads_to(installed), photos)
    yield at_least("P1 photos of 250 KB, over a bare view", 0.7, *rates, "/s")
    with bench.installed() as empty, bench.installed() as stored:
        write_history(stored, bench.imports)
        for each in (empty, stored):
            each.start_web()
        rates = compare(uploads_to(empty), GROUP_FILES, uploads_to(stored), photos)
    yield at_least(f"P13 with {bench.imports * 50:,} images stored, over none", 0.9, *rates, "/s")


def uploads_to(installed: Product) -> Upload:
    """Return what uploads photos to a new draft."""
    officer, draft = Person(installed.url), installed.open_draft()

    def upload(count: int) -> None:
        photos = new_photos(count)
        while True:
            answer = officer.upload(draft, photos, seconds=60)
            if answer.status_code != 503:
                assert [file["new"] for file in answer.json()["files"]] == [True] * count
                return
            Event().wait(0.05)

    at_once(upload, 4 * CLIENTS, 1)  # starts the image processes
    return upload


def bare_uploads(url: str) -> Upload:
    def upload(count: int) -> None:
        files = [("file", ("file", data)) for data in new_photos(count).values()]
        requests.post(f"{url}/files/", files=files, timeout=60).raise_for_status()

    return upload


def compare(
    baseline: Upload, baseline_group: int, ours: Upload, photos: int
) -> tuple[float, float]:
    """Return the median rates of ours and of the baseline, in rounds that alternate."""
    rounds = [
        (at_once(ours, photos, GROUP_FILES), at_once(baseline, photos, baseline_group))
        for _ in range(ROUNDS)
    ]
    return medians(rounds)


def at_once(upload: Upload, photos: int, group: int, clients: int = CLIENTS) -> float:
    """Upload so many photos by several clients, and return how many arrived per second."""
    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(upload, [group] * (photos // group)))
    return photos / (time.perf_counter() - began)
