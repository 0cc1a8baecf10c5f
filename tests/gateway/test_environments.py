"""The Persona environment to which the settings lead."""

import pytest
from pytest_django import Settings

from importers.gateway import environments
from importers.models import Environment

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("key", "environment"),
    [
        ("persona_sandbox_abc", Environment.SANDBOX),
        ("persona_production_abc", Environment.PRODUCTION),
        ("something_else", Environment.UNNAMED),
    ],
)
def test_environment_follows_the_prefix_of_the_key(
    settings: Settings, key: str, environment: Environment
) -> None:
    settings.PERSONA_IS_LOCAL, settings.PERSONA_API_KEY = False, key
    assert environments.current() == environment


def test_local_persona_is_local_with_any_key(settings: Settings) -> None:
    settings.PERSONA_IS_LOCAL, settings.PERSONA_API_KEY = True, "persona_production_abc"
    assert environments.current() == Environment.LOCAL
