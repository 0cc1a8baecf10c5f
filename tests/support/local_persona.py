"""A client of Local Persona that knows only HTTP, and a clock that a test sets."""

import io
from typing import Any

import requests
from PIL import Image

from importers.local_persona import LocalPersona

FACES = "importer/list-item/faces"
ENVELOPE = {"Request-Id", "Persona-Environment-Id", "Persona-Organization-Id"}
RATE = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]


class SetClock:
    now = 1_800_000_000.0  # 2027-01-15T08:00:00Z

    def __call__(self) -> float:
        return self.now


class Caller(requests.Session):
    """Knows the server's address and key, and goes through no proxy."""

    def __init__(self, persona: LocalPersona) -> None:
        super().__init__()
        self.trust_env = False
        self.persona = persona
        self.headers["Authorization"] = f"Bearer {persona.key}"

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        address = url if str(url).startswith("http") else f"{self.persona.url}/{url}"
        return super().request(method, address, *args, **{"timeout": 10, **kwargs})

    def send_faces(
        self, list_id: str, *contents: bytes, key: str = "", **headers: str
    ) -> requests.Response:
        field = "data[attributes][image-files][]"
        files = [(field, (f"{n}.png", c, "image/png")) for n, c in enumerate(contents)]
        data = {"data[attributes][list-id]": list_id}
        if key:
            headers["Idempotency-Key"] = key
        return self.post(FACES, data=data, files=files, headers=headers)

    def importer(self, importer_id: str) -> Any:
        return self.get(f"importers/{importer_id}").json()["data"]["attributes"]

    def counts(self, answer: requests.Response) -> tuple[int, int, int]:
        """How many files of an import were successful, duplicates and errors."""
        seen = self.importer(answer.json()["data"]["id"])
        return seen["successful-count"], seen["duplicate-count"], seen["error-count"]


def picture(shade: int, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 90, 30)).save(out, kind)
    return out.getvalue()


def errors(answer: requests.Response) -> tuple[int, list[dict[str, Any]]]:
    return answer.status_code, answer.json()["errors"]


def title(answer: requests.Response) -> tuple[int, str]:
    status, [problem] = errors(answer)
    return status, problem["title"]


def rate(answer: requests.Response) -> list[str | None]:
    """The limit, what remains of it, and the seconds until it is reset."""
    return [answer.headers.get(name) for name in RATE]
