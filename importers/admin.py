"""Django's admin, if a setting turns it on: the rows as they are stored, read-only."""

from collections.abc import Iterable

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver

from importers.access import rights
from importers.models import Batch, Exchange, FaceList, Gateway, Right, Worker

# These pages would bypass the sign-in, and the record of changed passwords.
NOT_OFFERED = {"login", "logout", "password_change", "password_change_done"}


class ReadOnlySite(admin.AdminSite):
    """The tables of the operation, and none that the product's own pages show only to some."""

    site_header = site_title = "Consentry tables"
    index_title = "Tables"
    site_url = "/"

    def has_permission(self, request: HttpRequest) -> bool:
        return rights.may(request, Right.MANAGE_PEOPLE)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        urls = [url for url in super().get_urls() if getattr(url, "name", "") not in NOT_OFFERED]
        _open(urls)
        return urls


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    show_full_result_count = False  # counting millions of rows is slower than the page
    actions = None

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return rights.may(request, Right.MANAGE_PEOPLE)

    has_module_permission = has_view_permission

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class ExchangeAdmin(ReadOnly):
    list_display = ("began_at", "ended_at", "method", "path", "status", "request_id", "error_title")


def _open(urls: Iterable[URLPattern | URLResolver]) -> None:
    for url in urls:
        if isinstance(url, URLPattern):
            rights.needs(Right.MANAGE_PEOPLE)(url.callback)
            setattr(url.callback, "login_url", None)  # the product's own  # noqa: B010
        else:
            _open(url.url_patterns)


site = ReadOnlySite()
site.register([Batch, FaceList, Gateway, Worker], ReadOnly)
site.register(Exchange, ExchangeAdmin)
