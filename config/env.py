"""Settings from the environment.

Each reader accepts `NAME`, or `NAME_FILE` (the path of a file that holds the value), which wins.
A blank value counts as not set. A wrong one is refused with the variable's name and the remedy.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    """Return the value without surrounding white space."""
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}.") from error
    return os.environ.get(name, "").strip() or default


def boolean(name: str, default: bool) -> bool:
    word = text(name, str(default)).lower()
    if word not in TRUE | FALSE:
        raise ImproperlyConfigured(f"{name} must be True or False, not {word!r}.")
    return word in TRUE


def integer(name: str, default: int, *, least: int, most: int) -> int:
    return int(_number(name, default, least, most, int))


def decimal(name: str, default: float, *, least: float, most: float) -> float:
    return float(_number(name, default, least, most, float))


def words(name: str, default: str = "") -> list[str]:
    """Return the parts of a comma-separated value, without blank ones."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def choices(name: str, among: Sequence[str]) -> frozenset[str]:
    """Return which of these a comma-separated value names; `all` names each of them."""
    named = words(name)
    if named == ["all"]:
        return frozenset(among)
    if unknown := [word for word in named if word not in among]:
        raise ImproperlyConfigured(
            f"{name} must be all, or some of {', '.join(among)}; not {unknown[0]!r}."
        )
    return frozenset(named)


def _number(
    name: str, default: float, least: float, most: float, kind: type[int] | type[float]
) -> float:
    word = text(name, str(default))
    try:
        number = kind(word)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a number, not {word!r}.") from error
    # Written so that NaN, which compares false with everything, is refused too.
    if not least <= number <= most:
        raise ImproperlyConfigured(f"{name} must be from {least} to {most}, not {word}.")
    return number
