"""Servers that have just been started."""

import time

import requests

START_SECONDS = 30


def wait_for_answer(url: str) -> None:
    """Wait until a web server answers. Raises TimeoutError."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            requests.get(url, timeout=1)
        except (requests.ConnectionError, requests.Timeout):
            continue
        return
    raise TimeoutError("The web server did not start.")
