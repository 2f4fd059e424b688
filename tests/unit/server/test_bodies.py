"""Limits of JSON bodies: refused by their head, their length or their depth, before anything is made of them."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("httpx", reason="needs httpx: make setup")

import httpx
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from pydantic import ValidationError

from lipscribe.server import bodies, live, page_routes, transcriptions, videos, watching
from lipscribe.server.bodies import MAX_DEPTH, MAX_JSON_BYTES, JsonRoute
from lipscribe.server.enrolment import NewEnrolment, enrolment_router
from lipscribe.server.errors import ApiError, add_handlers
from lipscribe.server.page_routes import MAX_WORDS, Verbose


def post(content: Any, **headers: str) -> httpx.Response:
    app, router = FastAPI(), APIRouter(route_class=JsonRoute)

    @router.post("/")
    def take(value: dict[str, Any]) -> int:
        return len(value)

    app.include_router(router)
    add_handlers(app)

    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            return await client.post("/", content=content, headers={"content-type": "application/json", **headers})

    return asyncio.run(run())


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def test_bodies_within_the_limits():
    assert post(b'{"a": 1, "b": []}').json() == 2
    assert post(nested(MAX_DEPTH)).json() == 1


@pytest.mark.parametrize(
    "content",
    [nested(MAX_DEPTH + 1), nested(100_000), b"[" * 1_000_000, b"{", b'{"a": "\xff"}', b"9" * 10_000],
    ids=["deep", "deeper", "brackets", "open", "no text", "a long number"],
)
def test_what_is_no_json_or_deep(content: bytes):
    answer = post(content)
    assert answer.status_code == 400
    assert "nested deeper than" in answer.json()["error"]["message"]


def test_a_long_body_is_refused_by_its_head_or_while_it_comes():
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * (MAX_JSON_BYTES // 50)
            taken.append(1)

    taken: list[int] = []
    for content in (b" " * (MAX_JSON_BYTES + 1), parts()):
        answer = post(content)
        assert answer.status_code == 413
        assert "over 2 MB" in answer.json()["error"]["message"]
    assert post(b"{}", **{"content-length": "9" * 30}).status_code == 413


def test_a_body_that_does_not_come(monkeypatch: pytest.MonkeyPatch):
    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.02)

    monkeypatch.setattr(bodies, "READ_LIMIT", 0.1)
    assert post(parts()).status_code == 408


def test_every_route_with_a_json_body_has_the_limits(tmp_path: Path):
    routers = [part.router for part in (live, page_routes, transcriptions, videos, watching)]
    routes = [route for router in (*routers, enrolment_router(tmp_path)) for route in router.routes]
    with_body = [route for route in routes if isinstance(route, APIRoute) and route.body_field is not None]
    assert {route.path for route in with_body} == {"/page/transcripts", "/v1/enrolments"}
    assert all(isinstance(route, JsonRoute) for route in with_body)


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (Verbose, {"words": [{}] * MAX_WORDS, "segments": []}),
        (Verbose, {"words": [], "segments": [1] * MAX_WORDS}),
        (Verbose, {"words": [{"word": "a", "start": 0, "end": 1}] * (MAX_WORDS + 1), "segments": []}),
        (NewEnrolment, {"name": "me", "prompts": [1] * MAX_WORDS}),
    ],
    ids=["words", "segments", "many words", "prompts"],
)
def test_of_many_faults_the_first_is_told(model: type[Verbose | NewEnrolment], data: Any):
    with pytest.raises(ValidationError) as error:
        model.model_validate(data)
    assert error.value.error_count() < 5


def test_times_are_numbers():
    with pytest.raises(ValidationError, match="finite"):
        Verbose.model_validate(json.loads('{"words": [{"word": "a", "start": NaN, "end": 1}], "segments": []}'))


def test_the_same_words_in_many_segments():
    words = [{"word": "a", "start": 0, "end": 1}] * 3
    segments = [{"text": "a a a", "start": 0, "end": 1}]
    assert Verbose.model_validate({"words": words, "segments": segments * 8}).to_transcript().text
    with pytest.raises(ApiError, match="send each once"):
        Verbose.model_validate({"words": words, "segments": segments * 9}).to_transcript()
