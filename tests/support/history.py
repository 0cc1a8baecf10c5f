"""Reading the page of the history and its CSV."""

import csv
import io
import re
from html import unescape
from typing import Any

from django.test import Client


def history_page(client: Client, query: str = "") -> str:
    response = client.get(f"/{query}")
    assert response.status_code == 200
    return response.content.decode()


def shown_imports(html: str) -> list[int]:
    """The ids of the imports on a page, in its order."""
    return [int(number) for number in re.findall(r'href="/imports/(\d+)/"', html)]


def page_link(html: str, rel: str) -> str:
    """The address of the next or the previous page; "" if there is none."""
    anchors = [unescape(tag) for tag in re.findall(r"<a [^>]*>", html) if f'rel="{rel}"' in tag]
    return re.search(r'href="([^"]*)"', anchors[0])[1] if anchors else ""  # type: ignore[index]


def csv_rows(client: Client, query: str = "") -> list[list[str]]:
    response: Any = client.get(f"/imports.csv{query}")
    text = b"".join(response.streaming_content).decode()
    return list(csv.reader(io.StringIO(text, newline="")))
