import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.datastructures import MultiValueDict

from importers import consent, facelists, images, intake, progress
from importers.audit import Actor
from importers.consent import Answers
from importers.forms import AttestationForm
from importers.forwarding import cut
from importers.intake import Taken
from importers.models import FaceList, Image, Import
from importers.persona.errors import PersonaError

SOME_LEFT_OUT, NOTHING_SENT = 1, 2
WAIT_SECONDS = 1
TEMPLATE = {
    "lawful_basis": "consent",
    "jurisdictions": ["us-il", "us-tx"],
    "purpose": "To recognise people who were confirmed as having committed fraud, for three years.",
    "consent_from": "2026-01-05",
    "consent_to": "2026-03-31",
    "notice_version": "Biometric notice 4.2, 1 December 2025",
    "image_source": "customer_upload",
    "evidence_reference": "Case folder FR-2026-014",
    "adults_only": True,
    "typed_name": "Maya Okafor",
    "attested": True,
}
KINDS = {str: "text", list: "a list", bool: "true or false"}


class Command(BaseCommand):
    help = (
        "Imports face images from files and folders by the same rules as the page. "
        "Exit 0: all accepted; 1: some left out; 2: nothing sent."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="*", type=Path, metavar="PATH")
        parser.add_argument("--list", dest="list_id", metavar="lst_…")
        parser.add_argument("--user", metavar="NAME", help="who imports and attests")
        parser.add_argument("--attestation", type=Path, metavar="FILE.json")
        parser.add_argument(
            "--attestation-template", action="store_true", help="print an example of that file"
        )
        parser.add_argument("--wait", action="store_true", help="until Persona has answered")
        parser.add_argument("--json", action="store_true", help="print the outcome as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["attestation_template"]:
            self.stdout.write(json.dumps(TEMPLATE, indent=2))
            return
        for name in ("paths", "list_id", "user", "attestation"):
            if not options[name]:
                wanted = {"paths": "PATH", "list_id": "--list"}.get(name, f"--{name}")
                raise _refusal(f"{wanted} is missing. Nothing was sent.")
        actor = _actor(options["user"])
        answers = _answers(options["attestation"])
        files = list(_files(options["paths"]))
        face_list = _face_list(options["list_id"], actor)
        draft = intake.open_draft(face_list, actor)
        taken = [_take(draft, name, path, actor) for name, path in files]
        _submit(draft, answers, actor)
        if options["wait"] and not progress.worker_is_seen():
            self.stderr.write("No worker is running: this waits until “manage.py forward” does.")
        if options["wait"]:
            _wait(draft)
        self._report(draft, as_json=options["json"])
        if draft.state == Import.State.CANCELED:
            sys.exit(NOTHING_SENT)
        if any(one.image.state == Image.State.LEFT_OUT for one in taken):
            sys.exit(SOME_LEFT_OUT)

    def _report(self, draft: Import, *, as_json: bool) -> None:
        outcome = _outcome(draft)
        if as_json:
            self.stdout.write(json.dumps(outcome))
            return
        for left in outcome["left_out"]:
            self.stderr.write(f"left out: {left['file']!a}: {left['reason']!a}")
        self.stdout.write(
            f"Import {outcome['import']}: {outcome['state']}, {outcome['accepted']} accepted, "
            f"{len(outcome['left_out'])} left out."
        )


def _refusal(sentence: str) -> CommandError:
    return CommandError(sentence, returncode=NOTHING_SENT)


def _actor(username: str) -> Actor:
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise _refusal(f"There is no active account named {username!r}. Nothing was sent.")
    return Actor.of_user(user, address="command line", sign_in_method="command line")


def _answers(path: Path) -> Answers:
    try:
        fields = _fields(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, AttributeError) as error:
        raise _refusal(
            f"{path} can't be read as an attestation ({error}). --attestation-template prints "
            "an example. Nothing was sent."
        ) from error
    form = AttestationForm(fields)
    if not form.is_valid():
        wrong = "; ".join(
            f"{name}: {' '.join(map(str, errors))}" for name, errors in form.errors.items()
        )
        raise _refusal(f"The attestation is not complete. {wrong} Nothing was sent.")
    return form.answers()


def _fields(given: dict[str, Any]) -> MultiValueDict[str, Any]:
    """As a form would send them. Raises ValueError for what none could: "no" would be a tick."""
    for name, value in given.items():
        if name not in TEMPLATE:
            raise ValueError(f"there is no field {name!r}")
        if value is not None and type(value) is not type(TEMPLATE[name]):
            raise ValueError(f"{name} must be {KINDS[type(TEMPLATE[name])]}")
    return MultiValueDict(
        {name: value if isinstance(value, list) else [value] for name, value in given.items()}
    )


def _files(paths: list[Path]) -> Iterator[tuple[str, Path]]:
    """Every file with its name as the page would give it: folders keep their own name in front."""
    for path in paths:
        if path.is_dir():
            inside = sorted(found for found in path.rglob("*") if found.is_file())
            yield from ((str(found.relative_to(path.parent)), found) for found in inside)
        elif path.is_file():
            yield path.name, path
        else:
            raise _refusal(f"{path} is not there. Nothing was sent.")


def _face_list(persona_id: str, actor: Actor) -> FaceList:
    """The list as we know it, else as Persona knows it."""
    known = facelists.known().filter(persona_id=persona_id).first()
    try:
        found = known or facelists.look_up(persona_id, actor)
    except facelists.NotAFaceList:
        raise _refusal(f"{persona_id} is not a list of faces. Nothing was sent.") from None
    except facelists.Busy:
        raise _refusal("Our share of Persona's rate limit is used up: try again.") from None
    except PersonaError as error:
        raise _refusal(
            f"The list {persona_id} is not known here, and could not be looked up at Persona "
            f"({error.words}). Nothing was sent."
        ) from error
    if found.archived:
        raise _refusal(f"The list {found} is archived at Persona. Nothing was sent.")
    return found


def _take(draft: Import, name: str, path: Path, actor: Actor) -> Taken:
    kept = f"Nothing was sent; import {draft.pk} is kept as a draft."
    try:
        size = os.stat(path).st_size
        data = path.read_bytes() if size <= images.MOST_BYTES else b""
        return intake.take(draft, name, data, len(data) or size, actor)
    except intake.StorageTrouble as error:
        raise _refusal(f"An image could not be stored ({error.__cause__}). {kept}") from error
    except OSError as error:
        raise _refusal(f"{path} could not be read ({error.strerror}). {kept}") from error


def _submit(draft: Import, answers: Answers, actor: Actor) -> None:
    try:
        cut.submit(draft, answers, actor, consent.as_it_is(draft))
    except consent.NothingToSend:
        intake.discard(draft, actor)
    draft.refresh_from_db()


def _wait(draft: Import) -> None:
    while draft.is_unfinished:
        time.sleep(WAIT_SECONDS)
        draft.refresh_from_db()


def _outcome(draft: Import) -> dict[str, Any]:
    now = progress.of_import(draft)
    left_out = draft.files.filter(state=Image.State.LEFT_OUT)
    return {
        "import": draft.pk,
        "state": draft.state,
        "accepted": draft.files.filter(state=Image.State.ACCEPTED).count(),
        "left_out": [
            {"file": image.original_name, "code": image.reason, "reason": image.explanation}
            for image in left_out
        ],
        "batches": len(now.batches),
        "successful_count": now.successful_count,
        "duplicate_count": now.duplicate_count,
        "error_count": now.error_count,
    }
