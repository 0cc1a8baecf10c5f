"""The deadline of a request, at its connection."""

import socket
import time

from importers.persona.deadline import Deadline


def test_deadline_ends_a_connection_but_keeps_what_had_arrived() -> None:
    """A process that was frozen beyond the deadline still reads an answer that came in time."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as ours,
    ):
        theirs, _ = listener.accept()
        with theirs, Deadline(0.05) as deadline:
            deadline.watch(ours)
            theirs.sendall(b"an answer")
            assert theirs.recv(1) == b"", "the deadline has passed"
            assert deadline.has_passed
            assert (ours.recv(99), ours.recv(99)) == (b"an answer", b"")


def test_connection_made_after_the_deadline_ends_at_once() -> None:
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    with ours, theirs, Deadline(0) as deadline:
        patience = time.monotonic() + 5
        while not deadline.has_passed:
            assert time.monotonic() < patience
        deadline.watch(ours)
        assert theirs.recv(1) == b""
