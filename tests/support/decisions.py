"""A person's decision about an ambiguous batch."""

from importers.audit.actors import Actor
from importers.forwarding import control
from importers.models import Batch


def decide(batch: Batch, importer_id: str, actor: Actor) -> None:
    """Match the batch with that importer, or send it again if that is empty."""
    if importer_id:
        control.match(batch, importer_id, actor)
    else:
        control.send_again(batch, actor)
