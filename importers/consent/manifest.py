"""The manifest: the list of exactly the images that an attestation covers.

Version 1 lists the SHA-256 of each accepted image, in lower-case hexadecimal, sorted, one per
line. Every line ends with a newline. Its own SHA-256 goes into the attestation, with the version.
"""

import hashlib
from collections.abc import Iterable

from importers.models import Image, Import

VERSION = 1


class UnknownVersion(Exception):
    """No manifest has this version: a newer release wrote it."""


def lines(face_import: Import, version: int = VERSION) -> list[str]:
    """Return the manifest of the import's accepted images, line by line. Raises UnknownVersion."""
    if version != VERSION:
        raise UnknownVersion(version)
    accepted = face_import.files.filter(state=Image.State.ACCEPTED)
    return sorted(accepted.values_list("sha256", flat=True))


def digest(manifest: Iterable[str]) -> str:
    """Return the SHA-256 of a manifest, in lower-case hexadecimal."""
    return hashlib.sha256("".join(f"{line}\n" for line in manifest).encode()).hexdigest()
