from django.db import models

from importers.models.environments import Environment
from importers.models.imports import Import
from importers.models.people import Person


class LawfulBasis(models.TextChoices):
    __empty__ = "Choose the basis"
    CONSENT = "consent", "The subjects' explicit consent (written release)"
    FRAUD_EXEMPTION = "fraud_exemption", "Fraud or security exemption of the law that applies"
    FINANCIAL_INSTITUTION = "financial_institution", "Financial institution under GLBA Title V"
    PUBLIC_INTEREST = "public_interest", "Substantial public interest under law (GDPR Art. 9(2)(g))"
    LEGAL_CLAIMS = "legal_claims", "Legal claims (GDPR Art. 9(2)(f))"
    LEGAL_OBLIGATION = "legal_obligation", "Legal obligation"


class Jurisdiction(models.TextChoices):
    ILLINOIS = "us-il", "Illinois (BIPA)"
    TEXAS = "us-tx", "Texas (CUBI)"
    WASHINGTON = "us-wa", "Washington"
    COLORADO = "us-co", "Colorado"
    UNITED_STATES = "us", "Elsewhere in the United States"
    EUROPEAN_UNION = "eu", "EU or EEA (GDPR)"
    UNITED_KINGDOM = "uk", "United Kingdom (UK GDPR)"
    OTHER = "other", "Elsewhere"


class ImageSource(models.TextChoices):
    __empty__ = "Choose the source"
    CUSTOMER_UPLOAD = "customer_upload", "Sent to us by the subjects themselves"
    OWN_CAPTURE = "own_capture", "Captured by us (camera, onboarding)"
    VENDOR_FLOW = "vendor_flow", "Captured in an identity vendor's flow"
    LAW_ENFORCEMENT = "law_enforcement", "Received from law enforcement"
    PARTNER = "partner", "Received from another organisation"
    PUBLIC_WEB = "public_web", "Published by the subjects themselves"


class EvidenceKind(models.TextChoices):
    """How the subjects' consent was recorded: 740 ILCS 14/10, "written release"."""

    __empty__ = "Choose how"
    WRITTEN_RELEASE = "written_release", "Release signed on paper"
    ELECTRONIC_SIGNATURE = "electronic_signature", "Electronic signature"
    VENDOR_FLOW = "vendor_flow", "Consent given in an identity vendor's flow"


class Article6(models.TextChoices):
    """GDPR Art. 6(1)."""

    __empty__ = "Choose the ground"
    CONSENT = "6(1)(a)", "6(1)(a) consent"
    CONTRACT = "6(1)(b)", "6(1)(b) contract"
    LEGAL_OBLIGATION = "6(1)(c)", "6(1)(c) legal obligation"
    PUBLIC_TASK = "6(1)(e)", "6(1)(e) public task"
    LEGITIMATE_INTERESTS = "6(1)(f)", "6(1)(f) legitimate interests"


class Article9(models.TextChoices):
    """GDPR Art. 9(2)."""

    __empty__ = "Choose the ground"
    CONSENT = "9(2)(a)", "9(2)(a) explicit consent"
    EMPLOYMENT = "9(2)(b)", "9(2)(b) employment and social security law"
    LEGAL_CLAIMS = "9(2)(f)", "9(2)(f) legal claims"
    PUBLIC_INTEREST = "9(2)(g)", "9(2)(g) substantial public interest"


class Statement(models.Model):
    """The wording that a person attests to for one basis.

    A new wording is a new version; none is edited.
    """

    lawful_basis = models.CharField(max_length=30, choices=LawfulBasis)
    version = models.PositiveIntegerField()
    text = models.TextField()
    published_at = models.DateTimeField(auto_now_add=True)
    published_by = models.ForeignKey(
        Person,
        on_delete=models.PROTECT,
        null=True,
        help_text="none for the first version, which is ours",
    )

    class Meta:
        ordering = ["lawful_basis", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["lawful_basis", "version"], name="statement_version_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_lawful_basis_display()}, version {self.version}"


class Attestation(models.Model):
    """A person's answers and the images that they cover. Sealed once, never edited.

    `seal` is the SHA-256 over the fields that `seal_version` names (`consent.seal`), and
    `manifest_sha256` that of the manifest in the form that `manifest_version` names
    (`consent.manifest`). An answer that the basis does not ask for is empty (`consent.bases`).
    `docs/consent-record.md` says for each field which clause asks for it.
    """

    face_import = models.OneToOneField(
        Import, on_delete=models.PROTECT, related_name="attestation", primary_key=True
    )

    # For every basis.
    lawful_basis = models.CharField("Lawful basis", max_length=30, choices=LawfulBasis)
    jurisdictions = models.JSONField("Subjects' jurisdictions", help_text="Jurisdiction values")
    image_source = models.CharField("Source of the images", max_length=30, choices=ImageSource)
    purpose = models.TextField("Specific purpose", max_length=2000)
    term_ends_on = models.DateField("Keep until")
    evidence_reference = models.CharField("Evidence location", max_length=500)
    adults_only = models.BooleanField("Every person shown is an adult")
    # Consent.
    evidence_kind = models.CharField(
        "How consent was recorded", max_length=30, choices=EvidenceKind, blank=True
    )
    notice_version = models.CharField("Notice version", max_length=200, blank=True)
    consent_from = models.DateField("Consent given on or from", null=True, blank=True)
    consent_to = models.DateField("Consent given until", null=True, blank=True)
    withdrawal_route = models.CharField("How consent is withdrawn", max_length=500, blank=True)
    # Any other basis.
    law = models.CharField("Law and paragraph", max_length=500, blank=True)
    decided_by = models.CharField("Decided by", max_length=200, blank=True)
    decided_on = models.DateField("Decided on", null=True, blank=True)
    assessment_reference = models.CharField("Assessment", max_length=500, blank=True)
    informed_on = models.DateField("Subjects informed on", null=True, blank=True)
    not_informed_reason = models.CharField("Why they were not informed", max_length=500, blank=True)
    # Where GDPR or UK GDPR applies.
    article_6_ground = models.CharField(
        "Ground under Article 6", max_length=10, choices=Article6, blank=True
    )
    article_9_ground = models.CharField(
        "Ground under Article 9", max_length=10, choices=Article9, blank=True
    )
    warnings = models.JSONField(
        "Warnings confirmed", default=list, help_text="the sentences that the signer confirmed"
    )

    statement_version = models.PositiveIntegerField()
    statement_text = models.TextField(help_text="The exact text that was shown.")
    manifest_version = models.PositiveSmallIntegerField()
    manifest_sha256 = models.CharField(max_length=64)
    image_count = models.PositiveIntegerField()
    # Copies: a list or an account may be renamed later.
    environment = models.CharField(max_length=10, choices=Environment)
    list_persona_id = models.CharField(max_length=100)
    list_name = models.CharField(max_length=200, blank=True)
    typed_name = models.CharField(max_length=301)
    signed_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="attestations")
    signed_by_username = models.CharField(max_length=150)
    signed_at = models.DateTimeField()
    signed_from = models.CharField(max_length=100, help_text="IP address, or 'command line'")
    sign_in_method = models.CharField(max_length=100)
    seal_version = models.PositiveSmallIntegerField()
    seal = models.CharField(max_length=64)

    class Meta:
        indexes = [models.Index(fields=["evidence_reference"], name="attestation_evidence")]

    def __str__(self) -> str:
        return f"Attestation of import {self.face_import_id}"

    def get_jurisdictions_display(self) -> str:
        return ", ".join(Jurisdiction(value).label for value in self.jurisdictions)
