"""Who may do what: every address, for every kind of visitor.

A new address needs a row. Only the domain knows more: that the maker of an import may not approve
it (`tests/consent`), and that nobody changes their own rights (`test_people`).
"""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from importers.models import FaceList, Person, Role
from tests.support.makers import MakeDraft
from tests.support.people import PASSWORD, make_person
from tests.support.second_factor import give_app, give_recovery_codes
from tests.views.test_urls import ROUTES

pytestmark = pytest.mark.django_db
# yes: it is answered. 403: they may not do it. 404: they may not know of it. mfa: a second factor
# is required of officers, and this one has not used any. in: they have to sign in.
TABLE = """
address                          officer approver auditor administrator roleless no-mfa signed-out
imports                          yes     yes      yes     yes           403      mfa    in
search                           yes     yes      yes     403           403      mfa    in
imports_csv                      yes     403      yes     403           403      mfa    in
new_import                       yes     403      403     403           403      mfa    in
import                           yes     yes      yes     404           404      mfa    in
import_progress                  yes     yes      yes     404           404      mfa    in
import_contents                  yes     403      403     404           404      mfa    in
import_upload                    yes     403      403     404           404      mfa    in
rejected_clear                   yes     403      403     404           404      mfa    in
images_remove                    yes     403      403     404           404      mfa    in
images_restore                   yes     403      403     404           404      mfa    in
images_include                   yes     403      403     404           404      mfa    in
images_describe                  yes     403      403     404           404      mfa    in
entries_upload                   yes     403      403     404           404      mfa    in
entries_apply                    yes     403      403     404           404      mfa    in
entries_dismiss                  yes     403      403     404           404      mfa    in
entries_template                 yes     403      403     403           403      mfa    in
import_list                      yes     403      403     404           404      mfa    in
import_discard                   yes     403      403     404           404      mfa    in
import_answers                   yes     403      403     404           404      mfa    in
answers_reuse                    yes     403      403     404           404      mfa    in
import_attest                    yes     403      403     404           404      mfa    in
import_approve                   403     yes      403     404           404      mfa    in
import_withdraw                  yes     403      403     404           404      mfa    in
import_record                    yes     yes      yes     404           404      mfa    in
attestation_json                 yes     403      yes     404           404      mfa    in
manifest                         yes     403      yes     404           404      mfa    in
images_csv                       yes     403      yes     404           404      mfa    in
import_retry                     yes     403      403     404           404      mfa    in
import_cancel                    yes     403      403     404           404      mfa    in
batch_retry                      yes     403      403     404           404      mfa    in
batch_acknowledge                yes     403      403     404           404      mfa    in
import_copy                      yes     403      403     404           404      mfa    in
import_matching                  yes     403      403     404           404      mfa    in
batch_undo                       yes     403      403     404           404      mfa    in
forwarding_pause                 yes     403      403     403           403      mfa    in
forwarding_resume                yes     403      403     403           403      mfa    in
image                            yes     yes      yes     404           404      mfa    in
thumbnails                       yes     yes      yes     404           404      mfa    in
thumbnail                        yes     yes      yes     404           404      mfa    in
image_record                     yes     yes      yes     404           404      mfa    in
lists                            yes     yes      yes     yes           403      mfa    in
lists_sync                       yes     403      403     yes           403      mfa    in
list_add                         yes     403      403     yes           403      mfa    in
list_policy                      403     403      403     yes           403      mfa    in
statements                       yes     yes      yes     yes           403      mfa    in
statement_new                    403     403      403     yes           403      mfa    in
bases                            yes     yes      yes     yes           403      mfa    in
people                           403     403      403     yes           403      mfa    in
person_new                       403     403      403     yes           403      mfa    in
person                           403     403      403     yes           403      mfa    in
person_details                   403     403      403     yes           403      mfa    in
person_access                    403     403      403     yes           403      mfa    in
person_deactivate                403     403      403     yes           403      mfa    in
person_reactivate                403     403      403     yes           403      mfa    in
person_link                      403     403      403     yes           403      mfa    in
person_factor_reset              403     403      403     yes           403      mfa    in
person_sessions_end              403     403      403     yes           403      mfa    in
person_hand_over                 403     403      403     yes           403      mfa    in
audit                            403     403      yes     yes           403      mfa    in
audit_csv                        403     403      yes     403           403      mfa    in
audit_faces                      403     403      yes     yes           403      mfa    in
audit_faces_csv                  403     403      yes     403           403      mfa    in
signed_in                        yes     403      403     403           403      yes    in
alive                            yes     yes      yes     yes           yes      yes    yes
ready                            yes     yes      yes     yes           yes      yes    yes
account                          yes     yes      yes     yes           yes      mfa    in
account_login                    yes     yes      yes     yes           yes      yes    yes
mfa_authenticate                 yes     yes      yes     yes           yes      yes    yes
mfa_login_webauthn               yes     yes      yes     yes           yes      yes    yes
account_logout                   yes     yes      yes     yes           yes      yes    yes
account_signup                   yes     yes      yes     yes           yes      yes    yes
account_inactive                 yes     yes      yes     yes           yes      yes    yes
account_change_password          yes     yes      yes     yes           yes      mfa    in
account_reset_password_from_key  yes     yes      yes     yes           yes      yes    yes
account_reauthenticate           yes     yes      yes     yes           yes      yes    in
mfa_reauthenticate               yes     yes      yes     yes           yes      yes    in
mfa_reauthenticate_webauthn      yes     yes      yes     yes           yes      yes    in
mfa_index                        yes     yes      yes     yes           yes      yes    in
mfa_activate_totp                yes     yes      yes     yes           yes      yes    in
mfa_deactivate_totp              yes     yes      yes     yes           yes      mfa    in
mfa_add_webauthn                 yes     yes      yes     yes           yes      yes    in
mfa_edit_webauthn                yes     yes      yes     yes           yes      mfa    in
mfa_remove_webauthn              yes     yes      yes     yes           yes      mfa    in
mfa_view_recovery_codes          yes     yes      yes     yes           yes      404    in
mfa_generate_recovery_codes      yes     yes      yes     yes           yes      yes    in
mfa_download_recovery_codes      yes     yes      yes     yes           yes      404    in
account_single_sign_on           404     404      404     404           404      404    404
account_single_sign_on_callback  404     404      404     404           404      404    404
single_sign_on_again             404     404      404     404           404      mfa    in
socialaccount_connections        404     404      404     404           404      mfa    in
account_sessions                 yes     yes      yes     yes           yes      mfa    in
"""
HEAD, *ROWS = [line.split() for line in TABLE.split("\n") if line]
EXPECTED = {row[0]: dict(zip(HEAD[1:], row[1:], strict=True)) for row in ROWS}
# For a draft, these are not found.
OF_SIGNED = {"import_record", "attestation_json", "manifest", "images_csv", "import_approve"}


