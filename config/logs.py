"""Logs: a line for people, or JSON for machines. Neither names a person, a file or a key."""

from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS

PEOPLE = {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}
MACHINES = {
    "()": "pythonjsonlogger.json.JsonFormatter",
    "fmt": ["levelname", "name", "message", "correlation_id"],
    "rename_fields": {"levelname": "level", "name": "logger"},
    "timestamp": "at",
    # Django hangs the request onto a record; its text holds the query, and so what was searched.
    "reserved_attrs": [*RESERVED_ATTRS, "request"],
}


def configuration(*, as_json: bool) -> dict[str, Any]:
    """For `logging.config.dictConfig`, of Django and of gunicorn."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"correlation_id": {"()": "django_guid.log_filters.CorrelationId"}},
        "formatters": {"line": MACHINES if as_json else PEOPLE},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["correlation_id"],
            }
        },
        "root": {"handlers": ["console"], "level": "WARNING"},
        "loggers": {
            "django": {"handlers": [], "level": "WARNING"},
            "django_guid": {"level": "ERROR"},  # a warning of it repeats what a caller sent
            "gunicorn.error": {"level": "INFO", "propagate": True},
            "gunicorn.access": {"level": "WARNING"},  # who asked for what is the proxy's to log
            "importers": {"level": "INFO"},
        },
    }
