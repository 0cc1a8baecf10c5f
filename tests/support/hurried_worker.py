"""A worker that waits less long for Persona: python -m tests.support.hurried_worker.

It cannot wait for less than it takes to tell two sends apart by Persona's clock, some 4 s.
"""

import sys
from datetime import timedelta
from importlib import import_module

import django
from django.core.management import call_command


def hurry() -> None:
    breaker = import_module("importers.gateway.breaker")
    policy, recovery = (
        import_module(f"importers.forwarding.{name}") for name in ("policy", "recovery")
    )
    lost = timedelta(seconds=10)
    vars(policy).update(ANSWERED=timedelta(seconds=5), LOST=lost, LONGEST_DELAY_SECONDS=30)
    vars(recovery).update(AGAIN_AFTER=timedelta(seconds=1))
    vars(breaker).update(
        FIRST_WAIT_SECONDS=0.5, LONGEST_WAIT_SECONDS=6, ASK_AGAIN=timedelta(seconds=0.1)
    )


if __name__ == "__main__":
    django.setup()
    hurry()  # once the models are loaded
    call_command("forward", *sys.argv[1:])
