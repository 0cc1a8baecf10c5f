"""`make bench`: what forwarding costs beside the bare requests, with real processes over real HTTP.

One run prints its ratios side by side; absolute times belong to the machine that it ran on.
"""

import io
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

import requests
from django.conf import settings
from PIL import Image as Picture

from tests.postgresql import free_port
from tests.product import Product, product

IMAGES, SIDE_PIXELS, BATCH, THREADS, TURNS = 2000, 300, 50, 2, 3
LIMIT, LIMITED_BATCH = 300, 2
HEAVY_BATCHES, HEAVY_SIDE_PIXELS = 6, 905  # some 500 kB each
KEY = "persona_sandbox_local"
HEADERS = {"Authorization": f"Bearer {KEY}", "Key-Inflection": "kebab"}
MEGABYTE = 1_000_000
TO_MEGABYTES = MEGABYTE if sys.platform == "darwin" else 1000  # what ru_maxrss counts in


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="consentry-bench-") as name:
        folder = Path(name)
        say("drawing …")
        faces = draw(folder / "faces", IMAGES, SIDE_PIXELS)
        heavy = draw(folder / "heavy", HEAVY_BATCHES * BATCH, HEAVY_SIDE_PIXELS)
        throughput(folder, faces)
        memory(folder, heavy)
        pace(folder, faces)


def throughput(folder: Path, faces: Path) -> None:
    """Batches of 50 without a limit, against a bare loop of the same requests, in turns."""
    say(f"\n{IMAGES} images in {IMAGES // BATCH} requests, {THREADS} threads, no rate limit")
    ratios = []
    for turn in range(1, TURNS + 1):
        with local_persona(folder) as url:
            bare = time_bare(url, sorted(faces.iterdir()))
        with local_persona(folder) as url, signed(folder, url, faces) as installed:
            ours = time_worker(installed)
        ratios.append(bare / ours)
        say(f"  turn {turn}: bare loop of requests {bare:6.2f} s, the worker {ours:6.2f} s")
    say(f"  its throughput over the loop {statistics.median(ratios):8.2f}    (goal: at least 0.95)")


def pace(folder: Path, faces: Path) -> None:
    """More sends than one window of Persona's limit lets through."""
    sends = IMAGES // LIMITED_BATCH
    least = (math.ceil(sends / LIMIT) - 1) * 60
    share = {"PERSONA_RATE_SHARE": "1.0", "BATCH_MAX_IMAGES": str(LIMITED_BATCH)}
    limit = ("--rate-limit", str(LIMIT))
    with local_persona(folder, *limit) as url, signed(folder, url, faces, **share) as installed:
        took = time_worker(installed)
        refused, polls = installed.rows(
            "SELECT sum(status = 429), sum(method = 'GET') FROM importers_exchange"
        )[0]
    say(f"\n{sends} sends and {polls} other requests at {LIMIT} a minute, our share 1.0")
    say(f"  least that the limit allows  {least:8.1f} s")
    say(f"  the worker                   {took:8.1f} s")
    say(f"  its time over the least      {took / least:8.3f}   (goal: at most 1.05)")
    say(f"  answers of 429               {refused:8}     (goal: 0)")


def memory(folder: Path, heavy: Path) -> None:
    """The worker's peak with nothing to do, and with ever more batches of 25 MB."""
    files = sorted(heavy.iterdir())
    size = sum(file.stat().st_size for file in files[:BATCH]) / MEGABYTE
    say(f"\nPeak memory of the worker, batches of {BATCH} images, {size:.1f} MB each")
    for batches, threads in [(0, 1), (2, 1), (HEAVY_BATCHES, 1), (HEAVY_BATCHES, THREADS)]:
        some = folder / f"some-{batches}-{threads}"
        some.mkdir()
        for file in files[: batches * BATCH]:
            (some / file.name).hardlink_to(file)
        with local_persona(folder) as url, signed(folder, url, some) as installed:
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


@contextmanager
def local_persona(folder: Path, *options: str) -> Iterator[str]:
    """A fresh one, in a process of its own; its address."""
    port = free_port()
    command = [sys.executable, "manage.py", "local_persona", "--port", str(port), "--delay", "0"]
    environment = os.environ | {"DATABASE_URL": f"sqlite:///{folder / 'none.sqlite3'}"}
    process = subprocess.Popen(
        [*command, *(options or ("--rate-limit", "0"))],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/api/v1"
    try:
        wait_for(url)
        yield url
    finally:
        process.terminate()
        process.wait()


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            requests.get(f"{url}/lists", timeout=1)
        except requests.ConnectionError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("Local Persona did not start.")


@contextmanager
def signed(folder: Path, url: str, faces: Path, **options: str) -> Iterator[Product]:
    """An installation in which all of `faces` are signed and wait to be sent."""
    with (
        tempfile.TemporaryDirectory(dir=folder) as own,
        product(Path(own), url, "correct horse battery staple", **options) as installed,
    ):
        attestation = Path(own, "attestation.json")
        with attestation.open("wb") as output:
            manage("import_faces", "--attestation-template", stdout=output)
        if any(faces.iterdir()):
            told = ("--list", a_list(url), "--user", "officer", "--attestation", str(attestation))
            installed.manage("import_faces", str(faces), *told)
        yield installed


def manage(*words: str, stdout: IO[bytes]) -> None:
    command = [sys.executable, "manage.py", *words]
    subprocess.run(command, cwd=settings.BASE_DIR, stdout=stdout, check=True)


def a_list(url: str) -> str:
    rows = requests.get(f"{url}/lists", headers=HEADERS, timeout=10).json()["data"]
    usable = (row for row in rows if row["type"] == "list/face")
    return str(next(row["id"] for row in usable if not row["attributes"]["archived-at"]))


def time_bare(url: str, files: list[Path]) -> float:
    """Seconds that a plain loop takes: read the files, post them, check the status."""
    list_id = a_list(url)
    field = "data[attributes][image-files][]"

    def send(batch: list[Path]) -> None:
        requests.post(
            f"{url}/importer/list-item/faces",
            headers=HEADERS,
            data={"data[attributes][list-id]": list_id},
            files=[(field, (file.name, file.read_bytes(), "image/jpeg")) for file in batch],
            timeout=60,
        ).raise_for_status()

    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(send, [files[n : n + BATCH] for n in range(0, len(files), BATCH)]))
    return time.perf_counter() - began


def time_worker(installed: Product) -> float:
    """Seconds from the beginning of its first send to the end of its last."""
    installed.manage("forward", "--drain", "--threads", str(THREADS))
    sends = installed.rows(
        "SELECT at, milliseconds FROM importers_exchange WHERE method = 'POST' AND status = 201"
    )
    ends = [datetime.fromisoformat(str(at)).timestamp() for at, _ in sends]
    begins = [end - float(sent[1]) / 1000 for end, sent in zip(ends, sends, strict=True)]
    return max(ends) - min(begins)


def peak_of_worker(installed: Product, threads: int) -> float:
    """Megabytes that were resident at the most."""
    worker = installed.start_worker("--drain", "--threads", str(threads))
    _, status, usage = os.wait4(worker.pid, 0)
    worker.returncode = os.waitstatus_to_exitcode(status)
    if worker.returncode:
        raise RuntimeError("The worker failed.")
    peak: int = usage.ru_maxrss
    return peak / TO_MEGABYTES


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
