"""The notices on the page of a submitted import."""

import re
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.test import Client
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.forwarding.claims import Leases
from importers.local_persona import LocalPersona
from importers.models import Batch, FaceList, Gateway, Import, Worker
from importers.worker import jobs
from tests.support.attestations import submit
from tests.support.makers import MakeDraft
from tests.support.pages import codes, page_of, words

pytestmark = pytest.mark.django_db


class TestNotices:
    """Each notice says what happened, what was kept and what to do."""

    def notice(self, client: Client, face_import: Import, code: str) -> str:
        html = page_of(client, face_import)
        assert codes(html) == [code]
        (shown,) = client.get(f"/imports/{face_import.pk}/").context["progress"].notices
        for sentence in (shown.title, shown.sentence, shown.remedy):
            assert sentence
            assert sentence in words(html)
        return words(html)

    def test_page_shows_no_notice_when_all_is_well(
        self, signed_in: Client, submitted: Import
    ) -> None:
        assert codes(page_of(signed_in, submitted)) == []

    def test_missing_worker_has_a_notice(self, signed_in: Client, submitted: Import) -> None:
        Worker.objects.update(seen_at=Now() - timedelta(minutes=2))
        text = self.notice(signed_in, submitted, "no_worker")
        assert "No worker is running." in text
        assert "Everything accepted is kept." in text
        assert "manage.py forward" in text

    def test_worker_seen_30_seconds_ago_has_no_notice(
        self, signed_in: Client, submitted: Import
    ) -> None:
        Worker.objects.update(seen_at=Now() - timedelta(seconds=30))
        assert codes(page_of(signed_in, submitted)) == []

    def test_refused_key_has_a_notice(
        self, signed_in: Client, submitted: Import, persona: LocalPersona
    ) -> None:
        persona.faults.inject("unauthorized", times=None)
        jobs.step(Leases("the test's worker"))
        text = words(page_of(signed_in, submitted))
        assert codes(page_of(signed_in, submitted))[0] == "key_refused"
        assert "Persona refuses the API key." in text
        assert "Token is invalid" in text
        assert re.search(r"Sending stopped at \d\d:\d\d UTC", text)
        assert "Everything accepted is kept." in text
        assert "Correct PERSONA_API_KEY" in text

    def test_unreachable_persona_has_a_notice(
        self, signed_in: Client, submitted: Import, settings: Settings
    ) -> None:
        settings.PERSONA_BASE_URL = "http://127.0.0.1:1/api/v1"
        jobs.step(Leases("the test's worker"))
        text = words(page_of(signed_in, submitted))
        assert codes(page_of(signed_in, submitted))[0] == "unreachable"
        assert "Persona cannot be reached." in text
        assert "Everything accepted is kept" in text
        assert "We try again at least every minute" in text

    def test_rate_limit_has_a_notice(
        self, signed_in: Client, submitted: Import, persona: LocalPersona
    ) -> None:
        persona.faults.inject("rate_limited", times=None)
        jobs.step(Leases("the test's worker"))
        text = words(page_of(signed_in, submitted))
        assert codes(page_of(signed_in, submitted))[0] == "rate_limited"
        assert "rate limit is used up" in text
        assert "Everything accepted is kept" in text
        assert "resumes automatically" in text

    def test_refused_list_has_a_notice(
        self,
        signed_in: Client,
        make_draft: MakeDraft,
        face_list: FaceList,
        actor: Actor,
        persona: LocalPersona,
    ) -> None:
        jobs.report_alive("the test's worker")
        lost = submit(make_draft(face_list, 1), actor)
        jobs.step(Leases("the test's worker"))
        html = page_of(signed_in, lost)
        assert codes(html) == ["list_refused", "list_unknown"]
        assert "Persona does not accept images for the list Confirmed fraud." in words(html)
        assert "Persona answered 404" in words(html)
        assert "Sending resumes automatically" in words(html)

    def test_other_environment_has_a_notice(
        self, signed_in: Client, submitted: Import, settings: Settings
    ) -> None:
        settings.PERSONA_IS_LOCAL = False
        settings.PERSONA_API_KEY = "persona_production_abc"
        text = self.notice(signed_in, submitted, "elsewhere")
        assert "This import belongs to Local Persona." in text
        assert "this import is not being sent" in text
        assert "once the API key of that environment is set again" in text
        assert "persona_production_abc" not in text

    def test_several_problems_each_have_a_notice(
        self, signed_in: Client, submitted: Import
    ) -> None:
        Worker.objects.all().delete()
        Gateway.objects.get_or_create(environment="local")
        Gateway.objects.update(
            problem="unreachable", problem_detail="No connection.", reads_fail=True
        )
        FaceList.objects.update(problem="Persona answered 404: Not Found")
        html = page_of(signed_in, submitted)
        assert codes(html) == ["no_worker", "unreachable", "list_refused"]

    def test_ended_import_has_no_notice(self, signed_in: Client, submitted: Import) -> None:
        Worker.objects.all().delete()
        Import.objects.update(state="completed")
        assert codes(page_of(signed_in, submitted)) == []

    def test_personas_words_are_escaped(self, signed_in: Client, submitted: Import) -> None:
        Gateway.objects.get_or_create(environment="local")
        evil = "<img src=x onerror=alert(1)>"
        Gateway.objects.update(problem="unreachable", problem_detail=evil, reads_fail=True)
        FaceList.objects.update(problem=evil, name=evil)
        Batch.objects.update(problem="refused", problem_detail=evil, persona_status=evil)
        assert "<img src=x" not in page_of(signed_in, submitted)
