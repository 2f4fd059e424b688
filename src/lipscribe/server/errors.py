"""What goes wrong -> an answer in the shape of OpenAI's errors: one plain sentence with the remedy."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from lipscribe.engines import ForeignError, place_of
from lipscribe.errors import FULL, CheckpointError, ConfigError, LipscribeError, NoFaceError, VideoError

logger = logging.getLogger(__name__)

_STATUS = {VideoError: 422, NoFaceError: 422, ConfigError: 400, CheckpointError: 400}
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
UNEXPECTED = "something unexpected went wrong: try again, and report it with the server's log if it stays"


class ApiError(LipscribeError):
    """An error with its HTTP status.

    Args:
        status: The status.
        message: One sentence with the remedy.
        param: The field that it is about.
        code: For programs.
        headers: Of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ):
        super().__init__(message)
        self.status, self.param, self.code, self.headers = status, param, code, headers


def as_api_error(error: BaseException) -> ApiError:
    """The answer to any exception; one that nobody expected is logged without its message, which may name a file."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, LipscribeError):
        return ApiError(next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 400), str(error))
    if isinstance(error, MemoryError):
        return ApiError(422, "reading the file takes more memory than is allowed here: make its pictures smaller")
    if isinstance(error, OSError) and error.errno in FULL:
        return ApiError(507, "the server's disk is full: make room there, and try again")
    if isinstance(error, ForeignError):
        logger.error("unexpected in a child: %s", error)
        return ApiError(500, UNEXPECTED)
    logger.error("unexpected %s in %s", type(error).__name__, place_of(error))
    return ApiError(500, UNEXPECTED)


def too_slow() -> ApiError:
    """The answer to a request that does not come."""
    return ApiError(408, "the request comes in too slowly: send it again over a faster connection")


def server_ends() -> ApiError:
    """The answer to a request that is not done when the server ends."""
    return ApiError(503, "the server ends or restarts: send it again in a moment", headers={"Retry-After": "5"})


def error_body(error: ApiError) -> dict[str, Any]:
    """The answer's JSON."""
    kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    return {"error": {"message": str(error), "type": kind, "param": error.param, "code": error.code}}


def error_response(error: BaseException) -> JSONResponse:
    """The answer."""
    known = as_api_error(error)
    return JSONResponse(error_body(known), known.status, known.headers)


def add_handlers(app: FastAPI) -> None:
    """Has the application answer all errors so."""

    async def on_error(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, HTTPException):
            return error_response(ApiError(error.status_code, _http_message(request, error), headers=_headers(error)))
        if isinstance(error, RequestValidationError):
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"][1:])
            return error_response(ApiError(400, f"{name or 'the request'}: {first['msg']}", param=name or None))
        return error_response(error)

    for kind in (HTTPException, RequestValidationError, LipscribeError):
        app.add_exception_handler(kind, on_error)


def _http_message(request: Request, error: HTTPException) -> str:
    if error.status_code == 404:
        return "there is nothing under this address: see /docs for what there is"
    if error.status_code == 405:
        return f"{request.method} is not for this address: see /docs for what is"
    return str(error.detail)


def _headers(error: HTTPException) -> dict[str, str] | None:
    return dict(error.headers) if error.headers else None
