"""The command without its extra, and what it refuses before it starts."""

import subprocess
import sys

import pytest

BLOCKED = """
import sys
for name in ("fastapi", "starlette", "uvicorn", "h11", "websockets", "python_multipart", "prometheus_client"):
    sys.modules[name] = None
from lipscribe.cli import main
main()
"""


def run(*arguments: str, program: str | None = None) -> subprocess.CompletedProcess[str]:
    command = ["-c", program] if program else ["-m", "lipscribe"]
    return subprocess.run([sys.executable, *command, "serve", *arguments], capture_output=True, text=True)


def test_without_the_extra_it_says_what_to_install():
    done = run(program=BLOCKED)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "which is not installed: run `pip install 'lipscribe[serve]'`" in done.stderr


def test_it_does_not_listen_to_others_without_a_token():
    pytest.importorskip("fastapi", reason="needs the extra serve")
    done = run("--host", "0.0.0.0")
    assert done.returncode == 2
    assert done.stderr.startswith("error: host 0.0.0.0 can be reached from other machines: give a --token")


def test_a_model_that_is_not_there():
    pytest.importorskip("fastapi", reason="needs the extra serve")
    done = run("--model", "nothing", "--port", "0")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no model 'nothing': give one of")


def test_a_port_that_is_taken():
    pytest.importorskip("fastapi", reason="needs the extra serve")
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "give another --host or --port" in done.stderr
