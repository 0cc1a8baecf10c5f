"""Django settings for Consentry. Everything that varies comes from the environment."""

import secrets
from pathlib import Path

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP

from config import env, logs, mail, persona, processes, sign_in, storage

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"
DEBUG = env.boolean("DEBUG", False)


def _secret_key() -> str:
    """Return the key from the environment; a demo generates one once and keeps it under var/."""
    if key := env.text("SECRET_KEY"):
        return key
    if not DEBUG:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Set SECRET_KEY or SECRET_KEY_FILE to 50 or more random "
            "characters; `make run` needs none."
        )
    kept = VAR_DIR / "secret-key"
    if not kept.exists():
        VAR_DIR.mkdir(mode=0o700, exist_ok=True)
        kept.touch(mode=0o600)
        kept.write_text(secrets.token_urlsafe(64))
    return kept.read_text()


SECRET_KEY = _secret_key()
# Health probes use localhost.
ALLOWED_HOSTS = [*env.words("ALLOWED_HOSTS"), "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin.apps.SimpleAdminConfig",  # without its own site
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.usersessions",
    "django_guid",
    "django_htmx",
    "django.forms",  # our templates override its field template
    "importers",
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
MIDDLEWARE = [
    "django_guid.middleware.guid_middleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "importers.middleware.private_pages",  # above the next two, whose responses it covers too
    "importers.middleware.proxies_as_counted",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "importers.middleware.SessionLimits",
    "importers.middleware.SignInRequired",  # these four before CSRF, which reads the body
    "importers.middleware.SecondFactorRequired",
    "importers.middleware.RightsRequired",
    "importers.middleware.UploadsOfTheSignedIn",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "importers.context_processors.persona",
            ]
        },
    }
]

# Database. On SQLite a write transaction acquires its lock when it starts (IMMEDIATE), so that
# no other write comes between its reads and its writes. A commit reaches the disk before we
# answer (FULL).
DATABASES = {
    "default": dj_database_url.parse(
        env.text("DATABASE_URL", f"sqlite:///{VAR_DIR / 'consentry.sqlite3'}"),
        conn_max_age=60,
        conn_health_checks=True,
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    VAR_DIR.mkdir(mode=0o700, exist_ok=True)
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
    # The test database is a file too, because tests start servers and workers that share it.
    DATABASES["default"]["TEST"] = {"NAME": f"{DATABASES['default']['NAME']}.test"}
# Every process must see the same sign-in throttle, so the cache is in the database. It drops only
# what has expired: CULL_FREQUENCY is the part of the live rows that may go, one of so many.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
        "OPTIONS": {"MAX_ENTRIES": 1000, "CULL_FREQUENCY": 10**12},
    }
}

IMAGE_PROCESSES = processes.images_each()

# Images are stored outside every public path; only a view that checks access shows them.
STORAGES = {
    "default": storage.of_images(VAR_DIR / "media"),
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "config.static_files.ModuleStaticFilesStorage"
    },
}
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = DEBUG
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
FILE_UPLOAD_HANDLERS = ["importers.intake.upload_handler.RefusingUploadHandler"]
DATA_UPLOAD_MAX_NUMBER_FILES = 1000  # without JavaScript the form sends all files at once
STRANGER_BODY_MAX_BYTES = 16_384  # the sign-in form needs less than 1 KB

# Sign-in (django-allauth). Administrators create the accounts; there is no sign-up.
AUTH_USER_MODEL = "importers.Person"
AUTHENTICATION_BACKENDS = ["importers.access.sign_in.PersonBackend"]
ACCOUNT_ADAPTER = "importers.access.sign_in.ClosedAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGIN_ON_GET = False
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_REAUTHENTICATION_TIMEOUT = 5 * 60
ACCOUNT_FORMS = {"user_token": "importers.access.links.LinkForm"}
# Without allauth's own, which copies the e-mail address of an account.
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "django.contrib.auth.tokens.PasswordResetTokenGenerator"  # noqa: S105  # a class
PASSWORD_RESET_TIMEOUT = 24 * 60 * 60
ACCOUNT_RATE_LIMITS = {
    # Of passwords (`access.throttle`); a right one does not count.
    "stranger": "10/m/ip,5/5m/key",
    "known_browser": "5/5m/key",
    "recorded": "20/m/ip",
    # Of codes of the second factor (allauth), for each account. Not for each address as well, since
    # a right code resets every counter of its action.
    "login_failed": "5/5m/key",
    "login": None,
    "single_sign_on": "30/m/ip",
}
if mailers := mail.mailers():
    MAILERS, DEFAULT_FROM_EMAIL = mailers, env.text("DEFAULT_FROM_EMAIL")
ALLAUTH_TRUSTED_PROXY_COUNT = env.integer("TRUSTED_PROXY_COUNT", 0, least=0, most=10)

