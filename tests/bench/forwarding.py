"""Forwarding: batches over a bare loop of the same requests, memory, and the rate limit."""

import math
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from importers.forwarding.batching import sizes
from importers.local_persona import DEFAULT_KEY
from tests.bench.figures import Bench, Figure, at_least, at_most, medians
from tests.bench.persona import Persona, local_persona
from tests.bench.photos import write_photos
from tests.support.memory import most_kilobytes
from tests.support.product import Product

HEADERS = {"Authorization": f"Bearer {DEFAULT_KEY}", "Key-Inflection": "kebab"}
RATE_LIMIT, SMALL_BATCH = 300, 2


def figures(bench: Bench) -> Iterator[Figure]:
    with TemporaryDirectory(dir=bench.folder) as name:
        folder = Path(name)
        photos = write_photos(folder / "photos", 2_000 if bench.is_full else 800)
        for answer_seconds, threads, goal in ((0.1, 2, 0.95), (0.1, 4, 0.95), (0, 2, 0.6)):
            rates = throughput(bench, photos, answer_seconds, threads)
            words = f"answers after {answer_seconds * 1000:.0f} ms, {threads} threads"
            yield at_least(f"P6 batches of 12.5 MB, {words}", goal, *rates, "MB/s")
        yield memory(bench, photos[:400], threads=4)
        if bench.is_full:
            yield from rate_limit(bench, photos)


def throughput(
    bench: Bench, photos: list[Path], answer_seconds: float, threads: int
) -> tuple[float, float]:
    """Return the median rates of the worker and of a bare loop, in rounds that alternate."""
    size = sum(photo.stat().st_size for photo in photos) / 1_000_000
    rounds = []
    for _ in range(3):
        with local_persona(answer_seconds=answer_seconds) as persona:
            bare = time_bare(persona, photos, threads)
        with (
            local_persona(answer_seconds=answer_seconds) as persona,
            signed(bench, persona, photos) as installed,
        ):
            rounds.append((size / time_worker(installed, threads), size / bare))
    return medians(rounds)


def memory(bench: Bench, photos: list[Path], threads: int) -> Figure:
    """The peak of a worker that sends batches of 25 MB, over that of one with nothing to send."""
    larger = {"BATCH_MAX_IMAGES": "100"}
    with local_persona(answer_seconds=0.2) as persona:
        with signed(bench, persona, [], **larger) as installed:
            idle = peak_of_worker(installed, threads)
        with signed(bench, persona, photos, **larger) as installed:
            peak = peak_of_worker(installed, threads)
    what = f"P7 memory over idle for each of {threads} threads, batches of 25 MB"
    return at_most(what, 30, (peak - idle) / threads, idle, "MB")


def rate_limit(bench: Bench, photos: list[Path]) -> Iterator[Figure]:
    """More sends than Persona's limit allows in one window."""
    sends = len(photos) // SMALL_BATCH
    least = (math.ceil(sends / RATE_LIMIT) - 1) * 60
    share = {"PERSONA_RATE_SHARE": "1.0", "BATCH_MAX_IMAGES": str(SMALL_BATCH)}
    with (
        local_persona(rate_limit=RATE_LIMIT) as persona,
        signed(bench, persona, photos, **share) as installed,
    ):
        seconds = time_worker(installed, threads=2)
        ((refused,),) = installed.rows("SELECT count(*) FROM importers_exchange WHERE status = 429")
    yield at_most(f"{sends} sends at {RATE_LIMIT} a minute", least * 1.05, seconds, least, "s")
    yield at_most("of them refused by Persona", 0, refused, 0, "")


@contextmanager
def signed(bench: Bench, persona: Persona, photos: list[Path], **options: str) -> Iterator[Product]:
    """An installation in which all photos are signed and wait to be sent."""
    with (
        TemporaryDirectory(dir=bench.folder) as name,
        bench.installed(persona.url, **options) as installed,
    ):
        if photos:
            faces = Path(name, "faces")
            faces.mkdir()
            for photo in photos:
                (faces / photo.name).hardlink_to(photo)
            installed.import_faces(faces, persona.list_id)
        yield installed


def time_bare(persona: Persona, photos: list[Path], threads: int) -> float:
    """The seconds of a plain loop that reads the files of each batch and posts them."""

    def send(batch: list[Path]) -> None:
        requests.post(
            f"{persona.url}/importer/list-item/faces",
            headers=HEADERS,
            data={"data[attributes][list-id]": persona.list_id},
            files=[
                ("data[attributes][image-files][]", (file.name, file.read_bytes(), "image/jpeg"))
                for file in batch
            ],
            timeout=60,
        ).raise_for_status()

    rest = iter(photos)
    batches = [list(islice(rest, size)) for size in sizes(file.stat().st_size for file in photos)]
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(send, batches))
    return time.perf_counter() - began


def time_worker(installed: Product, threads: int) -> float:
    """The seconds from the start of the first send to the end of the last."""
    peak_of_worker(installed, threads)
    sends = installed.rows(
        "SELECT began_at, ended_at FROM importers_exchange WHERE method = 'POST' AND status = 201"
    )
    starts, ends = (
        [datetime.fromisoformat(str(at)) for at in column] for column in zip(*sends, strict=True)
    )
    return (max(ends) - min(starts)).total_seconds()


def peak_of_worker(installed: Product, threads: int) -> float:
    """Let a worker send all batches. Return the most megabytes that were resident."""
    words = ("--drain", "--threads", str(threads))
    worker = installed.start_worker(*words, stderr=subprocess.DEVNULL)
    peak = 0
    while worker.poll() is None:
        with suppress(OSError):  # it has just ended
            peak = max(peak, most_kilobytes(worker.pid))
        with suppress(subprocess.TimeoutExpired):
            worker.wait(timeout=0.02)
    if worker.returncode:
        raise RuntimeError("The worker failed.")
    return peak / 1000
