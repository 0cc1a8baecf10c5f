"""Links with which a person sets their own password, once and within a day."""

from typing import Any

from allauth.account.forms import UserTokenForm, default_token_generator
from allauth.account.signals import password_reset
from allauth.account.utils import user_pk_to_url_str
from django.core.exceptions import ValidationError
from django.dispatch import receiver
from django.http import HttpRequest
from django.urls import reverse

from importers.access import actors
from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.models import Person


def one_time_link(person: Person) -> str:
    """Return the path of a link that is valid for PASSWORD_RESET_TIMEOUT.

    It ends sooner when a password is set, by this link or another, and when the person signs in.
    Whoever calls this records it.
    """
    key = default_token_generator.make_token(person)
    arguments = {"uidb36": user_pk_to_url_str(person), "key": key}
    return reverse("account_reset_password_from_key", kwargs=arguments)


class LinkForm(UserTokenForm):  # type: ignore[misc]  # the library has no types
    """Refuses a link of an account that has ended since."""

    def clean(self) -> Any:
        cleaned = super().clean()
        if not self.reset_user.is_current:
            raise ValidationError("This account has ended.")
        return cleaned


@receiver(password_reset)
def record_password_set(request: HttpRequest, user: Person, **_: Any) -> None:
    actor = Actor.of_user(user, address=actors.address(request), sign_in_method="link")
    trail.append(actor, Action.PERSON_PASSWORD_SET, user)
