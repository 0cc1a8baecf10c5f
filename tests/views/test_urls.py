"""Every address of the project: who may use it, by which method, and with which headers.

A new address needs a row in ROUTES.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from pytest_django import Settings

from importers.models import Import
from importers.reporting import history
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
    "new_import": Route(BOTH),
    "import": Route(READ, of="import"),
    "import_progress": Route(READ, of="import"),
    "import_retry": Route(CHANGE, of="import"),
    "forwarding_pause": Route(CHANGE),
    "forwarding_resume": Route(CHANGE),
    "import_cancel": Route(CHANGE, of="import"),
    "batch_retry": Route(CHANGE, of="import's batch"),
    "import_matching": Route(BOTH, of="import"),
    "batch_undo": Route(CHANGE, of="import's batch"),
    "import_contents": Route(READ, of="import"),
    "import_upload": Route(CHANGE, of="import"),
    "image_remove": Route(CHANGE, of="import's image"),
    "rejected_clear": Route(CHANGE, of="import"),
    "import_list": Route(CHANGE, of="import"),
    "import_discard": Route(CHANGE, of="import"),
    "import_attest": Route(CHANGE, of="import"),
    "image": Route(READ, of="image"),
    "thumbnail": Route(READ, of="image"),
    "lists": Route(READ),
    "lists_sync": Route(CHANGE),
    "list_add": Route(CHANGE),
    "signed_in": Route(READ, is_open=True),
    "alive": Route(READ, is_open=True),
    "ready": Route(READ, is_open=True),
    "account_login": Route(BOTH, is_open=True),
    "account_logout": Route(BOTH, is_open=True),
    "account_signup": Route(BOTH, is_open=True),
    "account_inactive": Route(READ, is_open=True),
    "account_change_password": Route(BOTH),
}
CLOSED = [name for name, route in ROUTES.items() if not route.is_open]
CHANGING = [name for name, route in ROUTES.items() if route.methods == CHANGE]
POSTED = [name for name, route in ROUTES.items() if "POST" in route.methods]
WITH_OBJECT = [name for name, route in ROUTES.items() if route.of]

pytestmark = pytest.mark.django_db


def address(name: str, import_id: int, key: uuid.UUID) -> str:
    arguments: dict[str, list[Any]] = {
        "": [],
        "import": [import_id],
        "image": [key],
        "import's image": [import_id, key],
        "import's batch": [import_id, 1],
    }
    return reverse(name, args=arguments[ROUTES[name].of])


def address_in(name: str, draft: Import) -> str:
    return address(name, draft.pk, draft.files.first().key)  # type: ignore[union-attr]


def patterns(resolver: URLResolver) -> Iterator[URLPattern]:
    for found in resolver.url_patterns:
        if isinstance(found, URLPattern):
            yield found
        elif str(found.pattern) != "admin/":
            yield from patterns(found)


def every_row() -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, to prove that nothing changed."""
    models: list[Any] = [*apps.get_app_config("importers").get_models(), User]
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


def test_every_address_is_listed_in_routes() -> None:
    assert sorted(str(found.name) for found in patterns(get_resolver())) == sorted(ROUTES)


@pytest.mark.parametrize("name", CLOSED)
def test_signed_out_visitor_is_redirected_to_sign_in(
    name: str, client: Client, draft: Import
) -> None:
    before, path = every_row(), address_in(name, draft)
    for method in ROUTES[name].methods:
        response = client.generic(method, path)
        next_path = path if method == "GET" else "/"
        assert (response.status_code, response.url) == (302, f"/account/login/?next={next_path}")  # type: ignore[attr-defined]
    assert every_row() == before


def test_expired_session_returns_to_the_page_of_the_form(client: Client, draft: Import) -> None:
    page = f"http://testserver/imports/{draft.pk}/?page=2"
    response = client.post(reverse("import_attest", args=[draft.pk]), headers={"Referer": page})
    assert response.url == f"/account/login/?next=/imports/{draft.pk}/"  # type: ignore[attr-defined]


@pytest.mark.parametrize("referer", ["https://[", "//[::1", "http://a]/", ""])
def test_malformed_referer_counts_as_none(referer: str, client: Client) -> None:
    response = client.post(reverse("lists_sync"), headers={"Referer": referer})
    assert (response.status_code, response.url) == (302, "/account/login/?next=/")  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", CLOSED)
def test_signed_out_htmx_request_is_sent_to_sign_in(
    name: str, client: Client, draft: Import
) -> None:
    before = every_row()
    for method in ROUTES[name].methods:
        response = client.generic(method, address_in(name, draft), headers=HTMX)
        assert (response.status_code, response.headers["HX-Redirect"]) == (401, "/account/login/")
        assert response.content == b""
    assert every_row() == before


