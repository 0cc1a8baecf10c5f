"""Attesting: a person states the basis behind exactly the images that they were shown.

A staff attestation states that the subjects' releases exist (740 ILCS 14/15(b)(3)), or on which
other basis the images are listed. It is not itself such a release.
"""

import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.db import transaction

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.consent import bases, manifest, seal, statements
from importers.models import Attestation, Entry, Image, Import, Person
from importers.models.consent import LawfulBasis
from importers.models.entries import ENTRY


class NothingToSend(Exception):
    """The import has no accepted image."""


class AlreadySealed(Exception):
    """The import is no longer a draft."""


class DraftChanged(Exception):
    """The person was shown something else; `changed` names the fields of `Shown` that differ."""

    def __init__(self, changed: list[str]) -> None:
        super().__init__(", ".join(changed))
        self.changed = changed


class CannotSign(Exception):
    """The answers or the signature may not be sealed; `sentences` say why."""

    def __init__(self, *sentences: str) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = sentences


@dataclass(frozen=True)
class Shown:
    """The state that the page showed when a person signed. Only this is sealed."""

    account_id: int
    face_list_id: int
    statement_version: int
    answers_sha256: str
    manifest_sha256: str
    needs_approval: bool


@dataclass(frozen=True)
class Signature:
    """What a person signs. `shown` is None if their page does not say what it showed.

    `answers` is an attestation that is not saved, with the answers, the confirmed warnings and the
    typed name. `entry` holds for the images that have none of their own.
    """

    answers: Attestation
    entry: Entry
    shown: Shown | None
    mode: Import.Mode = Import.Mode.BULK


def shown_now(draft: Import, answers: Attestation, entry: Entry, person: Person) -> Shown:
    """Return what a page opened now would show."""
    return Shown(
        person.pk,
        draft.face_list_id,
        statements.in_force(answers.lawful_basis).version,
        seal.digest({name: getattr(answers, name) for name in bases.ANSWERS}),
        manifest.digest(manifest.lines(draft, entry)),
        draft.face_list.needs_approval,
    )


def changed_since(shown: Shown | None, now: Shown) -> list[str]:
    """Return the fields of `Shown` that differ; all of them if the page did not say."""
    then = vars(shown) if shown else {}
    return [name for name, value in vars(now).items() if then.get(name) != value]


def missing_entries(draft: Import, basis: str, entry: Entry) -> dict[str, int]:
    """Return for how many images each required part of the entry is missing.

    A reason is required, and where the basis is not consent also a case reference.
    """
    required = ["listing_reason"]
    if basis != LawfulBasis.CONSENT:
        required.append("case_reference")
    without_default = [name for name in required if not getattr(entry, name)]
    accepted = draft.files.filter(state=Image.State.ACCEPTED)
    counts = {name: accepted.filter(**{name: ""}).count() for name in without_default}
    return {name: count for name, count in counts.items() if count}


def is_name_of(typed: str, person: Person) -> bool:
    """Return True if this is the person's full name, however it is spaced and capitalised."""
    return bool(_plain(typed)) and _plain(typed) == _plain(person.get_full_name())


def attest(draft: Import, signature: Signature, actor: Actor) -> Attestation:
    """Store the sealed attestation over exactly the images, entries and list that were shown.

    The caller's transaction moves the import out of `draft`. Raises NothingToSend, DraftChanged,
    CannotSign or AlreadySealed; then nothing is stored.
    """
    with transaction.atomic():
        # Under this lock no image can be added or removed and the list cannot change.
        locked = Import.objects.select_for_update().get(pk=draft.pk)
        if not locked.is_draft:
            raise AlreadySealed
        if not locked.image_count:
            raise NothingToSend
        shown = _refuse_change(locked, signature, actor.person)
        _refuse_untrue(locked, signature, actor.person)
        _complete_entries(locked, signature.entry)
        attestation = _unsealed(locked, signature, shown.statement_version, actor)
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


def _refuse_change(draft: Import, signature: Signature, person: Person) -> Shown:
    now = shown_now(draft, signature.answers, signature.entry, person)
    if changed := changed_since(signature.shown, now):
        raise DraftChanged(changed)
    return now


def _refuse_untrue(draft: Import, signature: Signature, person: Person) -> None:
    answers = signature.answers
    sentences = bases.refusals(answers.lawful_basis, answers.jurisdictions)
    if set(bases.warnings(answers, date.today())) != set(answers.warnings):
        sentences.append("Confirm each warning.")
    if draft.face_list.archived:
        sentences.append("The list is archived at Persona.")
    if not is_name_of(answers.typed_name, person):
        sentences.append("The typed name is not the full name of the account.")
    if missing_entries(draft, answers.lawful_basis, signature.entry):
        sentences.append("Each image needs its entry.")
    if sentences:
        raise CannotSign(*sentences)


def _complete_entries(draft: Import, entry: Entry) -> None:
    accepted = draft.files.filter(state=Image.State.ACCEPTED)
    for name in ENTRY:
        if default := getattr(entry, name):
            accepted.filter(**{name: ""}).update(**{name: default})


def _unsealed(
    draft: Import, signature: Signature, statement_version: int, actor: Actor
) -> Attestation:
    answers = signature.answers
    asked = bases.questions(answers.lawful_basis, answers.jurisdictions)
    # The version that was shown: a newer one may have been published since.
    statement = statements.published(answers.lawful_basis, statement_version)
    images = manifest.lines(draft)
    return Attestation(
        **{name: getattr(answers, name) for name in asked},
        warnings=answers.warnings,
        typed_name=answers.typed_name,
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
        needs_approval=draft.face_list.needs_approval,
        seal_version=seal.VERSION,
    )


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", " ".join(name.split())).casefold()
