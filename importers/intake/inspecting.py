"""The image processes of this web server or command, shared by its threads.

The first picture starts them, so in each web process after gunicorn has forked it.
"""

import atexit

from django.conf import settings

from importers.imaging.processes import Processes

# Half of a web process's threads (config/gunicorn.py): the others answer pages meanwhile.
PLACES = 4

processes = Processes(settings.IMAGE_PROCESSES, max(PLACES, settings.IMAGE_PROCESSES))
atexit.register(processes.close)
