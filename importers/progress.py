"""How far an import is: what its page shows, from our rows alone, and what holds it up."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from django.core.paginator import Page, Paginator
from django.db.models.functions import Now

from importers import connection, estimate, pacing
from importers.estimate import TimeLeft
from importers.models import Batch, Import, Level, PersonaLine, Worker
from importers.pacing import Share

WORKER_SEEN_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True)
class Notice:
    """What holds the import up: what happened, what was kept, what to do."""

    code: str
    title: str
    sentence: str
    remedy: str
    level: Level = Level.WARNING


def worker_is_seen() -> bool:
    return Worker.objects.filter(seen_at__gt=Now() - WORKER_SEEN_WITHIN).exists()


@dataclass(frozen=True)
class Progress:
    face_import: Import
    batches: list[Batch]
    notices: list[Notice]

    @property
    def image_count(self) -> int:
        return sum(batch.image_count for batch in self.batches)

    @property
    def ended(self) -> list[Batch]:
        return [batch for batch in self.batches if batch.state in Batch.FINAL]

    @property
    def shown_batches(self) -> Page[Batch]:
        return Paginator(self.batches, max(len(self.batches), 1)).get_page(1)

    @property
    def batch_count(self) -> int:
        return len(self.batches)

    @property
    def ended_count(self) -> int:
        return len(self.ended)

    @property
    def can_be_retried(self) -> bool:
        return any(batch.can_be_retried for batch in self.batches)

    @property
    def unsent_count(self) -> int:
        """Batches that can be canceled: Persona has none of their images."""
        return sum(
            batch.state in Batch.CANCELABLE and not batch.may_have_arrived for batch in self.batches
        )

    @property
    def sent_count(self) -> int:
        """Images of the batches that Persona has answered with an importer."""
        return sum(batch.image_count for batch in self.batches if batch.importer_id)

    @property
    def successful_count(self) -> int:
        return sum(batch.successful_count or 0 for batch in self.batches)

    @property
    def duplicate_count(self) -> int:
        return sum(batch.duplicate_count or 0 for batch in self.batches)

    @property
    def error_count(self) -> int:
        return sum(batch.error_count or 0 for batch in self.batches)

    @property
    def open_count(self) -> int:
        """Images of which Persona has told nothing yet."""
        told = self.successful_count + self.duplicate_count + self.error_count
        return max(self.image_count - told, 0)

    @property
    def announcement(self) -> str:
        """For a screen reader: changes only when something ended."""
        return (
            f"{len(self.ended)} of {len(self.batches)} batches ended. "
            f"{self.successful_count} successful, {self.duplicate_count} duplicate, "
            f"{self.error_count} error."
        )

    @cached_property
    def share(self) -> Share:
        return pacing.share(self.face_import.face_list.environment)

    @property
    def time_left(self) -> TimeLeft | None:
        """None where it can't be told: while something holds the import up, for one."""
        if self.notices:
            return None
        where = self.face_import.face_list.environment
        return estimate.time_left(where, self.batches, self.share)

    @cached_property
    def version(self) -> str:
        """Changes with anything that the page shows, but for the share and the time left."""
        shown = [
            (row.state, row.persona_status, row.importer_id, row.attempts, row.problem_detail)
            + (row.successful_count, row.duplicate_count, row.error_count, row.is_overdue)
            for row in self.batches
        ]
        whole = repr((self.face_import.state, shown, self.notices))
        return hashlib.sha256(whole.encode()).hexdigest()[:16]


def of_import(face_import: Import) -> Progress:
    batches = list(face_import.batches.order_by("number"))
    return Progress(
        face_import, batches, _notices(face_import) if face_import.is_unfinished else []
    )


def _notices(face_import: Import) -> list[Notice]:
    found: list[Notice] = []
    face_list = face_import.face_list
    if face_list.environment != connection.environment():
        return [_elsewhere(face_import)]
    if not worker_is_seen():
        found.append(NO_WORKER)
    found += line_notices()
    if face_list.problem:
        found.append(
            Notice(
                "list_refused",
                f"Persona does not take images for the list {face_list}.",
                f"It said: {face_list.problem}",
                "Check on the Lists page that the list exists at Persona, holds faces and is not "
                "archived. The import waits, and goes on by itself once the list takes images.",
                Level.ERROR,
            )
        )
    return found


def _elsewhere(face_import: Import) -> Notice:
    return Notice(
        "elsewhere",
        f"This import belongs to {face_import.face_list.get_environment_display()}.",
        "Consentry is connected to another environment of Persona now, so nothing of it is sent.",
        "Set the API key of that environment again, and it goes on by itself.",
    )


NO_WORKER = Notice(
    "no_worker",
    "No worker is running.",
    "Nothing is sent or asked until one is. What was accepted is kept.",
    "Ask whoever runs Consentry to start “manage.py forward”.",
)
LINE_NOTICES = {
    "key_refused": (
        "Persona refuses the API key.",
        "Correct PERSONA_API_KEY or its permissions and restart Consentry. Sending then goes on "
        "by itself.",
    ),
    "unreachable": (
        "Persona can't be reached.",
        "Consentry tries again every minute, and goes on by itself. If this lasts, check the "
        "network between this server and Persona.",
    ),
    "rate_limited": (
        "Persona's rate limit is used up for the moment.",
        "Nothing to do: sending goes on by itself when the limit is reset.",
    ),
}


def paused_notice(line: PersonaLine) -> Notice:
    return Notice(
        "paused",
        "Forwarding is paused.",
        f"{line.halted_by} paused it at {line.halted_at:%H:%M} UTC on {line.halted_at:%-d %b}. "
        "Nothing more is sent; what is at Persona is still followed.",
        "Resume it on the Imports page.",
    )


def line_notices() -> list[Notice]:
    """What concerns every import: shown on every page."""
    line = connection.line()
    found = [paused_notice(line)] if line.halted_at else []
    return [*found, line_notice(line)] if line.problem else found


def line_notice(line: PersonaLine) -> Notice:
    """What is wrong with a line that is down, since when, and what to do."""
    title, remedy = LINE_NOTICES[line.problem]
    since = f" since {line.problem_since:%H:%M} UTC" if line.problem_since else ""
    said = (
        f"Held up{since}. {line.problem_detail.rstrip('.')}. What was accepted is kept and waits."
    )
    level = Level.ERROR if line.problem == "key_refused" else Level.WARNING
    return Notice(line.problem, title, said, remedy, level)
