"""One-time links, with which a person chooses a password."""

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.urls import reverse

from importers.models import Person


def one_time_link(person: Person) -> str:
    """Return the path of a page that works once, and for PASSWORD_RESET_TIMEOUT."""
    key = default_token_generator.make_token(person)
    parts = {"uidb36": user_pk_to_url_str(person), "key": key}
    return reverse("account_reset_password_from_key", kwargs=parts)
