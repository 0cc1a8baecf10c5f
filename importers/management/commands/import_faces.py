import getpass
import json
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from importers.audit.actors import Actor
from importers.consent.attestation import CannotSign, NothingToSend, Signature, shown_now
from importers.forms import attestation_file, entry_file
from importers.forwarding import submission
from importers.imaging.processes import CannotStart
from importers.intake import aside, drafts, entries, files
from importers.intake.files import IncomingFile
from importers.lists import catalog
from importers.models import FaceList, Image, Import, Right, people
from importers.models.consent import LawfulBasis
from importers.models.workers import worker_is_seen
from importers.vault.keeping import StorageUnavailable

SOME_REJECTED, NOTHING_SENT = 1, 2
WAIT_SECONDS = 1


class Command(BaseCommand):
    help = (
        "Imports face images from files and folders by the same rules as the page. "
        "If the list's policy asks for a second person, the import awaits their approval, and "
        "--wait does not wait for it. Exit 0: all accepted; 1: some rejected; 2: nothing sent."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="*", type=Path, metavar="PATH")
        parser.add_argument("--list", dest="list_id", metavar="lst_…")
        parser.add_argument("--user", metavar="NAME", help="account that imports and attests")
        parser.add_argument("--attestation", type=Path, metavar="FILE.json")
        parser.add_argument(
            "--attestation-template", action="store_true", help="print an example of that file"
        )
        parser.add_argument(
            "--basis",
            choices=[basis.value for basis in LawfulBasis],
            default=LawfulBasis.CONSENT,
            help="lawful basis of the example",
        )
        parser.add_argument(
            "--send-again", metavar="REASON", help="why to send images that the list has already"
        )
        parser.add_argument("--wait", action="store_true", help="wait for Persona's results")
        parser.add_argument("--json", action="store_true", help="print the outcome as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["attestation_template"]:
            example = attestation_file.template(LawfulBasis(options["basis"]))
            self.stdout.write(json.dumps(example, indent=2, ensure_ascii=False))
            return
        for name in ("paths", "list_id", "user", "attestation"):
            if not options[name]:
                wanted = {"paths": "PATH", "list_id": "--list"}.get(name, f"--{name}")
                raise _refusal(f"{wanted} is missing. Nothing was sent.")
        actor = _actor(options["user"])
        signature = _signature(options["attestation"], actor)
        found, entry_rows = _sorted(_files(options["paths"]))
        face_list = _face_list(options["list_id"], actor)
        draft = drafts.open_draft(face_list, actor)
        _receive(draft, found, actor)
        if options["send_again"]:
            aside.include(draft, draft.files.all(), options["send_again"], actor)
        _apply_entries(draft, entry_rows, actor)
        _submit(draft, signature, actor)
        if draft.awaits_approval:
            self.stderr.write(
                "A second person must approve this import. Nothing is sent before that."
            )
        elif options["wait"]:
            self._wait(draft)
        self._report(draft, as_json=options["json"])
        if draft.state == Import.State.CANCELED:
            sys.exit(NOTHING_SENT)
        if draft.left_out_count:
            sys.exit(SOME_REJECTED)

    def _wait(self, sent: Import) -> None:
        if not worker_is_seen():
            self.stderr.write("No worker is running. Waiting for “manage.py forward”.")
        while sent.is_unfinished:
            time.sleep(WAIT_SECONDS)
            sent.refresh_from_db()

    def _report(self, draft: Import, *, as_json: bool) -> None:
        outcome = _outcome(draft)
        if as_json:
            self.stdout.write(json.dumps(outcome))
            return
        # Escaped (!a), so that a hostile file name cannot control the terminal.
        for rejected in outcome["left_out"]:
            self.stderr.write(f"rejected: {rejected['file']!a}: {rejected['reason']!a}")
        self.stdout.write(
            f"Import {outcome['import']}: {outcome['state']}, {outcome['accepted']} accepted, "
            f"{len(outcome['left_out'])} rejected."
        )


def _refusal(sentence: str) -> CommandError:
    return CommandError(sentence, returncode=NOTHING_SENT)


def _actor(username: str) -> Actor:
    """Return the person, at an address that names the account of the operating system."""
    user = people.current().filter(username=username).first()
    if user is None:
        raise _refusal(f"There is no active account named {username!r}. Nothing was sent.")
    if Right.MAKE_IMPORTS not in user.rights:
        raise _refusal(f"The account {username!r} may not make imports. Nothing was sent.")
    system = f"command line: {getpass.getuser()}@{socket.gethostname()}"
    return Actor.of_user(user, address=system[:100], sign_in_method="command line")


def _signature(path: Path, actor: Actor) -> Signature:
    try:
        given = attestation_file.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _refusal(
            f"{path} is not an attestation ({error}). --attestation-template prints an example. "
            "Nothing was sent."
        ) from error
    try:
        return attestation_file.signature(given, actor.person)
    except ValidationError as invalid:
        wrong = "; ".join(
            f"{name}: {' '.join(texts)}" for name, texts in invalid.message_dict.items()
        )
        raise _refusal(f"The attestation is incomplete. {wrong} Nothing was sent.") from invalid


def _files(paths: list[Path]) -> Iterator[tuple[str, Path]]:
    """Yield each file with the name that the page would give it: its folder's name in front."""
    for path in paths:
        if path.is_dir():
            inside = sorted(found for found in path.rglob("*") if found.is_file())
            yield from ((str(found.relative_to(path.parent)), found) for found in inside)
        elif path.is_file():
            yield path.name, path
        else:
            raise _refusal(f"{path} does not exist. Nothing was sent.")


def _sorted(
    found: Iterator[tuple[str, Path]],
) -> tuple[list[tuple[str, Path]], list[dict[str, Any]]]:
    """Return the images and the rows of the CSV files with entries among them."""
    images, rows = [], []
    for name, path in found:
        if path.suffix.lower() != ".csv":
            images.append((name, path))
            continue
        try:
            rows += entry_file.parse(path.read_bytes())
        except (OSError, ValidationError) as error:
            why = " ".join(getattr(error, "messages", [str(error)]))
            raise _refusal(
                f"The entries in {path} were not read. {why} Nothing was sent."
            ) from error
    return images, rows


def _face_list(persona_id: str, actor: Actor) -> FaceList:
    """Return the list from our rows, or else from Persona."""
    known = catalog.known().filter(persona_id=persona_id).first()
    try:
        found = known or catalog.look_up(persona_id, actor)
    except catalog.NotAFaceList:
        raise _refusal(f"{persona_id} is not a face list. Nothing was sent.") from None
    except catalog.UnknownList:
        raise _refusal(f"Persona has no list {persona_id}. Nothing was sent.") from None
    except catalog.NoRequestLeft as none_left:
        seconds = max(1, round(none_left.wait.total_seconds()))
        raise _refusal(
            f"No request to Persona is possible now. Try again in {seconds} seconds. "
            "Nothing was sent."
        ) from None
    except catalog.Unavailable as unavailable:
        raise _refusal(
            f"Consentry does not know the list {persona_id} and could not ask Persona "
            f"({unavailable.words}). Nothing was sent."
        ) from unavailable
    if found.archived:
        raise _refusal(f"The list {found} is archived at Persona. Nothing was sent.")
    return found


def _receive(draft: Import, found: list[tuple[str, Path]], actor: Actor) -> None:
    kept = f"Nothing was sent. Import {draft.pk} is kept as a draft."
    try:
        incoming = [
            IncomingFile(name, path.stat().st_size, path.read_bytes) for name, path in found
        ]
        for group in files.groups(incoming):
            files.receive(draft, group, actor)
    except StorageUnavailable as error:
        raise _refusal(f"An image could not be stored ({error.__cause__}). {kept}") from error
    except CannotStart as error:
        raise _refusal(f"The images could not be inspected. {error} {kept}") from error
    except OSError as error:
        raise _refusal(f"{error.filename} could not be read ({error.strerror}). {kept}") from error


def _apply_entries(draft: Import, rows: list[dict[str, Any]], actor: Actor) -> None:
    """Apply them if each names a file that was given, accepted or not."""
    if not rows:
        return
    entries.keep_file(draft, rows, actor)
    found = entries.matching(draft)
    rejected = draft.files.filter(state=Image.State.LEFT_OUT)
    known = {name for row in rejected for name in (row.original_name, row.base_name)}
    unknown = [row["file"] for row in found.unused if row["file"] not in known] if found else []
    if unknown:
        others = " and others" if unknown[1:] else ""
        raise _refusal(
            f"The CSV has entries for {unknown[0]!a}{others}, not among the images. "
            f"Nothing was sent. Import {draft.pk} is kept as a draft."
        )
    entries.apply_file(draft, actor)


def _submit(draft: Import, signature: Signature, actor: Actor) -> None:
    shown = shown_now(draft, signature.answers, signature.entry, actor.person)
    try:
        submission.submit(draft, replace(signature, shown=shown), actor)
    except NothingToSend:
        drafts.discard(draft, actor)
    except CannotSign as error:
        kept = f"Nothing was sent. Import {draft.pk} is kept as a draft."
        raise _refusal(f"{error} {kept}") from error
    draft.refresh_from_db()


def _outcome(draft: Import) -> dict[str, Any]:
    left_out = draft.files.filter(state=Image.State.LEFT_OUT)
    return {
        "import": draft.pk,
        "state": draft.state,
        "accepted": draft.image_count,
        "left_out": [
            {"file": image.original_name, "code": image.reason, "reason": image.explanation}
            for image in left_out
        ],
        "batches": draft.batches.count(),
        "successful_count": draft.successful_count or 0,
        "duplicate_count": draft.duplicate_count or 0,
        "error_count": draft.error_count or 0,
    }
