from allauth.account import views as account
from django.conf import settings
from django.urls import URLPattern, URLResolver, path

from importers import admin
from importers.access.rights import own_account
from importers.views import (
    approvals,
    attestations,
    bases,
    contents,
    drafts,
    entries,
    forwarding,
    health,
    images,
    imports,
    lists,
    matching,
    records,
    search,
    statements,
    uploads,
)

ONE = "imports/<int:import_id>"
BATCH = f"{ONE}/batches/<int:number>"

OWN_ACCOUNT = {
    "login": ("account_login", account.login),
    "logout": ("account_logout", account.logout),
    "password": ("account_change_password", account.password_change),
    "signup": ("account_signup", account.signup),
    "inactive": ("account_inactive", account.account_inactive),
}

urlpatterns: list[URLPattern | URLResolver] = [
    path("", imports.index, name="imports"),
    path("search/", search.index, name="search"),
    path("imports.csv", imports.export, name="imports_csv"),
    path("imports/new/", imports.new, name="new_import"),
    path(f"{ONE}/", imports.detail, name="import"),
    path(f"{ONE}/progress/", imports.poll, name="import_progress"),
    path(f"{ONE}/contents/", contents.contents, name="import_contents"),
    path(f"{ONE}/files/", uploads.upload, name="import_upload"),
    path(f"{ONE}/left-out/remove/", contents.clear_rejected, name="rejected_clear"),
    path(f"{ONE}/images/remove/", contents.remove, name="images_remove"),
    path(f"{ONE}/images/restore/", contents.restore, name="images_restore"),
    path(f"{ONE}/images/include/", contents.include, name="images_include"),
    path(f"{ONE}/images/describe/", contents.describe, name="images_describe"),
    path(f"{ONE}/entries/", entries.upload, name="entries_upload"),
    path(f"{ONE}/entries/apply/", entries.apply, name="entries_apply"),
    path(f"{ONE}/entries/dismiss/", entries.dismiss, name="entries_dismiss"),
    path("entries.csv", entries.template, name="entries_template"),
    path(f"{ONE}/list/", drafts.change_list, name="import_list"),
    path(f"{ONE}/discard/", drafts.discard, name="import_discard"),
    path(f"{ONE}/answers/", attestations.save, name="import_answers"),
    path(f"{ONE}/answers/reuse/", attestations.reuse, name="answers_reuse"),
    path(f"{ONE}/attest/", attestations.attest, name="import_attest"),
    path(f"{ONE}/approve/", approvals.decide, name="import_approve"),
    path(f"{ONE}/withdraw/", approvals.withdraw, name="import_withdraw"),
    path(f"{ONE}/record/", records.of_import, name="import_record"),
    path(f"{ONE}/attestation.json", records.attestation_json, name="attestation_json"),
    path(f"{ONE}/manifest.txt", records.manifest_file, name="manifest"),
    path(f"{ONE}/images.csv", records.images_csv, name="images_csv"),
    path(f"{ONE}/retry/", forwarding.retry, name="import_retry"),
    path(f"{ONE}/cancel/", forwarding.cancel, name="import_cancel"),
    path(f"{BATCH}/retry/", forwarding.retry, name="batch_retry"),
    path(f"{BATCH}/acknowledge/", forwarding.acknowledge, name="batch_acknowledge"),
    path(f"{ONE}/copy/", forwarding.copy, name="import_copy"),
    path(f"{ONE}/matching/", matching.table, name="import_matching"),
    path(f"{BATCH}/undo/", matching.undo, name="batch_undo"),
    path("forwarding/pause/", forwarding.pause, name="forwarding_pause"),
    path("forwarding/resume/", forwarding.resume, name="forwarding_resume"),
    path("images/<uuid:key>/", images.full, name="image"),
    path("images/<uuid:key>/thumbnail/", images.thumbnail, name="thumbnail"),
    path("images/<uuid:key>/record/", records.of_image, name="image_record"),
    path("lists/", lists.index, name="lists"),
    path("lists/sync/", lists.sync, name="lists_sync"),
    path("lists/add/", lists.add, name="list_add"),
    path("lists/<int:list_id>/policy/", lists.set_policy, name="list_policy"),
    path("statements/", statements.index, name="statements"),
    path("statements/<slug:basis>/new/", statements.new, name="statement_new"),
    path("bases/", bases.index, name="bases"),
    path("signed-in", uploads.signed_in, name="signed_in"),
    path("healthz", health.alive, name="alive"),
    path("readyz", health.ready, name="ready"),
    *(
        path(f"account/{address}/", own_account(view), name=name)
        for address, (name, view) in OWN_ACCOUNT.items()
    ),
]
if settings.TABLES_PAGE:
    urlpatterns.append(path("tables/", admin.site.urls))
