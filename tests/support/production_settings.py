"""The settings of a site in production behind one proxy, but without TLS and collected files."""

import warnings

from config.settings import *  # noqa: F403

DEBUG = False  # Django would keep the text of each query
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ALLAUTH_TRUSTED_PROXY_COUNT = 1
warnings.filterwarnings("ignore", "No directory at")
