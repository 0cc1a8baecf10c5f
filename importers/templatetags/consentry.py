"""How names and sizes are written on every page."""

import unicodedata

from django import template

from importers.models import Person, people

register = template.Library()
# Controls, formatting, line and paragraph separators, private use, unassigned.
UNSEEN = {"Cc", "Cf", "Zl", "Zp", "Co", "Cn"}


@register.filter
def file_name(name: str) -> str:
    """Return the name as given, with invisible and direction-changing characters escaped."""
    if name.isprintable():
        return name
    return "".join(
        f"\\u{ord(letter):04x}" if unicodedata.category(letter) in UNSEEN else letter
        for letter in name
    )


@register.filter
def person(user: Person) -> str:
    return people.display_name(user)


@register.filter
def in_words(sizes: list[int]) -> str:
    """Return the images of each request: "50, 49, 37", or "12 to 50 each" if there are many."""
    if len(sizes) <= 6:
        return ", ".join(map(str, sizes))
    return f"{min(sizes)} to {max(sizes)} each"
