"""One session for each thread, so that its connection to Persona is kept alive.

Otherwise each request would begin with a TCP and a TLS handshake.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from importers.persona.deadline import Deadline, now

# A server that closes an idle connection just as a request leaves puts the batch in doubt. Common
# servers wait for 5 seconds or longer.
MAX_IDLE_SECONDS = 4


class PerThread(threading.local):
    """The session that this thread keeps, and the deadline of its request."""

    session: "_Session | None" = None
    deadline: Deadline


current = PerThread()


@contextmanager
def session(deadline: Deadline) -> Iterator[requests.Session]:
    """Lend this thread's session for one request, whose connection `deadline` watches.

    It is kept only after a whole answer. What an exception leaves behind is never reused.
    """
    kept, current.session = current.session, None
    can_be_used = kept is not None and now() - kept.idle_since < MAX_IDLE_SECONDS
    lent = kept if kept and can_be_used else _Session()
    current.deadline = deadline
    try:
        yield lent
    except BaseException:
        lent.close()
        raise
    lent.idle_since = now()
    current.session = lent


class _Session(requests.Session):
    """A session with one connection, without cookies, that does not parse where a redirect leads.

    `allow_redirects=False` alone would parse it, raising ValueError for a malformed address, and
    read the body without our size limit.
    """

    idle_since: float

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=1)
        adapter.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
        for scheme in ("https://", "http://"):
            self.mount(scheme, adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _Plain(HTTPConnection):
    """A connection that the deadline of each request watches."""

    def _new_conn(self) -> socket.socket:
        connection = super()._new_conn()
        current.deadline.watch(connection)  # already during the TLS handshake
        return connection

    def request(self, *args: Any, **options: Any) -> None:
        if self.sock:  # kept from an earlier request
            current.deadline.watch(self.sock)
        super().request(*args, **options)


class _Secure(_Plain, HTTPSConnection):
    """The same with TLS."""

    @property
    def is_connected(self) -> bool:
        """Return False if something follows the last answer: it would be read as the next one.

        urllib3 sees it only while it is in the socket, not once TLS has read it from there.
        """
        return super().is_connected and not self.sock.pending()  # type: ignore[union-attr]


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure
