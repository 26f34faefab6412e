"""The one place that turns exceptions into web replies: `{"error": {"code", "message"}}` and a status.

People see one calm sentence. Faults get a number that the log's traceback carries too. It does not know what
the handlers do.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from core import errors
from core.logs import get_logger

_KEPT_HEADERS = (hdrs.ALLOW, hdrs.WWW_AUTHENTICATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How one class of errors looks on the web. `message` None shows the error's own sentence."""

    status: HTTPStatus
    code: str
    message: str | None = None
    retry_after_seconds: int | None = None


_FAULT = Reply(
    status=HTTPStatus.INTERNAL_SERVER_ERROR,
    code="fault",
    message="Something went wrong on this side; try again, and if it stays, the log tells more under",
)

REPLY_OF: Mapping[type[errors.MjpromptError], Reply] = {
    errors.InvalidIdea: Reply(status=HTTPStatus.BAD_REQUEST, code="invalid_idea"),
    errors.InvalidParameter: Reply(status=HTTPStatus.BAD_REQUEST, code="invalid_parameter"),
    errors.InvalidBody: Reply(status=HTTPStatus.BAD_REQUEST, code="invalid_body"),
    errors.NotFound: Reply(status=HTTPStatus.NOT_FOUND, code="not_found"),
    errors.ForeignId: Reply(status=HTTPStatus.NOT_FOUND, code="not_found"),
    errors.NotAllowed: Reply(status=HTTPStatus.FORBIDDEN, code="not_allowed"),
    errors.NotPossible: Reply(status=HTTPStatus.CONFLICT, code="not_possible"),
    errors.TooManyRequests: Reply(status=HTTPStatus.TOO_MANY_REQUESTS, code="too_many_requests", retry_after_seconds=5),
    errors.StorageBusy: Reply(
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        code="busy",
        message="The database is busy for a moment; try again in a second.",
        retry_after_seconds=1,
    ),
    errors.HubUnreachable: _FAULT,
    errors.OutOfMemory: _FAULT,
    errors.PlatformBusy: _FAULT,
    errors.ModelCrashed: _FAULT,
    errors.StorageError: _FAULT,
    errors.ModelError: _FAULT,
    errors.NotEnoughMemory: _FAULT,
    errors.AddressGone: _FAULT,
    errors.ConfigError: _FAULT,
    errors.TrainingBusy: _FAULT,
    errors.TrainingFailed: _FAULT,
    errors.InvalidData: _FAULT,
    errors.AddressInUse: _FAULT,
    errors.RequestFailed: _FAULT,
}

OF_HTTP_STATUS: Mapping[int, Reply] = {
    HTTPStatus.UNAUTHORIZED: Reply(
        status=HTTPStatus.UNAUTHORIZED, code="password_needed", message="This chat asks for its password."
    ),
    HTTPStatus.NOT_FOUND: Reply(
        status=HTTPStatus.NOT_FOUND, code="not_found", message="There is nothing at this address."
    ),
    HTTPStatus.METHOD_NOT_ALLOWED: Reply(
        status=HTTPStatus.METHOD_NOT_ALLOWED,
        code="method_not_allowed",
        message="This address does not take that HTTP method; the reply's Allow header lists those it takes.",
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Reply(
        status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        code="body_too_large",
        message="The body is larger than 16 KB; an idea has at most 300 characters.",
    ),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: Reply(
        status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        code="not_json",
        message="The content type is not application/json; send JSON under that type.",
    ),
}


@web.middleware
async def reply_to_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with one calm sentence whatever a handler raises; faults are logged with their traceback."""
    try:
        return await handler(request)
    except errors.MjpromptError as error:
        reply = _reply_of(error)
        return _fault(request) if reply is _FAULT else _response(reply, message=reply.message or str(error))
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return _http_error(error)
    except Exception:
        return _fault(request)


def _reply_of(error: errors.MjpromptError) -> Reply:
    for kind in type(error).__mro__:
        if kind in REPLY_OF:
            return REPLY_OF[kind]
    return _FAULT


def _fault(request: web.Request) -> web.Response:
    number = secrets.token_hex(4)
    get_logger(__name__).exception("web fault", fault=number, method=request.method, path=request.path)
    return _response(_FAULT, message=f"{_FAULT.message} {number}.")


def _http_error(error: web.HTTPException) -> web.Response:
    reply = OF_HTTP_STATUS.get(error.status)
    if reply is None:
        status = HTTPStatus(error.status)
        reply = Reply(status=status, code="invalid_request", message=f"{status.phrase}.")
    response = _response(reply, message=reply.message or "")
    for name in _KEPT_HEADERS:
        if name in error.headers:
            response.headers[name] = error.headers[name]
    return response


def _response(reply: Reply, *, message: str) -> web.Response:
    response = web.json_response({"error": {"code": reply.code, "message": message}}, status=reply.status)
    if reply.retry_after_seconds is not None:
        response.headers[hdrs.RETRY_AFTER] = str(reply.retry_after_seconds)
    return response
