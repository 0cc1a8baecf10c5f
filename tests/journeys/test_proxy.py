"""The shipped nginx in front of the real web server: what it passes, refuses, and logs."""

import socket
import ssl
import time
from collections.abc import Iterator

import pytest
import urllib3

from tests.support.nginx import HOST, Nginx
from tests.support.people import PASSWORD
from tests.support.site import Site, through
from tests.support.slow_clients import http

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TOKEN = "t" * 32
SIGN_IN = f"csrfmiddlewaretoken={TOKEN}&login=officer&password={PASSWORD.replace(' ', '+')}"
FORGED = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example",
    "Forwarded": "for=6.6.6.6",
    "X-Real-IP": "6.6.6.6",
}


def test_forged_headers_do_not_reach_the_audit_trail(site: Site, proxy: Nginx) -> None:
    headers = {"Host": HOST, "Cookie": f"csrftoken={TOKEN}", **FORM, **FORGED}
    headers["Referer"] = f"https://{HOST}/account/login/"
    with through(proxy) as person:
        answer = person.request(
            "POST", "/account/login/", body=SIGN_IN, headers=headers, redirect=False
        )
    assert (answer.status, answer.headers["Location"]) == (302, "/")
    last = "SELECT action, address FROM importers_auditevent ORDER BY id DESC LIMIT 1"
    assert site.installed.rows(last) == [("person.signed_in", "127.0.0.1")]


def test_plain_http_is_redirected_to_our_name_only(site: Site, proxy: Nginx) -> None:
    plain = urllib3.HTTPConnectionPool("127.0.0.1", proxy.plain_port, retries=False)
    with plain:
        answer = plain.request("GET", "/lists/", headers={"Host": HOST}, redirect=False)
        assert (answer.status, answer.headers["Location"]) == (301, f"https://{HOST}/lists/")
        with pytest.raises(urllib3.exceptions.ProtocolError):
            plain.request("GET", "/", headers={"Host": "evil.example"})


@pytest.mark.parametrize("name", ["localhost", "evil.example"])
def test_no_other_name_gets_a_tls_connection(name: str, site: Site, proxy: Nginx) -> None:
    context = ssl.create_default_context(cafile=proxy.certificate)
    with (
        socket.create_connection(("127.0.0.1", proxy.port)) as connection,
        pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"),
    ):
        context.wrap_socket(connection, server_hostname=name)


@pytest.mark.parametrize(
    ("path", "announced", "status"),
    [
        ("/account/login/", 3_200_000, 413),
        ("/imports/1/files/", 640_000_000, 413),
        ("/imports/1/files/", 10_000_000, 401),
    ],
)
def test_large_body_of_a_stranger_is_refused_before_it_is_sent(
    path: str, announced: int, status: int, site: Site, proxy: Nginx
) -> None:
    context = ssl.create_default_context(cafile=proxy.certificate)
    headers = (f"Host: {HOST}", "Accept: application/json", f"Content-Length: {announced}")
    with (
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as connection,
        context.wrap_socket(connection, server_hostname=HOST) as stranger,
    ):
        stranger.sendall(http("POST", path, *headers))
        answer = stranger.recv(65_536).decode()
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert ("signed_out" in answer) == (status == 401)


def test_upload_of_a_person_reaches_the_application(site: Site, proxy: Nginx) -> None:
    headers = {"Host": HOST, "Cookie": f"{site.cookie}; csrftoken={TOKEN}"}
    headers |= {"X-CSRFToken": TOKEN, "Referer": f"https://{HOST}/", "Accept": "application/json"}
    with through(proxy) as person:
        answer = person.request_encode_body(
            "POST",
            "/imports/987654321/files/",
            fields={"name": "face.jpg", "size": "4000000", "file": ("file", bytes(4_000_000))},
            headers=headers,
        )
    assert answer.status == 404  # there is no such import


@pytest.fixture
def changed_site(site: Site) -> Iterator[Site]:
    """The site, for a test that stops its web server; other tests find it running again."""
    yield site
    site.installed.stop()
    site.installed.start_web()


def test_logs_name_no_query_even_if_the_web_server_is_down(
    changed_site: Site, proxy: Nginx
) -> None:
    headers = {"Host": HOST, "Referer": f"https://{HOST}/?q=Jane+Doe", "Cookie": "name=Jane+Doe"}
    with through(proxy) as person:
        assert person.request("GET", "/?q=Jane+Doe", headers=headers, redirect=False).status == 302
        changed_site.installed.stop()
        assert person.request("GET", "/lists/?q=Jane+Doe", headers=headers).status == 502
    deadline = time.monotonic() + 5
    while '"status": 502' not in proxy.logs:  # written after the answer
        assert time.monotonic() < deadline
    assert '"path": "/lists/"' in proxy.logs
    assert "Jane" not in proxy.logs


def test_production_knows_that_the_browser_uses_tls(changed_site: Site, proxy: Nginx) -> None:
    changed_site.installed.stop()
    changed_site.installed.start_web(DEBUG="False", SECRET_KEY="k" * 64)
    with through(proxy) as person:
        answer = person.request("GET", "/lists/", redirect=False)
    assert (answer.status, answer.headers["Location"]) == (302, "/account/login/?next=/lists/")
    assert answer.headers["Strict-Transport-Security"]
