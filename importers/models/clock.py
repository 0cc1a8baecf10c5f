"""Moments by the database's clock, the one clock that every process shares."""

from datetime import timedelta

from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.expressions import Combinable
from django.db.models.functions import Now


def from_now(delay: timedelta) -> Combinable:
    """Return the moment `delay` from now, for an UPDATE or a filter."""
    return ExpressionWrapper(Now() + delay, output_field=DateTimeField())
