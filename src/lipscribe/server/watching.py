"""`/healthz`, `/readyz`, `/metrics`, `/v1/models` and `/docs`: what a server says of itself."""

import time
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lipscribe.server.errors import ApiError
from lipscribe.server.schemas import ERRORS
from lipscribe.server.service import Service

router = APIRouter(tags=["server"])

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")


@router.get("/healthz", summary="Whether the process answers")
def healthz() -> dict[str, str]:
    """Always ok."""
    return {"status": "ok"}


@router.get("/readyz", summary="Whether it can read", responses={503: {"description": "Not yet."}})
async def readyz(request: Request) -> JSONResponse:
    """Whether the server's model is in memory and its workers are there."""
    is_ready = request.app.state.is_ready
    return JSONResponse({"status": "ok" if is_ready else "starting"}, 200 if is_ready else 503)


@router.get("/metrics", summary="Numbers for Prometheus", response_class=Response)
def metrics(request: Request) -> Response:
    """Requests, their times, the queue, streams, and the process's memory."""
    service: Service = request.app.state.service
    return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/models", summary="List the models")
def models(request: Request) -> dict[str, Any]:
    """The installed models, and what each reads."""
    service: Service = request.app.state.service
    return {"object": "list", "data": service.models.describe()}


@router.get("/v1/models/{name:path}", summary="Describe a model", responses=ERRORS)
def model(request: Request, name: str) -> dict[str, Any]:
    """One of them."""
    service: Service = request.app.state.service
    for row in service.models.describe():
        if row["id"] == name:
            return row
    raise ApiError(404, f"no model {name[:80]!r}: see /v1/models for those that are there", "model", "model_not_found")


@router.get("/docs", include_in_schema=False)
def docs(request: Request) -> HTMLResponse:
    """A page of all endpoints."""
    rows = [
        f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(about.get('description', ''))}</p>"
        for path, methods in request.app.openapi()["paths"].items()
        for method, about in methods.items()
    ]
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Lipscribe API</title>'
    text = '<h1>Lipscribe API</h1><p>In full: <a href="/openapi.json">/openapi.json</a></p>'
    return HTMLResponse(f"{head}<main>{text}{''.join(rows)}</main></html>")


class Counted:
    """Middleware that counts requests and their time by route."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.monotonic(), 0

        async def counted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            service: Service = scope["app"].state.service
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"  # each label takes memory
            service.metrics.requests.labels(route, method, status).inc()
            service.metrics.seconds.labels(route).observe(time.monotonic() - begun)
