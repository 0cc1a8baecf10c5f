import importlib.util
import os
import shutil
from pathlib import Path
from types import ModuleType

import pytest
from django.conf import settings as project

from tests.support.settings import Load


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load the settings from only the given environment, in a copy with a var/ of its own."""
    copy = tmp_path / "config" / "settings.py"
    copy.parent.mkdir()
    shutil.copy(Path(project.BASE_DIR, "config", "settings.py"), copy)

    def load(**environment: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location("settings_under_test", copy)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        with monkeypatch.context() as patch:
            patch.setattr(os, "environ", environment)
            spec.loader.exec_module(module)
        return module

    return load
