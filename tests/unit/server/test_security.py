import asyncio
import hmac
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("httpx", reason="needs httpx: make setup")

import httpx
from starlette.responses import PlainTextResponse

from lipscribe.errors import ConfigError
from lipscribe.server import security
from lipscribe.server.security import Guard
from lipscribe.server.settings import Settings

TOKEN = "a long secret"


def ask(
    settings: Settings, path: str = "/v1/models", host: str = "127.0.0.1:8000", **headers: str | bytes
) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(Guard(PlainTextResponse("in"), settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path, headers={"host": host, **headers})

    return asyncio.run(run())


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "lips.example.org"])
def test_hosts_that_are_known(host: str):
    assert ask(Settings(allowed_hosts=("lips.example.org",)), host=host).text == "in"


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "10.0.0.5", "[::"]
)
def test_hosts_that_are_not(host: str):
    """A name of another site that leads here (DNS rebinding) is refused on loopback too."""
    answer = ask(Settings(), host=host)
    assert answer.status_code == 421
    assert "--allow-host" in answer.json()["error"]["message"]


def test_beyond_loopback_addresses_are_known_and_names_are_not():
    settings = Settings(host="0.0.0.0", token=TOKEN)
    assert ask(settings, host="192.168.1.5:8000", authorization=f"Bearer {TOKEN}").text == "in"
    assert ask(settings, host="evil.example", authorization=f"Bearer {TOKEN}").status_code == 421


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://[", "http://localhost:8000", "http://127.0.0.1:9"]
)
def test_pages_of_other_sites_are_refused(origin: str):
    answer = ask(Settings(), origin=origin)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_our_page_and_allowed_ones():
    assert ask(Settings(), origin="http://127.0.0.1:8000").text == "in"
    assert ask(Settings(allowed_origins=("https://ours.example",)), origin="https://ours.example").text == "in"


def test_the_token():
    settings = Settings(token=TOKEN)
    refused = ask(settings)
    assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
    for wrong in (TOKEN, f"Bearer {TOKEN}x", "Bearer ", f"Basic {TOKEN}", b"Bearer \xff"):
        assert ask(settings, authorization=wrong).status_code == 401
    assert ask(settings, authorization=f"Bearer {TOKEN}").text == "in"
    assert ask(settings, "/healthz", host="anything").text == "in"
    assert ask(settings, f"/v1/models?token={TOKEN}").status_code == 401  # addresses are logged by proxies


def test_the_page_gets_a_cookie():
    settings = Settings(token="secret-token")
    answer = ask(settings, "/?token=secret-token")
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert ask(settings, cookie="lipscribe_token=secret-token").text == "in"
    assert ask(settings, cookie="lipscribe_token=other").status_code == 401
    assert ask(settings, "/?token=wrong-token").status_code == 401


def test_headers_for_browsers():
    headers = ask(Settings()).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_nothing_of_a_user_stays_in_a_cache():
    assert ask(Settings(), "/v1/models").headers["cache-control"] == "no-store"
    assert ask(Settings(), "/v1/models", host="evil.example").headers["cache-control"] == "no-store"
    assert ask(Settings(), "/style.css").headers["cache-control"] == "no-cache"
    assert ask(Settings(token="secret-token"), "/?token=secret-token").headers["cache-control"] == "no-store"


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch):
    """By the library's function for it, whatever is sent and however."""
    compared: list[bytes] = []

    def compare(given: bytes, wanted: bytes) -> bool:
        compared.append(given)
        return hmac.compare_digest(given, wanted)

    monkeypatch.setattr(security, "hmac", SimpleNamespace(compare_digest=compare))
    settings = Settings(token="secret-token")
    ask(settings, authorization="Bearer secret-tokem")
    ask(settings, cookie="lipscribe_token=secret-tokeo")
    ask(settings, "/?token=secret-tokep")
    assert {b"secret-tokem", b"secret-tokeo", b"secret-tokep"} <= set(compared)


def test_long_heads():
    for path, headers in (("/healthz", {"x": "y" * 40_000}), ("/healthz?" + "x" * 40_000, {})):
        assert ask(Settings(), path, **headers).status_code == 431
    assert ask(Settings(), **{f"x-{number}": "y" for number in range(200)}).status_code == 431


def test_websockets_are_guarded_too():
    async def run(origin: str) -> list[dict[str, Any]]:
        sent = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "websocket.accept"})

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(b"host", b"127.0.0.1:8000"), (b"origin", origin.encode())]
        scope = {"type": "websocket", "path": "/v1/stream", "headers": headers, "query_string": b""}
        await Guard(app, Settings())(scope, None, send)
        return sent

    assert asyncio.run(run("http://127.0.0.1:8000")) == [{"type": "websocket.accept"}]
    assert asyncio.run(run("https://evil.example")) == [{"type": "websocket.close", "code": 1008}]


def test_settings_that_are_not_safe():
    with pytest.raises(ConfigError, match="give a --token"):
        Settings(host="0.0.0.0")
    with pytest.raises(ConfigError, match="too short"):
        Settings(token="short")


def answered(app: Any, receive: Any, send: Any = None, **settings: float) -> list[dict[str, Any]]:
    """What a request to an application behind the guard is sent."""
    sent = []

    async def record(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/", "headers": [(b"host", b"localhost")], "query_string": b"", "method": "POST"}
    asyncio.run(Guard(app, Settings(**settings))(scope, receive, send or record))
    return sent


async def forever(*message: Any) -> Any:
    await asyncio.sleep(1000)


def test_what_nobody_expected_is_a_plain_answer():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("/home/somebody/secret.mp4")

    start, body = answered(app, forever)
    assert start["status"] == 500
    assert b"unexpected" in body["body"] and b"secret" not in body["body"]


def test_a_body_that_does_not_come():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    start, body = answered(app, forever, idle_timeout=0.05)
    assert start["status"] == 408
    assert b"too slowly" in body["body"]


def test_waiting_for_a_client_to_leave_is_not_slow():
    async def receive() -> dict[str, Any]:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.3 * (calls > 1))
        return {"type": "http.request"} if calls == 1 else {"type": "http.disconnect"}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        await PlainTextResponse("in")(scope, receive, send)

    calls = 0
    assert answered(app, receive, idle_timeout=0.1)[0]["status"] == 200


def test_an_answer_that_is_not_read():
    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await forever()

    assert answered(PlainTextResponse("in"), forever, send, idle_timeout=0.05) == []  # and it ends
