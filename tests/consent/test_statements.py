"""The statements: the wording in force for each basis, and its versions."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from pytest_django import DjangoAssertNumQueries

from importers.consent import statements
from importers.models import Statement
from importers.models.consent import LawfulBasis

pytestmark = pytest.mark.django_db
OTHER_BASES = [basis for basis in LawfulBasis if basis != "consent"]
# The only sentences in which another wording mentions consent.
DENIALS = ("This listing does not rely on the person's consent.", "exempt that use from consent")


class TestFirstWording:
    def test_one_is_published_for_each_basis(self) -> None:
        rows = Statement.objects.filter(version=1, published_by=None)
        texts = {row.lawful_basis: row.text for row in rows}
        assert texts == {basis.value: statements.FIRST[basis] for basis in LawfulBasis}
        assert Statement.objects.count() == len(LawfulBasis)

    def test_later_migrate_publishes_nothing(self) -> None:
        Statement.objects.update(text="As it was published.")
        call_command("migrate", verbosity=0)
        assert set(Statement.objects.values_list("text", flat=True)) == {"As it was published."}
        assert Statement.objects.count() == len(LawfulBasis)

    @pytest.mark.parametrize("arguments", [["auth"], ["importers", "zero"]])
    def test_migrate_of_a_part_needs_no_statement(
        self, arguments: list[str], tmp_path: Path
    ) -> None:
        own = os.environ | {"DATABASE_URL": f"sqlite:///{tmp_path / 'new.sqlite3'}"}
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0", *arguments]
        subprocess.run(command, cwd=settings.BASE_DIR, env=own, check=True)


class TestText:
    def test_consent_is_attested_with_notice_and_release(self) -> None:
        text = statements.FIRST[LawfulBasis.CONSENT]
        assert "the person was informed in writing" in text
        assert "the person gave a written release or explicit consent" in text

    @pytest.mark.parametrize("basis", OTHER_BASES)
    def test_other_basis_says_that_it_does_not_rely_on_consent(self, basis: LawfulBasis) -> None:
        text = statements.FIRST[basis]
        assert DENIALS[0] in text
        for denial in DENIALS:
            text = text.replace(denial, "")
        assert "consent" not in text.casefold()
        assert "release" not in text.casefold()

    @pytest.mark.parametrize("basis", LawfulBasis)
    def test_every_wording_covers_disclosure_adults_and_the_signature(
        self, basis: LawfulBasis
    ) -> None:
        text = statements.FIRST[basis]
        assert "every such person is an adult" in text
        assert "disclos" in text
        assert "Persona Identities, Inc., which processes it on our behalf" in text
        assert "will derive a face template from it" in text
        assert text.endswith(
            "My typed name is my electronic signature under this statement and these images."
        )
        assert "{" not in text

    def test_no_two_bases_share_a_wording(self) -> None:
        assert len(set(statements.FIRST.values())) == len(LawfulBasis)


def test_reading_the_statement_writes_nothing(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(1):
        statements.in_force("consent")
