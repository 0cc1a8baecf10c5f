"""The attestation: its wording, the manifest of exactly those images, the seal over both.

The manifest is the SHA-256 of each accepted image, sorted, one a line; its own SHA-256 goes into
the attestation. The seal is the SHA-256 over every field of the attestation, so neither the
answers nor the set of images can change unseen afterwards. A staff attestation states that the
subjects' releases exist (740 ILCS 14/15(b)(3)); it is not itself such a release.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime

from django.db import transaction

from importers import audit
from importers.audit import Actor
from importers.models import Attestation, Image, Import, Statement

FIRST_STATEMENT = """\
I attest, on behalf of my organisation, for every image in this import:

1. Each image shows the face of one person, every such person is an adult, and I have the right \
to use the image.
2. Before the image was collected, the person was told in writing that biometric data would be \
collected and stored, for which specific purpose and for how long; and the person gave a written \
release or explicit consent, or another lawful basis applies, which I name in this attestation.
3. That notice and that consent or basis cover disclosing the image to Persona Identities, Inc., \
which processes it on our behalf and will derive a face template from it, to compare it with new \
identity checks.
4. The evidence named in this attestation exists, and I can produce it for each person.
5. I know how a person can withdraw consent or ask for removal, and that the image must then be \
removed from the list.

My typed name is my electronic signature under this statement and these images."""


class NothingToSend(Exception):
    """The import has no accepted image."""


class DraftChanged(Exception):
    """The images or the list are no longer those that the person was shown when they signed."""


class AlreadySealed(Exception):
    """The import is not a draft any more."""


class SealBroken(Exception):
    """What is about to be sent is not what was sealed; `reason` says where they differ."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Answers:
    """What a person states about the consent, field by field as the form asks it."""

    lawful_basis: str
    jurisdictions: list[str]
    purpose: str
    consent_from: date | None
    consent_to: date | None
    notice_version: str
    image_source: str
    adults_only: bool
    evidence_reference: str
    typed_name: str


@dataclass(frozen=True)
class Shown:
    """What a person has before them as they sign; what is sealed is this and nothing else."""

    statement: Statement
    manifest_sha256: str
    face_list_id: int


def statement() -> Statement:
    """The wording in force: the newest version."""
    newest = Statement.objects.order_by("-version").first()
    if newest is None:
        newest, _ = Statement.objects.get_or_create(version=1, defaults={"text": FIRST_STATEMENT})
    return newest


def manifest(of_import: Import) -> list[str]:
    """The sorted SHA-256 of every accepted image of the import."""
    accepted = of_import.files.filter(state=Image.State.ACCEPTED)
    return sorted(accepted.values_list("sha256", flat=True))


def manifest_sha256(hashes: Iterable[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in hashes).encode()).hexdigest()


def seal(draft: Import, answers: Answers, actor: Actor, shown: Shown) -> Attestation:
    """Stores the attestation over exactly the images and the list that were shown, for good.

    The caller's transaction goes on to move the import out of `draft`. Raises NothingToSend,
    DraftChanged or AlreadySealed, and then nothing is stored.
    """
    with transaction.atomic():
        locked = Import.objects.select_for_update().select_related("face_list").get(pk=draft.pk)
        if not locked.is_draft:
            raise AlreadySealed
        hashes = manifest(locked)
        if not hashes:
            raise NothingToSend
        if shown != Shown(shown.statement, manifest_sha256(hashes), locked.face_list_id):
            raise DraftChanged
        attestation = _attestation(locked, answers, actor, shown)
        attestation.image_count = len(hashes)
        attestation.seal = _seal_of(attestation)
        attestation.save(force_insert=True)
        audit.append(
            actor,
            "import.attested",
            locked,
            manifest_sha256=shown.manifest_sha256,
            images=len(hashes),
            seal=attestation.seal,
        )
    return attestation


def _attestation(draft: Import, answers: Answers, actor: Actor, shown: Shown) -> Attestation:
    return Attestation(
        face_import=draft,
        statement_version=shown.statement.version,
        statement_text=shown.statement.text,
        manifest_sha256=shown.manifest_sha256,
        list_persona_id=draft.face_list.persona_id,
        list_name=draft.face_list.name,
        signed_by=actor.person,
        signed_by_username=actor.name,
        signed_at=datetime.now(UTC),
        signed_from=actor.address,
        sign_in_method=actor.sign_in_method,
        **asdict(answers),
    )


def as_it_is(draft: Import) -> Shown:
    """What would be shown now."""
    return Shown(statement(), manifest_sha256(manifest(draft)), draft.face_list_id)


def check(attestation: Attestation) -> None:
    """Raises SealBroken unless attestation, list and images are those that were sealed."""
    if attestation.seal != _seal_of(attestation):
        raise SealBroken("The attestation is not as it was sealed.")
    if attestation.list_persona_id != attestation.face_import.face_list.persona_id:
        raise SealBroken("The import goes to another list than the one that was attested.")
    if attestation.manifest_sha256 != manifest_sha256(manifest(attestation.face_import)):
        raise SealBroken("The import's images are not those that were attested.")


def _seal_of(attestation: Attestation) -> str:
    fields = [field.attname for field in attestation._meta.concrete_fields if field.name != "seal"]
    values = {name: getattr(attestation, name) for name in fields}
    values["signed_at"] = attestation.signed_at.astimezone(UTC)
    canonical = json.dumps(
        values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"An attestation holds no {type(value).__name__}.")
