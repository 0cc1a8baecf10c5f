"""Images that the draft's list has already: set aside, until a person includes them."""

from django.db.models import Q, QuerySet

from importers.models import Batch, Image, Import


def reassess(draft: Import) -> None:
    """Set aside the images that were sent to the draft's list meanwhile, and take back others.

    Call it under the draft's lock. An image that a person included stays.
    """
    files = draft.files.filter(Q(state=Image.State.ACCEPTED) | Q(reason=Image.ALREADY_SENT))
    sent = _sent(draft).filter(sha256__in=files.values("sha256"))
    take_back(files.filter(reason=Image.ALREADY_SENT).exclude(sha256__in=sent.values("sha256")))
    accepted = files.filter(state=Image.State.ACCEPTED, included_because="")
    # The first import is the one that is named.
    for number in sorted(set(sent.values_list("face_import", flat=True))):
        hashes = sent.filter(face_import=number).values("sha256")
        set_aside(accepted.filter(sha256__in=hashes), Image.ALREADY_SENT, explain(number))


def sent_before(draft: Import, hashes: list[str]) -> dict[str, int]:
    """Return the number of the first import that sent an image to the draft's list, by hash."""
    sent = _sent(draft).filter(sha256__in=hashes).order_by("-pk")
    return dict(sent.values_list("sha256", "face_import"))  # the first comes last and stays


def sent_meanwhile(signed: Import) -> int:
    """Return how many images of a signed import another import sent to the list since."""
    others = _sent(signed).exclude(face_import=signed)
    accepted = signed.files.filter(state=Image.State.ACCEPTED, included_because="")
    return accepted.filter(sha256__in=others.values("sha256")).count()


def with_import(draft: Import, images: QuerySet[Image]) -> list[Image]:
    """Return images that are set aside, each with the import that sent it before."""
    rows = list(images)
    sent = sent_before(draft, [row.sha256 for row in rows])
    for row in rows:
        row.sent_in = sent.get(row.sha256, draft.pk)
    return rows


def _sent(draft: Import) -> QuerySet[Image]:
    return Image.objects.filter(
        state=Image.State.ACCEPTED, face_import__face_list=draft.face_list_id, batch__isnull=False
    ).exclude(Batch.is_lost_where("batch__"))


def explain(import_number: int) -> str:
    return f"Already sent to this list in import {import_number}."


def set_aside(images: QuerySet[Image], reason: str, explanation: str) -> None:
    images.update(state=Image.State.LEFT_OUT, reason=reason, explanation=explanation)


def take_back(images: QuerySet[Image], **values: str) -> None:
    images.update(state=Image.State.ACCEPTED, reason="", explanation="", **values)
