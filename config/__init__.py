"""The configuration. Every process of ours imports it first."""

import os

os.umask(0o077)  # files that a process creates, such as the database, are for its account only
