"""Publishing a new version of a statement."""

from hashlib import sha256

import pytest

from importers.audit.actors import Actor
from importers.consent import statements
from importers.models import AuditEvent, Statement
from importers.models.consent import LawfulBasis
from tests.support.threads import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


def test_published_version_is_in_force_for_its_basis_only(actor: Actor) -> None:
    others = list(Statement.objects.exclude(lawful_basis="consent").values())
    published = statements.publish("consent", "A stricter wording.", actor, based_on=1)
    assert (published.version, published.published_by) == (2, actor.user)
    assert statements.in_force("consent") == published
    assert list(Statement.objects.exclude(lawful_basis="consent").values()) == others


def test_earlier_version_stays_as_it_was(actor: Actor) -> None:
    first = Statement.objects.filter(lawful_basis="consent")
    before = list(first.values())
    statements.publish("consent", "A stricter wording.", actor, based_on=1)
    assert list(first.filter(version=1).values()) == before


def test_published_version_is_in_the_trail(actor: Actor) -> None:
    published = statements.publish("legal_claims", "Ein Wortlaut: “§ 5”.", actor, based_on=1)
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.address) == (
        *("statement.published", actor.user, actor.address),
    )
    assert (event.object_type, event.object_id) == ("statement", str(published.pk))
    assert event.details == {
        "basis": "legal_claims",
        "version": 2,
        "text_sha256": sha256(published.text.encode()).hexdigest(),
    }


def test_text_in_force_is_not_published_again(actor: Actor) -> None:
    text = statements.in_force("consent").text
    for based_on in (1, 7):
        with pytest.raises(statements.Unchanged):
            statements.publish("consent", text, actor, based_on=based_on)
    assert Statement.objects.count() == len(LawfulBasis)
    assert not AuditEvent.objects.exists()


def test_earlier_text_may_be_published_again(actor: Actor) -> None:
    first = statements.in_force("consent").text
    statements.publish("consent", "A mistake.", actor, based_on=1)
    assert statements.publish("consent", first, actor, based_on=2).version == 3


@pytest.mark.parametrize("based_on", [0, 1, 3])
def test_version_based_on_another_than_the_one_in_force_is_refused(
    based_on: int, actor: Actor
) -> None:
    statements.publish("consent", "A stricter wording.", actor, based_on=1)
    with pytest.raises(statements.Outdated):
        statements.publish("consent", "My wording.", actor, based_on=based_on)
    assert statements.in_force("consent").text == "A stricter wording."
    assert AuditEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_of_several_who_publish_at_once_succeeds(actor: Actor) -> None:
    def publish(name: str) -> str:
        try:
            return statements.publish("consent", f"By {name}.", actor, based_on=1).text
        except statements.Outdated:
            return ""

    published = sorted(at_once(4, publish))
    assert published[:3] == ["", "", ""]
    assert statements.in_force("consent").text == published[3]
    assert AuditEvent.objects.count() == 1


def test_versions_are_grouped_by_basis_with_the_one_in_force_first(actor: Actor) -> None:
    statements.publish("consent", "Second.", actor, based_on=1)
    statements.publish("consent", "Third.", actor, based_on=2)
    found = statements.by_basis()
    assert list(found) == list(LawfulBasis)
    assert [row.version for row in found[LawfulBasis.CONSENT]] == [3, 2, 1]
    assert [row.version for row in found[LawfulBasis.LEGAL_CLAIMS]] == [1]
