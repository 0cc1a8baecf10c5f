"""Administration: people. History can be read, never edited."""

from allauth.account.models import EmailAddress
from django.contrib import admin
from django.http import HttpRequest

from importers.models import Attestation, AuditEvent, Batch, Exchange, FaceList, Import, Statement

admin.site.site_header = admin.site.site_title = "Consentry administration"
admin.site.unregister(EmailAddress)


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly):
    list_display = ("pk", "at", "actor_name", "action", "object_type", "object_id", "address")
    list_filter = ("action",)
    show_full_result_count = False  # counting millions of rows is slower than the page
    list_select_related = False


@admin.register(Exchange)
class ExchangeAdmin(ReadOnly):
    list_display = ("began_at", "ended_at", "method", "path", "status", "request_id", "error_title")
    show_full_result_count = False


admin.site.register([FaceList, Import, Batch, Attestation, Statement], ReadOnly)
