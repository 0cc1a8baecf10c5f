"""Notices: what stops sending, since when, what was kept, and what to do."""

from dataclasses import dataclass

from importers.gateway import environments
from importers.models import Batch, Gateway, Import, Level, Problem
from importers.models.workers import worker_is_seen


@dataclass(frozen=True)
class Notice:
    code: str
    level: Level
    title: str
    sentence: str
    remedy: str


NO_WORKER = Notice(
    "no_worker",
    Level.ERROR,
    "No worker is running.",
    "Nothing is sent or checked until a worker runs. Everything accepted is kept.",
    "Ask your operator to start “manage.py forward”.",
)
# Level, title and remedy for each problem of the gateway.
GATEWAY_NOTICES: dict[str, tuple[Level, str, str]] = {
    Problem.KEY_REFUSED: (
        Level.ERROR,
        "Persona refuses the API key.",
        "Correct PERSONA_API_KEY or its permissions and restart Consentry. Sending then resumes "
        "automatically.",
    ),
    Problem.UNREACHABLE: (
        Level.ERROR,
        "Persona cannot be reached.",
        "We try again at least every minute, and sending resumes automatically. If this persists, "
        "check the network between this server and Persona.",
    ),
    Problem.SERVER_TROUBLE: (
        Level.ERROR,
        "Persona is in trouble.",
        "No new batch is sent until it is clear whether those in doubt arrived. We try one request "
        "at a time, and sending resumes automatically.",
    ),
    Problem.RATE_LIMITED: (
        Level.WARNING,
        "Persona's rate limit is used up.",
        "Sending resumes automatically when Persona resets the limit.",
    ),
}
OTHER: tuple[Level, str, str] = (
    Level.ERROR,
    "Persona is not responding as expected.",
    "We try again at least every minute, and sending resumes automatically.",
)


def gateway_notices(gateway: Gateway | None = None) -> list[Notice]:
    """Return what concerns every import, by the gateway as read before, or as it stands."""
    gateway = gateway or environments.gateway()
    found = [_paused(gateway)] if gateway.paused_at else []
    return [*found, _stopped(gateway)] if _stops_anything(gateway) else found


def _stops_anything(gateway: Gateway) -> bool:
    """Return True if the breaker holds something up: it stays open until the next send."""
    batches = Batch.objects.of_environment(gateway.environment)
    return gateway.reads_fail or (gateway.sends_fail and batches.unsent().exists())


def notices_of(face_import: Import) -> list[Notice]:
    """Return what stops this import, the most general reason first."""
    face_list = face_import.face_list
    if face_list.environment != environments.current():
        # No worker with today's API key sends it, so no other notice concerns it.
        return [_elsewhere(face_import)]
    found = [] if worker_is_seen() else [NO_WORKER]
    found += gateway_notices()
    if face_list.problem:
        found.append(
            Notice(
                Problem.LIST_REFUSED,
                Level.ERROR,
                f"Persona does not accept images for the list {face_list}.",
                f"Persona said: {face_list.problem}",
                "Check on the Lists page that the list exists at Persona, holds faces and is not "
                "archived. Sending resumes automatically once the list accepts images.",
            )
        )
    return found


def _elsewhere(face_import: Import) -> Notice:
    return Notice(
        "elsewhere",
        Level.WARNING,
        f"This import belongs to {face_import.face_list.get_environment_display()}.",
        "Consentry is connected to another Persona environment, so this import is not being sent.",
        "Sending resumes automatically once the API key of that environment is set again.",
    )


def _paused(gateway: Gateway) -> Notice:
    return Notice(
        "paused",
        Level.WARNING,
        "Sending is paused.",
        f"Paused by {gateway.paused_by} at {gateway.paused_at:%H:%M} UTC on "
        f"{gateway.paused_at:%-d %b}. Results for batches already at Persona still arrive.",
        "Resume sending on the Imports page.",
    )


def _stopped(gateway: Gateway) -> Notice:
    level, title, remedy = GATEWAY_NOTICES.get(gateway.problem, OTHER)
    since = f" at {gateway.problem_since:%H:%M} UTC" if gateway.problem_since else ""
    sentence = (
        f"Sending stopped{since}. {gateway.problem_detail.rstrip('.')}. "
        "Everything accepted is kept."
    )
    return Notice(gateway.problem, level, title, sentence, remedy)