@pytest.mark.parametrize("name", CLOSED)
def test_signed_out_json_request_gets_a_reason(name: str, client: Client, draft: Import) -> None:
    before = every_row()
    for method in ROUTES[name].methods:
        response = client.generic(method, address_in(name, draft), headers=JSON)
        assert response.status_code == 401
        assert response.json()["code"] == "signed_out"
        assert "Sign in again" in response.json()["reason"]
    assert every_row() == before


def test_only_health_and_account_pages_are_open() -> None:
    open_ones = {name for name, route in ROUTES.items() if route.is_open}
    assert {name for name in open_ones if not name.startswith("account_")} == {
        *("alive", "ready", "signed_in")
    }
    assert reverse("alive") == "/healthz"
    assert reverse("ready") == "/readyz"


@pytest.mark.parametrize("name", [name for name, route in ROUTES.items() if route.is_open])
def test_open_page_answers_without_sign_in(name: str, client: Client) -> None:
    response = client.get(reverse(name))
    assert response.status_code in ({302} if name == "account_logout" else {200, 401, 503})
    assert b"Consentry administration" not in response.content


def test_deactivated_account_is_signed_out(signed_in: Client, officer: User) -> None:
    User.objects.filter(pk=officer.pk).update(is_active=False)
    assert signed_in.get("/").status_code == 302


@pytest.mark.parametrize("name", CHANGING)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_get_and_head_change_nothing(
    method: str, name: str, signed_in: Client, draft: Import
) -> None:
    before = every_row()
    assert signed_in.generic(method, address_in(name, draft)).status_code == 405
    assert every_row() == before


@pytest.mark.parametrize("name", [name for name in CLOSED if not name.startswith("account_")])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
def test_other_methods_are_refused(
    method: str, name: str, signed_in: Client, draft: Import
) -> None:
    before = every_row()
    assert signed_in.generic(method, address_in(name, draft)).status_code == 405
    assert every_row() == before


@pytest.mark.parametrize("name", [name for name in CLOSED if ROUTES[name].methods == READ])
def test_read_only_address_refuses_post(name: str, signed_in: Client, draft: Import) -> None:
    assert signed_in.post(address_in(name, draft)).status_code == 405


@pytest.mark.parametrize("name", POSTED)
def test_post_without_csrf_token_changes_nothing(
    name: str, signed_in: Client, draft: Import
) -> None:
    client = Client() if name in ("account_login", "account_signup") else signed_in
    client.handler.enforce_csrf_checks = True
    before = every_row()
    response = client.post(address_in(name, draft), {"login": "officer", "password": PASSWORD})
    assert response.status_code == 403
    assert "This page has expired" in response.content.decode()
    assert every_row() == before


@pytest.mark.parametrize("name", CHANGING)
def test_post_from_another_site_changes_nothing(
    name: str, signed_in: Client, draft: Import
) -> None:
    signed_in.get("/lists/")
    signed_in.handler.enforce_csrf_checks = True
    before, token = every_row(), signed_in.cookies["csrftoken"].value
    elsewhere = {"Origin": "https://evil.example", "X-CSRFToken": token}
    assert signed_in.post(address_in(name, draft), headers=elsewhere).status_code == 403
    assert every_row() == before


@pytest.mark.parametrize("name", WITH_OBJECT)
def test_unknown_object_is_not_found(name: str, signed_in: Client, draft: Import) -> None:
    before = every_row()
    for method in ROUTES[name].methods:
        response = signed_in.generic(method, address(name, UNKNOWN_ID, UNKNOWN_KEY))
        assert response.status_code == 404
        assert "Not found" in response.content.decode()
    assert every_row() == before


@pytest.mark.parametrize(
    "path", [f"/imports/{10**30}/", f"/imports/{10**30}/progress/", "/imports/-1/", "/images/1/"]
)
def test_impossible_number_is_not_found(path: str, signed_in: Client) -> None:
    assert signed_in.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/media/", "/var/secret-key", "/media/imports/1/a.jpg"])
def test_stored_files_have_no_address(path: str, signed_in: Client) -> None:
    assert signed_in.get(path).status_code == 404


def unknown_host(client: Client, draft: Import) -> Any:
    return client.get("/", headers={"Host": "evil.example"})


def too_many_files(client: Client, draft: Import) -> Any:
    files = [SimpleUploadedFile(f"{n}.jpg", b"a") for n in range(1001)]
    return client.post(reverse("import_upload", args=[draft.pk]), {"files": files})


def without_token(client: Client, draft: Import) -> Any:
    client.handler.enforce_csrf_checks = True
    return client.post("/lists/add/")


def signed_out(client: Client, draft: Import) -> Any:
    return Client().get("/", headers=HTMX)


