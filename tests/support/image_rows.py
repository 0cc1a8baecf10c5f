"""Rows of images without their bytes, for tests that only count and page."""

from importers.models import Image, Import


def add_rows(face_import: Import, count: int, state: str = Image.State.ACCEPTED) -> None:
    """Add rows of one state: `row-000.jpg` and so on."""
    Image.objects.bulk_create(_row(face_import, number, state) for number in range(count))


def add_mixed_rows(face_import: Import, count: int) -> None:
    """Add rows of which every second one is accepted; the first is rejected."""
    states = (Image.State.LEFT_OUT, Image.State.ACCEPTED)
    Image.objects.bulk_create(
        _row(face_import, number, states[number % 2]) for number in range(count)
    )


def _row(face_import: Import, number: int, state: str) -> Image:
    accepted = state == Image.State.ACCEPTED
    return Image(
        face_import=face_import,
        original_name=f"row-{number:03}.jpg",
        sort_name=f"row-{number:03}.jpg",
        byte_size=10_000,
        sha256=f"{number:064x}",
        state=state,
        format="JPEG" if accepted else "",
        reason="" if accepted else "damaged",
        explanation="" if accepted else "It is damaged.",
    )
