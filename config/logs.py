"""Logging as plain text or as JSON. Neither contains a person's name, a file name or a key."""

from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS

TEXT = {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}
JSON = {
    "()": "pythonjsonlogger.json.JsonFormatter",
    "fmt": ["levelname", "name", "message", "correlation_id"],
    "rename_fields": {"levelname": "level", "name": "logger"},
    "timestamp": "at",
    # Django attaches the request to a record. Its text includes the query and so any search.
    "reserved_attrs": [*RESERVED_ATTRS, "request"],
}


def configuration(*, as_json: bool) -> dict[str, Any]:
    """Return the settings for `logging.config.dictConfig`, which Django and gunicorn share."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"correlation_id": {"()": "django_guid.log_filters.CorrelationId"}},
        "formatters": {"console": JSON if as_json else TEXT},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "console",
                "filters": ["correlation_id"],
            }
        },
        "root": {"handlers": ["console"], "level": "WARNING"},
        "loggers": {
            "django": {"handlers": [], "level": "WARNING"},
            "django_guid": {"level": "ERROR"},  # its warnings repeat the caller's input
            "gunicorn.error": {"level": "INFO", "propagate": True},
            "gunicorn.access": {"level": "WARNING"},  # the proxy logs requests
            "importers": {"level": "INFO"},
        },
    }
