"""The rows: what is stored, which combinations are valid, and every change of state."""

from importers.models.approvals import Approval
from importers.models.attempts import Attempt
from importers.models.audit import AuditEvent, AuditHead
from importers.models.batches import Batch
from importers.models.consent import Attestation, Statement
from importers.models.entries import Entry, EntryFile, ListingReason
from importers.models.environments import Environment
from importers.models.gateway import Exchange, Gateway
from importers.models.imports import Image, Import
from importers.models.levels import Level
from importers.models.lists import FaceList
from importers.models.people import Person, Right, Role
from importers.models.problems import Problem
from importers.models.workers import Worker

__all__ = [
    "Approval",
    "Attempt",
    "Attestation",
    "AuditEvent",
    "AuditHead",
    "Batch",
    "Entry",
    "EntryFile",
    "Environment",
    "Exchange",
    "FaceList",
    "Gateway",
    "Image",
    "Import",
    "Level",
    "ListingReason",
    "Person",
    "Problem",
    "Right",
    "Role",
    "Statement",
    "Worker",
]
