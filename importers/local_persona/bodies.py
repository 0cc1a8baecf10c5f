import base64
import binascii
import hashlib
import io
import json
import re
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from .answers import kebab

ATTRIBUTE = re.compile(r"data\[attributes\]\[([^\]]+)\](\[\])?")


@dataclass(frozen=True)
class Upload:
    filename: str
    content_type: str
    content: bytes = field(repr=False)
    sha256: str

    @property
    def size(self) -> int:
        return len(self.content)


@dataclass(frozen=True)
class Body:
    attributes: dict[str, Any]
    fingerprint: str  # of the parsed parameters: boundary and spelling do not matter
    problem: str | None = None


def upload(filename: str, content_type: str, content: bytes) -> Upload:
    return Upload(filename, content_type, content, hashlib.sha256(content).hexdigest())


def parse(content_type: str, raw: bytes) -> Body:
    try:
        if content_type.lower().startswith("multipart/form-data"):
            return _body(_from_multipart(content_type, raw))
        return _body(_from_json(raw))
    except (MultiPartParserError, SuspiciousOperation, ValueError, RecursionError) as cause:
        problem = f"body cannot be read ({type(cause).__name__})"
        return Body({}, hashlib.sha256(raw).hexdigest(), problem)


def _body(attributes: dict[str, Any]) -> Body:
    digests = json.dumps(attributes, sort_keys=True, default=lambda u: [u.filename, u.sha256])
    return Body(attributes, hashlib.sha256(digests.encode()).hexdigest())


def _from_json(raw: bytes) -> dict[str, Any]:
    document = json.loads(raw or b"{}")
    data = document.get("data") if isinstance(document, dict) else None
    attributes = data.get("attributes") if isinstance(data, dict) else None
    if not isinstance(attributes, dict):
        return {}
    return {kebab(key): _lifted(value) for key, value in attributes.items()}


def _lifted(value: Any) -> Any:
    if isinstance(value, list):
        return [_lifted(item) for item in value]
    if isinstance(value, dict) and isinstance(value.get("data"), str):
        return _from_base64(value)
    return value


def _from_base64(value: dict[str, Any]) -> Any:
    try:
        content = base64.b64decode("".join(value["data"].split()), validate=True)
    except binascii.Error:
        return value
    return upload(str(value.get("filename", "")), "", content)


class _Collector(FileUploadHandler):
    """Takes every file into memory, whatever Django's upload settings say."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[tuple[str, Upload]] = []
        self._chunks: list[bytes] = []

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._chunks.append(raw_data)

    def file_complete(self, file_size: int) -> None:
        file = upload(self.file_name or "", self.content_type or "", b"".join(self._chunks))
        self.received.append((self.field_name, file))
        self._chunks.clear()


def _from_multipart(content_type: str, raw: bytes) -> dict[str, Any]:
    collector = _Collector()
    meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(raw))}
    fields, _ = MultiPartParser(meta, io.BytesIO(raw), [collector], "utf-8").parse()
    attributes: dict[str, Any] = {}
    for name, values in fields.lists():
        for value in values:
            _put(attributes, name, value)
    for name, file in collector.received:
        _put(attributes, name, file)
    return attributes


def _put(attributes: dict[str, Any], name: str, value: Any) -> None:
    found = ATTRIBUTE.fullmatch(name)
    if found is None:
        return
    key = kebab(found[1])
    if found[2] is None:
        attributes[key] = value
    elif isinstance(attributes.setdefault(key, []), list):
        attributes[key].append(value)
