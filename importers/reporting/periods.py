"""Days in UTC as moments, and moments as files hold them."""

from datetime import UTC, date, datetime, time

from django.utils.timezone import make_aware


def start_of(day: date) -> datetime:
    return make_aware(datetime.combine(day, time.min))


def end_of(day: date) -> datetime:
    return make_aware(datetime.combine(day, time.max))


def iso(moment: datetime) -> str:
    """Return it in UTC and in whole seconds."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")
