"""Image processes: what each may use, and that a picture which ends one ends nothing else."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from importers.imaging import inspection
from importers.imaging.decoding import Rejected, TooCostly
from importers.imaging.inspection import Facts
from importers.imaging.processes import Busy, CannotStart, Limits
from tests.support.image_processes import (
    Pool,
    costly,
    pool,
    wait_for_child,
    wait_until_busy,
    wait_until_gone,
)
from tests.support.pictures import CORPUS, draw, encode, solid

PROC = Path("/proc/self/status")
on_linux = pytest.mark.skipif(not PROC.exists(), reason="this system has no /proc")
PARENT = """
import sys
from importers.imaging.processes import Limits, Processes

processes = Processes(1, 1, Limits(processor_seconds=1))
with processes.place(wait=True) as inspect:
    for name in sys.argv[1:]:
        inspect(open(name, "rb").read())
        print("inspected", flush=True)
sys.stdin.read()
"""
SENTENCE = (
    "The image could not be processed: decoding it takes too much time or memory. "
    "Save it again as a plain (baseline) JPEG."
)


def outcome(own: Pool, data: bytes) -> Facts | str:
    try:
        return own.inspect(data)
    except Rejected as why:
        return why.code


class TestInspection:
    def test_child_finds_what_inspection_finds(self) -> None:
        with pool() as own:
            for data in (draw(1), draw(2, kind="PNG")):
                assert own.inspect(data) == inspection.inspect(data)

    def test_rejection_comes_back_with_its_sentence(self) -> None:
        with pool() as own, pytest.raises(Rejected) as caught:
            own.inspect(b"%PDF-1.7")
        assert caught.value.code == "not_jpeg_or_png"
        assert (
            caught.value.sentence == "The file is a PDF document; only JPEG and PNG are accepted."
        )

    def test_child_starts_at_the_first_picture_and_serves_the_next(self) -> None:
        with pool(count=2) as own:
            assert own.pids() == []
            outcome(own, draw(1))
            first = own.pids()
            outcome(own, draw(2))
            assert own.pids() == first
            assert len(first) == 1
        assert own.pids() == []

    def test_child_is_replaced_after_some_pictures(self) -> None:
        with pool(limits=Limits(pictures=2)) as own:
            pids = [outcome(own, draw(seed)) and own.pids() for seed in range(3)]
        assert pids[0] == pids[1] != pids[2]

    def test_child_that_cannot_start_is_not_blamed_on_the_picture(self) -> None:
        with pool(limits=Limits(memory_bytes=2**80)) as own, pytest.raises(CannotStart):
            own.inspect(draw())


class TestLimits:
    def test_picture_over_its_processor_time_is_too_costly(self) -> None:
        data = costly()
        with pool(limits=Limits(processor_seconds=0.3)) as own:
            with pytest.raises(TooCostly) as caught:
                own.inspect(data)
            assert (caught.value.code, caught.value.sentence) == ("too_costly", SENTENCE)
            assert isinstance(outcome(own, draw()), Facts)

    def test_time_starts_again_with_each_picture(self) -> None:
        data = draw(1, size=(3_000, 2_000))
        with pool(limits=Limits(processor_seconds=0.3)) as own:
            assert all(isinstance(outcome(own, data), Facts) for _ in range(30))

    @on_linux
    def test_picture_over_the_memory_is_too_costly(self) -> None:
        data = encode(solid("RGB", (6_000, 5_000)), "PNG")
        with pool(limits=Limits(memory_bytes=120_000_000)) as own:
            outcome(own, draw())
            before = own.pids()
            assert outcome(own, data) == "too_costly"
            assert isinstance(outcome(own, draw()), Facts)
            assert own.pids() == before, "the child lives on"

    def test_child_that_stands_still_is_ended(self) -> None:
        with pool(limits=Limits(seconds=1.5)) as own:
            outcome(own, draw())
            (pid,) = own.pids()
            os.kill(pid, signal.SIGSTOP)
            assert outcome(own, draw()) == "too_costly"
            assert isinstance(outcome(own, draw()), Facts)
            assert pid not in own.pids()

    def test_killed_child_costs_only_the_picture_in_hand(self) -> None:
        data = costly()
        with pool(count=2) as own, ThreadPoolExecutor(1) as thread:
            outcome(own, draw())
            (pid,) = own.pids()
            lost = thread.submit(outcome, own, data)
            wait_until_busy(pid)
            assert isinstance(outcome(own, draw()), Facts)
            os.kill(pid, signal.SIGKILL)
            assert lost.result() == "too_costly"
            assert isinstance(outcome(own, draw()), Facts)

    def test_child_killed_while_idle_costs_no_picture(self) -> None:
        with pool() as own:
            outcome(own, draw())
            (pid,) = own.pids()
            os.kill(pid, signal.SIGKILL)
            wait_until_gone(pid)
            assert isinstance(outcome(own, draw()), Facts)


class TestPlaces:
    def test_more_pictures_than_places_are_refused(self) -> None:
        with pool(places=2) as own:
            taken = own.processes.place(wait=False), own.processes.place(wait=False)
            with taken[0], taken[1], pytest.raises(Busy):
                own.inspect(draw(), wait=False)
            assert own.inspect(draw(), wait=False).format == "JPEG"

    def test_picture_that_may_wait_gets_the_next_place(self) -> None:
        with pool(places=1) as own, ThreadPoolExecutor(1) as thread:
            with own.processes.place(wait=False):
                waiting = thread.submit(own.inspect, draw())
                with pytest.raises(Busy):  # takes longer than any wait for a moment
                    own.inspect(draw(), wait=False)
                assert not waiting.done()
            assert waiting.result().format == "JPEG"

    def test_no_more_children_run_than_allowed(self) -> None:
        with pool(count=2, places=8) as own, ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda seed: outcome(own, draw(seed)), range(24)))
            assert len(own.pids()) == 2
        assert all(isinstance(one, Facts) for one in found)


class TestIsolation:
    @on_linux
    def test_child_inherits_no_secret_and_no_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PERSONA_API_KEY", "persona_production_secret")
        with socket.create_server(("127.0.0.1", 0)) as server, pool() as own:
            server.set_inheritable(True)
            outcome(own, draw())
            (pid,) = own.pids()
            names = Path(f"/proc/{pid}/environ").read_bytes()
            files = [os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()]
        assert b"secret" not in names
        assert sorted(re.sub(r"\d+", "", name) for name in files) == [
            *("/dev/null", "socket:[]", "socket:[]")
        ]
        assert len(set(files)) == 2

    @on_linux
    def test_child_may_open_nothing_and_leaves_no_core_dump(self) -> None:
        with pool() as own:
            outcome(own, draw())
            (pid,) = own.pids()
            rows = Path(f"/proc/{pid}/limits").read_text().splitlines()
        limits = {row[:25].strip(): row[25:].split()[1] for row in rows}
        assert limits["Max address space"] == str(own.limits.memory_bytes)
        assert limits["Max open files"] == "3"
        for name in ("Max core file size", "Max file size", "Max processes"):
            assert limits[name] == "0"

    @pytest.mark.parametrize(
        ("pictures", "state"),
        [([draw()], "S"), ([draw(), costly(7_000)], "R")],
        ids=["idle", "decoding"],
    )
    def test_child_ends_after_its_parent_is_killed(
        self, pictures: list[bytes], state: str, tmp_path: Path
    ) -> None:
        """The time limit outlives the parent, so a decoding child ends with its picture."""
        paths = [tmp_path / f"{number}.jpg" for number in range(len(pictures))]
        for path, data in zip(paths, pictures, strict=True):
            path.write_bytes(data)
        command = [sys.executable, "-c", PARENT, *map(str, paths)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
            try:
                assert parent.stdout
                assert parent.stdout.readline() == b"inspected\n"
                child = wait_for_child(parent.pid, state)
            finally:
                parent.kill()
        wait_until_gone(child)


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus is not beside the project")
class TestCorpus:
    def test_every_file_ends_within_the_limits_and_ends_no_child(self) -> None:
        files = [path for path in CORPUS.rglob("*") if path.is_file()]
        assert len(files) > 350
        longest = 0.0
        with pool() as own:
            outcome(own, draw())
            before = own.pids()
            for file in files:
                began = time.monotonic()
                assert outcome(own, file.read_bytes()) != "too_costly", file.name
                longest = max(longest, time.monotonic() - began)
            assert own.pids() == before, "a file ended its child"
        assert longest < own.limits.processor_seconds
