from django.conf import settings
from django.db import models

from importers.models.environments import Environment
from importers.models.imports import Import


class Statement(models.Model):
    """The wording that a person attests to. A new wording is a new version; none is edited."""

    version = models.PositiveIntegerField(unique=True)
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-version"]

    def __str__(self) -> str:
        return f"Version {self.version}"


class LawfulBasis(models.TextChoices):
    CONSENT = "consent", "The subjects' explicit consent (written release)"
    FRAUD_EXEMPTION = "fraud_exemption", "Fraud or security exemption of the law that applies"
    FINANCIAL_INSTITUTION = "financial_institution", "Financial institution under GLBA Title V"
    PUBLIC_INTEREST = "public_interest", "Substantial public interest under law (GDPR Art. 9(2)(g))"
    LEGAL_CLAIMS = "legal_claims", "Legal claims (GDPR Art. 9(2)(f))"


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
    CUSTOMER_UPLOAD = "customer_upload", "Sent to us by the subjects themselves"
    OWN_CAPTURE = "own_capture", "Captured by us (camera, onboarding)"
    VENDOR_FLOW = "vendor_flow", "Captured in an identity vendor's flow"
    LAW_ENFORCEMENT = "law_enforcement", "Received from law enforcement"
    PARTNER = "partner", "Received from another organisation"
    PUBLIC_WEB = "public_web", "Published by the subjects themselves"


class Attestation(models.Model):
    """A person's answers and the images that they cover. Sealed once, never edited.

    `seal` is the SHA-256 over the fields that `seal_version` names (`consent.seal`), and
    `manifest_sha256` that of the manifest in the form that `manifest_version` names
    (`consent.manifest`). The fields follow ISO/IEC TS 27560:2023, 740 ILCS 14/15(b) and
    GDPR Art. 7(1).
    """

    face_import = models.OneToOneField(
        Import, on_delete=models.PROTECT, related_name="attestation", primary_key=True
    )
    statement_version = models.PositiveIntegerField()
    statement_text = models.TextField(help_text="The exact text that was shown.")
    lawful_basis = models.CharField(max_length=30, choices=LawfulBasis)
    jurisdictions = models.JSONField(help_text="a list of Jurisdiction values")
    purpose = models.TextField()
    consent_from = models.DateField(null=True)
    consent_to = models.DateField(null=True)
    notice_version = models.CharField(max_length=200)
    image_source = models.CharField(max_length=30, choices=ImageSource)
    adults_only = models.BooleanField()
    evidence_reference = models.CharField(max_length=500)

    manifest_sha256 = models.CharField(max_length=64)
    image_count = models.PositiveIntegerField()
    # Copies: a list or an account may be renamed later.
    environment = models.CharField(max_length=10, choices=Environment)
    list_persona_id = models.CharField(max_length=100)
    list_name = models.CharField(max_length=200, blank=True)
    typed_name = models.CharField(max_length=200)
    signed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="attestations"
    )
    signed_by_username = models.CharField(max_length=150)
    signed_at = models.DateTimeField()
    signed_from = models.CharField(max_length=100, help_text="IP address, or 'command line'")
    sign_in_method = models.CharField(max_length=50)
    manifest_version = models.PositiveSmallIntegerField()
    seal_version = models.PositiveSmallIntegerField()
    seal = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"Attestation of import {self.face_import_id}"

    def get_jurisdictions_display(self) -> str:
        return ", ".join(Jurisdiction(value).label for value in self.jurisdictions)
