"""Signing the attestation of a draft."""

import re
from dataclasses import asdict
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from importers.audit.actors import Actor
from importers.consent import manifest, seal, statements
from importers.consent.attestation import Answers
from importers.intake import drafts
from importers.models import Attestation, Batch, FaceList, Image, Import, Statement
from tests.support.attestations import ANSWERS
from tests.support.files import incoming, receive_one
from tests.support.image_rows import add_rows
from tests.support.pages import page_of, values_of, words, words_of
from tests.support.pictures import draw
from tests.support.trail import actions

pytestmark = pytest.mark.django_db
CHANGED_SINCE = "changed after this page was shown"
SHOWN = ("statement_version", "manifest_sha256", "shown_list")


def answers_of(html: str, **changes: Any) -> dict[str, Any]:
    """The completed form, with the values of the hidden fields of the page."""
    shown = {name: values_of(html, name)[0] for name in SHOWN}
    answers = asdict(ANSWERS) | {"attested": "on", "adults_only": "on"} | shown | changes
    return {name: value for name, value in answers.items() if value is not None}


def attest(client: Client, draft: Import, html: str = "", **changes: Any) -> Any:
    typed = answers_of(html or page_of(client, draft), **changes)
    return client.post(reverse("import_attest", args=[draft.pk]), typed)


def test_signing_stores_the_attestation_and_cuts_batches(
    signed_in: Client, draft: Import, officer: User
) -> None:
    response = attest(signed_in, draft)
    assert (response.status_code, response.url) == (302, f"/imports/{draft.pk}/")
    draft.refresh_from_db()
    assert draft.state == "forwarding"
    record = Attestation.objects.get()
    stored_answers = {name: getattr(record, name) for name in Answers.__dataclass_fields__}
    assert stored_answers == asdict(ANSWERS)
    assert record.statement_text == statements.FIRST_STATEMENT
    assert (record.signed_by, record.signed_from) == (officer, "127.0.0.1")
    assert (record.sign_in_method, record.image_count) == ("password", 3)
    assert record.manifest_sha256 == manifest.digest(manifest.lines(draft))
    seal.check(record)
    batch = Batch.objects.get()
    assert (batch.number, batch.state, batch.image_count) == (1, "queued", 3)
    assert batch.images.count() == 3
    assert actions()[-2:] == ["import.attested", "import.sent"]


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("lawful_basis", "", "Choose the lawful basis."),
        ("lawful_basis", "because", "Select a valid choice"),
        ("jurisdictions", [], "Select at least one jurisdiction."),
        ("jurisdictions", ["mars"], "Select a valid choice"),
        ("purpose", " ", "Enter the purpose"),
        ("purpose", "x" * 2001, "at most 2000"),
        ("consent_from", "", "Enter when the subjects consented."),
        ("consent_from", "2026-02-30", "valid date"),
        ("consent_from", "2999-01-01", "is in the future"),
        ("consent_to", "2025-12-31", "ends before it starts"),
        ("consent_to", "2999-01-01", "is in the future"),
        ("notice_version", "", "Enter the version of the notice"),
        ("image_source", "", "Choose the source of the images."),
        ("evidence_reference", "", "Enter where the evidence is kept."),
        ("adults_only", None, "Confirm that every person is an adult"),
        ("typed_name", "", "Type your full name"),
        ("typed_name", "12345 !", "in letters"),
        ("attested", None, "Select the box"),
    ],
)
def test_wrong_answer_is_marked_and_the_others_are_kept(
    field: str, typed: Any, message: str, signed_in: Client, draft: Import
) -> None:
    response = attest(signed_in, draft, **{field: typed})
    html = response.content.decode()
    assert response.status_code == 422
    assert message in words(html)
    assert "Nothing was sent" in words(html)
    assert field in response.context["form"].errors
    for name in {"notice_version", "evidence_reference", "typed_name"} - {field}:
        assert values_of(html, name) == [getattr(ANSWERS, name)]
    if field != "jurisdictions":
        assert re.search(r'value="us-il"[^>]*\schecked', html)
    if field != "purpose":
        assert ANSWERS.purpose in html
    assert Import.objects.get().is_draft
    assert not Attestation.objects.exists()


def test_only_the_consent_basis_requires_consent_dates(signed_in: Client, draft: Import) -> None:
    response = attest(signed_in, draft, lawful_basis="legal_claims", consent_from="", consent_to="")
    assert response.status_code == 302
    assert Attestation.objects.get().consent_from is None


def test_consent_period_needs_a_first_day_on_any_basis(signed_in: Client, draft: Import) -> None:
    response = attest(signed_in, draft, lawful_basis="legal_claims", consent_from="")
    assert "Enter the first day of the period too." in words_of(response)
    assert Import.objects.get().is_draft