@pytest.fixture
def objects(make_draft: MakeDraft, make_import: MakeDraft, face_list: FaceList) -> dict[str, Any]:
    """The arguments of an address by its kind of object; for OF_SIGNED by its name."""
    draft, signed = make_draft(face_list, 1), make_import(face_list, 1, first_seed=1)
    of_signed = dict.fromkeys(OF_SIGNED, [signed.pk])
    return of_signed | {
        "": [],
        "import": [draft.pk],
        "image": [signed.files.get().key],  # a discarded draft destroys its own
        "import's batch": [signed.pk, 1],
        "basis": ["consent"],
        "passkey": [1],
        "link": ["1", "used"],
        "person": [make_person("colleague", Role.OFFICER).pk],
        "list": [face_list.pk],
    }


def session_of(person: Person) -> str:
    client = Client()
    client.post("/account/login/", {"login": person.username, "password": PASSWORD})
    return client.cookies["sessionid"].value


def answer_in_words(response: Any) -> str:
    if response.status_code == 403 and b"second_factor_missing" in response.content:
        return "mfa"
    return {401: "in", 403: "403", 404: "404"}.get(response.status_code, "yes")


def answers(session: str, objects: dict[str, Any]) -> dict[str, str]:
    """Return the answer to each method of each address; nothing that they change remains."""
    found = {}
    for name, route in ROUTES.items():
        path = reverse(name, args=objects.get(name, objects[route.of]))
        for method in route.methods:
            client = Client(headers={"Accept": "application/json"})
            client.cookies["sessionid"] = session
            with transaction.atomic():
                found[f"{method} {name}"] = answer_in_words(client.generic(method, path))
                transaction.set_rollback(True)
    return found


def expected(visitor: str) -> dict[str, str]:
    return {
        f"{method} {name}": cells[visitor]
        for name, cells in EXPECTED.items()
        for method in ROUTES[name].methods
    }


def test_every_address_has_a_row() -> None:
    assert sorted(EXPECTED) == sorted(ROUTES)


@pytest.mark.parametrize("role", [*Role, None])
def test_role_may_do_what_the_table_says(role: Role | None, objects: dict[str, Any]) -> None:
    person = make_person("person", *([role] if role else []))
    session = session_of(person)
    give_app(person)
    give_recovery_codes(person)
    assert answers(session, objects) == expected(role or "roleless")


def test_person_without_the_required_second_factor_can_only_set_one_up(
    objects: dict[str, Any], settings: Settings
) -> None:
    settings.MFA_REQUIRED = frozenset({"officer"})
    session = session_of(make_person("person", Role.OFFICER))
    assert answers(session, objects) == expected("no-mfa")


@pytest.mark.parametrize(
    "change", [{"is_active": False}, {"ends_on": date.today() - timedelta(days=1)}, None]
)
def test_signed_out_deactivated_and_ended_people_have_to_sign_in(
    change: dict[str, Any] | None, objects: dict[str, Any]
) -> None:
    person = make_person("person", *Role)
    session = session_of(person) if change else ""
    Person.objects.filter(pk=person.pk).update(**change or {})
    assert answers(session, objects) == expected("signed-out")
