"""Where images are stored: a folder, or a bucket (`s3`, imported only if it is used).

Both are Django storages that report every failure as OSError, and a missing image as
FileNotFoundError. Both have `save_all`, which stores several durably at once, and `probe`, which
raises OSError if no image could be stored now.
"""

from importers.storage.files import DurableFileStorage

__all__ = ["DurableFileStorage"]
