"""The attestation as a JSON file, for `import_faces --attestation`."""

import json
from typing import Any

from django.utils.datastructures import MultiValueDict

from importers.forms.consent import AttestationForm

TEMPLATE = {
    "lawful_basis": "consent",
    "jurisdictions": ["us-il", "us-tx"],
    "purpose": "To recognise people confirmed to have committed fraud, for three years.",
    "consent_from": "2026-01-05",
    "consent_to": "2026-03-31",
    "notice_version": "Biometric notice 4.2, 1 December 2025",
    "image_source": "customer_upload",
    "evidence_reference": "Case folder FR-2026-014",
    "adults_only": True,
    "typed_name": "Maya Okafor",
    "attested": True,
}
KINDS = {str: "text", list: "a list", bool: "true or false"}


def parse(text: str) -> AttestationForm:
    """Return the page's form, filled from the file. Raises ValueError if it is not valid.

    A value of the wrong type is refused, because a form would accept it: "no" would be a tick.
    """
    given: Any = json.loads(text)
    if not isinstance(given, dict):
        raise ValueError("it is not a JSON object")
    for name, value in given.items():
        if name not in TEMPLATE:
            raise ValueError(f"there is no field {name!r}")
        if value is not None and type(value) is not type(TEMPLATE[name]):
            raise ValueError(f"{name} must be {KINDS[type(TEMPLATE[name])]}")
    values = {name: value if isinstance(value, list) else [value] for name, value in given.items()}
    return AttestationForm(MultiValueDict(values))
