"""The locked requirements: complete, with hashes, and without the address of a registry."""

from pathlib import Path

import pytest
from django.conf import settings as project
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILES = ["requirements", "requirements-dev"]


def read(name: str) -> list[str]:
    return Path(project.BASE_DIR, name).read_text().splitlines()


def locked(name: str) -> dict[str, str]:
    pins = [row.split(" ")[0].split("==") for row in read(f"{name}.txt") if "==" in row]
    return {canonicalize_name(package): version for package, version in pins}


@pytest.mark.parametrize("name", FILES)
def test_the_lock_satisfies_every_direct_dependency(name: str) -> None:
    direct = [Requirement(row) for row in read(f"{name}.in") if row[:1].isalpha()]
    versions = locked(name)
    assert len(direct) > 10
    for requirement in direct:
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)])


def test_both_locks_hold_the_same_runtime_versions() -> None:
    assert locked("requirements").items() <= locked("requirements-dev").items()


@pytest.mark.parametrize("name", FILES)
def test_every_locked_package_has_a_hash_and_names_no_registry(name: str) -> None:
    rows = read(f"{name}.txt")
    for row, following in zip(rows, rows[1:], strict=False):
        if "==" in row:
            assert following.startswith("    --hash=sha256:"), row
    assert "://" not in "\n".join(rows)
