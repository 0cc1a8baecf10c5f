"""Headers for every response, and the response to anyone who may not have what they ask for."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin

from importers.access import actors, rights, second_factor, sessions, throttle
from importers.access.addresses import check_proxies
from importers.audit import trail
from importers.audit.actions import Action
from importers.intake.upload_handler import BoundedFileUploadHandler
from importers.models import Right

SIGN_IN_AGAIN = "You are signed out. Everything accepted so far is kept. Sign in again to continue."
SECOND_FACTOR_MISSING = "Your role needs a second factor. Open “Your account” to set it up."
TOO_LARGE = "The request is too large.\n"
FILE_SENT = (200, 206, 304)
# None of these is used, so that no injected script can use them either.
UNUSED_FEATURES = (
    *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope"),
    *("magnetometer", "microphone", "midi", "payment", "usb"),
)
UPLOADS = ("import_upload", "entries_upload")
# What pages ask for by themselves, which keeps no session alive.
POLLS = ("import_progress", "signed_in", "alive", "ready")
PERMISSIONS = ", ".join(f"{feature}=()" for feature in UNUSED_FEATURES)


def private_pages(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Keep every page out of the caches of browsers and proxies, and out of other sites."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        is_static_file = request.path.startswith("/static/") and response.status_code in FILE_SENT
        if not is_static_file:
            response.headers["Cache-Control"] = "no-store, private"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Permissions-Policy"] = PERMISSIONS
        if _signs_out(request, response):
            response.headers["Clear-Site-Data"] = '"cache"'
        return response

    return middleware


def _signs_out(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Return True if a person signed out; a refused or redirected request is not one."""
    if request.method != "POST" or response.status_code not in (200, 302):
        return False
    return request.path == reverse("account_logout")


def proxies_as_counted(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Refuse a request whose address the audit trail and the sign-in throttle could not trust."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        is_trial = settings.DEBUG and not settings.ALLAUTH_TRUSTED_PROXY_COUNT
        if request.path not in settings.PATHS_WITHOUT_PROXY and not is_trial:
            check_proxies(request)
        return get_response(request)

    return middleware


class SessionLimits(MiddlewareMixin):
    """Sign a person out once their session is over, note its uses, and mark their browser."""

    def process_request(self, request: HttpRequest) -> None:
        if request.path not in settings.PATHS_WITHOUT_PROXY:  # these need no database
            sessions.end_if_over(request)

    def process_view(self, request: HttpRequest, *_: object) -> None:
        match = request.resolver_match
        if match and match.url_name not in POLLS:
            sessions.note_use(request)

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        throttle.mark_browser(request, response)
        return response


class UploadsOfTheSignedIn(MiddlewareMixin):
    """Receive files only at the addresses for uploads, and only from somebody who is signed in."""

    def process_view(self, request: HttpRequest, *_: object) -> None:
        match = request.resolver_match
        if match and match.url_name in UPLOADS and request.user.is_authenticated:
            request.upload_handlers = [BoundedFileUploadHandler(request)]


class SignInRequired(LoginRequiredMiddleware):
    """A page redirects to the sign-in; a fragment, a change or an upload gets a 401 instead.

    No body of a stranger is read, except a small one by the pages that are open to strangers.
    """

    def process_view(
        self, request: HttpRequest, view_func: Any, view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        response = super().process_view(request, view_func, view_args, view_kwargs)
        if response is None and _body_bytes(request) > settings.STRANGER_BODY_MAX_BYTES:
            return None if request.user.is_authenticated else HttpResponse(TOO_LARGE, status=413)
        return response

    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: Any
    ) -> HttpResponseBase:
        if _is_fragment(request):
            # A page that is only watched leads to the sign-in and back. One that is being worked on
            # stays, so that nothing typed is lost.
            sign_in = redirect_to_login(_page_before(request)).headers["Location"]
            headers = {"HX-Redirect": sign_in} if request.method == "GET" else {}
            return HttpResponse(status=401, headers=headers)
        if _wants_json(request):
            return JsonResponse({"code": "signed_out", "reason": SIGN_IN_AGAIN}, status=401)
        if request.method != "GET":  # signing in returns to the page and never repeats an act
            return redirect_to_login(_page_before(request))
        return super().handle_no_permission(request, view_func)


class SecondFactorRequired(MiddlewareMixin):
    """Lead people to the set-up of the second factor that their role needs, and nowhere else."""

    def process_view(self, request: HttpRequest, view: Any, *_: object) -> HttpResponseBase | None:
        if second_factor.is_open_without(view) or not second_factor.is_missing(request):
            return None
        page = reverse("mfa_index")
        if _is_fragment(request):
            return HttpResponse(status=403, headers={"HX-Redirect": page})
        if _wants_json(request):
            answer = {"code": "second_factor_missing", "reason": SECOND_FACTOR_MISSING}
            return JsonResponse(answer, status=403)
        return redirect(page)


class RightsRequired(MiddlewareMixin):
    """Refuse, and record, what the person who is signed in has no right to (`access.rights`)."""

    def process_view(
        self, request: HttpRequest, view: Any, view_args: Any, view_kwargs: dict[str, Any]
    ) -> None:
        lacking = rights.missing(request, view)
        if not lacking or not request.user.is_authenticated:  # `SignInRequired` refused a stranger
            return
        match = request.resolver_match
        trail.append(
            actors.of(request),
            Action.PERSON_DENIED,
            page=match.view_name if match else "",
            object={name: str(value).replace("\x00", "") for name, value in view_kwargs.items()},
            lacks=sorted(lacking),
        )
        if view_kwargs and Right.SEE_IMPORTS in lacking:  # they may not know that it exists
            raise Http404
        raise PermissionDenied


def _is_fragment(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def _wants_json(request: HttpRequest) -> bool:
    return request.accepts("application/json") and not request.accepts("text/html")


def _body_bytes(request: HttpRequest) -> int:
    """Return the announced length. Without one, Django reads no body."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isdecimal() else 0


def _page_before(request: HttpRequest) -> str:
    """Return the path of the page that the request came from, or "/" if that is unknown."""
    try:
        return urlsplit(request.headers.get("Referer", "")).path or "/"
    except ValueError:  # anyone may send a malformed address, such as `https://[`
        return "/"
