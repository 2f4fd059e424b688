"""An S3 server of moto in a process of its own, for tests of object stores."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BUCKET = "clips"
SETTINGS = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")


class ObjectStore:
    """A running server with one bucket; this process and those that it starts talk to it."""

    def __init__(self, process: subprocess.Popen, address: str):
        self.process = process
        self.address = address
        self.url = f"s3://{BUCKET}"

    def check_rights(self, on: bool) -> None:
        """From now on every request needs the rights of a known user; nobody has any."""
        count = b"0" if on else b"1000000000"
        plain = {"Content-Type": "text/plain"}
        _ask(urllib.request.Request(f"{self.address}/moto-api/reset-auth", count, plain))

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def running_store() -> Iterator[ObjectStore]:
    """Starts a server, and sets the environment that makes fsspec use it."""
    pytest.importorskip("moto.server")
    s3fs = pytest.importorskip("s3fs")
    s3fs.S3FileSystem.clear_instance_cache()  # of another server
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    before = {name: os.environ.get(name) for name in SETTINGS}
    os.environ.update(zip(SETTINGS, (address, "somebody", "secret", "us-east-1"), strict=True))
    try:
        _await(port, process)
        _ask(urllib.request.Request(f"{address}/{BUCKET}", method="PUT"))
        yield ObjectStore(process, address)
    finally:
        process.kill()
        process.wait()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _ask(request: urllib.request.Request) -> None:
    urllib.request.urlopen(request, timeout=10).close()


def _await(port: int, process: subprocess.Popen) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None, "moto_server ended"
            time.sleep(0.1)
    raise TimeoutError("moto_server does not answer")
