from django.urls import path

from importers.views import (
    attestations,
    drafts,
    forwarding,
    health,
    images,
    imports,
    lists,
    matching,
    uploads,
)

ONE = "imports/<int:import_id>"
BATCH = f"{ONE}/batches/<int:number>"

urlpatterns = [
    path("", imports.index, name="imports"),
    path("imports.csv", imports.export, name="imports_csv"),
    path("imports/new/", imports.new, name="new_import"),
    path(f"{ONE}/", imports.detail, name="import"),
    path(f"{ONE}/progress/", imports.poll, name="import_progress"),
    path(f"{ONE}/contents/", drafts.contents, name="import_contents"),
    path(f"{ONE}/files/", uploads.upload, name="import_upload"),
    path(f"{ONE}/files/<uuid:key>/remove/", drafts.remove, name="image_remove"),
    path(f"{ONE}/left-out/remove/", drafts.clear_rejected, name="rejected_clear"),
    path(f"{ONE}/list/", drafts.change_list, name="import_list"),
    path(f"{ONE}/discard/", drafts.discard, name="import_discard"),
    path(f"{ONE}/attest/", attestations.attest, name="import_attest"),
    path(f"{ONE}/retry/", forwarding.retry, name="import_retry"),
    path(f"{ONE}/cancel/", forwarding.cancel, name="import_cancel"),
    path(f"{BATCH}/retry/", forwarding.retry, name="batch_retry"),
    path(f"{ONE}/matching/", matching.table, name="import_matching"),
    path(f"{BATCH}/undo/", matching.undo, name="batch_undo"),
    path("forwarding/pause/", forwarding.pause, name="forwarding_pause"),
    path("forwarding/resume/", forwarding.resume, name="forwarding_resume"),
    path("images/<uuid:key>/", images.full, name="image"),
    path("images/<uuid:key>/thumbnail/", images.thumbnail, name="thumbnail"),
    path("lists/", lists.index, name="lists"),
    path("lists/sync/", lists.sync, name="lists_sync"),
    path("lists/add/", lists.add, name="list_add"),
    path("signed-in", uploads.signed_in, name="signed_in"),
    path("healthz", health.alive, name="alive"),
    path("readyz", health.ready, name="ready"),
]
