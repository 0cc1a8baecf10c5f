"""Reading a page as a person or a browser does, and uploading files as the page does."""

import re
from html import unescape
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from importers.models import Import


def page_of(client: Client, face_import: Import, query: str = "") -> str:
    """The HTML of an import's page."""
    answer = client.get(f"/imports/{face_import.pk}/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def words(html: str) -> str:
    """The text that a person reads, with one space between words and between elements."""
    return " ".join(unescape(strip_tags(html.replace("<", " <"))).split())


def words_of(answer: Any) -> str:
    """The text of a response."""
    return words(answer.content.decode())


def values_of(html: str, name: str) -> list[str]:
    """The values of every input of that name, as the browser would send them."""
    inputs = re.findall(rf'<input[^>]*name="{name}"[^>]*>', html)
    return [unescape(value[1]) for tag in inputs if (value := re.search(r'value="([^"]*)"', tag))]


def states(html: str) -> list[str]:
    """Every state on the page, in its order."""
    return re.findall(r'data-state="([^"]*)"', html)


def codes(html: str) -> list[str]:
    """The code of every notice and rejection on the page, in its order."""
    return re.findall(r'data-code="([^"]*)"', html)


def upload(
    client: Client, draft: Import, name: str, data: bytes, size: int | str | None = None
) -> Any:
    """Upload one file as the page's script does."""
    return upload_group(client, draft, (name, data, len(data) if size is None else size))


def upload_group(client: Client, draft: Import, *files: tuple[str, bytes, int | str]) -> Any:
    """Upload files as the page's script does: their names and sizes are fields of the request."""
    names, contents, sizes = zip(*files, strict=True)
    parts = [SimpleUploadedFile("file", data) for data in contents]
    fields = {"name": names, "size": sizes, "file": parts}
    path = reverse("import_upload", args=[draft.pk])
    return client.post(path, fields, headers={"Accept": "application/json"})


def outcome_of(answer: Any) -> Any:
    """The outcome of the only file of a request."""
    assert answer.status_code == 200
    (outcome,) = answer.json()["files"]
    return outcome


def upload_by_form(client: Client, draft: Import, *files: tuple[str, bytes]) -> Any:
    """Upload several files in one request, as the form without a script does."""
    uploads = [SimpleUploadedFile(name, data) for name, data in files]
    path = reverse("import_upload", args=[draft.pk])
    return client.post(path, {"files": uploads}, follow=True)
