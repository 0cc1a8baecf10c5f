"""Reviewing a draft on one page, and signing it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from importers.audit.actors import Actor
from importers.consent import bases, manifest, seal, statements
from importers.intake import drafts
from importers.models import Attestation, AuditEvent, Batch, FaceList, Image, Import, Person, Role
from importers.models.consent import LawfulBasis
from tests.support.attestations import publish
from tests.support.files import incoming, receive_one
from tests.support.image_rows import add_rows
from tests.support.pages import page_of, values_of, words, words_of
from tests.support.people import PASSWORD, make_person
from tests.support.pictures import draw
from tests.support.review import review, save, sign, signature_on
from tests.support.trail import actions

pytestmark = pytest.mark.django_db
Change = Callable[[Client, Import, Actor], object]


@pytest.fixture
def answered(signed_in: Client, draft: Import) -> Import:
    """A draft with three images and complete answers."""
    save(signed_in, draft)
    return draft


def is_untouched(draft: Import) -> bool:
    return (
        Import.objects.get(pk=draft.pk).is_draft
        and not Attestation.objects.exists()
        and not Batch.objects.exists()
        and "import.attested" not in actions()
    )


class TestIncomplete:
    def missing(self, client: Client, draft: Import) -> str:
        """Ask for the review, and return what the draft's page says instead."""
        response = client.get(reverse("import_attest", args=[draft.pk]), follow=True)
        assert response.redirect_chain == [(f"/imports/{draft.pk}/?check=yes", 302)]
        html = response.content.decode()
        assert "<title> Error:" in re.sub(r"\s+", " ", html)
        return words(html)

    def test_draft_without_an_image_says_so(self, signed_in: Client, empty_draft: Import) -> None:
        add_rows(empty_draft, 2, Image.State.LEFT_OUT)
        save(signed_in, empty_draft)
        assert "Add at least one image." in self.missing(signed_in, empty_draft)

    def test_each_missing_answer_is_named_and_marked(
        self, signed_in: Client, draft: Import
    ) -> None:
        save(signed_in, draft, purpose="", listing_reason="other", note="")
        text = self.missing(signed_in, draft)
        assert "2 answers are missing or wrong. They are marked below." in text
        assert "Specific purpose : Enter the purpose." in text
        assert "Note : Explain the reason in the note." in text
        assert text.count("Enter the purpose.") == 2, "in the list and beside the question"

    def test_one_missing_answer_is_counted_in_the_singular(
        self, signed_in: Client, draft: Import
    ) -> None:
        save(signed_in, draft, adults_only=False)
        assert "1 answer is missing or wrong." in self.missing(signed_in, draft)

    def test_untouched_draft_names_what_every_basis_needs(
        self, signed_in: Client, draft: Import
    ) -> None:
        text = self.missing(signed_in, draft)
        assert "Choose the lawful basis." in text
        assert "Select at least one jurisdiction." in text

    def test_images_without_a_reason_are_counted(self, signed_in: Client, draft: Import) -> None:
        draft.files.filter(original_name="face-1.jpg").update(listing_reason="enrolled")
        save(signed_in, draft, listing_reason="")
        text = self.missing(signed_in, draft)
        assert "2 of the images have no reason for listing. Choose one for all of them." in text

    def test_images_without_a_case_are_counted_unless_the_basis_is_consent(
        self, signed_in: Client, draft: Import
    ) -> None:
        save(signed_in, draft, "fraud_exemption", case_reference="")
        text = self.missing(signed_in, draft)
        assert "3 of the images have no case reference. Enter one for all of them." in text
        save(signed_in, draft, "consent", case_reference="")
        review(signed_in, draft)


class TestReview:
    def test_review_shows_everything_that_will_be_signed(
        self, signed_in: Client, draft: Import
    ) -> None:
        draft.files.filter(original_name="face-1.jpg").update(
            case_reference="FR-7", note="Seen twice."
        )
        save(signed_in, draft, "fraud_exemption")
        html = review(signed_in, draft)
        text = words(html)
        for shown in (
            *(f"import {draft.pk} to Confirmed fraud", "lst_unknown", "Local Persona"),
            *("3 images", "Attest and send 3 images to Confirmed fraud"),
            *("Confirmed fraud FR-7 Seen twice. 1", "Confirmed fraud FR-2026-014 – 2"),
            *("Law and paragraph Tex. Bus. & Com. Code 503.001(e)(3)", "Texas (CUBI)"),
            *("Decided on 5 January 2026", "Every person shown is an adult Yes"),
            *("Subjects informed on Not stated", "your account (officer)"),
            *("Warnings to confirm", *bases.cautions("fraud_exemption", ["us-tx"])),
            *statements.FIRST[LawfulBasis.FRAUD_EXEMPTION].splitlines(),
        ):
            assert shown in text
        assert "How consent was recorded" not in text
        for image in draft.files.all():
            assert reverse("thumbnail", args=[image.key]) in html
        assert values_of(html, "typed_name") == []
        assert values_of(html, "password") == []

    def test_review_of_many_images_is_paged(self, signed_in: Client, empty_draft: Import) -> None:
        add_rows(empty_draft, 50)
        save(signed_in, empty_draft)
        path = reverse("import_attest", args=[empty_draft.pk])
        pages = [signed_in.get(f"{path}?page={n}").content.decode() for n in (1, 2)]
        assert [html.count("/thumbnail/") for html in pages] == [48, 2]
        assert all("50 images" in words(html) for html in pages)


