from typing import Any

from django.core.management.base import BaseCommand

from importers.models import counters


class Command(BaseCommand):
    help = (
        "Counts the images and results of every import anew and corrects counters that differ, "
        "for example after rows were changed while the database's triggers were off."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        corrected = counters.recount()
        for import_id in corrected:
            self.stdout.write(f"Import {import_id}: counters corrected.")
        if not corrected:
            self.stdout.write("All counters are correct.")
