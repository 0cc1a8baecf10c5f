"""What the claims of a provider say about a person."""

from typing import Any

import pytest
from pytest_django import Settings

from importers.access import claims
from tests.support.oidc import provider


@pytest.mark.parametrize(
    ("groups", "roles"),
    [
        ("auditors", {"auditor"}),
        (["staff", "auditors", "face-officers"], {"auditor", "officer"}),
        (["Auditors"], set()),
        ([["auditors"], {"auditors": 1}, None], set()),
        ({"auditors": True}, set()),
        (None, set()),
    ],
)
def test_roles_come_from_a_string_or_a_list(
    groups: object, roles: set[str], settings: Settings
) -> None:
    settings.OIDC = provider("https://id.example.org")
    assert claims.roles({"groups": groups}) == roles


@pytest.mark.parametrize(
    ("given", "username"),
    [
        ({"preferred_username": "ann", "email": "a@example.org", "sub": "7"}, "ann"),
        ({"email": "a@example.org", "sub": "7"}, "a@example.org"),
        ({"preferred_username": "", "sub": "7"}, "7"),
        ({"preferred_username": ["ann"], "email": "<>", "sub": "auth0|7"}, "auth0-7"),
        ({"preferred_username": "ACME\\ann lee\u200b\x00\n"}, "ACME-ann-lee"),
        ({"preferred_username": "a" * 200}, "a" * 150),
        ({"preferred_username": "ａｎｎ"}, "ann"),
        ({}, ""),
    ],
)
def test_username_comes_from_the_first_claim_that_leaves_one(
    given: dict[str, Any], username: str
) -> None:
    assert claims.username(given) == username


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"given_name": "Ann", "family_name": "Lee", "name": "Dr Ann Lee"}, ("Ann", "Lee")),
        ({"name": "Ann van der Lee"}, ("Ann", "van der Lee")),
        ({"name": " Ann\u202e\n"}, ("Ann", "")),
        ({"given_name": 7}, ("", "")),
    ],
)
def test_full_name_comes_from_its_parts_or_the_whole(
    given: dict[str, Any], names: tuple[str, str]
) -> None:
    assert claims.full_name(given) == names
