"""The audit trail: its chain, every way to break it, and who writes into it at the sign-in."""

import hashlib
import io
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from importers import audit
from importers.audit import WORKER, Actor
from importers.models import AuditEvent, AuditHead, FaceList
from tests.support.people import PASSWORD

NONE = "0" * 64


@pytest.fixture
def chain(actor: Actor, face_list: FaceList) -> list[AuditEvent]:
    """Five rows."""
    audit.append(actor, "list.added", face_list, persona_id="lst_unknown")
    audit.append(WORKER, "batch.accepted", importer="impr_1")
    audit.append(actor, "lists.read", changed=["lst_1", "lst_2"])
    audit.append(actor, "imports.exported", filter="state=draft")
    audit.append(WORKER, "import.completed")
    return list(AuditEvent.objects.all())


def hashed(event: AuditEvent) -> str:
    """A row's hash, as anybody can work it out."""
    values = {
        "pk": event.pk,
        "at": event.at.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"),
        "actor_id": event.actor_id,
        "actor_name": event.actor_name,
        "address": event.address,
        "action": event.action,
        "object_type": event.object_type,
        "object_id": event.object_id,
        "details": event.details,
        "previous_hash": event.previous_hash,
    }
    line = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(line.encode()).hexdigest()


def breaks() -> list[str]:
    return list(audit.breaks())


def misfit(end: int, head: int) -> str:
    return f"The chain, which ends at row {end}, does not fit its head (row {head})."


class TestAppending:
    def test_row_records_who_did_which_act_when_and_where(
        self, actor: Actor, officer: User, face_list: FaceList
    ) -> None:
        before = datetime.now(UTC)
        audit.append(actor, "list.added", face_list, persona_id="lst_unknown")
        event = AuditEvent.objects.get()
        assert (event.actor, event.actor_name) == (officer, "officer")
        assert event.address == "192.0.2.7"
        assert event.action == "list.added"
        assert (event.object_type, event.object_id) == ("facelist", str(face_list.pk))
        assert event.details == {"persona_id": "lst_unknown"}
        assert before <= event.at <= datetime.now(UTC)

    @pytest.mark.django_db
    def test_worker_is_no_person_and_an_act_needs_no_object(self) -> None:
        audit.append(WORKER, "worker.started")
        event = AuditEvent.objects.get()
        assert (event.actor, event.actor_name, event.address) == (None, "worker", "")
        assert (event.object_type, event.object_id, event.details) == ("", "", {})

    def test_each_row_carries_the_previous_hash(self, chain: list[AuditEvent]) -> None:
        hashes = [event.hash for event in chain]
        assert [event.previous_hash for event in chain] == [NONE, *hashes[:-1]]
        assert len(set(hashes)) == 5

    def test_anyone_can_compute_the_hash_of_a_row(self, chain: list[AuditEvent]) -> None:
        assert [event.hash for event in chain] == [hashed(event) for event in chain]

    def test_rows_are_numbered_and_the_head_names_the_last(self, chain: list[AuditEvent]) -> None:
        assert [event.pk for event in chain] == [1, 2, 3, 4, 5]
        head = AuditHead.objects.get()
        assert (head.pk, head.length, head.hash) == (1, 5, chain[-1].hash)

    def test_row_is_rolled_back_with_its_act(self, chain: list[AuditEvent], actor: Actor) -> None:
        with transaction.atomic():
            audit.append(actor, "list.added")
            assert AuditEvent.objects.count() == 6
            transaction.set_rollback(True)
        assert list(AuditEvent.objects.all()) == chain
        audit.append(actor, "list.added")
        assert AuditEvent.objects.latest("pk").previous_hash == chain[-1].hash
        assert breaks() == []

    @pytest.mark.django_db
    def test_details_of_any_script_and_depth_keep_their_hash(self) -> None:
        details: dict[str, Any] = {
            "name": "Zoë 周恩来 🎭 \u2028 \u202e \" \\ '",
            "nested": {"z": [1, -2, None, True, {"b": [], "a": {}}], "a": ""},
            "large": 2**53,
        }
        audit.append(WORKER, "tried", **details)
        assert AuditEvent.objects.get().details == details
        assert breaks() == []

    @pytest.mark.django_db(transaction=True)
    def test_twenty_threads_write_one_chain(self) -> None:
        start = threading.Barrier(20)

        def write(number: int) -> None:
            start.wait(timeout=20)
            try:
                audit.append(WORKER, "tried", number=number)
                with transaction.atomic():
                    audit.append(WORKER, "tried", number=number + 20)
                    audit.append(WORKER, "tried", number=number + 40)
            finally:
                connection.close()

        with ThreadPoolExecutor(20) as pool:
            list(pool.map(write, range(20)))
        numbers = [event.details["number"] for event in AuditEvent.objects.all()]
        assert sorted(numbers) == list(range(60))
        assert AuditHead.objects.get().length == 60
        assert breaks() == []

    def test_only_a_person_has_an_account(self, actor: Actor, officer: User) -> None:
        assert actor.person == officer
        with pytest.raises(ValueError, match="Only a person can do this"):
            _ = WORKER.person


