from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ImportersConfig(AppConfig):
    name = "importers"

    def ready(self) -> None:
        from importers import checks  # noqa: F401  (registers itself)
        from importers.access import links, roles, second_factor  # noqa: F401  (two register)
        from importers.consent import statements
        from importers.models import counters

        post_migrate.connect(counters.install, sender=self)
        post_migrate.connect(roles.install, sender=self)
        post_migrate.connect(statements.publish_first, sender=self)
