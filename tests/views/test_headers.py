"""The headers of every response, and what pages say about a request that was refused."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from importers.models import Import
from importers.reporting import history

pytestmark = pytest.mark.django_db


def face_in(name: str, draft: Import) -> str:
    return reverse(name, args=[draft.files.first().key])  # type: ignore[union-attr]


def unknown_host(client: Client, draft: Import) -> Any:
    return client.get("/", headers={"Host": "evil.example"})


def too_many_files(client: Client, draft: Import) -> Any:
    files = [SimpleUploadedFile(f"{n}.jpg", b"a") for n in range(1001)]
    return client.post(reverse("import_upload", args=[draft.pk]), {"files": files})


def without_token(client: Client, draft: Import) -> Any:
    client.handler.enforce_csrf_checks = True
    return client.post("/lists/add/")


def signed_out(client: Client, draft: Import) -> Any:
    return Client().get("/", headers={"HX-Request": "true"})


RESPONSES: dict[str, tuple[int, Callable[[Client, Import], Any]]] = {
    "page": (200, lambda client, draft: client.get("/")),
    "draft": (200, lambda client, draft: client.get(f"/imports/{draft.pk}/")),
    "face": (200, lambda client, draft: client.get(face_in("image", draft))),
    "thumbnail": (200, lambda client, draft: client.get(face_in("thumbnail", draft))),
    "csv": (200, lambda client, draft: client.get("/imports.csv")),
    "health": (200, lambda client, draft: client.get("/healthz")),
    "not ready": (503, lambda client, draft: client.get("/readyz")),
    "sign-in": (200, lambda client, draft: Client().get("/account/login/")),
    "sent to the sign-in": (302, lambda client, draft: Client().get("/")),
    "after a form": (302, lambda client, draft: client.post(f"/imports/{draft.pk}/discard/")),
    "unknown host": (400, unknown_host),
    "too many files": (400, too_many_files),
    "signed out": (401, signed_out),
    "no token": (403, without_token),
    "unknown": (404, lambda client, draft: client.get("/nothing/here")),
    "unknown import": (404, lambda client, draft: client.get("/imports/987654321/")),
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


def test_sign_out_clears_the_cache_of_the_browser(signed_in: Client) -> None:
    assert "Clear-Site-Data" not in signed_in.get("/").headers
    response = signed_in.post(reverse("account_logout"))
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
    before = list(draft.files.values())
    response = too_many_files(signed_in, draft)
    assert "More than 1,000 files" in response.content.decode()
    assert list(draft.files.values()) == before
    other = unknown_host(signed_in, draft).content.decode()
    assert "More than 1,000 files" not in other
    assert "could not be understood" in other
