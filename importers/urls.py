from django.urls import path

from importers.views import draft, health, images, imports, lists

urlpatterns = [
    path("", imports.index, name="imports"),
    path("forwarding/pause/", imports.pause, name="forwarding_pause"),
    path("forwarding/resume/", imports.resume, name="forwarding_resume"),
    path("imports.csv", imports.export, name="imports_csv"),
    path("imports/new/", imports.new, name="new_import"),
    path("imports/<int:import_id>/", imports.detail, name="import"),
    path("imports/<int:import_id>/progress/", imports.poll, name="import_progress"),
    path("imports/<int:import_id>/retry/", imports.try_again, name="import_retry"),
    path("imports/<int:import_id>/cancel/", imports.cancel, name="import_cancel"),
    path(
        "imports/<int:import_id>/batches/<int:number>/retry/",
        imports.try_again,
        name="batch_retry",
    ),
    path(
        "imports/<int:import_id>/batches/<int:number>/decide/", imports.decide, name="batch_decide"
    ),
    path("imports/<int:import_id>/contents/", draft.contents, name="import_contents"),
    path("imports/<int:import_id>/files/", draft.upload, name="import_upload"),
    path("imports/<int:import_id>/files/<uuid:key>/remove/", draft.remove, name="image_remove"),
    path("imports/<int:import_id>/left-out/remove/", draft.remove_left_out, name="left_out_remove"),
    path("imports/<int:import_id>/list/", draft.change_list, name="import_list"),
    path("imports/<int:import_id>/discard/", draft.discard, name="import_discard"),
    path("imports/<int:import_id>/attest/", draft.attest, name="import_attest"),
    path("images/<uuid:key>/", images.full, name="image"),
    path("images/<uuid:key>/thumbnail/", images.thumbnail, name="thumbnail"),
    path("lists/", lists.index, name="lists"),
    path("lists/read/", lists.read, name="lists_read"),
    path("lists/add/", lists.add, name="list_add"),
    path("healthz", health.alive, name="alive"),
    path("readyz", health.ready, name="ready"),
]