class TestSigning:
    def test_signing_stores_the_attestation_and_cuts_batches(
        self, signed_in: Client, answered: Import, officer: Person
    ) -> None:
        response = sign(signed_in, answered)
        assert (response.status_code, response.url) == (302, f"/imports/{answered.pk}/")
        answered.refresh_from_db()
        assert (answered.state, answered.mode) == ("forwarding", "bulk")
        record = Attestation.objects.get()
        assert record.statement_text == statements.FIRST[LawfulBasis.CONSENT]
        assert record.jurisdictions == ["us-il", "us-tx"]
        assert (record.signed_by, record.signed_from) == (officer, "127.0.0.1")
        assert (record.sign_in_method, record.image_count) == ("password", 3)
        assert record.manifest_sha256 == manifest.digest(manifest.lines(answered))
        seal.check(record)
        batch = Batch.objects.get()
        assert (batch.number, batch.state, batch.image_count) == (1, "queued", 3)
        assert batch.images.count() == 3
        assert actions()[-2:] == ["import.attested", "import.sent"]
        text = words(page_of(signed_in, answered))
        assert "Signed. The results for 3 images appear below." in text

    def test_confirmed_warnings_are_stored(self, signed_in: Client, draft: Import) -> None:
        save(signed_in, draft, "fraud_exemption")
        assert sign(signed_in, draft).status_code == 302
        (confirmed,) = Attestation.objects.get().warnings
        assert confirmed.startswith("Texas (CUBI): The exemption is for artificial intelligence")

    def test_one_image_per_request_if_chosen(self, signed_in: Client, answered: Import) -> None:
        sign(signed_in, answered, mode="one_by_one")
        assert [batch.image_count for batch in Batch.objects.all()] == [1, 1, 1]
        answered.refresh_from_db()
        assert answered.mode == "one_by_one"
        details = AuditEvent.objects.get(action="import.sent").details
        assert (details["batches"], details["mode"]) == ([1, 1, 1], "one_by_one")

    def test_name_is_stored_as_the_account_has_it(
        self, signed_in: Client, answered: Import
    ) -> None:
        sign(signed_in, answered, typed_name="  maya   OKAFOR ")
        assert Attestation.objects.get().typed_name == "Maya Okafor"

    def test_signing_twice_sends_once(self, signed_in: Client, answered: Import) -> None:
        signed = signature_on(review(signed_in, answered))
        path = reverse("import_attest", args=[answered.pk])
        signed_in.post(path, signed)
        sealed = Attestation.objects.get().seal
        again = signed_in.post(path, signed | {"typed_name": "Somebody Else"}, follow=True)
        assert "already signed and sent" in words_of(again)
        assert "already signed and sent" in words_of(signed_in.get(path, follow=True))
        assert Attestation.objects.get().seal == sealed
        assert Batch.objects.count() == 1
        assert actions().count("import.sent") == 1

    def test_discarded_draft_cannot_be_signed(self, signed_in: Client, answered: Import) -> None:
        signed = signature_on(review(signed_in, answered))
        signed_in.post(reverse("import_discard", args=[answered.pk]))
        path = reverse("import_attest", args=[answered.pk])
        text = words_of(signed_in.post(path, signed, follow=True))
        assert "already discarded" in text
        assert not Attestation.objects.exists()


