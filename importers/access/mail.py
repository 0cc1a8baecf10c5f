"""Mailing a one-time link to its person."""

import logging
from enum import Enum, auto

from django.core.mail import EmailMessage, mailers

from importers.models import Person

log = logging.getLogger(__name__)
SUBJECT = "Your Consentry account"
TEXT = """Hello {name},

choose a password for your Consentry account “{username}”:

{address}

The link works once and expires after 24 hours. If you did not expect it, tell your administrator.
"""


class Delivery(Enum):
    MAILED = auto()
    FAILED = auto()
    NOT_MAILED = auto()  # there is no mail server, or the person has no address


def deliver(person: Person, address: str) -> Delivery:
    """Mail the link's address to the person, if that is possible."""
    if not person.email or "default" not in mailers:
        return Delivery.NOT_MAILED
    names = {"name": person.first_name, "username": person.get_username()}
    message = EmailMessage(SUBJECT, TEXT.format(**names, address=address), to=[person.email])
    try:
        message.send(using="default")
    except OSError as error:  # every error of smtplib is one; its text may hold addresses
        log.warning("a link could not be mailed: %s", type(error).__name__)
        return Delivery.FAILED
    return Delivery.MAILED
