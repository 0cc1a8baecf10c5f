"""Attesting: a person states the consent behind exactly the images that they were shown.

A staff attestation states that the subjects' releases exist (740 ILCS 14/15(b)(3)); it is not
itself such a release.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime

from django.db import transaction

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.consent import manifest, seal, statements
from importers.models import Attestation, Import, Statement


class NothingToSend(Exception):
    """The import has no accepted image."""


class DraftChanged(Exception):
    """The images, the list or the statement are no longer those that the person was shown."""


class AlreadySealed(Exception):
    """The import is no longer a draft."""


@dataclass(frozen=True)
class Answers:
    """A person's statements about the consent, one for each field of the form."""

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
    """The state that the page showed when a person signed. Only this is sealed."""

    statement_version: int
    manifest_sha256: str
    face_list_id: int


def shown_now(draft: Import) -> Shown:
    """Return what a page opened now would show."""
    return _showing(draft, statements.in_force(), manifest.lines(draft))


def attest(draft: Import, answers: Answers, actor: Actor, shown: Shown | None) -> Attestation:
    """Store the sealed attestation over exactly the images and the list that were shown.

    `shown` is None if the person's page does not say what it showed. The caller's transaction
    moves the import out of `draft`. Raises NothingToSend, DraftChanged or AlreadySealed; then
    nothing is stored.
    """
    with transaction.atomic():
        # Under this lock no image can be added or removed and the list cannot change.
        locked = Import.objects.select_for_update().get(pk=draft.pk)
        if not locked.is_draft:
            raise AlreadySealed
        images = manifest.lines(locked)
        if not images:
            raise NothingToSend
        statement = statements.in_force()
        if shown != _showing(locked, statement, images):
            raise DraftChanged
        attestation = _unsealed(locked, answers, actor, statement, images)
        attestation.seal = seal.compute(attestation)
        attestation.save(force_insert=True)
        trail.append(
            actor,
            Action.IMPORT_ATTESTED,
            locked,
            manifest_sha256=attestation.manifest_sha256,
            images=attestation.image_count,
            seal=attestation.seal,
        )
    return attestation


def _showing(draft: Import, statement: Statement, images: list[str]) -> Shown:
    return Shown(statement.version, manifest.digest(images), draft.face_list_id)


def _unsealed(
    draft: Import, answers: Answers, actor: Actor, statement: Statement, images: list[str]
) -> Attestation:
    return Attestation(
        face_import=draft,
        statement_version=statement.version,
        statement_text=statement.text,
        manifest_version=manifest.VERSION,
        manifest_sha256=manifest.digest(images),
        image_count=len(images),
        environment=draft.face_list.environment,
        list_persona_id=draft.face_list.persona_id,
        list_name=draft.face_list.name,
        signed_by=actor.person,
        signed_by_username=actor.name,
        signed_at=datetime.now(UTC),
        signed_from=actor.address,
        sign_in_method=actor.sign_in_method,
        seal_version=seal.VERSION,
        **asdict(answers),
    )
