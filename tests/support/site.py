"""An installation that serves pages behind one proxy, and a person who is signed in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3

from tests.support.nginx import HOST, Nginx
from tests.support.pages import values_of
from tests.support.people import PASSWORD
from tests.support.product import Product, product

NO_PERSONA = "http://127.0.0.1:9/api/v1"
PERSON = "192.0.2.7"
PATIENCE_SECONDS = 5


@dataclass(frozen=True)
class Site:
    """`cookie` is the session of the person."""

    installed: Product
    cookie: str

    def get(self, path: str) -> None:
        """Request a page as the proxy does."""
        headers = {"Cookie": self.cookie, "X-Forwarded-For": PERSON}
        url = f"{self.installed.url}{path}"
        answer = requests.get(url, headers=headers, timeout=PATIENCE_SECONDS)
        assert (answer.status_code, answer.history) == (200, [])


@contextmanager
def site_behind_a_proxy(folder: Path) -> Iterator[Site]:
    options = {"TRUSTED_PROXY_COUNT": "1", "ALLOWED_HOSTS": HOST}
    with product(folder, NO_PERSONA, PASSWORD, **options) as installed:
        installed.start_web()
        yield Site(installed, sign_in(installed.url))


def sign_in(url: str) -> str:
    """Return the cookie of a new session."""
    with requests.Session() as session:
        session.headers["X-Forwarded-For"] = PERSON
        token = values_of(session.get(f"{url}/account/login/").text, "csrfmiddlewaretoken")[0]
        form = {"csrfmiddlewaretoken": token, "login": "officer", "password": PASSWORD}
        session.post(f"{url}/account/login/", form, allow_redirects=False)
        return f"sessionid={session.cookies['sessionid']}"


def through(proxy: Nginx) -> urllib3.HTTPSConnectionPool:
    """Return connections to the site through nginx, which check its certificate."""
    return urllib3.HTTPSConnectionPool(
        "127.0.0.1",
        proxy.port,
        server_hostname=HOST,
        ca_certs=str(proxy.certificate),
        headers={"Host": HOST},
        timeout=PATIENCE_SECONDS,
        retries=False,
    )
