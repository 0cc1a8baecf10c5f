"""Confirming who one is, before an export, a signature, and a change of the second factor."""

import pytest
from django.test import Client

from importers.models import Attestation, FaceList, Import, Person
from tests.support.makers import MakeDraft
from tests.support.people import PASSWORD
from tests.support.review import save, sign
from tests.support.second_factor import code, give_app, make_stale
from tests.support.trail import actions

pytestmark = pytest.mark.django_db


@pytest.fixture
def stale(signed_in: Client) -> Client:
    """A person who signed in six minutes ago."""
    make_stale(signed_in)
    return signed_in


@pytest.fixture
def signed(make_import: MakeDraft, face_list: FaceList) -> Import:
    return make_import(face_list, 1)


@pytest.mark.parametrize("file", ["images.csv", "attestation.json"])
def test_export_goes_on_after_the_password(file: str, stale: Client, signed: Import) -> None:
    path = f"/imports/{signed.pk}/{file}"
    confirm = stale.get(path).url  # type: ignore[attr-defined]
    assert confirm == f"/account/confirm/?next={path.replace('/', '%2F')}"
    assert "record.exported" not in actions()
    wrong = stale.post(confirm, {"password": "wrong password, alas"})
    assert "password" in wrong.context["form"].errors
    assert stale.get(path).status_code == 302
    assert stale.post(confirm, {"password": PASSWORD}).url == path  # type: ignore[attr-defined]
    assert stale.get(path).status_code == 200
    assert actions()[-2:] == ["person.refused", "record.exported"]


def test_manifest_and_record_need_no_confirmation(stale: Client, signed: Import) -> None:
    for page in ("record/", "manifest.txt"):
        assert stale.get(f"/imports/{signed.pk}/{page}").status_code == 200


@pytest.mark.parametrize(
    "page",
    ["app/", "app/remove/", "passkeys/add/", "passkeys/1/", "passkeys/1/remove/"]
    + ["codes/", "codes/new/", "codes/download/"],
)
def test_change_of_the_second_factor_needs_confirmation(page: str, stale: Client) -> None:
    answer = stale.get(f"/account/second-factor/{page}")
    assert answer.url.startswith("/account/confirm/?next=")  # type: ignore[attr-defined]


def test_late_form_is_not_repeated(stale: Client, officer: Person) -> None:
    give_app(officer)
    confirm = stale.post("/account/second-factor/app/remove/").url  # type: ignore[attr-defined]
    confirm = confirm.replace("confirm/", "confirm/code/")
    answer = stale.post(confirm, {"code": code()}, follow=True)
    assert "Remove the authenticator app?" in answer.content.decode()


def test_code_of_the_app_confirms_too(stale: Client, officer: Person, signed: Import) -> None:
    give_app(officer)
    path = f"/imports/{signed.pk}/images.csv"
    assert "Use your authenticator app" in stale.get("/account/confirm/").content.decode()
    confirm = f"/account/confirm/code/?next={path}"
    stale.post(confirm, {"code": "00000x"})
    assert actions()[-1] == "person.refused"
    assert stale.post(confirm, {"code": code()}).url == path  # type: ignore[attr-defined]
    assert stale.get(path).status_code == 200


def test_confirmation_leads_to_no_other_site(stale: Client) -> None:
    path = "/account/confirm/?next=https://evil.example/"
    assert stale.post(path, {"password": PASSWORD}).url == "/"  # type: ignore[attr-defined]


class TestSignatureWithoutPassword:
    @pytest.fixture
    def draft(self, make_draft: MakeDraft, face_list: FaceList) -> Import:
        return make_draft(face_list, 1)

    @pytest.fixture
    def without_password(self, signed_in: Client, officer: Person, draft: Import) -> Client:
        save(signed_in, draft)
        session = signed_in.session
        officer.set_unusable_password()
        officer.save()
        session["_auth_user_hash"] = officer.get_session_auth_hash()
        session.save()
        return signed_in

    def test_recent_sign_in_is_enough(self, without_password: Client, draft: Import) -> None:
        page = without_password.get(f"/imports/{draft.pk}/attest/").content.decode()
        assert "You confirmed a moment ago" in page
        assert 'name="password"' not in page
        assert sign(without_password, draft, password=None).url == f"/imports/{draft.pk}/"
        assert Attestation.objects.get().signed_by_username == "officer"

    def test_old_sign_in_must_be_confirmed(
        self, without_password: Client, draft: Import, officer: Person
    ) -> None:
        give_app(officer)
        make_stale(without_password)
        review = f"/imports/{draft.pk}/attest/"
        assert f"/account/confirm/?next={review}" in without_password.get(review).content.decode()
        refused = sign(without_password, draft, password=None)
        assert refused.status_code == 422
        assert "Confirm first that it is you." in refused.content.decode()
        assert not Attestation.objects.exists()
        confirm = without_password.get(f"/account/confirm/?next={review}").url  # type: ignore[attr-defined]
        assert without_password.post(confirm, {"code": code()}).url == review  # type: ignore[attr-defined]
        assert sign(without_password, draft, password=None).url == f"/imports/{draft.pk}/"

    def test_person_with_no_other_way_signs_in_again(self, without_password: Client) -> None:
        make_stale(without_password)
        page = without_password.get("/account/confirm/").content.decode()
        assert "Sign in again to continue" in page

    def test_there_is_no_password_to_change(self, without_password: Client) -> None:
        assert without_password.get("/account/password/").url == "/account/"  # type: ignore[attr-defined]
        assert "None. An administrator" in without_password.get("/account/").content.decode()
