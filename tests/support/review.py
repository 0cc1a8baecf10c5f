"""Saving the answers of a draft and signing its review, as a person does without a script."""

from typing import Any

from django.test import Client
from django.urls import reverse

from importers.models import Import
from tests.support.attestations import typed
from tests.support.pages import values_of
from tests.support.people import PASSWORD

SHOWN = (*("account_id", "face_list_id", "statement_version", "answers_sha256", "manifest_sha256"),)


def save(client: Client, draft: Import, basis: str = "consent", **changes: Any) -> Any:
    """Save complete answers with these changes."""
    return client.post(reverse("import_answers", args=[draft.pk]), typed(basis, **changes))


def review(client: Client, draft: Import) -> str:
    """Return the HTML of the review."""
    answer = client.get(reverse("import_attest", args=[draft.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def signature_on(html: str, **changes: Any) -> dict[str, Any]:
    """Return what a person sends who signs that review; None removes a field."""
    shown = {name: values_of(html, name)[0] for name in SHOWN}
    signed = {
        "warnings": values_of(html, "warnings"),
        "mode": "bulk",
        "attested": "on",
        "typed_name": "Maya Okafor",
        "password": PASSWORD,
    }
    return {name: value for name, value in (shown | signed | changes).items() if value is not None}


def sign(client: Client, draft: Import, html: str = "", **changes: Any) -> Any:
    """Sign the review as that HTML shows it, or as it is now."""
    signed = signature_on(html or review(client, draft), **changes)
    return client.post(reverse("import_attest", args=[draft.pk]), signed)
