"""A `lipscribe serve` for tests: in a thread, with any settings; or as a process, as a user starts it."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from lipscribe.server.run import configure, listen
from lipscribe.server.settings import Settings
from lipscribe.talker import Talker

PATIENCE = 120.0  # s, on a busy machine
SAID = "place red at c seven please"


def own_cache(folders: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of a module's own, for a fixture."""
    folder = folders.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIPSCRIBE_CACHE", str(folder))
        yield folder


def draw_clip(folders: pytest.TempPathFactory) -> Path:
    """The video of a talker who says `SAID`."""
    path = folders.mktemp("clips") / "talker.mp4"
    Talker(900_001).say(SAID, duration=3.0).save(path)
    return path


@contextmanager
def running(**settings: Any) -> Iterator[str]:
    """The address of a server with these settings."""
    chosen = Settings(**{"model": "talkers", "port": 0, **settings})
    listening = listen(chosen.host, chosen.port)
    server = uvicorn.Server(configure(chosen))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        wait_until_ready(address)
        yield address
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@contextmanager
def started(*flags: str, cache: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and address of `lipscribe serve --port 0`."""
    command = [sys.executable, "-m", "lipscribe", "serve", "--port", "0", "--model", "talkers", *flags]
    environment = {**os.environ, "LIPSCRIBE_CACHE": cache}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            address = re.search(r"http://\S+", line)
            assert address, line + process.stderr.read()
            wait_until_ready(address[0])
            yield process, address[0]
        finally:
            process.terminate()


def wait_until_ready(address: str) -> None:
    """Until models and workers are there."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"{address} is not ready after {PATIENCE} s")


def wait_for(condition: Any) -> None:
    """Until the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it has not come true"
        time.sleep(0.05)
