"""The rows: what is stored, what may stand together, and each single move from state to state."""

from importers.models.audit import AuditEvent, AuditHead
from importers.models.batches import Batch, Exchange
from importers.models.consent import Attestation, Statement
from importers.models.imports import Image, Import
from importers.models.levels import Level
from importers.models.lists import Environment, FaceList
from importers.models.workers import PersonaLine, Worker

__all__ = [
    "Attestation",
    "AuditEvent",
    "AuditHead",
    "Batch",
    "Environment",
    "Exchange",
    "FaceList",
    "Image",
    "Import",
    "Level",
    "PersonaLine",
    "Statement",
    "Worker",
]
