from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class HtmxHttpRequest(HttpRequest):
    """A request with what HtmxMiddleware adds. Only for annotations."""

    htmx: HtmxDetails
