"""Settings read from an environment that a test chooses."""

from collections.abc import Callable
from types import ModuleType

import pytest
from django.core.exceptions import ImproperlyConfigured

KEY = "k" * 60
PRODUCTION = {"SECRET_KEY": KEY, "PERSONA_API_KEY": "persona_production_abc"}
Load = Callable[..., ModuleType]


def refusal(load: Load, **environment: str) -> str:
    """Return the message with which the settings refuse this environment."""
    with pytest.raises(ImproperlyConfigured) as caught:
        load(**environment)
    return str(caught.value)
