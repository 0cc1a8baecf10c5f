"""The wording that a person attests to, one for each lawful basis, version by version."""

from hashlib import sha256
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.models import Statement
from importers.models.consent import LawfulBasis

IMAGE = """\
I attest, on behalf of my organisation, for every image in this import:

1. Each image shows the face of one person, every such person is an adult, and I have the right \
to use the image."""
CONSENT = f"""\
{IMAGE}
2. Before the image was collected, the person was informed in writing that biometric data would \
be collected and stored, for which specific purpose and for how long; and the person gave a \
written release or explicit consent.
3. That notice and that consent cover disclosing the image to Persona Identities, Inc., which \
processes it on our behalf and will derive a face template from it, to compare it with new \
identity checks.
4. The releases named in this attestation exist, and I can produce one for each person.
5. I know how a person can withdraw consent or ask for removal, and that the image must then be \
removed from the list.

My typed name is my electronic signature under this statement and these images."""
WITHOUT_CONSENT = """\
{image}
2. This listing does not rely on the person's consent. {ground}
3. The person named in this attestation decided this on the date and after the assessment named \
there.
4. The law named in this attestation allows us to disclose the image to Persona Identities, Inc., \
which processes it on our behalf and will derive a face template from it, to compare it with new \
identity checks.
5. This attestation says when the person was informed of the listing, or why they were not.
6. The evidence named in this attestation exists, and it supports the reason given for each image.
7. I know how a person can object or ask for correction or removal, and that the image must be \
removed when its reason no longer holds or its term ends.

My typed name is my electronic signature under this statement and these images."""
GROUNDS = {
    LawfulBasis.FRAUD_EXEMPTION: "The image is used to prevent, detect or respond to fraud or "
    "another security incident, and for nothing else; and the law and paragraph named in this "
    "attestation exempt that use from consent.",
    LawfulBasis.FINANCIAL_INSTITUTION: "My organisation is a financial institution, or an "
    "affiliate of one, that is subject to Title V of the Gramm-Leach-Bliley Act; and the law and "
    "paragraph named in this attestation exempt it for that reason.",
    LawfulBasis.PUBLIC_INTEREST: "The listing is necessary for reasons of substantial public "
    "interest, on the basis of the law and paragraph named in this attestation, and is "
    "proportionate to that aim.",
    LawfulBasis.LEGAL_CLAIMS: "The listing is necessary to establish, exercise or defend the legal "
    "claims that the case references of these images name.",
    LawfulBasis.LEGAL_OBLIGATION: "The law and paragraph named in this attestation oblige my "
    "organisation to list the person.",
}
FIRST = {LawfulBasis.CONSENT: CONSENT} | {
    basis: WITHOUT_CONSENT.format(image=IMAGE, ground=ground) for basis, ground in GROUNDS.items()
}


class Unchanged(Exception):
    """The text is that of the version in force."""


class Outdated(Exception):
    """Another version is in force now than the one that the author saw."""


def publish_first(using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """Publish version 1 in a new database. Runs after each `migrate`, and never changes a row."""
    # `migrate` may have been limited to another app, or may have removed the tables.
    if Statement._meta.db_table in connections[using].introspection.table_names():
        for basis, text in FIRST.items():
            Statement.objects.using(using).get_or_create(
                lawful_basis=basis, version=1, defaults={"text": text}
            )


def publish(basis: str, text: str, actor: Actor, *, based_on: int) -> Statement:
    """Publish a new version, which is in force at once. Raises Unchanged or Outdated.

    `based_on` is the version that the author saw in force.
    """
    versions = Statement.objects.filter(lawful_basis=basis)
    with transaction.atomic():
        # Everyone who publishes locks the first version, and only then reads the newest: a query
        # that waits for a lock does not see rows that were added meanwhile.
        versions.select_for_update().earliest("version")
        newest = versions.latest("version")
        if newest.text == text:
            raise Unchanged
        if newest.version != based_on:
            raise Outdated
        published = Statement.objects.create(
            lawful_basis=basis, version=newest.version + 1, text=text, published_by=actor.person
        )
        trail.append(
            actor,
            Action.STATEMENT_PUBLISHED,
            published,
            basis=basis,
            version=published.version,
            text_sha256=sha256(text.encode()).hexdigest(),
        )
    return published


def by_basis() -> dict[LawfulBasis, list[Statement]]:
    """Return the versions of each basis, the one in force first."""
    found: dict[LawfulBasis, list[Statement]] = {basis: [] for basis in LawfulBasis}
    for statement in Statement.objects.select_related("published_by").order_by("-version"):
        found[LawfulBasis(statement.lawful_basis)].append(statement)
    return found


def in_force(basis: str) -> Statement:
    """Return the newest version."""
    return Statement.objects.filter(lawful_basis=basis).latest("version")


def published(basis: str, version: int) -> Statement:
    return Statement.objects.get(lawful_basis=basis, version=version)
