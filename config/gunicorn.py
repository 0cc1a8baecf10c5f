"""Gunicorn settings. WEB_CONCURRENCY sets the number of worker processes (default 1)."""

import os

from config import env, logs

wsgi_app = "config.wsgi"
bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
worker_class = "gthread"
threads = 8
graceful_timeout = 25  # seconds for uploads in progress; most hosts kill a process after 30
control_socket_disable = True
logconfig_dict = logs.configuration(as_json=env.boolean("LOG_JSON", False))
