"""Where images lie: in a folder (here) or in a bucket (`s3`, imported only where it is used).

Both are Django's storages that tell every trouble as OSError, FileNotFoundError where there is no
such image; both have `probe`, which raises OSError where no image could be stored now.
"""

from importers.storage.files import DurableFileStorage

__all__ = ["DurableFileStorage"]
