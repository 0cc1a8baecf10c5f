"""Readers of the environment: a wrong value is refused by its name, a file may hold the value."""

from pathlib import Path

import pytest

from config import env
from importers.models import Role
from tests.support.settings import KEY, PRODUCTION, Load, refusal


class TestNameFile:
    @pytest.mark.parametrize("name", ["SECRET_KEY", "PERSONA_API_KEY", "DATABASE_URL"])
    def test_a_secret_can_come_from_a_file(self, name: str, load: Load, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        given = {"DATABASE_URL": "postgres://user:pw@db/consentry"}.get(name, f"{name} " + KEY)
        secret.write_text(f"  {given}\n")
        settings = load(**(PRODUCTION | {name: "not this", f"{name}_FILE": str(secret)}))
        if name == "DATABASE_URL":
            assert settings.DATABASES["default"]["PASSWORD"] == "pw"
        else:
            assert getattr(settings, name) == given

    def test_an_unreadable_secret_file_is_refused_by_its_variable(
        self, load: Load, tmp_path: Path
    ) -> None:
        message = refusal(load, SECRET_KEY=KEY, PERSONA_API_KEY_FILE=str(tmp_path / "none"))
        assert message == "PERSONA_API_KEY_FILE cannot be read: No such file or directory."
        assert "SECRET_KEY_FILE" in refusal(load, SECRET_KEY_FILE=str(tmp_path))


class TestValues:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("DEBUG", "perhaps"),
            ("DEBUG", "2"),
            ("TRUSTED_PROXY_COUNT", "-1"),
            ("TRUSTED_PROXY_COUNT", "one"),
            ("LOCAL_PERSONA_PORT", "0"),
            ("LOCAL_PERSONA_PORT", "65536"),
            ("PERSONA_RATE_SHARE", "0"),
            ("PERSONA_RATE_SHARE", "1.01"),
            ("PERSONA_RATE_SHARE", "half"),
            ("PERSONA_RATE_SHARE", "nan"),
            ("PERSONA_RATE_SHARE", "inf"),
            ("PERSONA_TIMEOUT_SECONDS", "0"),
            ("PERSONA_TIMEOUT_SECONDS", "601"),
            ("PERSONA_TIMEOUT_SECONDS", "1.5"),
            ("PERSONA_KEY_LIFE_HOURS", "0"),
            ("PERSONA_KEY_LIFE_HOURS", "25"),
            ("PERSONA_RATE_WINDOW_SECONDS", "59"),
            ("PERSONA_RATE_WINDOW_SECONDS", "61"),
            ("BATCH_LEASE_SECONDS", "19"),
            ("BATCH_LEASE_SECONDS", "601"),
            ("BATCH_MAX_IMAGES", "0"),
            ("BATCH_MAX_IMAGES", "101"),
            ("BATCH_MAX_IMAGES", "0x10"),
            ("BATCH_MAX_BYTES", "9999999"),
            ("BATCH_MAX_BYTES", "1e7"),
            ("MEDIA_STORAGE", "media"),
            ("MEDIA_STORAGE", "file:media"),
            ("MEDIA_STORAGE", "../media"),
            ("MEDIA_STORAGE", "https://bucket/prefix"),
        ],
    )
    def test_a_wrong_value_is_refused_by_its_variable(
        self, name: str, value: str, load: Load
    ) -> None:
        assert name in refusal(load, **(PRODUCTION | {name: value}))

    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("PERSONA_RATE_SHARE", "1", 1.0),
            ("PERSONA_RATE_SHARE", "0.01", 0.01),
            ("PERSONA_TIMEOUT_SECONDS", " 600 ", 600),
            ("PERSONA_RATE_WINDOW_SECONDS", "60", 60),
            ("BATCH_LEASE_SECONDS", "20", 20),
            ("BATCH_LEASE_SECONDS", "600", 600),
            ("BATCH_MAX_IMAGES", "100", 100),
            ("BATCH_MAX_BYTES", "10_000_000", 10_000_000),
            ("PERSONA_KEY_LIFE_HOURS", "24", 24),
            ("PERSONA_VERSION", "2023-01-05", "2023-01-05"),
        ],
    )
    def test_a_valid_value_becomes_the_setting(
        self, name: str, value: str, expected: object, load: Load
    ) -> None:
        assert getattr(load(**(PRODUCTION | {name: value})), name) == expected

    def test_only_a_trial_may_shorten_the_lease_and_the_window(self, load: Load) -> None:
        short = {"PERSONA_RATE_WINDOW_SECONDS": "1", "BATCH_LEASE_SECONDS": "2"}
        settings = load(DEBUG="True", **short)
        assert settings.PERSONA_RATE_WINDOW_SECONDS == 1
        assert settings.BATCH_LEASE_SECONDS == 2
        assert "PERSONA_RATE_WINDOW_SECONDS" in refusal(load, **(PRODUCTION | short))

    @pytest.mark.parametrize(
        ("given", "roles"),
        [("", set()), ("officer, approver", {"officer", "approver"}), ("all", set(Role))],
    )
    def test_roles_that_must_use_a_second_factor(
        self, given: str, roles: set[str], load: Load
    ) -> None:
        assert roles == load(**(PRODUCTION | {"MFA_REQUIRED": given})).MFA_REQUIRED

    def test_unknown_role_is_refused_with_those_there_are(self, load: Load) -> None:
        message = refusal(load, **(PRODUCTION | {"MFA_REQUIRED": "officer,oficer"}))
        assert message == (
            "MFA_REQUIRED must be all, or some of officer, approver, auditor, administrator; "
            "not 'oficer'."
        )

    @pytest.mark.parametrize("word", ["1", "TRUE", "yes", "On"])
    def test_several_words_mean_true(self, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ANYTHING", word)
        assert env.boolean("ANYTHING", False)

    def test_a_blank_value_means_the_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ANYTHING", " ")
        assert env.integer("ANYTHING", 7, least=1, most=9) == 7
        assert env.boolean("ANYTHING", True)
        assert env.words("ANYTHING", "a, b,,c ") == ["a", "b", "c"]
