"""Calls of `manage.py import_faces` that are refused: exit 2, one sentence, nothing sent."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from importers.consent import bases
from importers.gateway import breaker
from importers.local_persona import LocalPersona
from importers.models import Attestation, FaceList, Gateway, Import, Person, Role
from tests.support.attestations import SIGNATURE
from tests.support.forwarding import share_is_used
from tests.support.import_faces import import_faces, sent_batches
from tests.support.people import make_person
from tests.support.pictures import draw

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_is_sent(persona: LocalPersona, db: None) -> Iterator[None]:
    """Check after each test that no import was made and no batch was sent."""
    yield
    assert not Import.objects.exists()
    assert not Attestation.objects.exists()
    assert sent_batches(persona) == []


def write(attestation: Path, basis: str, **changes: object) -> None:
    """Write the signed template of a basis with these changes."""
    template = json.loads(import_faces("--attestation-template", "--basis", basis).out)
    attestation.write_text(json.dumps(template | SIGNATURE | changes))


def refusal(*arguments: object) -> str:
    outcome = import_faces(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.endswith((".", "again."))
    return outcome.err


@pytest.mark.parametrize(
    "option",
    ["--list", "--user", "--attestation"],
)
def test_missing_option_is_refused(option: str, folder: Path, options: tuple[object, ...]) -> None:
    index = options.index(option)
    others = (*options[:index], *options[index + 2 :])
    assert refusal(folder, *others) == f"{option} is missing. Nothing was sent."


def test_missing_path_is_refused(options: tuple[object, ...]) -> None:
    assert refusal(*options) == "PATH is missing. Nothing was sent."


def test_unknown_person_is_refused(folder: Path, options: tuple[object, ...]) -> None:
    assert "no active account named 'nobody'" in refusal(folder, *options, "--user", "nobody")


def test_deactivated_person_is_refused(folder: Path, options: tuple[object, ...]) -> None:
    Person.objects.update(is_active=False)
    assert "no active account named 'officer'" in refusal(folder, *options)


def test_person_who_may_not_make_imports_is_refused(
    folder: Path, options: tuple[object, ...]
) -> None:
    make_person("auditor", Role.AUDITOR)
    assert "'auditor' may not make imports" in refusal(folder, *options, "--user", "auditor")


def test_missing_file_is_refused_beside_a_good_one(
    folder: Path, options: tuple[object, ...]
) -> None:
    missing = folder / "no-such.jpg"
    assert refusal(folder, missing, *options) == f"{missing} does not exist. Nothing was sent."


def test_list_unknown_to_persona_is_refused(
    folder: Path, options: tuple[object, ...], persona: LocalPersona
) -> None:
    text = refusal(folder, *options, "--list", "lst_nobodyKnows")
    assert "Persona has no list" in text
    assert [request.path.rpartition("/")[2] for request in persona.requests()] == [
        "lst_nobodyKnows"
    ]


def test_list_without_faces_is_refused(
    folder: Path, options: tuple[object, ...], persona: LocalPersona
) -> None:
    other = persona.add_list("Addresses", kind="list/email-address")
    assert "is not a face list" in refusal(folder, *options, "--list", other)


def test_list_archived_here_is_refused(folder: Path, options: tuple[object, ...]) -> None:
    FaceList.objects.update(archived=True)
    assert "The list Known fraud is archived" in refusal(folder, *options)


def test_list_archived_at_persona_is_refused(
    folder: Path, options: tuple[object, ...], persona: LocalPersona
) -> None:
    archived = persona.add_list("Old fraud", archived=True)
    assert "Old fraud is archived" in refusal(folder, *options, "--list", archived)


def test_list_that_cannot_be_looked_up_is_refused(
    folder: Path, options: tuple[object, ...], persona: LocalPersona
) -> None:
    unread = persona.add_list("Not read yet")
    persona.faults.inject("unauthorized")
    assert "Token is invalid" in refusal(folder, *options, "--list", unread)
    Gateway.objects.update(**breaker.CLOSED)
    Gateway.objects.update(rate_limit=2)
    share_is_used(1)
    assert "No request to Persona is possible now. Try again in" in refusal(
        folder, *options, "--list", unread
    )


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "null", '"text"', "\ufeff{}", "{}" * 2, '{"attested": {}}']
)
def test_file_that_is_no_attestation_is_refused(
    text: str, folder: Path, options: tuple[object, ...], attestation: Path
) -> None:
    attestation.write_text(text)
    message = refusal(folder, *options)
    assert "is not an attestation" in message or "not complete" in message


def test_missing_attestation_file_is_refused(
    folder: Path, options: tuple[object, ...], tmp_path: Path
) -> None:
    message = refusal(folder, *options, "--attestation", tmp_path / "none.json")
    assert "--attestation-template prints an example" in message


def test_binary_attestation_is_refused(
    folder: Path, options: tuple[object, ...], attestation: Path
) -> None:
    attestation.write_bytes(draw(1))
    assert "is not an attestation" in refusal(folder, *options)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("attested", False),
        ("attested", None),
        ("adults_only", False),
        ("lawful_basis", "because"),
        ("jurisdictions", []),
        ("jurisdictions", ["mars"]),
        ("purpose", ""),
        ("consent_from", "2999-01-01"),
        ("consent_from", "0001-01-01"),
        ("term_ends_on", "2026-01-01"),
        ("listing_reason", "because"),
        ("mode", "by_post"),
        ("typed_name", "Donald Duck"),
        ("typed_name", None),
        ("evidence_reference", None),
    ],
)
def test_attestation_with_a_wrong_answer_is_refused(
    field: str, value: object, folder: Path, options: tuple[object, ...], attestation: Path
) -> None:
    attestation.write_text(json.dumps(json.loads(attestation.read_text()) | {field: value}))
    message = refusal(folder, *options)
    assert message.startswith("The attestation is incomplete. ")
    assert f" {field}: " in message


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("attested", "no", "attested must be true or false"),
        ("adults_only", 0, "adults_only must be true or false"),
        ("jurisdictions", "us-il", "jurisdictions must be a list"),
        ("warnings", "yes", "warnings must be a list"),
        ("purpose", ["one", "two"], "purpose must be text"),
        ("typed_name", 7, "typed_name must be text"),
        ("consent_until", "2026-03-31", "there is no field 'consent_until'"),
    ],
)
def test_attestation_with_a_wrong_type_is_refused(
    field: str,
    value: object,
    problem: str,
    folder: Path,
    options: tuple[object, ...],
    attestation: Path,
) -> None:
    attestation.write_text(json.dumps(json.loads(attestation.read_text()) | {field: value}))
    assert f"is not an attestation ({problem})" in refusal(folder, *options)


@pytest.mark.parametrize("field", ["attested", "typed_name", "lawful_basis", "adults_only"])
def test_attestation_without_an_answer_is_refused(
    field: str, folder: Path, options: tuple[object, ...], attestation: Path
) -> None:
    answers = json.loads(attestation.read_text())
    del answers[field]
    attestation.write_text(json.dumps(answers))
    assert f"{field}: " in refusal(folder, *options)


def test_basis_that_a_jurisdiction_refuses_is_refused(
    folder: Path, options: tuple[object, ...], attestation: Path
) -> None:
    (sentence,) = bases.refusals("fraud_exemption", ["us-il"])
    write(attestation, "fraud_exemption", jurisdictions=["us-tx", "us-il"])
    assert f"lawful_basis: {sentence}" in refusal(folder, *options)


def test_warning_that_is_not_confirmed_is_refused_with_its_sentence(
    folder: Path, options: tuple[object, ...], attestation: Path
) -> None:
    (sentence,) = bases.cautions("fraud_exemption", ["us-tx"])
    for confirmed in ([], ["I confirm everything."], None):
        write(attestation, "fraud_exemption", warnings=confirmed)
        assert f"warnings: To confirm it, list: {sentence}" in refusal(folder, *options)


def test_account_without_a_full_name_cannot_sign(
    folder: Path, options: tuple[object, ...], attestation: Path
) -> None:
    Person.objects.update(first_name="", last_name="")
    assert "Your account has no full name" in refusal(folder, *options)
