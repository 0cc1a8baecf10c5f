"""The answers of a draft: kept as they are typed, and shown again."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from importers.audit.actors import Actor
from importers.consent import statements
from importers.intake import drafts
from importers.models import AuditEvent, Import, Role
from importers.models.consent import LawfulBasis
from tests.support.approvals import make_approver
from tests.support.attestations import ANSWERS, kept, submit, typed
from tests.support.makers import MakeDraft
from tests.support.pages import page_of, values_of, words, words_of
from tests.support.people import PASSWORD, make_person
from tests.support.review import save
from tests.support.trail import actions

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def save_by_script(client: Client, draft: Import, **values: Any) -> Any:
    return client.post(reverse("import_answers", args=[draft.pk]), values, headers=HTMX)


class TestSaving:
    def test_answers_are_shown_again_as_typed(self, signed_in: Client, draft: Import) -> None:
        wrong = {"purpose": "Not\nyet clear", "term_ends_on": "2001-01-01", "note": "  A note"}
        response = save(signed_in, draft, jurisdictions=["us-il", "us-co"], **wrong)
        assert (response.status_code, response.url) == (302, f"/imports/{draft.pk}/")
        html = page_of(signed_in, draft)
        assert re.search(r'<option value="consent"\s+selected', html)
        assert re.findall(r'value="([^"]*)"[^>]*\schecked', html) == ["us-il", "us-co", "on"]
        assert "Not\nyet clear</textarea>" in html
        assert "  A note</textarea>" in html
        assert values_of(html, "term_ends_on") == ["2001-01-01"]
        assert values_of(html, "withdrawal_route") == ["https://www.example.com/privacy"]
        assert "problem" not in html, "nothing is judged yet"

    def test_answers_are_escaped_when_shown_again(self, signed_in: Client, draft: Import) -> None:
        evil = '"><script>alert(1)</script>'
        save(signed_in, draft, purpose=evil, evidence_reference=evil, lawful_basis=evil)
        html = page_of(signed_in, draft)
        assert "<script>alert" not in html
        assert values_of(html, "evidence_reference") == [evil]

    def test_save_by_script_returns_the_questions_of_the_basis(
        self, signed_in: Client, draft: Import
    ) -> None:
        response = save_by_script(
            signed_in, draft, lawful_basis="fraud_exemption", jurisdictions=["us-tx"], law="503.001"
        )
        html, text = response.content.decode(), words_of(response)
        assert response.status_code == 200
        assert "<html" not in html
        assert values_of(html, "law") == ["503.001"]
        assert 'name="withdrawal_route"' not in html
        assert "Let counsel decide whether it covers this list." in text
        assert "Suggested: 12 months at most. Texas" in text
        assert "Statement, version 1" in text
        for line in statements.FIRST[LawfulBasis.FRAUD_EXEMPTION].splitlines():
            assert line in text
        assert re.search(r"Answers saved at \d\d:\d\d:\d\d UTC", text)

    def test_refused_basis_is_said_at_once(self, signed_in: Client, draft: Import) -> None:
        response = save_by_script(
            signed_in, draft, lawful_basis="fraud_exemption", jurisdictions=["us-il", "eu"]
        )
        text = words_of(response)
        assert "This basis is not possible. Illinois (BIPA): Illinois requires" in text
        assert "This basis is not possible. EU or EEA (GDPR): The GDPR has no" in text

    def test_changes_within_ten_minutes_are_recorded_once_without_their_text(
        self, signed_in: Client, draft: Import
    ) -> None:
        before = actions()
        for purpose in ("To recognise", "To recognise people"):
            save(signed_in, draft, purpose=purpose)
        assert actions() == [*before, "answers.changed"]
        event = AuditEvent.objects.latest("pk")
        assert (event.actor_name, event.object_id) == ("officer", str(draft.pk))
        assert event.details == {}

    def test_same_answers_again_are_not_recorded(self, signed_in: Client, draft: Import) -> None:
        drafts.save_answers(draft, kept(), make_approver("colleague", Role.OFFICER))
        before = actions()
        save(signed_in, draft)
        assert actions() == before

    def test_review_button_saves_and_leads_to_the_review(
        self, signed_in: Client, draft: Import
    ) -> None:
        path = reverse("import_answers", args=[draft.pk])
        response: Any = signed_in.post(path, typed() | {"review": "yes"})
        assert (response.status_code, response.url) == (302, f"/imports/{draft.pk}/attest/")
        assert Import.objects.get().draft_answers["notice_version"] == [typed()["notice_version"]]

    @pytest.mark.parametrize("headers", [{}, HTMX])
    def test_signed_import_keeps_its_answers(
        self, headers: dict[str, str], signed_in: Client, draft: Import, actor: Actor
    ) -> None:
        submit(draft, actor)
        before = Import.objects.values().get()
        path = reverse("import_answers", args=[draft.pk])
        response = signed_in.post(path, typed(), headers=headers)
        assert Import.objects.values().get() == before
        assert ("HX-Refresh" in response.headers) == bool(headers)
        text = words_of(signed_in.get(f"/imports/{draft.pk}/"))
        assert "This import is no longer a draft. Nothing was changed." in text


class TestReuse:
    @pytest.fixture
    def earlier(self, make_draft: MakeDraft, draft: Import, actor: Actor) -> Import:
        """An import that the same person signed before."""
        return submit(make_draft(draft.face_list, 1, first_seed=50), actor)

    def reuse(self, client: Client, draft: Import) -> Any:
        return client.post(reverse("answers_reuse", args=[draft.pk]))

    def test_last_answers_are_offered_and_taken_over(
        self, signed_in: Client, draft: Import, earlier: Import
    ) -> None:
        offer = f"Use the answers of import {earlier.pk}"
        assert offer in words(page_of(signed_in, draft))
        response = self.reuse(signed_in, draft)
        assert (response.status_code, response.url) == (302, f"/imports/{draft.pk}/#answers-head")
        html = page_of(signed_in, draft)
        assert offer not in words(html)
        assert values_of(html, "notice_version") == [ANSWERS["notice_version"]]
        assert not re.search(r'name="adults_only"[^>]*\schecked', html)

    def test_newest_attestation_is_offered(
        self, signed_in: Client, draft: Import, earlier: Import, make_draft: MakeDraft, actor: Actor
    ) -> None:
        newest = submit(make_draft(draft.face_list, 1, first_seed=60), actor)
        text = words(page_of(signed_in, draft))
        assert f"Use the answers of import {newest.pk}" in text

    def test_answers_of_somebody_else_are_not_offered(
        self, client: Client, draft: Import, earlier: Import
    ) -> None:
        make_person("colleague", Role.OFFICER)
        client.post("/account/login/", {"login": "colleague", "password": PASSWORD})
        assert "Use the answers" not in words(page_of(client, draft))
        self.reuse(client, draft)
        draft.refresh_from_db()
        assert draft.draft_answers == {}

    def test_typed_answers_are_not_offered_to_be_replaced(
        self, signed_in: Client, draft: Import, earlier: Import
    ) -> None:
        save_by_script(signed_in, draft, purpose="To recognise")
        assert "Use the answers" not in words(page_of(signed_in, draft))

    def test_signed_import_takes_over_nothing(
        self, signed_in: Client, draft: Import, earlier: Import, actor: Actor
    ) -> None:
        submit(draft, actor)
        self.reuse(signed_in, draft)
        assert "no longer a draft" in words(page_of(signed_in, draft))
        assert not Import.objects.exclude(draft_answers={}).exists()
