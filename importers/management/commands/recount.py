from typing import Any

from django.core.management.base import BaseCommand

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import OPERATOR
from importers.models import Import, counters


class Command(BaseCommand):
    help = (
        "Counts the images and results of every import anew and corrects counters that differ, "
        "for example after rows were changed while the database's triggers were off."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        row: Import | None = None
        for row in counters.recount():
            trail.append(OPERATOR, Action.IMPORT_RECOUNTED, row)
            self.stdout.write(f"{row}: counters corrected.")
        if row is None:
            self.stdout.write("All counters are correct.")
