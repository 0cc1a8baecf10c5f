import re
import uuid
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Coalesce

from importers.models.entries import ListingReason
from importers.models.levels import Level
from importers.models.lists import FaceList
from importers.models.people import Person

if TYPE_CHECKING:
    from importers.models.consent import Attestation

# A name may be longer than PostgreSQL allows in an index. The numbers are part of the text, because
# only the very same expression uses the index.
NAME_BEGINNING_LENGTH = 200
NAME_BEGINNING = Func(
    F("original_name"),
    function="SUBSTR",
    template=f"%(function)s(%(expressions)s, 1, {NAME_BEGINNING_LENGTH})",
)
# Whose import it is: who continued it, or else its creator.
OWNER = Coalesce("handed_to", "created_by")


def base_name(name: str) -> str:
    """Return the last part of a path, of Unix or of Windows."""
    return re.split(r"[/\\]", name)[-1] or name


class IllegalMove(Exception):
    """The import is not in a state that this move starts from."""


class Import(models.Model):
    """One set of images going to one list.

    draft ─▶ forwarding ─▶ completed
      │        ▲   │ └───▶ needs_attention ─▶ completed
      ▼        │   ▼             │
    canceled ◀─│───┴─────────────┤ (a person gave it up before anything was sent)
               └─────────────────┘ (a person tries again)

    draft ─▶ awaiting_approval ─▶ forwarding (a second person approved; batches exist from now on)
      ▲             │
      └─────────────┘ (refused, or withdrawn: the attestation is void)

    After `draft` the set of images never changes, unless the import becomes a draft again.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        AWAITING_APPROVAL = "awaiting_approval", "Awaiting approval"
        FORWARDING = "forwarding", "Sending"
        COMPLETED = "completed", "Completed"
        NEEDS_ATTENTION = "needs_attention", "Action required"
        CANCELED = "canceled", "Canceled"

    class Mode(models.TextChoices):
        """How many images a request carries."""

        BULK = "bulk", "50 per request: fast, totals only"
        ONE_BY_ONE = "one_by_one", "One per request: exact outcome for each image"

    COMPLETED_WITH_ERRORS = "Completed with errors"
    SENDING_WITH_TROUBLE = "Sending, action required"
    LEVELS = {
        State.AWAITING_APPROVAL: Level.INFO,
        State.FORWARDING: Level.INFO,
        State.COMPLETED: Level.SUCCESS,
        State.NEEDS_ATTENTION: Level.ERROR,
    }

    face_list = models.ForeignKey(FaceList, on_delete=models.PROTECT, related_name="imports")
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="imports")
    created_at = models.DateTimeField(auto_now_add=True)
    handed_to = models.ForeignKey(
        Person,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="who continued the draft, if that is not its creator",
    )
    state = models.CharField(max_length=20, choices=State, default=State.DRAFT)
    mode = models.CharField(max_length=10, choices=Mode, default=Mode.BULK)
    draft_answers = models.JSONField(
        default=dict, help_text="as typed, by the field's name; empty once released"
    )

    # Kept by triggers (`models.counters`). Persona's counts are empty until it reports any.
    image_count = models.PositiveIntegerField(default=0, help_text="accepted")
    left_out_count = models.PositiveIntegerField(default=0, help_text="rejected")
    successful_count = models.PositiveBigIntegerField(null=True)
    duplicate_count = models.PositiveBigIntegerField(null=True)
    error_count = models.PositiveBigIntegerField(null=True)
    revision = models.PositiveBigIntegerField(default=0, help_text="rises with each visible change")

    # Set where an import is shown: one of its batches waits for a person.
    is_troubled = False

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["state", "-id"], name="import_state_newest"),
            models.Index(fields=["created_at"], name="import_created"),
            models.Index(OWNER, "id", name="import_owner"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        *("draft", "awaiting_approval", "forwarding"),
                        *("completed", "needs_attention", "canceled"),
                    ]
                ),
                name="import_state_known",
            )
        ]

    def __str__(self) -> str:
        return f"Import {self.pk}"

    @property
    def is_draft(self) -> bool:
        return self.state == self.State.DRAFT

    @property
    def awaits_approval(self) -> bool:
        return self.state == self.State.AWAITING_APPROVAL

    @property
    def attestation(self) -> "Attestation | None":
        """The attestation in force. Prefetch `attestations` where many imports are shown."""
        return next((one for one in self.attestations.all() if not one.is_void), None)

    @property
    def void_attestations(self) -> "list[Attestation]":
        """What was refused or withdrawn, the latest first."""
        return [one for one in self.attestations.all() if one.is_void][::-1]

    @property
    def is_unfinished(self) -> bool:
        return self.state == self.State.FORWARDING

    @property
    def has_errors(self) -> bool:
        """Return True if Persona reported errors for a completed import."""
        return self.state == self.State.COMPLETED and bool(self.error_count)

    @property
    def label(self) -> str:
        if self.is_unfinished and self.is_troubled:
            return self.SENDING_WITH_TROUBLE
        return self.COMPLETED_WITH_ERRORS if self.has_errors else self.get_state_display()

    @property
    def level(self) -> Level:
        if self.is_unfinished and self.is_troubled:
            return Level.ERROR
        if self.has_errors:
            return Level.WARNING
        return self.LEVELS.get(self.State(self.state), Level.NEUTRAL)

    def move(self, to: State, *, of: tuple[State, ...]) -> None:
        """Move to `to`. Raises IllegalMove if the row is in none of `of` by now."""
        if not Import.objects.filter(pk=self.pk, state__in=of).update(state=to):
            raise IllegalMove(f"Import {self.pk} cannot become {to}.")
        self.state = to

    def reopen(self) -> None:
        """Return to `forwarding` because a batch continues. No effect if it is there already."""
        ended = Import.objects.filter(pk=self.pk, state=self.State.NEEDS_ATTENTION)
        ended.update(state=self.State.FORWARDING)


class Image(models.Model):
    """A file that a person gave: accepted and stored, or rejected (`left_out`) with a reason code.

    In a draft, an accepted image may be set aside: left out with one of ASIDE as its reason, and
    with its bytes, so that it can be taken back until the draft is signed.

    Once destroyed (`destroyed_at`), the bytes are gone; the row and its hash remain.
    """

    class State(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        LEFT_OUT = "left_out", "Rejected"

    REMOVED, ALREADY_SENT = "removed", "already_sent"
    ASIDE = (REMOVED, ALREADY_SENT)

    face_import = models.ForeignKey(
        Import,
        on_delete=models.PROTECT,
        related_name="files",
        db_index=False,  # other indexes begin with it
    )
    # Names the image in addresses and at Persona: an original name often holds a person's.
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    original_name = models.TextField(help_text="As the person gave it; never used as a path.")
    sort_name = models.CharField(max_length=200, help_text="orders names as people expect")
    byte_size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64, blank=True)
    format = models.CharField(max_length=4, blank=True, help_text="JPEG or PNG")
    width = models.PositiveIntegerField(default=0, help_text="pixels")
    height = models.PositiveIntegerField(default=0, help_text="pixels")
    state = models.CharField(max_length=10, choices=State)
    reason = models.CharField(max_length=30, blank=True, help_text="why it was rejected: a code")
    explanation = models.TextField(blank=True, help_text="the same in a sentence")
    storage_key = models.CharField(max_length=100, blank=True)
    thumbnail_key = models.CharField(max_length=100, blank=True)
    uploaded_at = models.DateTimeField(auto_now_add=True)
    destroyed_at = models.DateTimeField(null=True)
    # The entry: what is said about the person. Sealed with the import.
    subject_reference = models.CharField(max_length=200, blank=True)
    case_reference = models.CharField(max_length=200, blank=True)
    listing_reason = models.CharField(max_length=30, choices=ListingReason, blank=True)
    note = models.TextField(max_length=2000, blank=True)
    included_because = models.CharField(
        max_length=500, blank=True, help_text="why it is sent although the list has it already"
    )
    batch = models.ForeignKey(
        "importers.Batch", on_delete=models.PROTECT, null=True, related_name="images"
    )

    sent_in: int  # only on rows that `intake.known` found at the list: the import that sent it

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["face_import", "state", "sort_name"], name="image_import_state"),
            models.Index(fields=["sha256"], name="image_sha256"),
            # In the order of a search's answer, so that it can stop early (`reporting.search`).
            models.Index(
                fields=["subject_reference", "face_import", "id"],
                condition=~Q(subject_reference=""),
                name="image_subject",
            ),
            models.Index(
                fields=["case_reference", "face_import", "id"],
                condition=~Q(case_reference=""),
                name="image_case",
            ),
            models.Index(NAME_BEGINNING, "face_import", "id", name="image_name"),
            models.Index(
                fields=["destroyed_at"],
                condition=Q(destroyed_at__isnull=False),
                name="image_destroyed",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["face_import", "sha256"],
                condition=Q(state="accepted"),
                name="same_bytes_once_in_an_import",
            ),
            models.CheckConstraint(
                condition=Q(state="accepted", reason="") | (Q(state="left_out") & ~Q(reason="")),
                name="left_out_has_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"Image {self.key}"

    @property
    def base_name(self) -> str:
        return base_name(self.original_name)

    @property
    def folder(self) -> str:
        """Return the folders that the file was dropped with, without its base name."""
        return self.original_name.removesuffix(self.base_name).rstrip("/\\")

    @property
    def sent_name(self) -> str:
        """The name that Persona shows. Neutral: an original name often holds a person's name."""
        return f"{self.key}.{self.storage_key.rpartition('.')[2]}"

    @property
    def content_type(self) -> str:
        return f"image/{self.format.lower()}"
