"""A folder dropped on the page of a draft in a real Chromium, and what others notice of it."""

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Page

from tests.bench.figures import Bench, Figure, at_least, at_most, p95
from tests.bench.pages import GALLERY, load
from tests.bench.photos import new_photos, write_photos
from tests.support.bare_site import bare_site
from tests.support.browser import chromium, drop
from tests.support.people import sign_in
from tests.support.site import PERSON, Person

UPLOAD_MS = 1_800_000
QUIET_SECONDS, PAUSE_SECONDS = 10, 0.1
LOWEST = 19
# The browser reports each task of more than 50 ms in its main thread.
LONGEST_TASK = """
window.longestTask = 0;
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) longestTask = Math.max(longestTask, duration);
}).observe({ type: "longtask" });
"""


def figures(bench: Bench) -> Iterator[Figure]:
    count = 3_000 if bench.is_full else 600
    with (
        TemporaryDirectory(dir=bench.folder) as name,
        bare_site(Path(name)) as bare,
        bench.installed() as installed,
        chromium() as browser,
    ):
        photos = Path(name, "photos")
        write_photos(photos, count)
        stand_back(browser)
        installed.start_web()
        other, theirs = Person(installed.url), installed.open_draft()
        other.upload(theirs, new_photos(GALLERY), seconds=60)
        paths = itertools.cycle(["/", theirs])
        with visitor(lambda: load(other, next(paths))) as quiet:
            threading.Event().wait(QUIET_SECONDS)
        baseline = count / seconds_of_drop(open_page(browser, bare), photos)
        page = open_page(browser, installed.url, installed.open_draft())
        rate = count / seconds_of_drop(page, photos)
        longest = page.evaluate("longestTask")
        page = open_page(browser, installed.url, installed.open_draft())
        with visitor(lambda: load(other, next(paths))) as loads:
            seconds_of_drop(page, photos)
    what = f"{count:,} photos dropped in Chromium"
    yield at_least(f"{what}, over a bare view", 0.6, rate, baseline, "/s")
    yield at_most("the longest task of its page meanwhile", 100, longest, 50)
    yield at_most("pages of others meanwhile, p95", round(2 * p95(quiet)), p95(loads), p95(quiet))


def stand_back(browser: Browser) -> None:
    """Let the browser run only while the product leaves processors idle.

    It would run on another machine. Linux shares out the processors among sessions first, then
    among the processes of each (sched(7), "The autogroup feature").
    """
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    (main,) = (process["id"] for process in processes if process["type"] == "browser")
    os.setpriority(os.PRIO_PGRP, os.getpgid(main), LOWEST)
    among_sessions = Path(f"/proc/{main}/autogroup")
    if among_sessions.exists():
        among_sessions.write_text(str(LOWEST))


def open_page(browser: Browser, url: str, path: str = "") -> Page:
    proxied = {"X-Forwarded-For": PERSON}
    page = browser.new_context(base_url=url, extra_http_headers=proxied).new_page()
    page.add_init_script(LONGEST_TASK)
    if path:
        sign_in(page)
    page.goto(path or "/")
    return page


def seconds_of_drop(page: Page, folder: Path) -> float:
    began = time.perf_counter()
    drop(page, folder)
    finished = page.locator("label[for=uploaded]", has_text="Finished")
    finished.wait_for(timeout=UPLOAD_MS, state="attached")
    return time.perf_counter() - began


@contextmanager
def visitor(visit: Callable[[], object]) -> Iterator[list[float]]:
    """Load pages from time to time within the block. Yield how long each took, in milliseconds."""
    durations: list[float] = []
    stop = threading.Event()

    def load_pages() -> None:
        while not stop.wait(PAUSE_SECONDS):
            began = time.perf_counter()
            visit()
            durations.append((time.perf_counter() - began) * 1000)

    thread = threading.Thread(target=load_pages)
    thread.start()
    try:
        yield durations
    finally:
        stop.set()
        thread.join()
