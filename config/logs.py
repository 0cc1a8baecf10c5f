"""Logging as plain text or as JSON. Neither contains a person's name, a file name or a key."""

import copy
import logging
import re
from typing import Any

from pythonjsonlogger import json
from pythonjsonlogger.core import RESERVED_ATTRS

# PostgreSQL puts values, such as file names and hashes, after the first line of an error. They may
# contain line breaks, so everything is dropped up to the next exception of the chain.
_DETAIL = re.compile(
    r"\n[ |]*(?:DETAIL|CONTEXT|LINE \d+):.*?"
    r"(?=\n[ |]*\n[ |]*(?:The above exception was|During handling of the above)|\Z)",
    re.DOTALL,
)


def without_database_values(record: logging.LogRecord) -> logging.LogRecord:
    """Return the record without the parts of PostgreSQL's errors that hold values.

    The result is a copy, because other handlers, such as those of the tests, see the original.
    """
    safe = copy.copy(record)
    safe.msg, safe.args = _DETAIL.sub("", record.getMessage()), ()
    if record.exc_info:
        safe.exc_text = logging.Formatter().formatException(record.exc_info)
        safe.exc_info = None  # the formatters write exc_text then
    if safe.exc_text:
        safe.exc_text = _DETAIL.sub("", safe.exc_text)
    return safe


class TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return super().format(without_database_values(record))


class JsonFormatter(json.JsonFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return super().format(without_database_values(record))


TEXT = {"()": TextFormatter, "fmt": "{asctime} {levelname} {name}: {message}", "style": "{"}
JSON = {
    "()": JsonFormatter,
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
