"""The manifest: the list of exactly the images and entries that an attestation covers.

Version 2 has one line for each accepted image: the SHA-256 of the bytes that are sent, that of the
bytes that arrived (the same, as files are sent unchanged), the subject reference, the case
reference, the reason's code, and the SHA-256 of the note. Hashes are in lower-case hexadecimal.
Tabs separate the columns, a newline ends each line, and the lines are sorted. The SHA-256 of the
manifest in UTF-8 goes into the attestation, with the version.
"""

import hashlib
from collections.abc import Iterable

from importers.models import Entry, Image, Import
from importers.models.entries import ENTRY

VERSION = 2


class UnknownVersion(Exception):
    """No manifest has this version: a newer release wrote it."""


def lines(face_import: Import, default: Entry | None = None, version: int = VERSION) -> list[str]:
    """Return the manifest of the import's accepted images, line by line. Raises UnknownVersion.

    `default` completes the entries of a draft.
    """
    if version != VERSION:
        raise UnknownVersion(version)
    accepted = face_import.files.filter(state=Image.State.ACCEPTED)
    rows = accepted.values_list("sha256", *ENTRY)
    entries = ((sha256, Entry(*entry)) for sha256, *entry in rows)
    if default:
        entries = ((sha256, entry.with_default(default)) for sha256, entry in entries)
    return sorted(_line(sha256, entry) for sha256, entry in entries)


def line(image: Image) -> str:
    """Return the image's line in the manifest of its import, which is signed."""
    return _line(image.sha256, Entry(*(getattr(image, name) for name in ENTRY)))


def digest(manifest: Iterable[str]) -> str:
    """Return the SHA-256 of a manifest, in lower-case hexadecimal."""
    return hashlib.sha256(content(manifest)).hexdigest()


def content(manifest: Iterable[str]) -> bytes:
    """Return the manifest as a file."""
    return "".join(f"{line}\n" for line in manifest).encode()


def _line(sha256: str, entry: Entry) -> str:
    note = hashlib.sha256(entry.note.encode()).hexdigest()
    return "\t".join(
        (sha256, sha256, entry.subject_reference, entry.case_reference, entry.listing_reason, note)
    )
