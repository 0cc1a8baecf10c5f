"""The statements, and the page on which an administrator publishes a new version."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from importers.access.roles import assign
from importers.audit.actors import Actor
from importers.consent import statements
from importers.models import AuditEvent, Person, Role, Statement
from importers.models.consent import LawfulBasis
from tests.support.pages import values_of, words, words_of
from tests.support.people import PASSWORD
from tests.support.threads import at_once

pytestmark = pytest.mark.django_db
PATH = "/statements/consent/new/"
WORDING = "I attest:\n\n1. Every person is 18 or older.\n\nMy typed name is my signature."


@pytest.fixture
def administrator(signed_in: Client, officer: Person) -> Client:
    assign(officer, [Role.ADMINISTRATOR])
    return signed_in


def preview(client: Client, text: str = WORDING, **more: Any) -> Any:
    return client.post(PATH, {"text": text, "based_on": 1, **more})


def publish(client: Client, text: str = WORDING, based_on: int = 1) -> Any:
    return preview(client, text, based_on=based_on, publish="yes", confirmed="on")


def nothing_was_published() -> bool:
    is_recorded = AuditEvent.objects.filter(action="statement.published").exists()
    return Statement.objects.count() == len(LawfulBasis) and not is_recorded


class TestIndex:
    def test_everyone_reads_the_statement_of_each_basis(self, signed_in: Client) -> None:
        shown = words_of(signed_in.get("/statements/"))
        for basis in LawfulBasis:
            assert basis.label in shown
            assert words(statements.in_force(basis).text) in shown
        assert shown.count("Version 1, in force, published by Consentry on") == len(LawfulBasis)
        assert "Earlier versions" not in shown

    def test_new_version_names_its_author_and_keeps_the_earlier_one(
        self, signed_in: Client, actor: Actor
    ) -> None:
        first = statements.in_force("consent").text
        new = statements.publish("consent", "A <b>new</b> wording.", actor, based_on=1)
        html = signed_in.get("/statements/").content.decode()
        at = f"{new.published_at.day} {new.published_at:%b %Y, %H:%M}"
        assert f"Version 2, in force, published by Maya Okafor on {at} UTC" in words(html)
        assert "A <b>new</b> wording." in words(html)
        earlier = words(html.split("<details>", 1)[1].split("</details>", 1)[0])
        assert earlier.startswith("Earlier versions (1) Version 1, published by Consentry on")
        assert words(first) in earlier

    def test_only_administrators_are_offered_a_new_version(
        self, signed_in: Client, officer: Person
    ) -> None:
        assert PATH not in signed_in.get("/statements/").content.decode()
        assign(officer, [Role.ADMINISTRATOR])
        html = signed_in.get("/statements/").content.decode()
        assert all(f"/statements/{basis}/new/" in html for basis in LawfulBasis)

    def test_queries_do_not_grow_with_versions(
        self, signed_in: Client, actor: Actor, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        signed_in.get("/statements/")
        for version in range(1, 9):
            statements.publish("consent", f"Wording {version}.", actor, based_on=version)
        with django_assert_max_num_queries(5):
            signed_in.get("/statements/")


class TestRight:
    def test_officer_may_not_publish(self, signed_in: Client) -> None:
        for answer in (signed_in.get(PATH), preview(signed_in), publish(signed_in)):
            assert answer.status_code == 403
            assert "You do not have permission to do that." in words_of(answer)
        assert nothing_was_published()

    def test_stranger_is_sent_to_the_sign_in(self, client: Client) -> None:
        answer = publish(client)
        assert (answer.status_code, answer.url) == (302, "/account/login/?next=/")
        assert nothing_was_published()

    def test_administrator_who_became_an_officer_may_not_publish_the_preview(
        self, administrator: Client, officer: Person
    ) -> None:
        assert preview(administrator).status_code == 200
        assign(officer, [Role.OFFICER])
        assert publish(administrator).status_code == 403
        assert nothing_was_published()


class TestPublishing:
    def test_page_starts_with_the_text_in_force(self, administrator: Client) -> None:
        answer = administrator.get(PATH)
        assert words(statements.in_force("consent").text) in words_of(answer)
        assert values_of(answer.content.decode(), "based_on") == ["1"]

    def test_preview_shows_the_wording_and_what_changed(self, administrator: Client) -> None:
        answer = preview(administrator, WORDING.replace("\n", "\r\n"))
        html, shown = answer.content.decode(), words_of(answer)
        assert answer.status_code == 200
        assert "<p>1. Every person is 18 or older.</p>" in html
        assert "Added 1. Every person is 18 or older." in shown
        assert "Removed I attest, on behalf of my organisation" in shown
        assert "takes effect at once" in shown
        assert "is asked to review it again" in shown
        assert "Publish version 2" in shown
        assert values_of(html, "text") == [WORDING]
        assert nothing_was_published()

    def test_wording_is_escaped_in_the_preview(self, administrator: Client) -> None:
        html = preview(administrator, '"><b>bold</b>').content.decode()
        assert "<b>bold" not in html
        assert values_of(html, "text") == ['"><b>bold</b>']

    def test_text_can_be_changed_after_the_preview(self, administrator: Client) -> None:
        answer = preview(administrator, change="yes")
        assert answer.status_code == 200
        assert words(WORDING) in words_of(answer)
        assert "Publish version" not in words_of(answer)

    def test_confirmed_version_is_published_and_recorded(
        self, administrator: Client, officer: Person
    ) -> None:
        (carried,) = values_of(preview(administrator).content.decode(), "text")
        answer = publish(administrator, carried.replace("\n", "\r\n"))
        assert (answer.status_code, answer.url) == (302, "/statements/")
        assert "Version 2 is in force for" in words_of(administrator.get(answer.url))
        new = statements.in_force("consent")
        assert (new.version, new.text, new.published_by) == (2, WORDING, officer)
        event = AuditEvent.objects.get(action="statement.published")
        assert (event.actor, event.address, event.object_id) == (officer, "127.0.0.1", str(new.pk))
        assert (event.details["basis"], event.details["version"]) == ("consent", 2)

    def test_unconfirmed_version_is_not_published(self, administrator: Client) -> None:
        answer = preview(administrator, publish="yes")
        assert answer.status_code == 422
        assert "Select the box to publish this version." in words_of(answer)
        assert values_of(answer.content.decode(), "text") == [WORDING]
        assert nothing_was_published()

    @pytest.mark.parametrize("step", [{}, {"publish": "yes", "confirmed": "on"}])
    def test_refused_text_is_kept_on_the_page(
        self, step: dict[str, str], administrator: Client
    ) -> None:
        answer = preview(administrator, "A word\x07 of mine.", **step)
        assert answer.status_code == 422
        assert "Line 1 contains an invisible character (U+0007)" in words_of(answer)
        assert "A word\x07 of mine." in answer.content.decode()
        assert nothing_was_published()


class TestMeanwhile:
    @pytest.mark.parametrize("step", [{}, {"publish": "yes", "confirmed": "on"}])
    def test_version_of_somebody_else_is_compared_with_the_text(
        self, step: dict[str, str], administrator: Client, actor: Actor
    ) -> None:
        statements.publish("consent", "I attest:\n\nTheir wording.", actor, based_on=1)
        answer = preview(administrator, **step)
        html, shown = answer.content.decode(), words_of(answer)
        assert answer.status_code == 422
        assert "Version 2 was published after this page was shown." in shown
        assert "Changes since version 2" in shown
        assert "Removed Their wording. Added 1. Every person is 18 or older." in shown
        assert WORDING.replace("\n", "") in html.replace("\n", "")
        assert statements.in_force("consent").version == 2
        (based_on,) = values_of(html, "based_on")
        assert publish(administrator, based_on=int(based_on)).status_code == 302
        assert statements.in_force("consent").text == WORDING

    def test_second_click_publishes_nothing_more(self, administrator: Client) -> None:
        publish(administrator)
        answer = publish(administrator)
        assert answer.status_code == 422
        assert "This is the text of version 2, which is in force." in words_of(answer)
        assert "was published after this page" not in words_of(answer)
        assert Statement.objects.filter(lawful_basis="consent").count() == 2

    @pytest.mark.on_both_databases
    @pytest.mark.django_db(transaction=True)
    def test_one_of_two_administrators_who_publish_at_once_succeeds(
        self, administrator: Client, officer: Person
    ) -> None:
        def publish_own(name: str) -> int:
            client = Client()
            client.post("/account/login/", {"login": "officer", "password": PASSWORD})
            status: int = publish(client, f"The wording of {name}.").status_code
            return status

        assert sorted(at_once(2, publish_own)) == [302, 422]
        assert statements.in_force("consent").version == 2
