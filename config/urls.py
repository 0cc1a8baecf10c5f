from django.urls import include, path

handler400 = "importers.views.errors.bad_request"
handler500 = "importers.views.errors.server_error"

urlpatterns = [path("", include("importers.urls"))]
