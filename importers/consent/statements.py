"""The wording that a person attests to, version by version."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from importers.models import Statement

FIRST_STATEMENT = """\
I attest, on behalf of my organisation, for every image in this import:

1. Each image shows the face of one person, every such person is an adult, and I have the right \
to use the image.
2. Before the image was collected, the person was informed in writing that biometric data would \
be collected and stored, for which specific purpose and for how long; and the person gave a \
written release or explicit consent, or another lawful basis applies, which I name in this \
attestation.
3. That notice and that consent or basis cover disclosing the image to Persona Identities, Inc., \
which processes it on our behalf and will derive a face template from it, to compare it with new \
identity checks.
4. The evidence named in this attestation exists, and I can produce it for each person.
5. I know how a person can withdraw consent or ask for removal, and that the image must then be \
removed from the list.

My typed name is my electronic signature under this statement and these images."""


def publish_first(using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """Publish version 1 in a new database. Runs after each `migrate`, and never changes a row."""
    # `migrate` may have been limited to another app, or may have removed the tables.
    if Statement._meta.db_table in connections[using].introspection.table_names():
        first = {"text": FIRST_STATEMENT}
        Statement.objects.using(using).get_or_create(version=1, defaults=first)


def in_force() -> Statement:
    """Return the newest version."""
    return Statement.objects.latest("version")
