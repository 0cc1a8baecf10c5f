"""Types of the fixtures that are functions."""

from typing import Any, Protocol

from importers.intake.files import Received
from importers.models import FaceList, Import


class AddFile(Protocol):
    """Add one file to the draft; without data, an accepted image."""

    def __call__(self, name: str = ..., data: bytes | None = None) -> Received: ...


class MakeDraft(Protocol):
    """Make a draft for a list with the given number of images."""

    def __call__(self, to: FaceList, images: int = ..., *, first_seed: int = ...) -> Import: ...


class MakeImports(Protocol):
    """Make the given number of imports without images; `values` are set on each."""

    def __call__(self, count: int, **values: Any) -> list[Import]: ...
