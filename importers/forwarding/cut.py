"""Cutting: which images travel together, and handing a sealed import to the worker."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from importers import audit, consent, intake
from importers.audit import Actor
from importers.consent import Answers, Shown
from importers.models import Batch, Image, Import


def sizes(byte_sizes: Iterable[int]) -> list[int]:
    """How many images each request takes, in order: at most BATCH_MAX_IMAGES and _BYTES in one."""
    requests: list[int] = []
    room = 0
    for byte_size in byte_sizes:
        if not requests or requests[-1] == settings.BATCH_MAX_IMAGES or byte_size > room:
            requests.append(0)
            room = settings.BATCH_MAX_BYTES
        requests[-1] += 1
        room -= byte_size
    return requests


@dataclass(frozen=True)
class Preview:
    """What would be sent now: images, bytes, images of each request, and the manifest's hash."""

    images: int
    bytes: int
    requests: list[int]
    manifest_sha256: str


def preview(draft: Import) -> Preview:
    accepted = draft.files.filter(state=Image.State.ACCEPTED).order_by("pk")
    rows = list(accepted.values_list("byte_size", "sha256"))
    byte_sizes = [byte_size for byte_size, _ in rows]
    manifest = consent.manifest_sha256(sorted(sha256 for _, sha256 in rows))
    return Preview(len(rows), sum(byte_sizes), sizes(byte_sizes), manifest)


def submit(draft: Import, answers: Answers, actor: Actor, shown: Shown) -> None:
    """Seals the draft and cuts it into batches, in one transaction: both happened, or neither.

    Raises what `consent.seal` raises.
    """
    with transaction.atomic():
        consent.seal(draft, answers, actor, shown)
        cuts = _cut(draft)
        draft.move(Import.State.FORWARDING, of=(Import.State.DRAFT,))
        audit.append(actor, "import.sent", draft, batches=cuts)
    intake.sweep(draft)


def _cut(sealed: Import) -> list[int]:
    accepted = sealed.files.filter(state=Image.State.ACCEPTED).order_by("pk")
    rows = list(accepted.values_list("pk", "byte_size"))
    cuts = sizes(byte_size for _, byte_size in rows)
    ids = iter([pk for pk, _ in rows])
    for number, size in enumerate(cuts, start=1):
        batch = Batch.objects.create(face_import=sealed, number=number, image_count=size)
        Image.objects.filter(pk__in=[next(ids) for _ in range(size)]).update(batch=batch)
    return cuts
