"""The bare site: a view that does for an upload only what every view must.

It hashes each file, decodes it once and saves it. Nobody signs in, nothing is recorded and nothing
is flushed to the disk. The same web server runs it, with the same settings. Its page uploads what
is dropped on it by our scripts, but shows nothing.
"""

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from PIL import Image as Picture

from tests.support.postgresql import free_port
from tests.support.servers import wait_for_answer

PROJECT = Path(__file__).resolve().parents[2]
OUTCOME = {"state": "accepted", "code": "", "new": True}
PAGE = """<!doctype html>
<html lang="en">
<title>Uploading</title>
<form id="upload" action="/files/" data-file-bytes="10000000">
<input name="csrfmiddlewaretoken">
<label for="uploaded">Uploading</label>
</form>
<script type="module">
import { acceptDrops } from "/js/drop-zone.js";
import { UploadQueue } from "/js/upload-queue.js";
import { uploadBy } from "/js/upload-transport.js";

const form = document.getElementById("upload");
const queue = new UploadQueue(uploadBy(form), { files: 20, bytes: 10_000_000 });
queue.addEventListener("finish", () => { form.querySelector("label").textContent = "Finished"; });
acceptDrops(queue);
</script>
</html>"""


def upload(request: HttpRequest) -> JsonResponse:
    storage = FileSystemStorage(os.environ["BARE_FOLDER"])
    files = request.FILES.getlist("file")
    for file in files:
        data = file.read()
        digest = hashlib.sha256(data).hexdigest()
        with Picture.open(io.BytesIO(data)) as picture:
            picture.load()
        file.seek(0)
        storage.save(f"{digest}.jpg", file)
    return JsonResponse({"files": [OUTCOME] * len(files)})


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE)


def script(request: HttpRequest, name: str) -> HttpResponse:
    source = PROJECT / "static" / "js" / f"{name}.js"
    return HttpResponse(source.read_bytes(), content_type="text/javascript")


urlpatterns = [path("files/", upload), path("js/<slug:name>.js", script), path("", page)]


@contextmanager
def bare_site(folder: Path) -> Iterator[str]:
    """Serve the bare site, and yield its address."""
    port = free_port()
    environment = os.environ | {"BARE_FOLDER": str(folder / "bare"), "PORT": str(port)}
    command = ("-m", "gunicorn", "--config", "config/gunicorn.py", f"{__name__}:application()")
    server = subprocess.Popen([sys.executable, *command], cwd=PROJECT, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for_answer(url)
        yield url
    finally:
        server.terminate()
        server.wait()


def application() -> object:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="bare")
    return get_wsgi_application()
