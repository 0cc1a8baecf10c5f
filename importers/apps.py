from django.apps import AppConfig


class ImportersConfig(AppConfig):
    name = "importers"

    def ready(self) -> None:
        from importers import accounts, checks  # noqa: F401  (they register themselves)
