"""The folder of a server, where several start at the same time."""

import tempfile
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from lipscribe.server.folder import private_folder


def test_servers_that_start_together_keep_their_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LIPSCRIBE_CACHE", str(tmp_path))
    (tmp_path / "serve/run-left").mkdir(parents=True)
    make = tempfile.mkdtemp

    def slowly(**arguments: str) -> str:
        made = make(**arguments)
        time.sleep(0.1)
        return made

    monkeypatch.setattr(tempfile, "mkdtemp", slowly)
    together, kept = threading.Barrier(4), []

    def serve(number: int) -> None:
        time.sleep(0.04 * number)
        with private_folder() as folder:
            (folder / "upload").mkdir()
            together.wait(20)
            kept.append((folder / "upload").is_dir() and folder.stat().st_mode & 0o777 == 0o700)

    threads = [threading.Thread(target=serve, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert kept == [True] * 4
    assert not list(tmp_path.glob("serve/run-*"))
