"""Gunicorn settings. WEB_CONCURRENCY sets the number of worker processes (default 1)."""

import os
import resource

from config import env, logs

wsgi_app = "config.wsgi"
bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
worker_class = "gthread"
threads = 8
graceful_timeout = 25  # seconds for uploads in progress; most hosts kill a process after 30
control_socket_disable = True
# The form without JavaScript sends up to 1,000 files, and each stays open until its request ends.
OPEN_FILES = 16_384
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if soft != resource.RLIM_INFINITY and soft < OPEN_FILES:
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))

logconfig_dict = logs.configuration(as_json=env.boolean("LOG_JSON", False))
