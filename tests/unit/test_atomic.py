"""Files that are complete or absent."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lipscribe.atomic import remove_partial, write_bytes, write_text, writing, writing_path


def test_a_file_is_replaced_whole(tmp_path: Path):
    path = tmp_path / "x.json"
    for text in ("old\n", "né\r\n"):
        write_text(path, text)
        assert path.read_bytes() == text.encode()
    write_bytes(path, b"\xff")
    assert path.read_bytes() == b"\xff"
    assert list(tmp_path.iterdir()) == [path]


def test_a_text_that_cannot_be_written_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "x.json"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert path.read_text() == "old"


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), writing(path) as file:
        file.write(b"half")
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), writing_path(path) as partial:
        partial.write_bytes(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path):
    path = tmp_path / "x.bin"
    with writing(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"


def test_two_writers_of_one_file_do_not_disturb_each_other(tmp_path: Path):
    path = tmp_path / "x.bin"
    with writing(path) as first:
        first.write(b"first")
        with writing(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_as_long_as_names_can_be(tmp_path: Path):
    path = tmp_path / ("é" * 127)  # 254 bytes
    write_text(path, "text")
    assert path.read_text() == "text"


def test_behind_a_link_the_file_that_it_leads_to_is_written(tmp_path: Path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.srt"
    link.symlink_to(tmp_path / "real" / "a.srt")
    for text in ("new", "newer"):
        write_text(link, text)
        assert link.is_symlink()
        assert (tmp_path / "real" / "a.srt").read_text() == text


def test_a_write_protected_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "x.json"
    path.write_text("old")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everything
    with pytest.raises(PermissionError, match="Permission denied"):
        write_text(path, "new")
    assert path.read_text() == "old"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_bytes(pipe, b"text")
    reader.join(10)
    assert got == [b"text"]
    assert pipe.is_fifo()


def test_what_killed_processes_left_behind_is_removed(tmp_path: Path):
    (tmp_path / "s1").mkdir()
    write_text(tmp_path / "s1" / "kept.json", "{}")
    (tmp_path / "s1" / ".kept.json.0123abcd.partial").touch()
    (tmp_path / "film.mp4.partial").touch()  # of another program, or of a download that is resumed
    remove_partial(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["film.mp4.partial", "kept.json"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody can tell whether a process runs")
def test_the_next_process_that_writes_removes_what_a_killed_one_left_and_nothing_of_one_that_runs(tmp_path: Path):
    killed = (
        "import os,sys,lipscribe.atomic as a\nwith a.writing(sys.argv[1]) as f: f.write(b'x'); f.flush(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", killed, str(tmp_path / "a")], check=False)
    (left,) = tmp_path.iterdir()
    other = left.with_name(left.name.replace(left.name.split("-")[0], ".a.00000000"))  # of another machine
    other.touch()
    with writing(tmp_path / "b") as beside:
        beside.write(b"b")
        writer = "import sys,lipscribe.atomic as a\na.write_bytes(sys.argv[1], b'c')"
        subprocess.run([sys.executable, "-c", writer, str(tmp_path / "c")], check=True)
    assert {path.name for path in tmp_path.iterdir()} == {"b", "c", other.name}
