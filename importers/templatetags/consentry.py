"""How a few things are written on every page."""

import unicodedata
from typing import Any

from django import template

from importers import forms

register = template.Library()
UNSEEN = {"Cc", "Cf", "Zl", "Zp", "Co", "Cn"}


@register.filter
def file_name(name: str) -> str:
    """A name as it was given, with what would not be seen, or would turn it round, spelt out."""
    return "".join(
        f"\\u{ord(letter):04x}" if unicodedata.category(letter) in UNSEEN else letter
        for letter in name
    )


@register.filter
def person(user: Any) -> str:
    return forms.display_name(user)


@register.filter
def in_words(sizes: list[int]) -> str:
    """The images of each request: "50, 50, 37", or "40 × 50, then 12" where there are many."""
    if len(sizes) <= 6:
        return ", ".join(map(str, sizes))
    same = sizes.count(sizes[0])
    rest = sizes[same:]
    if sizes[:same] != [sizes[0]] * same or len(rest) > 1:
        return f"{min(sizes)} to {max(sizes)} each"
    return f"{same} × {sizes[0]}" + (f", then {rest[0]}" if rest else "")
