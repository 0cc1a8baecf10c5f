"""Pages with a long history: the history itself, search, CSV, a poll, a gallery."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from html import unescape
from statistics import median
from typing import Any
from urllib.parse import urlencode

from tests.bench.figures import (
    Bench,
    Figure,
    at_most,
    milliseconds,
    p95,
    processor_seconds,
)
from tests.bench.photos import new_photos
from tests.bench.rows import FREQUENT_CASE, FREQUENT_NAME, IMAGES, write_history
from tests.support.product import Product
from tests.support.site import Person

TIMES, GALLERY, GALLERY_TIMES = 60, 48, 5
BARE = "/signed-in"  # a view that asks who the person is, and nothing else


def figures(bench: Bench) -> Iterator[Figure]:
    with bench.installed() as installed:
        write_history(installed, bench.imports)
        web = installed.start_web()
        officer = Person(installed.url)
        bare = milliseconds(lambda: officer.get(BARE), TIMES)

        def worst(ask: Callable[[Person, str], Any], *asked: str) -> float:
            return max(p95(milliseconds(partial(ask, officer, one), TIMES)) for one in asked)

        old = bench.imports // 2
        shown = worst(load, "/", f"/?before={old}", "/?face_list=1", "/?state=completed")
        images = f"{bench.imports:,} imports, {bench.imports * IMAGES:,} images"
        yield at_most(f"P2 imports page, {images}, p95", 50, shown, p95(bare))
        exact = worst(search, *exact_texts(installed, old))
        what = "P3 search by hash, key, importer, reference, whole name, p95"
        yield at_most(what, 50, exact, p95(bare))
        part = worst(search, "nowhere", f"img_{old} ", "lmno", "img", "FACE")
        yield at_most("P3 search by a part of a name, p95", 300, part, p95(bare))
        (poll,) = poll_addresses(installed, officer, range(old, old + 1))
        polled = milliseconds(lambda: officer.get(poll), TIMES)
        yield over("P4 poll without a change, over a bare page", 1.5, polled, bare)
        first = milliseconds(lambda: first_byte(officer, "/imports.csv"), 10)
        yield at_most("P8 CSV of all imports, first byte, p95", 100, p95(first), p95(bare))
        yield gallery(installed, officer, web.pid)


def over(what: str, goal: float, ours: list[float], baseline: list[float]) -> Figure:
    """The goal is a multiple of the baseline."""
    times = median(ours) / median(baseline)
    words = f"{median(ours):.1f} ms = {times:.2f}"
    return Figure(what, f"≤ {goal:.2f}", f"{median(baseline):.1f} ms", words, times <= goal)


def load(officer: Person, path: str) -> str:
    answer = officer.get(path)
    answer.raise_for_status()
    return answer.text


def search(officer: Person, text: str) -> None:
    officer.post("/search/", {"text": text}).raise_for_status()


def exact_texts(installed: Product, number: int) -> list[str]:
    """Return a text of each kind that matches something, and a hash that matches nothing."""
    ((sha256, key, name, subject, case),) = installed.rows(
        "SELECT sha256, key, original_name, subject_reference, case_reference "  # noqa: S608
        f"FROM importers_image WHERE id = {number + number % 2}"
    )
    key = re.sub("(.{8})(.{4})(.{4})(.{4})(.{12})", r"\1-\2-\3-\4-\5", str(key).replace("-", ""))
    frequent = (FREQUENT_CASE, FREQUENT_NAME)
    importer, evidence = f"impr_{number}", f"E-{number}"
    return [sha256, f"{key}.jpg", importer, name, subject, case, evidence, *frequent, "0" * 64]


def poll_addresses(installed: Product, officer: Person, numbers: range) -> list[str]:
    """Return what the pages of imports under way poll while nothing changes."""
    among = f"BETWEEN {numbers[0]} AND {numbers[-1]}"
    installed.execute(
        f"UPDATE importers_import SET state = 'forwarding' WHERE id {among}",  # noqa: S608
        f"UPDATE importers_batch SET state = 'importing' WHERE face_import_id {among}",  # noqa: S608
    )
    return [poll_address(officer, number) for number in numbers]


def poll_address(officer: Person, number: int) -> str:
    found = re.search(r'hx-get="([^"]*)"', load(officer, f"/imports/{number}/progress/"))
    assert found
    address = unescape(found[1])
    if officer.get(address).status_code == 204:
        return address
    return poll_address(officer, number)  # the page has changed, as it does each minute


def first_byte(officer: Person, path: str) -> None:
    with officer.get(path, stream=True) as answer:
        next(answer.iter_content(1))


def gallery(installed: Product, officer: Person, web: int) -> Figure:
    """The page of a draft with its thumbnails, as a browser loads it."""
    draft = installed.open_draft()
    officer.upload(draft, new_photos(GALLERY), seconds=60)
    keys = re.findall(r'data-key="([^"]*)"', load(officer, draft))
    assert len(keys) == GALLERY
    thumbnails = f"{draft}thumbnails/?{urlencode({'key': keys}, doseq=True)}"
    ours = processor_milliseconds(officer, web, draft, thumbnails)
    bare = processor_milliseconds(officer, web, BARE, BARE)
    return at_most("P5 gallery of 48 faces, processor time", 100, ours, bare)


def processor_milliseconds(officer: Person, web: int, *paths: str) -> float:
    """Load the paths several times, and return what it takes each time on average."""
    for path in paths:
        load(officer, path)
    with processor_seconds(web) as used:
        for path in paths * GALLERY_TIMES:
            load(officer, path)
    return used[0] / GALLERY_TIMES * 1000
