"""Gunicorn settings."""

import os
import resource

from config import env, logs, processes

wsgi_app = "config.wsgi"
bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
worker_class = "config.web_worker.PatientWorker"
workers = processes.web()
threads = 8
keepalive = 0  # one request for each connection: see the worker
graceful_timeout = 25  # seconds for uploads in progress; most hosts kill a process after 30
control_socket_disable = True
# A worker touches a file at each turn of its main loop, which must not wait for a disk
# (docs.gunicorn.org, FAQ: "How do I avoid Gunicorn excessively blocking in os.fchmod?").
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
# Only Django reads X-Forwarded-Proto, and only with TRUSTED_PROXY_COUNT: gunicorn would believe it
# from any program on this machine.
forwarded_allow_ips = ""
# The form without JavaScript sends up to 1,000 files, and each stays open until its request ends.
OPEN_FILES = 16_384
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if soft != resource.RLIM_INFINITY and soft < OPEN_FILES:
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))

logconfig_dict = logs.configuration(as_json=env.boolean("LOG_JSON", False))
