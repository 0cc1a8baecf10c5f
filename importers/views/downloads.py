"""Answers that a browser saves as files."""

from collections.abc import Iterator

from django.http import StreamingHttpResponse


def csv_file(lines: Iterator[str], name: str) -> StreamingHttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)
