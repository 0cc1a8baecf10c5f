"""The attestation as a JSON file, for `import_faces --attestation`."""

import json
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.datastructures import MultiValueDict

from importers.consent import bases
from importers.consent.attestation import Signature
from importers.forms.consent import AttestationForm, checked_name
from importers.forms.entries import DefaultEntryForm
from importers.models import Attestation, Import, Person
from importers.models.consent import LawfulBasis

EVERY_BASIS = {
    "image_source": "customer_upload",
    "purpose": "To recognise these people when they apply for a new account.",
    "evidence_reference": "Case folder FR-2026-014",
    "adults_only": True,
    "listing_reason": "confirmed_fraud",
    "case_reference": "FR-2026-014",
    "note": "",
    "mode": "bulk",
}
OF_CONSENT = {
    "evidence_kind": "electronic_signature",
    "notice_version": "Biometric notice 4.2, 1 December 2025",
    "consent_from": "2026-01-05",
    "consent_to": "2026-03-31",
    "withdrawal_route": "https://www.example.com/privacy",
}
OF_OTHERS = {
    "decided_by": "Ada Lindqvist, Data Protection Officer",
    "decided_on": "2026-01-05",
    "assessment_reference": "DPIA-2026-003",
    "informed_on": None,
    "not_informed_reason": "It would prejudice an investigation under way.",
}
OF_BASIS: dict[LawfulBasis, dict[str, Any]] = {
    LawfulBasis.CONSENT: {"jurisdictions": ["us-il", "us-tx"], **OF_CONSENT},
    LawfulBasis.FRAUD_EXEMPTION: {
        "jurisdictions": ["us-tx"],
        "law": "Tex. Bus. & Com. Code 503.001(e)(3)",
        **OF_OTHERS,
    },
    LawfulBasis.FINANCIAL_INSTITUTION: {
        "jurisdictions": ["us-wa"],
        "law": "RCW 19.375.040",
        **OF_OTHERS,
    },
    LawfulBasis.PUBLIC_INTEREST: {
        "jurisdictions": ["uk"],
        "law": "Data Protection Act 2018, Sch. 1 para. 14",
        **OF_OTHERS,
        "article_6_ground": "6(1)(f)",
        "article_9_ground": "9(2)(g)",
    },
    LawfulBasis.LEGAL_CLAIMS: {
        "jurisdictions": ["eu"],
        "law": "GDPR Art. 9(2)(f)",
        **OF_OTHERS,
        "article_6_ground": "6(1)(f)",
        "article_9_ground": "9(2)(f)",
    },
    LawfulBasis.LEGAL_OBLIGATION: {
        "jurisdictions": ["us"],
        "law": "The act and section that oblige you",
        **OF_OTHERS,
    },
}
KINDS = {str: "text", list: "a list", bool: "true or false", type(None): "text"}
SIGNED = {"typed_name": "", "attested": False}


def template(basis: LawfulBasis) -> dict[str, Any]:
    """Return an example, valid once the signature (the last two fields) is filled in."""
    places = OF_BASIS[basis]["jurisdictions"]
    term = bases.suggested_term(places).ends(date.today())
    answers = {"term_ends_on": term.isoformat()} | OF_BASIS[basis] | EVERY_BASIS
    filled = Attestation(lawful_basis=basis, jurisdictions=places, term_ends_on=term)
    warnings = bases.warnings(filled, date.today())
    return {"lawful_basis": basis.value, **answers, "warnings": warnings, **SIGNED}


def parse(text: str) -> dict[str, Any]:
    """Return what the file holds. Raises ValueError if it is not an attestation.

    A value of the wrong type is refused, because a form would accept it: "no" would be a tick.
    """
    given: Any = json.loads(text)
    if not isinstance(given, dict):
        raise ValueError("it is not a JSON object")
    known = {name: value for basis in LawfulBasis for name, value in template(basis).items()}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"there is no field {name!r}")
        kind = KINDS[type(known[name])]
        if value is not None and KINDS.get(type(value)) != kind:
            raise ValueError(f"{name} must be {kind}")
    return given


def signature(given: dict[str, Any], person: Person) -> Signature:
    """Return what the person signs by that file. Raises ValidationError with all that is wrong."""
    values = MultiValueDict(
        {
            name: value if isinstance(value, list) else [value]
            for name, value in given.items()
            if value is not None
        }
    )
    answers, entry = AttestationForm(values), DefaultEntryForm(values)
    errors: dict[str, Any] = {}
    for form in (answers, entry):
        errors |= {name: list(found) for name, found in form.errors.items()}
    if given.get("attested") is not True:
        errors["attested"] = "Set it to true to attest to the statement."
    if given.get("mode") not in (None, *Import.Mode):
        errors["mode"] = f"Choose one of {', '.join(Import.Mode)}."
    try:
        answers.instance.typed_name = checked_name(given.get("typed_name") or "", person)
    except ValidationError as error:
        errors["typed_name"] = error.messages
    if not answers.errors:
        answers.instance.warnings = bases.warnings(answers.instance, date.today())
        confirmed = given.get("warnings") or []
        if missing := [one for one in answers.instance.warnings if one not in confirmed]:
            errors["warnings"] = [f"To confirm it, list: {sentence}" for sentence in missing]
    if errors:
        raise ValidationError(errors)
    mode = Import.Mode(given.get("mode") or Import.Mode.BULK)
    return Signature(answers.instance, entry.entry(), None, mode)
