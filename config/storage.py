"""Where images are stored, from MEDIA_STORAGE: a folder, or a bucket of S3-compatible storage."""

import re
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config import env


def of_images(own_folder: Path) -> dict[str, Any]:
    """Return the entry for Django's STORAGES."""
    address = env.text("MEDIA_STORAGE", f"file:{own_folder}")
    if address.startswith("s3:"):
        return _bucket(address)
    folder = address.removeprefix("file:")
    if not Path(folder).is_absolute():
        raise ImproperlyConfigured(
            "MEDIA_STORAGE must be file:/… (a folder) or s3://bucket/prefix."
        )
    return {"BACKEND": "importers.storage.DurableFileStorage", "OPTIONS": {"location": folder}}


def _bucket(address: str) -> dict[str, Any]:
    """Return the entry for a bucket. boto3 finds what is not set here, such as a host's role."""
    found = re.fullmatch(r"s3://([A-Za-z0-9][A-Za-z0-9._-]+)((?:/[A-Za-z0-9_=.-]+)*)/?", address)
    if not found or {".", ".."} & set(address.split("/")):
        raise ImproperlyConfigured(
            "MEDIA_STORAGE must be s3://bucket/prefix: the name of a bucket and an optional prefix "
            "of letters, digits and . _ = - between slashes."
        )
    options = {
        "bucket_name": found[1],
        "location": found[2].removeprefix("/"),
        "endpoint_url": _endpoint(),
        "region_name": env.text("AWS_REGION") or env.text("AWS_DEFAULT_REGION"),
        "access_key": env.text("AWS_ACCESS_KEY_ID"),
        "secret_key": env.text("AWS_SECRET_ACCESS_KEY"),
        "security_token": env.text("AWS_SESSION_TOKEN"),
    }
    if bool(options["access_key"]) != bool(options["secret_key"]):
        raise ImproperlyConfigured(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together, but one is not set."
        )
    given = {name: value for name, value in options.items() if value}
    return {"BACKEND": "importers.storage.s3.PrivateS3Storage", "OPTIONS": given}


def _endpoint() -> str:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        if address := env.text(name):
            if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", address):
                raise ImproperlyConfigured(f"{name} must be like https://s3.example.org.")
            return address
    return ""
