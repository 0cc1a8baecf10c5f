"""Storms at Persona: seeded random faults, and what has become of every image afterwards."""

import random
import threading
from dataclasses import replace
from fnmatch import fnmatchcase

from importers.local_persona.faults import FAULTS, IMPORT, Fault, Faults, Stage

TIMEOUT_SECONDS = 1
SLOW = {"slow": TIMEOUT_SECONDS + 0.5, "late": TIMEOUT_SECONDS + 1.0}
MIXED_SENDS = (
    *("drop_before_body", "drop_unmade", "drop_made", "slow", "late", "rate_limited"),
    *("server_error", "server_error_made", "bad_gateway", "bad_gateway_made", "broken_json"),
)
MIXED_READS = ("rate_limited", "unavailable", "bad_gateway", "slow")
OUTAGE_SENDS = ("server_error", "server_error_made", "bad_gateway", "bad_gateway_made")
OUTAGE_READS = ("unavailable", "bad_gateway")


class Storm(Faults):
    """Chooses a fault, or none, for each request; `share` of the requests are struck."""

    def __init__(self, seed: int, sends: tuple[str, ...], reads: tuple[str, ...]) -> None:
        super().__init__()
        self._random = random.Random(seed)  # noqa: S311
        self._kinds = {True: sends, False: reads}
        self._chosen = threading.local()
        self.share = 0.0

    def strike(self, stage: Stage, place: str) -> Fault | None:
        if stage is Stage.ARRIVAL:
            self._chosen.fault = self._choose(place)
        fault: Fault | None = self._chosen.fault
        return fault if fault and fault.stage is stage else None

    def _choose(self, place: str) -> Fault | None:
        with self._lock:
            if self._random.random() >= self.share:
                return None
            kind = self._random.choice(self._kinds[fnmatchcase(place, IMPORT)])
        fault = FAULTS[kind]
        return replace(fault, seconds=SLOW.get(kind, fault.seconds), reset_seconds=1)
