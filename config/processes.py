"""How many processes serve pages, and how many decode images, from the environment."""

import os

from config import env

MOST_IMAGE_PROCESSES = 4


def web() -> int:
    """Return the number of web processes.

    Two, because in a single one an upload slows down all pages, and open pages slow down uploads.
    """
    return env.integer("WEB_CONCURRENCY", 2, least=1, most=1000)


def images_each() -> int:
    """Return the number of image processes of each web process.

    By default the web processes share out one for each processor core, up to half of the threads
    that each of them has.
    """
    default = (os.cpu_count() or 1) // web()
    default = max(1, min(default, MOST_IMAGE_PROCESSES))
    return env.integer("IMAGE_PROCESSES", default, least=1, most=MOST_IMAGE_PROCESSES)