def test_answers_are_escaped_when_shown_again(signed_in: Client, draft: Import) -> None:
    typed = '"><script>alert(1)</script>'
    html = attest(signed_in, draft, purpose=typed, evidence_reference=typed, attested=None)
    assert "<script>alert" not in html.content.decode()
    assert values_of(html.content.decode(), "evidence_reference") == [typed]


def test_images_changed_in_another_tab_block_signing(
    signed_in: Client, draft: Import, actor: Actor
) -> None:
    shown = page_of(signed_in, draft)
    receive_one(draft, incoming("new.jpg", draw(77)), actor)
    response = attest(signed_in, draft, shown)
    html = response.content.decode()
    assert response.status_code == 422
    assert CHANGED_SINCE in words(html)
    assert ANSWERS.purpose in html
    assert values_of(html, "typed_name") != [ANSWERS.typed_name], "signed for something else"
    assert not re.search(r'name="attested"[^>]*checked', html)
    assert Import.objects.get().is_draft
    assert not Attestation.objects.exists()
    assert attest(signed_in, draft, html).status_code == 302
    assert Attestation.objects.get().image_count == 4


def test_list_changed_in_another_tab_blocks_signing(
    signed_in: Client, draft: Import, actor: Actor
) -> None:
    shown = page_of(signed_in, draft)
    other = FaceList.objects.create(environment="local", persona_id="lst_2", name="Second")
    drafts.change_list(draft, other, actor)
    response = attest(signed_in, draft, shown)
    html = response.content.decode()
    assert response.status_code == 422
    assert CHANGED_SINCE in words(html)
    assert not Attestation.objects.exists()
    attest(signed_in, draft, html)
    assert Attestation.objects.get().list_persona_id == "lst_2"


def test_new_statement_must_be_shown_before_signing(signed_in: Client, draft: Import) -> None:
    shown = page_of(signed_in, draft)
    Statement.objects.create(version=2, text="A new and stricter wording.")
    response = attest(signed_in, draft, shown)
    html = response.content.decode()
    assert response.status_code == 422
    assert CHANGED_SINCE in words(html)
    assert "A new and stricter wording." in html
    assert not Attestation.objects.exists()
    attest(signed_in, draft, html)
    assert Attestation.objects.get().statement_text == "A new and stricter wording."


@pytest.mark.parametrize(
    "shown",
    [
        {"manifest_sha256": None},
        {"manifest_sha256": "0" * 64},
        {"manifest_sha256": "x"},
        {"statement_version": None},
        {"shown_list": None},
        {"shown_list": "9" * 30},
        {"statement_version": "7"},
    ],
)
def test_signing_requires_the_values_that_were_shown(
    shown: dict[str, Any], signed_in: Client, draft: Import
) -> None:
    assert attest(signed_in, draft, **shown).status_code == 422
    assert not Attestation.objects.exists()


def test_signing_requires_an_accepted_image(signed_in: Client, empty_draft: Import) -> None:
    add_rows(empty_draft, 2, Image.State.LEFT_OUT)
    response = attest(signed_in, empty_draft)
    assert response.status_code == 422
    assert "no accepted image to send" in words_of(response)
    assert not Attestation.objects.exists()


def test_signing_twice_sends_once(signed_in: Client, draft: Import) -> None:
    shown = page_of(signed_in, draft)
    attest(signed_in, draft, shown)
    seal = Attestation.objects.get().seal
    typed = answers_of(shown, typed_name="Somebody Else")
    again = signed_in.post(reverse("import_attest", args=[draft.pk]), typed, follow=True)
    assert "already signed and sent" in words_of(again)
    assert Attestation.objects.get().seal == seal
    assert Batch.objects.count() == 1
    assert actions().count("import.sent") == 1


def test_late_invalid_form_redirects_to_the_import(signed_in: Client, draft: Import) -> None:
    shown = page_of(signed_in, draft)
    attest(signed_in, draft, shown)
    late = attest(signed_in, draft, shown, typed_name="")
    assert (late.status_code, late.url) == (302, f"/imports/{draft.pk}/")


def test_signing_a_discarded_draft_says_it_was_discarded(signed_in: Client, draft: Import) -> None:
    shown = page_of(signed_in, draft)
    signed_in.post(reverse("import_discard", args=[draft.pk]))
    path = reverse("import_attest", args=[draft.pk])
    text = words(signed_in.post(path, answers_of(shown), follow=True).content.decode())
    assert "already discarded" in text
    assert "sent." not in text.replace("before anything was sent.", "")
    assert not Attestation.objects.exists()


def test_typed_name_is_stored_with_single_spaces(signed_in: Client, draft: Import) -> None:
    attest(signed_in, draft, typed_name="  Maya   Okafor ")
    assert Attestation.objects.get().typed_name == "Maya Okafor"