# The second factor (django-allauth). MFA_REQUIRED holds the roles that must use one.
MFA_REQUIRED = env.choices("MFA_REQUIRED", sign_in.ROLES)
MFA_ADAPTER = "importers.access.second_factor.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True  # no address is ever verified
MFA_REAUTHENTICATION_REQUIRED = False  # `access.recent` asks for it, on all pages alike
MFA_RATE_LIMITS = {"webauthn_login": "60/m/ip"}  # a sign-in takes two requests
_FORMS = "importers.forms.second_factor"
MFA_FORMS = {
    "activate_totp": f"{_FORMS}.SetUpAppForm",
    "authenticate": f"{_FORMS}.CodeForm",
    "reauthenticate": f"{_FORMS}.ConfirmByCodeForm",
    "add_webauthn": f"{_FORMS}.AddPasskeyForm",
    "edit_webauthn": f"{_FORMS}.RenamePasskeyForm",
    "authenticate_webauthn": f"{_FORMS}.PasskeyForm",
    "reauthenticate_webauthn": f"{_FORMS}.ConfirmByPasskeyForm",
    "login_webauthn": f"{_FORMS}.SignInByPasskeyForm",
}

# A container's health check or a load balancer asks the web server itself, over plain HTTP.
PATHS_WITHOUT_PROXY = ["/healthz", "/readyz"]
# The rows as they are stored, read-only, for administrators who investigate a problem.
TABLES_PAGE = env.boolean("TABLES_PAGE", False)
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "imports"
# Single sign-on at one provider of OpenID Connect, or None.
OIDC = sign_in.provider()
PASSWORD_SIGN_IN = sign_in.by_password(OIDC)
SOCIALACCOUNT_ADAPTER = "importers.access.single_sign_on.SingleSignOnAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = False
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_REQUESTS_TIMEOUT = 5
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 15},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]

# Browser security. A demo runs on plain HTTP on this machine; everything else requires TLS.
SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "blob:"],  # thumbnails in the memory of a page
    "connect-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
    "base-uri": [CSP.NONE],
}
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# A session ends this long after the sign-in, or after its last use (`access.sessions`).
SESSION_COOKIE_AGE = env.integer("SESSION_HOURS", 12, least=1, most=24) * 60 * 60
SESSION_IDLE_MINUTES = env.integer("SESSION_IDLE_MINUTES", 30, least=5, most=240)
SESSION_COOKIE_SAMESITE = "Lax"
KNOWN_BROWSER_COOKIE = "known-browser"
CSRF_COOKIE_HTTPONLY = True
if not DEBUG:
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [rf"^{path.removeprefix('/')}$" for path in PATHS_WITHOUT_PROXY]
    SECURE_HSTS_SECONDS = 63_072_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    KNOWN_BROWSER_COOKIE = "__Host-known-browser"
    if ALLAUTH_TRUSTED_PROXY_COUNT:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Persona. Without an API key the product connects only to Local Persona on this machine.
LOCAL_PERSONA_PORT = env.integer("LOCAL_PERSONA_PORT", 8001, least=1, most=65535)
PERSONA_API_KEY = persona.api_key()
PERSONA_BASE_URL = env.text(
    "PERSONA_BASE_URL",
    "https://api.withpersona.com/api/v1"
    if PERSONA_API_KEY
    else f"http://127.0.0.1:{LOCAL_PERSONA_PORT}/api/v1",
).rstrip("/")
PERSONA_VERSION = env.text("PERSONA_VERSION", "2025-12-08")
PERSONA_RATE_SHARE = env.decimal("PERSONA_RATE_SHARE", 0.5, least=0.01, most=1.0)
# Requests are counted against our share over this window; only tests shorten it.
PERSONA_RATE_WINDOW_SECONDS = env.integer(
    "PERSONA_RATE_WINDOW_SECONDS", 60, least=1 if DEBUG else 60, most=60
)
PERSONA_TIMEOUT_SECONDS = env.integer("PERSONA_TIMEOUT_SECONDS", 60, least=1, most=600)
PERSONA_KEY_LIFE_HOURS = env.integer("PERSONA_KEY_LIFE_HOURS", 1, least=1, most=24)
BATCH_MAX_IMAGES = env.integer("BATCH_MAX_IMAGES", 50, least=1, most=100)
BATCH_MAX_BYTES = env.integer("BATCH_MAX_BYTES", 25_000_000, least=10_000_000, most=100_000_000)
# How long a worker may hold a batch without renewing it before another worker can claim it.
BATCH_LEASE_SECONDS = env.integer("BATCH_LEASE_SECONDS", 45, least=2 if DEBUG else 20, most=600)
PERSONA_IS_LOCAL = persona.is_local(PERSONA_BASE_URL, PERSONA_API_KEY)

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
USE_I18N = False
DJANGO_GUID = {"EXPOSE_HEADER": False}
LOGGING = logs.configuration(as_json=env.boolean("LOG_JSON", False))