RESPONSES: dict[str, tuple[int, Callable[[Client, Import], Any]]] = {
    "page": (200, lambda client, draft: client.get("/")),
    "draft": (200, lambda client, draft: client.get(address_in("import", draft))),
    "face": (200, lambda client, draft: client.get(address_in("image", draft))),
    "thumbnail": (200, lambda client, draft: client.get(address_in("thumbnail", draft))),
    "csv": (200, lambda client, draft: client.get("/imports.csv")),
    "health": (200, lambda client, draft: client.get("/healthz")),
    "not ready": (503, lambda client, draft: client.get("/readyz")),
    "sign-in": (200, lambda client, draft: Client().get("/account/login/")),
    "sent to the sign-in": (302, lambda client, draft: Client().get("/")),
    "after a form": (302, lambda client, draft: client.post(address_in("import_discard", draft))),
    "unknown host": (400, unknown_host),
    "too many files": (400, too_many_files),
    "signed out": (401, signed_out),
    "no token": (403, without_token),
    "unknown": (404, lambda client, draft: client.get("/nothing/here")),
    "unknown import": (404, lambda client, draft: client.get(f"/imports/{UNKNOWN_ID}/")),
    "unknown static file": (404, lambda client, draft: client.get("/static/nothing.css")),
    "wrong method": (405, lambda client, draft: client.get("/lists/sync/")),
    "wrong answers": (422, lambda client, draft: client.post("/lists/add/")),
    "static": (200, lambda client, draft: client.get("/static/css/base.css")),
}


@pytest.mark.parametrize("kind", RESPONSES)
def test_every_response_has_security_headers(kind: str, signed_in: Client, draft: Import) -> None:
    status, ask = RESPONSES[kind]
    response = read_whole(ask(signed_in, draft))
    assert response.status_code == status
    check_headers(response)
    if kind != "static":
        assert "no-store" in response.headers["Cache-Control"]
    # These two are sent before that middleware; the CSP forbids framing too.
    if kind not in ("static", "unknown host"):
        assert response.headers["X-Frame-Options"] == "DENY"


def read_whole(response: Any) -> Any:
    """Read the response to its end, because a streamed file is open until then."""
    if response.streaming:
        b"".join(response.streaming_content)
    response.close()
    return response


def check_headers(response: Any) -> None:
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in response.headers["Permissions-Policy"]


@pytest.mark.parametrize("kind", [kind for kind in RESPONSES if kind not in ("face", "thumbnail")])
def test_no_response_may_be_framed(kind: str, signed_in: Client, draft: Import) -> None:
    response = read_whole(RESPONSES[kind][1](signed_in, draft))
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]


def test_server_error_page_hides_the_traceback(
    signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the secret of the traceback")

    monkeypatch.setattr(history, "page", fail)
    signed_in.raise_request_exception = False
    response = signed_in.get("/")
    assert response.status_code == 500
    assert "This is an error in Consentry" in response.content.decode()
    assert "secret" not in response.content.decode()
    check_headers(response)
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/", "/static/css/base.css"])
def test_redirect_to_https_is_not_stored(path: str, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True  # read when the client builds its middleware
    response = Client().get(path)
    assert (response.status_code, response.headers["Location"]) == (
        301,
        f"https://testserver{path}",
    )
    check_headers(response)
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize("name", ["account_logout", "admin:logout"])
def test_sign_out_clears_the_cache_of_the_browser(
    name: str, signed_in: Client, officer: User
) -> None:
    User.objects.filter(pk=officer.pk).update(is_staff=True)
    assert "Clear-Site-Data" not in signed_in.get("/").headers
    response = signed_in.post(reverse(name))
    assert signed_in.get("/").status_code == 302
    assert response.headers["Clear-Site-Data"] == '"cache"'


def test_refused_sign_out_clears_nothing(signed_in: Client) -> None:
    signed_in.handler.enforce_csrf_checks = True
    response = signed_in.post(reverse("account_logout"))
    assert response.status_code == 403
    assert "Clear-Site-Data" not in response.headers


def test_static_file_may_be_cached(client: Client) -> None:
    response = read_whole(client.get("/static/css/base.css"))
    assert "no-store" not in response.headers["Cache-Control"]
    assert response.headers["Content-Type"].startswith("text/css")


def test_too_many_files_has_its_own_message(signed_in: Client, draft: Import) -> None:
    before = every_row()
    response = too_many_files(signed_in, draft)
    assert "More than 1,000 files" in response.content.decode()
    assert every_row() == before
    other = unknown_host(signed_in, draft).content.decode()
    assert "More than 1,000 files" not in other
    assert "could not be understood" in other


def test_alive_needs_no_database(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert client.get("/healthz").content == b"alive\n"
