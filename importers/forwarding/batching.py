"""Batching: which images are sent together."""

from collections.abc import Iterable

from django.conf import settings

from importers.models import Image, Import

SMALLEST_TO_VARY = 5


def sizes(byte_sizes: Iterable[int], mode: Import.Mode = Import.Mode.BULK) -> list[int]:
    """Return how many images each request carries, in order.

    No request has more than BATCH_MAX_IMAGES images or BATCH_MAX_BYTES bytes.
    """
    if mode == Import.Mode.ONE_BY_ONE:
        return [1 for _ in byte_sizes]
    requests: list[int] = []
    room = most = 0
    for byte_size in byte_sizes:
        if not requests or requests[-1] == most or byte_size > room:
            most = _most(len(requests))
            requests.append(0)
            room = settings.BATCH_MAX_BYTES
        requests[-1] += 1
        room -= byte_size
    return requests


def _most(number: int) -> int:
    """Return how many images the batch of that number may have, counted from 0.

    Neighbours differ in size, so that a worker can choose one unlike those under way (`claims`).
    It costs 2 % of the requests.
    """
    most = settings.BATCH_MAX_IMAGES
    return most - number % 3 if most >= SMALLEST_TO_VARY else most


def cut(sealed: Import, mode: Import.Mode = Import.Mode.BULK) -> list[int]:
    """Cut a sealed import into batches, and return their sizes."""
    accepted = sealed.files.filter(state=Image.State.ACCEPTED).order_by("pk")
    # The same sizes in the same order as in the preview that the person saw.
    rows = list(accepted.values_list("pk", "byte_size"))
    cuts = sizes((byte_size for _, byte_size in rows), mode)
    Import.objects.filter(pk=sealed.pk).update(mode=mode)
    ids = iter([pk for pk, _ in rows])
    environment = sealed.face_list.environment
    for number, size in enumerate(cuts, start=1):
        batch = sealed.batches.create(number=number, environment=environment, image_count=size)
        Image.objects.filter(pk__in=[next(ids) for _ in range(size)]).update(batch=batch)
    return cuts
