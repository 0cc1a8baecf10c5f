"""Static files in production: every name that a page loads holds the file's hash."""

import re
from pathlib import Path

from django.core.management import call_command
from pytest_django import Settings


def test_modules_import_each_other_by_hashed_names(settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "config.static_files.ModuleStaticFilesStorage"}
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    (draft,) = (path for path in tmp_path.glob("js/draft.*.js"))
    imported = re.findall(r'from "\./([^"]+)"', draft.read_text())
    assert len(imported) > 1
    assert all(re.search(r"\.[0-9a-f]{12}\.js$", name) for name in imported)
    assert all((tmp_path / "js" / name).exists() for name in imported)
