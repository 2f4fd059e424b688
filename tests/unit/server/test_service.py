"""The queue: who is refused when it is full, and who is not."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from lipscribe.server.errors import ApiError
from lipscribe.server.service import Service
from lipscribe.server.settings import Settings


class Children:
    """No processes."""

    def __init__(self, *_: Any):
        self.ran: list[Any] = []

    def run(self, function: Any, *args: Any, stop: threading.Event) -> str:
        self.ran.append(function)
        return "done"

    def close(self) -> None:
        pass


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr("lipscribe.server.service.Children", Children)
    return Service(Settings(model="talkers", workers=1, queue=1), tmp_path)


def test_a_full_queue_refuses_clients_and_not_the_server_itself(service: Service):
    async def run() -> list[Any]:
        held = threading.Event()
        first, second = (asyncio.ensure_future(service.job(lambda stop: held.wait(60))) for _ in range(2))
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as refused:
            await service.child("of a client")
        own = asyncio.ensure_future(service.child("of the server", limited=False))
        await asyncio.sleep(0)
        third = asyncio.ensure_future(service.child("of a client"))
        await asyncio.wait([third])  # the server's own counts, and waits its turn
        held.set()
        await asyncio.gather(first, second)
        return [refused.value, third.exception(), await own]

    refused, third, own = asyncio.run(run())
    assert refused.status == 429 and int(refused.headers["Retry-After"]) >= 1
    assert isinstance(third, ApiError) and own == "done"
    assert service.children.ran == ["of the server"]
    service.close()