class TestRefusedSignature:
    @pytest.mark.parametrize(
        ("field", "given", "sentence"),
        [
            ("attested", None, "Select the box to attest to the statement."),
            ("typed_name", "", "Type your full name. It is your signature."),
            ("typed_name", "Donald Duck", "as your account has it: Maya Okafor."),
            ("password", "", "Enter your password."),
            ("password", "wrong password, alas", "This is not your password."),
            ("warnings", [], "Confirm each warning, or go back and change the answers."),
            ("warnings", ["I confirm."], "Select a valid choice."),
            ("mode", "by_post", "Select a valid choice."),
        ],
    )
    def test_each_mistake_has_its_own_sentence(
        self, field: str, given: Any, sentence: str, signed_in: Client, draft: Import
    ) -> None:
        save(signed_in, draft, "fraud_exemption")
        response = sign(signed_in, draft, **{field: given})
        text = words_of(response)
        assert response.status_code == 422
        assert sentence in text
        assert "Nothing was sent. Correct this first:" in text
        assert set(response.context["form"].errors) == {field}
        assert PASSWORD not in response.content.decode()
        assert is_untouched(draft)

    def test_wrong_password_is_recorded_and_counts(
        self, signed_in: Client, answered: Import, officer: Person
    ) -> None:
        html = review(signed_in, answered)
        for _ in range(5):
            sign(signed_in, answered, html, password="wrong password, alas")
        refused = AuditEvent.objects.filter(action="person.refused")
        assert {event.object_id for event in refused} == {str(officer.pk)}
        assert refused.count() == 5
        response = sign(signed_in, answered, html)
        assert response.status_code == 422
        assert "Too many failed login attempts" in words_of(response)
        assert actions()[-1] == "person.throttled"
        assert is_untouched(answered)

    def test_account_without_a_full_name_cannot_sign(
        self, signed_in: Client, answered: Import
    ) -> None:
        Person.objects.update(first_name="", last_name="")
        response = sign(signed_in, answered, typed_name="officer")
        assert response.status_code == 422
        assert "Your account has no full name, so you cannot sign." in words_of(response)
        assert is_untouched(answered)


def add_image(client: Client, draft: Import, actor: Actor) -> None:
    receive_one(draft, incoming("new.jpg", draw(77)), actor)


def change_entry(client: Client, draft: Import, actor: Actor) -> None:
    draft.files.update(subject_reference="S-17")


def change_list(client: Client, draft: Import, actor: Actor) -> None:
    other = FaceList.objects.create(environment="local", persona_id="lst_2", name="Second")
    drafts.change_list(draft, other, actor)


def change_answers(client: Client, draft: Import, actor: Actor) -> None:
    save(client, draft, purpose="Another purpose.")


def publish_statement(client: Client, draft: Import, actor: Actor) -> None:
    publish("A new and stricter wording.", actor)


def sign_in_as_colleague(client: Client, draft: Import, actor: Actor) -> None:
    make_person("colleague", Role.OFFICER, first_name="Maya", last_name="Okafor")
    client.post("/account/logout/")
    client.post("/account/login/", {"login": "colleague", "password": PASSWORD})


CHANGES: list[tuple[Change, str]] = [
    (add_image, "The images or their entries were changed."),
    (change_entry, "The images or their entries were changed."),
    (change_list, "The list was changed."),
    (change_answers, "The answers were changed."),
    (publish_statement, "A new version of the statement was published."),
    (sign_in_as_colleague, "You are signed in with another account now"),
]


class TestChangedInAnotherTab:
    @pytest.mark.parametrize(("change", "sentence"), CHANGES)
    @pytest.mark.parametrize("given", [{}, {"password": "wrong password, alas"}])
    def test_change_is_named_and_signed_only_once_shown(
        self,
        given: dict[str, str],
        change: Change,
        sentence: str,
        signed_in: Client,
        answered: Import,
        actor: Actor,
    ) -> None:
        shown = review(signed_in, answered)
        change(signed_in, answered, actor)
        response = sign(signed_in, answered, shown, **given)
        assert (response.status_code, response.url) == (302, f"/imports/{answered.pk}/attest/")
        assert is_untouched(answered)
        html = review(signed_in, answered)
        text = words(html)
        assert f"{sentence}" in text
        assert "Nothing was sent. Review, then sign again." in text
        assert [other for _, other in CHANGES if other in text and other != sentence] == []
        assert values_of(html, "typed_name") == [], "signed for something else"
        assert not re.search(r'name="attested"[^>]*checked', html)
        assert sign(signed_in, answered, html).status_code == 302
        assert Attestation.objects.exists()

    def test_draft_that_became_incomplete_is_shown_again(
        self, signed_in: Client, answered: Import
    ) -> None:
        shown = review(signed_in, answered)
        save(signed_in, answered, purpose="")
        response = sign(signed_in, answered, shown)
        assert response.url == f"/imports/{answered.pk}/?check=yes"
        assert is_untouched(answered)

    @pytest.mark.parametrize(
        "shown",
        [
            {"manifest_sha256": None},
            {"manifest_sha256": "0" * 64},
            {"answers_sha256": "x"},
            {"statement_version": "7"},
            {"face_list_id": "9" * 30},
            {"account_id": None},
        ],
    )
    def test_signing_requires_the_values_that_were_shown(
        self, shown: dict[str, Any], signed_in: Client, answered: Import
    ) -> None:
        response = sign(signed_in, answered, **shown)
        assert (response.status_code, response.url) == (302, f"/imports/{answered.pk}/attest/")
        assert is_untouched(answered)
