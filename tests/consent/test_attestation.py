"""Signing: an attestation stores who attested which images; some drafts are refused."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError

from importers.audit.actors import WORKER, Actor
from importers.consent import attestation, manifest, seal
from importers.consent.attestation import AlreadySealed, DraftChanged, NothingToSend
from importers.intake import drafts, files
from importers.models import Attestation, AuditEvent, FaceList, Import, Statement
from tests.support.attestations import ANSWERS, sign
from tests.support.files import incoming, receive_one
from tests.support.makers import MakeDraft
from tests.support.pictures import draw
from tests.support.trail import block_the_next_row

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


class TestSigning:
    def test_attestation_stores_the_exact_text_shown(self, draft: Import, actor: Actor) -> None:
        shown = Statement.objects.create(version=7, text=" Exactly\r\nthis – “text”. \n")
        sign(draft, actor)
        stored = Attestation.objects.get()
        assert (stored.statement_version, stored.statement_text) == (7, shown.text)

    def test_attestation_stores_who_signed_when_and_where(
        self, draft: Import, actor: Actor, officer: User
    ) -> None:
        before = datetime.now(UTC)
        sign(draft, actor)
        stored = Attestation.objects.get()
        assert (stored.signed_by, stored.signed_by_username) == (officer, "officer")
        assert before <= stored.signed_at <= datetime.now(UTC)
        assert (stored.signed_from, stored.sign_in_method) == ("192.0.2.7", "password")
        assert stored.typed_name == "Maya Okafor"

    def test_attestation_stores_every_answer(self, draft: Import, actor: Actor) -> None:
        sign(draft, actor)
        stored = Attestation.objects.get()
        assert {name: getattr(stored, name) for name in asdict(ANSWERS)} == asdict(ANSWERS)

    def test_attestation_stores_manifest_count_and_list(self, draft: Import, actor: Actor) -> None:
        manifest_sha256 = manifest.digest(manifest.lines(draft))
        sign(draft, actor)
        stored = Attestation.objects.get()
        assert stored.face_import == draft
        assert (stored.manifest_sha256, stored.image_count) == (manifest_sha256, 3)
        assert (stored.list_persona_id, stored.list_name) == ("lst_unknown", "Confirmed fraud")

    def test_signing_writes_one_audit_row_with_the_seal(self, draft: Import, actor: Actor) -> None:
        attestation = sign(draft, actor)
        event = AuditEvent.objects.get(action="import.attested")
        assert (event.object_type, event.object_id) == ("import", str(draft.pk))
        assert event.actor_name == "officer"
        assert event.details == {
            "manifest_sha256": attestation.manifest_sha256,
            "images": 3,
            "seal": attestation.seal,
        }

    def test_seal_holds_for_any_script(self, draft: Import, actor: Actor) -> None:
        odd = replace(
            ANSWERS, typed_name="Zoë 周恩来 Ólafsdóttir", purpose='Line\nline "quoted" \\ 🎭\u2028'
        )
        sign(draft, actor, odd)
        seal.check(Attestation.objects.get())

    def test_seal_holds_for_a_basis_without_dates(self, draft: Import, actor: Actor) -> None:
        undated = replace(ANSWERS, lawful_basis="legal_claims", consent_from=None, consent_to=None)
        sign(draft, actor, undated)
        seal.check(Attestation.objects.get())

    def test_equal_answers_have_different_seals(
        self, draft: Import, actor: Actor, make_draft: MakeDraft, face_list: FaceList
    ) -> None:
        other = make_draft(face_list, 3)
        assert sign(draft, actor).seal != sign(other, actor).seal


class TestRefusal:
    @pytest.fixture(autouse=True)
    def nothing_is_stored(self, draft: Import) -> Iterator[None]:
        before = list(AuditEvent.objects.all())
        yield
        assert not Attestation.objects.exists()
        assert list(AuditEvent.objects.filter(action="import.attested")) == []
        assert list(AuditEvent.objects.all())[: len(before)] == before

    def test_signing_requires_an_accepted_image(self, face_list: FaceList, actor: Actor) -> None:
        empty = drafts.open_draft(face_list, actor)
        receive_one(empty, incoming("a.txt", b"a"), actor)
        with pytest.raises(NothingToSend):
            sign(empty, actor)

    def test_image_added_after_display_blocks_signing(self, draft: Import, actor: Actor) -> None:
        shown = attestation.shown_now(draft)
        receive_one(draft, incoming("new.jpg", draw(9)), actor)
        with pytest.raises(DraftChanged):
            attestation.attest(draft, ANSWERS, actor, shown)

    def test_image_removed_after_display_blocks_signing(self, draft: Import, actor: Actor) -> None:
        shown = attestation.shown_now(draft)
        files.remove(draft.files.all()[0], actor)
        with pytest.raises(DraftChanged):
            attestation.attest(draft, ANSWERS, actor, shown)

    def test_list_changed_after_display_blocks_signing(self, draft: Import, actor: Actor) -> None:
        shown = attestation.shown_now(draft)
        other = FaceList.objects.create(environment="local", persona_id="lst_other")
        drafts.change_list(draft, other, actor)
        with pytest.raises(DraftChanged):
            attestation.attest(draft, ANSWERS, actor, shown)

    def test_image_replaced_after_display_blocks_signing(self, draft: Import, actor: Actor) -> None:
        shown = attestation.shown_now(draft)
        files.remove(draft.files.all()[0], actor)
        receive_one(draft, incoming("new.jpg", draw(9)), actor)
        with pytest.raises(DraftChanged):
            attestation.attest(draft, ANSWERS, actor, shown)

    @pytest.mark.parametrize("state", [s for s in Import.State if s != Import.State.DRAFT])
    def test_only_a_draft_can_be_signed(
        self, state: Import.State, draft: Import, actor: Actor
    ) -> None:
        """The row decides: the object that was read before still says draft."""
        Import.objects.filter(pk=draft.pk).update(state=state)
        with pytest.raises(AlreadySealed):
            sign(draft, actor)

    def test_worker_cannot_sign(self, draft: Import) -> None:
        with pytest.raises(ValueError, match="Only a person"):
            sign(draft, WORKER)

    def test_signature_that_cannot_be_recorded_is_not_stored(
        self, draft: Import, actor: Actor
    ) -> None:
        forged = block_the_next_row()
        with pytest.raises(IntegrityError):
            sign(draft, actor)
        forged.delete()


def test_import_is_signed_once(draft: Import, actor: Actor) -> None:
    first = sign(draft, actor)
    draft.move(Import.State.FORWARDING, of=(Import.State.DRAFT,))
    with pytest.raises(AlreadySealed):
        sign(draft, actor, replace(ANSWERS, purpose="Another purpose."))
    assert Attestation.objects.get() == first
    assert Attestation.objects.get().purpose == ANSWERS.purpose


def test_database_refuses_a_second_attestation(draft: Import, actor: Actor) -> None:
    first = sign(draft, actor)
    with pytest.raises(IntegrityError):
        sign(draft, actor, replace(ANSWERS, purpose="Another purpose."))
    assert Attestation.objects.get().seal == first.seal
