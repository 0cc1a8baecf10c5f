"""A person's decision about an ambiguous batch."""

from importers.audit.actors import Actor
from importers.forwarding import decisions
from importers.models import Batch


def decide(batch: Batch, importer_id: str, actor: Actor) -> None:
    """Match the batch with that importer, or send it again if that is empty."""
    decisions.decide(batch.face_import, {batch.number: importer_id}, actor)
