"""Static files under names that hold their hash, so that browsers may keep them forever."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleStaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Writes the hashed names into the import statements of our ES modules, too."""

    support_js_module_import_aggregation = True
