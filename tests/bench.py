"""`make bench` compares forwarding with the bare requests, in real processes over real HTTP.

Compare the ratios. Absolute times depend on the machine.
"""

import io
import math
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import requests
from PIL import Image as Picture

from importers.local_persona import DEFAULT_KEY, IMPORT, LocalPersona
from tests.support.product import Product, product

IMAGES, SIDE_PIXELS, BATCH, THREADS, ROUNDS = 2000, 300, 50, 2, 3
ANSWER_SECONDS = 0.5  # the time of an answer over the internet
LIMIT, LIMITED_BATCH = 300, 2
HEAVY_BATCHES, HEAVY_SIDE_PIXELS = 6, 905  # about 500 kB per image
HEADERS = {"Authorization": f"Bearer {DEFAULT_KEY}", "Key-Inflection": "kebab"}
MEGABYTE = 1_000_000
PER_MEGABYTE = MEGABYTE if sys.platform == "darwin" else 1000  # ru_maxrss: bytes or kilobytes


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="consentry-bench-") as name:
        folder = Path(name)
        say("Drawing images …")
        faces = draw(folder / "faces", IMAGES, SIDE_PIXELS)
        heavy = draw(folder / "heavy", HEAVY_BATCHES * BATCH, HEAVY_SIDE_PIXELS)
        say(f"\n{IMAGES} images in {IMAGES // BATCH} requests, {THREADS} threads, no rate limit")
        ratio = throughput(folder, faces, ANSWER_SECONDS)
        say(f"  throughput over the bare loop's {ratio:8.2f}   (goal: at least 0.95)")
        say("The same with a Persona that answers at once, on the same cores as the worker")
        say(f"  throughput over the bare loop's {throughput(folder, faces, 0):8.2f}")
        memory(folder, heavy)
        rate_limit(folder, faces)


def throughput(folder: Path, faces: Path, answer_seconds: float) -> float:
    """The worker's throughput over that of a bare loop of the same requests: the median ratio."""
    ratios = []
    for number in range(1, ROUNDS + 1):
        with local_persona(None, answer_seconds) as persona:
            bare = time_bare(persona, sorted(faces.iterdir()))
        fresh = local_persona(None, answer_seconds)
        with fresh as persona, signed(folder, persona, faces) as installed:
            ours = time_worker(installed)
        ratios.append(bare / ours)
        say(f"  round {number}: bare loop {bare:6.2f} s, worker {ours:6.2f} s")
    return statistics.median(ratios)


def rate_limit(folder: Path, faces: Path) -> None:
    """More sends than Persona's limit allows in one window."""
    sends = IMAGES // LIMITED_BATCH
    least = (math.ceil(sends / LIMIT) - 1) * 60
    share = {"PERSONA_RATE_SHARE": "1.0", "BATCH_MAX_IMAGES": str(LIMITED_BATCH)}
    with local_persona(LIMIT, 0) as persona, signed(folder, persona, faces, **share) as installed:
        seconds = time_worker(installed)
        refused, polls = installed.rows(
            "SELECT sum(status = 429), sum(method = 'GET') FROM importers_exchange"
        )[0]
    say(f"\n{sends} sends and {polls} other requests at {LIMIT} per minute, share 1.0")
    say(f"  least time under the limit   {least:8.1f} s")
    say(f"  worker                       {seconds:8.1f} s")
    say(f"  worker over least time       {seconds / least:8.3f}   (goal: at most 1.05)")
    say(f"  answers with status 429      {refused:8}   (goal: 0)")


def memory(folder: Path, heavy: Path) -> None:
    """The peak memory of the worker, idle and with more and more batches of 25 MB."""
    files = sorted(heavy.iterdir())
    size = sum(file.stat().st_size for file in files[:BATCH]) / MEGABYTE
    say(f"\nPeak memory of the worker, batches of {BATCH} images, {size:.1f} MB each")
    for batches, threads in [(0, 1), (3, 1), (HEAVY_BATCHES, 1), (HEAVY_BATCHES, THREADS)]:
        some = folder / f"some-{batches}-{threads}"
        some.mkdir()
        for file in files[: batches * BATCH]:
            (some / file.name).hardlink_to(file)
        with local_persona(None, 0) as persona, signed(folder, persona, some) as installed:
            peak = peak_of_worker(installed, threads)
        say(f"  {batches} batches, {threads} at a time      {peak:8.0f} MB")


def draw(folder: Path, count: int, side: int) -> Path:
    folder.mkdir()
    for seed in range(count):
        noise = random.Random(seed).randbytes(side * side * 3)  # noqa: S311
        out = io.BytesIO()
        Picture.frombytes("RGB", (side, side), noise).save(out, "JPEG")
        (folder / f"{seed:05}.jpg").write_bytes(out.getvalue())
    return folder


class Persona(NamedTuple):
    url: str
    list_id: str


@contextmanager
def local_persona(limit: int | None, answer_seconds: float) -> Iterator[Persona]:
    """A new Local Persona in its own process. It answers imports after `answer_seconds`."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=run_local_persona, args=(theirs, limit, answer_seconds))
    process.start()
    try:
        yield Persona(*ours.recv())
    finally:
        ours.send("stop")
        process.join()


def run_local_persona(pipe: Connection, limit: int | None, answer_seconds: float) -> None:
    with LocalPersona(delay=0, rate_limit=limit) as persona:
        if answer_seconds:
            persona.faults.inject("slow", None, IMPORT, seconds=answer_seconds)
        pipe.send((persona.url, persona.add_list("Known fraud")))
        pipe.recv()


@contextmanager
def signed(folder: Path, persona: Persona, faces: Path, **options: str) -> Iterator[Product]:
    """An installation in which all `faces` are signed and wait to be sent."""
    with (
        tempfile.TemporaryDirectory(dir=folder) as own,
        product(Path(own), persona.url, "correct horse battery staple", **options) as installed,
    ):
        if any(faces.iterdir()):
            installed.import_faces(faces, persona.list_id)
        yield installed


def time_bare(persona: Persona, files: list[Path]) -> float:
    """The seconds of a plain loop that reads the files, posts them and checks the status."""
    field = "data[attributes][image-files][]"

    def send(batch: list[Path]) -> None:
        requests.post(
            f"{persona.url}/importer/list-item/faces",
            headers=HEADERS,
            data={"data[attributes][list-id]": persona.list_id},
            files=[(field, (file.name, file.read_bytes(), "image/jpeg")) for file in batch],
            timeout=60,
        ).raise_for_status()

    start = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(send, [files[n : n + BATCH] for n in range(0, len(files), BATCH)]))
    return time.perf_counter() - start


def time_worker(installed: Product) -> float:
    """The seconds from the start of the first send to the end of the last."""
    installed.manage("forward", "--drain", "--threads", str(THREADS))
    sends = installed.rows(
        "SELECT began_at, ended_at FROM importers_exchange WHERE method = 'POST' AND status = 201"
    )
    starts, ends = (
        [datetime.fromisoformat(str(at)) for at in column] for column in zip(*sends, strict=True)
    )
    return (max(ends) - min(starts)).total_seconds()


def peak_of_worker(installed: Product, threads: int) -> float:
    """The most megabytes that were resident."""
    worker = installed.start_worker("--drain", "--threads", str(threads))
    _, status, usage = os.wait4(worker.pid, 0)
    worker.returncode = os.waitstatus_to_exitcode(status)
    if worker.returncode:
        raise RuntimeError("The worker failed.")
    peak: int = usage.ru_maxrss
    return peak / PER_MEGABYTE


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
