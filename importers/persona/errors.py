"""How an exchange with Persona can fail.

PersonaError
├── NoAnswer          nothing came back: the request may have arrived
│   └── NotConnected  no connection was made: it did not arrive
├── Unreadable        a 2xx answer that we cannot read: it did arrive
├── ServerTrouble     408 or 5xx: it may have been executed
└── Refused           4xx: it was not executed
    ├── KeyRefused    401, 403
    ├── NotFound      404
    ├── Conflict      409
    ├── RateLimited   429
    └── KeyReused     400 "Idempotency error"

Bodies: https://docs.withpersona.com/errors
"""


class PersonaError(Exception):
    """Its text is safe to log: it names no file, key or body."""

    def __init__(
        self,
        summary: str,
        *,
        status: int | None = None,
        request_id: str = "",
        title: str = "",
        detail: str = "",
        pointer: str = "",
    ) -> None:
        super().__init__(summary)
        self.summary = summary
        self.status = status
        self.request_id = request_id
        self.title = title
        self.detail = detail
        self.pointer = pointer

    @property
    def words(self) -> str:
        """Persona's own words, or ours if it gave none."""
        return ": ".join(part for part in (self.title, self.detail) if part) or self.summary

    @property
    def sentence(self) -> str:
        """The same with the status, as a person reads it on a page."""
        has_words = self.title or self.detail
        return f"Persona answered {self.status}: {self.words}" if has_words else self.summary


class NoAnswer(PersonaError):
    pass


class NotConnected(NoAnswer):
    pass


class Unreadable(PersonaError):
    pass


class ServerTrouble(PersonaError):
    pass


class Refused(PersonaError):
    pass


class KeyRefused(Refused):
    pass


class NotFound(Refused):
    pass


class Conflict(Refused):
    pass


class RateLimited(Refused):
    """`wait_seconds` is Persona's RateLimit-Reset, or None if it gave none."""

    wait_seconds: float | None = None


class KeyReused(Refused):
    pass


BY_STATUS: dict[int, type[PersonaError]] = {
    401: KeyRefused,
    403: KeyRefused,
    404: NotFound,
    408: ServerTrouble,
    409: Conflict,
    429: RateLimited,
}
