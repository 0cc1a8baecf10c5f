"""Every address of the project: who may use it, by which method, and with which headers.

A new address needs a row in ROUTES.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from importers.access.roles import assign
from importers.models import Import, Person, Role
from tests.support.people import PASSWORD

UNKNOWN_ID, UNKNOWN_KEY = 987_654_321, uuid.UUID("8d0f0f1e-0000-4000-8000-000000000000")
JSON = {"Accept": "application/json"}
HTMX = {"HX-Request": "true"}


@dataclass(frozen=True)
class Route:
    """The methods of an address, whether it is open without sign-in, and its kind of object."""

    methods: tuple[str, ...] = ("GET",)
    is_open: bool = False
    of: str = ""


READ, CHANGE, BOTH = ("GET",), ("POST",), ("GET", "POST")
ROUTES = {
    "imports": Route(READ),
    "imports_csv": Route(READ),
    "search": Route(BOTH),
    "new_import": Route(BOTH),
    "import": Route(READ, of="import"),
    "import_progress": Route(READ, of="import"),
    "import_retry": Route(CHANGE, of="import"),
    "forwarding_pause": Route(BOTH),
    "forwarding_resume": Route(CHANGE),
    "import_cancel": Route(BOTH, of="import"),
    "batch_acknowledge": Route(CHANGE, of="import's batch"),
    "import_copy": Route(CHANGE, of="import"),
    "batch_retry": Route(CHANGE, of="import's batch"),
    "import_matching": Route(BOTH, of="import"),
    "batch_undo": Route(CHANGE, of="import's batch"),
    "import_contents": Route(BOTH, of="import"),
    "import_upload": Route(CHANGE, of="import"),
    "images_remove": Route(CHANGE, of="import"),
    "images_restore": Route(CHANGE, of="import"),
    "images_include": Route(CHANGE, of="import"),
    "images_describe": Route(CHANGE, of="import"),
    "entries_upload": Route(CHANGE, of="import"),
    "entries_apply": Route(CHANGE, of="import"),
    "entries_dismiss": Route(CHANGE, of="import"),
    "entries_template": Route(READ),
    "rejected_clear": Route(CHANGE, of="import"),
    "import_list": Route(CHANGE, of="import"),
    "import_discard": Route(CHANGE, of="import"),
    "import_answers": Route(CHANGE, of="import"),
    "answers_reuse": Route(CHANGE, of="import"),
    "import_attest": Route(BOTH, of="import"),
    "import_approve": Route(BOTH, of="import"),
    "import_withdraw": Route(CHANGE, of="import"),
    "import_record": Route(READ, of="import"),
    "attestation_json": Route(READ, of="import"),
    "manifest": Route(READ, of="import"),
    "images_csv": Route(READ, of="import"),
    "image": Route(READ, of="image"),
    "image_record": Route(READ, of="image"),
    "thumbnails": Route(READ, of="import"),
    "thumbnail": Route(READ, of="image"),
    "lists": Route(READ),
    "lists_sync": Route(CHANGE),
    "list_add": Route(CHANGE),
    "list_policy": Route(BOTH, of="list"),
    "statements": Route(READ),
    "statement_new": Route(BOTH, of="basis"),
    "bases": Route(READ),
    "people": Route(READ),
    "person_new": Route(BOTH),
    "person": Route(READ, of="person"),
    "person_details": Route(CHANGE, of="person"),
    "person_access": Route(CHANGE, of="person"),
    "person_deactivate": Route(CHANGE, of="person"),
    "person_reactivate": Route(CHANGE, of="person"),
    "person_link": Route(CHANGE, of="person"),
    "person_factor_reset": Route(CHANGE, of="person"),
    "person_sessions_end": Route(CHANGE, of="person"),
    "person_hand_over": Route(CHANGE, of="person"),
    "audit": Route(READ),
    "audit_csv": Route(READ),
    "audit_faces": Route(READ),
    "audit_faces_csv": Route(READ),
    "signed_in": Route(READ, is_open=True),
    "alive": Route(READ, is_open=True),
    "ready": Route(READ, is_open=True),
    "account_login": Route(BOTH, is_open=True),
    "account_logout": Route(BOTH, is_open=True),
    "account_signup": Route(BOTH, is_open=True),
    "account_inactive": Route(READ, is_open=True),
    "account_change_password": Route(BOTH),
    "account_reset_password_from_key": Route(BOTH, is_open=True, of="link"),
    "account_reauthenticate": Route(BOTH),
    "account": Route(READ),
    "mfa_authenticate": Route(BOTH, is_open=True),
    "mfa_login_webauthn": Route(BOTH, is_open=True),
    "mfa_reauthenticate": Route(BOTH),
    "mfa_reauthenticate_webauthn": Route(BOTH),
    "mfa_index": Route(READ),
    "mfa_activate_totp": Route(BOTH),
    "mfa_deactivate_totp": Route(BOTH),
    "mfa_add_webauthn": Route(BOTH),
    "mfa_edit_webauthn": Route(BOTH, of="passkey"),
    "mfa_remove_webauthn": Route(BOTH, of="passkey"),
    "mfa_view_recovery_codes": Route(READ),
    "mfa_generate_recovery_codes": Route(BOTH),
    "mfa_download_recovery_codes": Route(READ),
    "account_single_sign_on": Route(CHANGE, is_open=True),
    "account_single_sign_on_callback": Route(READ, is_open=True),
    "single_sign_on_again": Route(BOTH),
    "socialaccount_connections": Route(BOTH),
    "account_sessions": Route(BOTH),
}
CLOSED = [name for name, route in ROUTES.items() if not route.is_open]
OPEN_PAGES = [name for name, route in ROUTES.items() if route.is_open and "GET" in route.methods]
CHANGING = [name for name, route in ROUTES.items() if route.methods == CHANGE]
POSTED = [name for name, route in ROUTES.items() if "POST" in route.methods]
OURS = [name for name in CLOSED if not name.startswith("account_")]
ONLY_READ = [name for name in CLOSED if ROUTES[name].methods == READ]
WITH_OBJECT = [name for name in CLOSED if ROUTES[name].of]
# Without a sign-in that waits for the second factor they lead to its first step.
STEPS = {"account_logout", "mfa_authenticate", "mfa_login_webauthn"}

pytestmark = pytest.mark.django_db


def address(name: str, import_id: int, key: uuid.UUID, basis: str = "consent") -> str:
    arguments: dict[str, list[Any]] = {
        "": [],
        "import": [import_id],
        "image": [key],
        "import's image": [import_id, key],
        "import's batch": [import_id, 1],
        "basis": [basis],
        "passkey": [import_id],
        "link": ["1", "used"],
        "person": [import_id],
        "list": [import_id],
    }
    return reverse(name, args=arguments[ROUTES[name].of])


def address_in(name: str, draft: Import) -> str:
    return address(name, draft.pk, draft.files.first().key)  # type: ignore[union-attr]


def patterns(resolver: URLResolver) -> Iterator[URLPattern]:
    for found in resolver.url_patterns:
        if isinstance(found, URLPattern):
            yield found
        else:
            yield from patterns(found)


@pytest.fixture
def signed_in(signed_in: Client, officer: Person) -> Client:
    """A person with every right; `test_rights` has those of each role."""
    assign(officer, Role)
    return signed_in


def every_row() -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, to prove that nothing changed."""
    models: list[Any] = [*apps.get_app_config("importers").get_models(), Person]
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


def each_request(
    names: list[str], draft: Import, methods: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    """Yield each method, by default those of the address, and path; no request changes a row."""
    before = every_row()
    for name in names:
        path = address_in(name, draft)
        for method in methods or ROUTES[name].methods:
            yield method, path
            assert every_row() == before, f"{method} {path} changed a row"


def test_every_address_is_listed_in_routes() -> None:
    assert sorted(str(found.name) for found in patterns(get_resolver())) == sorted(ROUTES)


def test_signed_out_visitor_is_redirected_to_sign_in(client: Client, draft: Import) -> None:
    for method, path in each_request(CLOSED, draft):
        response = client.generic(method, path)
        next_path = path if method == "GET" else "/"
        assert (response.status_code, response.url) == (302, f"/account/login/?next={next_path}")  # type: ignore[attr-defined]


def test_expired_session_returns_to_the_page_of_the_form(client: Client, draft: Import) -> None:
    page = f"http://testserver/imports/{draft.pk}/?page=2"
    response = client.post(reverse("import_attest", args=[draft.pk]), headers={"Referer": page})
    assert response.url == f"/account/login/?next=/imports/{draft.pk}/"  # type: ignore[attr-defined]


@pytest.mark.parametrize("referer", ["https://[", "//[::1", "http://a]/", ""])
def test_malformed_referer_counts_as_none(referer: str, client: Client) -> None:
    response = client.post(reverse("lists_sync"), headers={"Referer": referer})
    assert (response.status_code, response.url) == (302, "/account/login/?next=/")  # type: ignore[attr-defined]


def test_signed_out_htmx_request_is_sent_to_sign_in(client: Client, draft: Import) -> None:
    for method, path in each_request(CLOSED, draft):
        response = client.generic(method, path, headers=HTMX)
        back = "/account/login/?next=/" if method == "GET" else None
        assert (response.status_code, response.headers.get("HX-Redirect")) == (401, back), path
        assert response.content == b"", path


def test_signed_out_json_request_gets_a_reason(client: Client, draft: Import) -> None:
    for method, path in each_request(CLOSED, draft):
        response = client.generic(method, path, headers=JSON)
        assert response.status_code == 401, path
        assert response.json()["code"] == "signed_out", path
        assert "Sign in again" in response.json()["reason"], path


def test_only_health_and_account_pages_are_open() -> None:
    open_ones = {name for name, route in ROUTES.items() if route.is_open}
    ours = {name for name in open_ones if not name.startswith(("account_", "mfa_"))}
    assert ours == {"alive", "ready", "signed_in"}
    assert reverse("alive") == "/healthz"
    assert reverse("ready") == "/readyz"


def test_open_page_answers_without_sign_in(client: Client) -> None:
    # Without single sign-on there is nothing at its address.
    other = dict.fromkeys(STEPS, {302}) | {"account_single_sign_on_callback": {404}}
    for name in OPEN_PAGES:
        response = client.get(address(name, UNKNOWN_ID, UNKNOWN_KEY))
        assert response.status_code in other.get(name, {200, 401, 503}), name
        assert b"Consentry administration" not in response.content, name


def test_deactivated_account_is_signed_out(signed_in: Client, officer: Person) -> None:
    Person.objects.filter(pk=officer.pk).update(is_active=False)
    assert signed_in.get("/").status_code == 302


@pytest.mark.parametrize(
    ("names", "methods"),
    [(CHANGING, ("GET", "HEAD")), (OURS, ("PUT", "PATCH", "DELETE", "TRACE")), (ONLY_READ, CHANGE)],
    ids=["changing", "any", "read only"],
)
def test_other_methods_are_refused(
    names: list[str], methods: tuple[str, ...], signed_in: Client, draft: Import
) -> None:
    for method, path in each_request(names, draft, methods):
        assert signed_in.generic(method, path).status_code == 405, f"{method} {path}"


def test_post_without_csrf_token_changes_nothing(signed_in: Client, draft: Import) -> None:
    stranger = Client(enforce_csrf_checks=True)
    signed_in.handler.enforce_csrf_checks = True
    strangers = [reverse("account_login"), reverse("account_signup")]
    for _, path in each_request(POSTED, draft, CHANGE):
        client = stranger if path in strangers else signed_in
        response = client.post(path, {"login": "officer", "password": PASSWORD})
        assert response.status_code == 403, path
        assert "This page has expired" in response.content.decode(), path


def test_post_from_another_site_changes_nothing(signed_in: Client, draft: Import) -> None:
    signed_in.get("/lists/")
    signed_in.handler.enforce_csrf_checks = True
    token = signed_in.cookies["csrftoken"].value
    elsewhere = {"Origin": "https://evil.example", "X-CSRFToken": token}
    for _, path in each_request(CHANGING, draft):
        assert signed_in.post(path, headers=elsewhere).status_code == 403, path


def test_unknown_object_is_not_found(signed_in: Client, draft: Import) -> None:
    before = every_row()
    for name in WITH_OBJECT:
        path = address(name, UNKNOWN_ID, UNKNOWN_KEY, "unknown")
        for method in ROUTES[name].methods:
            response = signed_in.generic(method, path)
            assert response.status_code == 404, f"{method} {path}"
            assert "Not found" in response.content.decode(), f"{method} {path}"
            assert every_row() == before, f"{method} {path}"


@pytest.mark.parametrize(
    "path", [f"/imports/{10**30}/", f"/imports/{10**30}/progress/", "/imports/-1/", "/images/1/"]
)
def test_impossible_number_is_not_found(path: str, signed_in: Client) -> None:
    assert signed_in.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/media/", "/var/secret-key", "/media/imports/1/a.jpg"])
def test_stored_files_have_no_address(path: str, signed_in: Client) -> None:
    assert signed_in.get(path).status_code == 404


def test_alive_needs_no_database(signed_in: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert signed_in.get("/healthz").content == b"alive\n"
