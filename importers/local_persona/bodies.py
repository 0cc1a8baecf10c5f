"""The multipart body of an import."""

import hashlib
import io
import json
import struct
import zlib
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from PIL import Image

from .store import SentFile

LIST_ID = "data[attributes][list-id]"
IMAGE_FILES = "data[attributes][image-files][]"
UNDECODABLE = (
    *(ArithmeticError, EOFError, LookupError, MemoryError, OSError, SyntaxError, TypeError),
    *(ValueError, struct.error, zlib.error, Image.DecompressionBombError),
    Warning,  # raised only if the interpreter turns warnings into errors
)


@dataclass(frozen=True)
class Body:
    fingerprint: str  # of the parsed parameters: the boundary does not matter
    list_id: str = ""
    files: tuple[SentFile, ...] = ()
    decodable: frozenset[str] = frozenset()  # SHA-256s
    problem: str = ""


class _InMemory(MemoryFileUploadHandler):
    """Never writes an image to disk, independently of Django's upload settings."""

    def handle_raw_input(self, *_: Any, **__: Any) -> None:
        self.activated = True


def parse(content_type: str, raw: bytes) -> Body:
    meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(raw))}
    try:
        fields, files = MultiPartParser(meta, io.BytesIO(raw), [_InMemory()], "utf-8").parse()
    except (MultiPartParserError, SuspiciousOperation, ValueError) as cause:
        return Body(_sha256(raw), problem=f"body cannot be read ({type(cause).__name__})")
    list_id, uploads = fields.get(LIST_ID, ""), files.getlist(IMAGE_FILES)
    contents = [file.read() for file in uploads]
    sent = tuple(
        SentFile(file.name, file.content_type, _sha256(content), len(content))
        for file, content in zip(uploads, contents, strict=True)
    )
    decodable = frozenset(map(_sha256, filter(_decodes, contents)))
    return Body(_sha256(json.dumps([list_id, sent]).encode()), list_id, sent, decodable)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _decodes(content: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            image.verify()
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            image.draft(None, (1, 1))  # reads the whole JPEG, paints an eighth of it
            image.load()
    except UNDECODABLE:
        return False
    return True