CHANGES: dict[str, Any] = {
    "at": None,  # a microsecond later: worked out by the test
    "actor_id": None,
    "actor_name": "Officer",
    "address": "192.0.2.8",
    "action": "lists.reads",
    "object_type": "import",
    "object_id": "1",
    "details": {"changed": ["lst_1"]},
    "previous_hash": "f" * 64,
    "hash": "f" * 64,
}


class TestBreaks:
    @pytest.mark.django_db
    def test_empty_trail_is_whole(self) -> None:
        assert breaks() == []

    def test_untouched_trail_is_whole(self, chain: list[AuditEvent]) -> None:
        assert breaks() == []

    def test_every_field_of_an_audit_row_is_tried(self) -> None:
        fields = {field.attname for field in AuditEvent._meta.concrete_fields}
        assert fields == {*CHANGES, "id"}

    @pytest.mark.parametrize("field", CHANGES)
    def test_changed_field_is_found_and_its_row_named(
        self, field: str, chain: list[AuditEvent]
    ) -> None:
        third = chain[2]
        value = third.at + timedelta(microseconds=1) if field == "at" else CHANGES[field]
        assert getattr(third, field) != value
        AuditEvent.objects.filter(pk=3).update(**{field: value})
        said = breaks()
        action = value if field == "action" else "lists.read"
        assert f"Row 3 ({action}) was changed after it was written." in said
        follows = {
            "previous_hash": ["Row 3 does not follow the row before it."],
            "hash": ["Row 4 does not follow the row before it."],
        }
        assert len(said) == 1 + len(follows.get(field, []))
        assert set(follows.get(field, [])) <= set(said)

    def test_row_changed_in_the_database_is_found(self, chain: list[AuditEvent]) -> None:
        with connection.cursor() as cursor:
            table = connection.ops.quote_name(AuditEvent._meta.db_table)
            cursor.execute(f"UPDATE {table} SET actor_name = %s WHERE id = 2", ["maya"])  # noqa: S608
        assert breaks() == ["Row 2 (batch.accepted) was changed after it was written."]

    def test_changed_row_with_a_new_hash_breaks_the_next_row(self, chain: list[AuditEvent]) -> None:
        """Its hash worked out anew, as by somebody who knows how."""
        third = chain[2]
        third.actor_name = "nobody"
        third.hash = hashed(third)
        third.save()
        assert breaks() == ["Row 4 does not follow the row before it."]

    def test_last_row_with_a_new_hash_does_not_fit_the_head(self, chain: list[AuditEvent]) -> None:
        last = chain[-1]
        last.actor_name = "nobody"
        last.hash = hashed(last)
        last.save()
        assert breaks() == [misfit(5, 5)]

    def test_deleted_row_in_the_middle_is_named(self, chain: list[AuditEvent]) -> None:
        chain[2].delete()
        assert breaks() == [
            "Row 3 is missing: the next one is row 4.",
            "Row 4 does not follow the row before it.",
        ]

    def test_deleted_first_row_is_named(self, chain: list[AuditEvent]) -> None:
        chain[0].delete()
        assert breaks()[0] == "Row 1 is missing: the next one is row 2."

    def test_deleted_last_rows_do_not_fit_the_head(self, chain: list[AuditEvent]) -> None:
        chain[4].delete()
        assert breaks() == [misfit(4, 5)]
        chain[3].delete()
        assert breaks() == [misfit(3, 5)]

    def test_deleted_trail_does_not_fit_the_head(self, chain: list[AuditEvent]) -> None:
        AuditEvent.objects.all().delete()
        assert breaks() == [misfit(0, 5)]

    def test_inserted_first_row_is_found(self, chain: list[AuditEvent]) -> None:
        AuditEvent.objects.create(pk=0, at=datetime.now(UTC), hash="f" * 64)
        assert breaks()[0] == "Row 1 is missing: the next one is row 0."

    def test_inserted_last_row_does_not_fit_the_head(self, chain: list[AuditEvent]) -> None:
        """Even one that follows the last as it should."""
        forged = AuditEvent(pk=6, at=datetime.now(UTC), previous_hash=chain[-1].hash)
        forged.hash = hashed(forged)
        forged.save(force_insert=True)
        assert breaks() == [misfit(6, 5)]

    def test_swapped_rows_are_found(self, chain: list[AuditEvent]) -> None:
        AuditEvent.objects.filter(pk=2).update(id=99)
        AuditEvent.objects.filter(pk=3).update(id=2)
        AuditEvent.objects.filter(pk=99).update(id=3)
        said = breaks()
        assert "Row 2 (lists.read) was changed after it was written." in said
        assert "Row 3 (batch.accepted) was changed after it was written." in said

    @pytest.mark.parametrize(
        "change", [{"length": 4}, {"length": 6}, {"length": 0}, {"hash": NONE}], ids=str
    )
    def test_changed_head_does_not_fit(
        self, change: dict[str, Any], chain: list[AuditEvent]
    ) -> None:
        AuditHead.objects.update(**change)
        assert breaks() == [misfit(5, change.get("length", 5))]

    def test_head_reset_to_an_older_row_does_not_fit(self, chain: list[AuditEvent]) -> None:
        AuditHead.objects.update(length=3, hash=chain[2].hash)
        assert breaks() == [misfit(5, 3)]

    def test_deleted_head_does_not_fit(self, chain: list[AuditEvent]) -> None:
        AuditHead.objects.all().delete()
        assert breaks() == [misfit(5, 0)]

    def test_trail_that_grows_during_the_check_is_whole(self, chain: list[AuditEvent]) -> None:
        """Somebody acts before each question that the check asks of the database."""
        questions: list[str] = []

        def act_first(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            if "acting" not in questions:
                questions.append("acting")
                audit.append(WORKER, "tried")
                questions[questions.index("acting")] = sql
            return execute(sql, *rest)

        with connection.execute_wrapper(act_first):
            assert breaks() == []
        assert AuditEvent.objects.count() == 5 + len(questions)
        assert len(questions) > 1


class TestCommand:
    def run(self) -> tuple[int, str, str]:
        """As from a shell: exit code, what it printed, what it complained of."""
        out, err, code = io.StringIO(), io.StringIO(), 0
        try:
            call_command("verify_audit", stdout=out, stderr=err)
        except SystemExit as ended:
            code = int(str(ended.code))
        return code, out.getvalue(), err.getvalue()

    def test_whole_trail_exits_0_with_its_row_count(self, chain: list[AuditEvent]) -> None:
        assert self.run() == (0, "The audit trail is whole: 5 rows.\n", "")

    def test_broken_trail_exits_1_and_names_the_rows(self, chain: list[AuditEvent]) -> None:
        AuditEvent.objects.filter(pk=2).update(action="other")
        AuditEvent.objects.filter(pk=4).update(details={})
        assert self.run() == (
            1,
            "",
            "Row 2 (other) was changed after it was written.\n"
            "Row 4 (imports.exported) was changed after it was written.\n",
        )


class TestSigningIn:
    """Through the real pages."""

    def sign_in(self, client: Client, name: str, password: str) -> int:
        data = {"login": name, "password": password}
        return client.post(reverse("account_login"), data, REMOTE_ADDR="192.0.2.9").status_code

    def event(self) -> AuditEvent:
        return AuditEvent.objects.get()

    def test_sign_in_is_recorded(self, client: Client, officer: User) -> None:
        assert self.sign_in(client, "officer", PASSWORD) == 302
        event = self.event()
        assert event.action == "person.signed_in"
        assert (event.actor, event.actor_name, event.address) == (officer, "officer", "192.0.2.9")
        assert (event.object_type, event.object_id) == ("user", str(officer.pk))

    def test_sign_out_is_recorded(self, client: Client, officer: User) -> None:
        self.sign_in(client, "officer", PASSWORD)
        assert client.post(reverse("account_logout"), REMOTE_ADDR="192.0.2.9").status_code == 302
        event = AuditEvent.objects.latest("pk")
        assert AuditEvent.objects.count() == 2
        assert event.action == "person.signed_out"
        assert (event.actor, event.actor_name, event.address) == (officer, "officer", "192.0.2.9")

    def test_sign_out_without_a_session_is_not_recorded(self, client: Client, db: None) -> None:
        client.post(reverse("account_logout"))
        client.logout()
        assert not AuditEvent.objects.exists()

    def test_refused_sign_in_is_recorded_with_its_account(
        self, client: Client, officer: User
    ) -> None:
        assert self.sign_in(client, "officer", "wrong password, alas") == 200
        event = self.event()
        assert event.action == "person.refused"
        assert (event.actor, event.actor_name, event.address) == (None, "nobody", "192.0.2.9")
        assert (event.object_type, event.object_id) == ("user", str(officer.pk))

    def test_account_is_found_in_any_letter_case(self, client: Client, officer: User) -> None:
        self.sign_in(client, "OFFICER", "wrong password, alas")
        assert self.event().object_id == str(officer.pk)

    def test_unknown_account_name_is_not_stored(self, client: Client, officer: User) -> None:
        """It may be a password, typed into the wrong field."""
        assert self.sign_in(client, PASSWORD, "officer") == 200
        event = self.event()
        assert (event.action, event.object_type, event.object_id) == ("person.refused", "", "")
        assert PASSWORD not in str(AuditEvent.objects.values().get())

    def test_deactivated_account_cannot_sign_in(self, client: Client, officer: User) -> None:
        User.objects.filter(pk=officer.pk).update(is_active=False)
        self.sign_in(client, "officer", PASSWORD)
        assert "_auth_user_id" not in client.session
        assert not AuditEvent.objects.filter(action="person.signed_in").exists()

    def test_sign_ins_belong_to_the_audit_chain(self, client: Client, officer: User) -> None:
        self.sign_in(client, "officer", "wrong password, alas")
        self.sign_in(client, "officer", PASSWORD)
        client.post(reverse("account_logout"))
        actions = AuditEvent.objects.values_list("action", flat=True)
        assert list(actions) == ["person.refused", "person.signed_in", "person.signed_out"]
        assert breaks() == []

    def test_sign_up_is_closed(self, client: Client, db: None) -> None:
        data = {"username": "mallory", "password1": PASSWORD, "password2": PASSWORD}
        client.post(reverse("account_signup"), data)
        assert not User.objects.exists()
        assert not AuditEvent.objects.exists()
