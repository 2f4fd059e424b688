"""Folders that are filled step by step: resumed with the same options, refused with others, one process at a time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lipscribe.errors import LipscribeError, ManifestError
from lipscribe.resumable import LOCK_FILE, differences, holds_other_files, locked, remove_staged, resumable, staged

HOLDER = """
import sys
from pathlib import Path
from lipscribe.resumable import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_new_folder_says_how_it_was_made_and_is_resumed_with_the_same_options(tmp_path: Path):
    folder = tmp_path / "a" / "b"
    for _ in range(2):
        with resumable(folder, "made.json", {"codec": "lossless", "sizes": (1, 2)}):
            (folder / ".x.tar.0123abcd.partial").touch()
    assert json.loads((folder / "made.json").read_text()) == {"codec": "lossless", "sizes": [1, 2]}
    with resumable(folder, "made.json", {"codec": "lossless"}):
        assert not list(folder.glob(".*.partial"))


def test_other_options_are_refused_and_all_are_named(tmp_path: Path):
    with resumable(tmp_path, "made.json", {"codec": "lossless", "seed": 1}):
        pass
    with (
        pytest.raises(
            ManifestError,
            match=r"was made with other options \(codec lossless, now compact; seed 1, now 2\): give another --o",
        ),
        resumable(tmp_path, "made.json", {"codec": "compact", "seed": 2}),
    ):
        pass


def test_an_option_that_older_records_lack_has_a_default(tmp_path: Path):
    (tmp_path / "made.json").write_text('{"codec": "lossless"}')
    with resumable(tmp_path, "made.json", {"codec": "lossless", "crop": "a"}, {"crop": "a"}):
        pass
    with (
        pytest.raises(ManifestError, match=r"\(crop a, now b\)"),
        resumable(tmp_path, "made.json", {"codec": "lossless", "crop": "b"}, {"crop": "a"}),
    ):
        pass


@pytest.mark.parametrize("content", ["{", "[]", b"\xff"])
def test_a_damaged_record(tmp_path: Path, content: str | bytes):
    (tmp_path / "made.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with (
        pytest.raises(ManifestError, match=r"cannot be used .*: give another --output"),
        resumable(tmp_path, "made.json", {}),
    ):
        pass


def test_a_second_process_is_refused_in_one_line_and_a_killed_one_leaves_no_lock(tmp_path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"locked\n"
        with (
            pytest.raises(LipscribeError, match=r"^another process is writing to .*: wait until it has finished, or"),
            resumable(tmp_path, "made.json", {}),
        ):
            pass
        holder.kill()
    with resumable(tmp_path, "made.json", {}):
        pass


def test_a_lock_ends_with_its_block_whatever_happens(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path):
        pass


def test_the_lock_of_a_file_leaves_nothing_beside_it(tmp_path: Path):
    with locked(tmp_path / "journal"):
        with (
            pytest.raises(LipscribeError, match=r"another process is writing to .*journal: wait"),
            locked(tmp_path / "journal"),
        ):
            pass
        with locked(tmp_path / "other"):
            pass
    assert not list(tmp_path.iterdir())


def test_a_folder_of_other_files_is_told_from_one_of_ours(tmp_path: Path):
    assert not holds_other_files(tmp_path / "absent", "made.json")
    (tmp_path / LOCK_FILE).touch()
    (tmp_path / ".made.json.0123abcd.partial").touch()
    assert not holds_other_files(tmp_path, "made.json")
    (tmp_path / "holiday.jpg").touch()
    assert holds_other_files(tmp_path, "made.json")
    (tmp_path / "made.json").touch()
    assert not holds_other_files(tmp_path, "made.json")


def test_differences_go_into_sections():
    found = {"optim": {"epochs": 1, "rate": 0.1}, "data": None, "old": 1}
    assert differences(found, {"optim": {"epochs": 2, "rate": 0.1}, "data": {"folder": "a"}}) == [
        "optim.epochs 1, now 2",
        "data None, now {'folder': 'a'}",
    ]


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path):
    target = tmp_path / "models" / "me"
    with pytest.raises(ZeroDivisionError), staged(target) as made:
        made.mkdir()
        (made / "half").touch()
        raise ZeroDivisionError
    assert not list(target.parent.iterdir())
    with staged(target) as made:
        made.mkdir()
        assert not target.exists()
        remove_staged(target.parent)  # as a process beside it does
        (made / "whole").touch()
    assert [path.name for path in target.iterdir()] == ["whole"]
    with pytest.raises(FileExistsError), staged(target) as made:
        made.mkdir()
    with staged(target, replaces=True) as made:
        made.mkdir()
        (made / "new").touch()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in target.parent.iterdir()] == ["me"]


def test_what_a_killed_process_was_about_to_replace_comes_back(tmp_path: Path):
    left = tmp_path / ".lipscribe-killed"
    (left / "made").mkdir(parents=True)
    (left / "before" / "me").mkdir(parents=True)
    (left / LOCK_FILE).touch()
    (tmp_path / ".lipscribe-of-others").mkdir()
    remove_staged(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"me", ".lipscribe-of-others"}


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_is_replaced_comes_back_whatever_ends_the_replacement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
):
    target = tmp_path / "me"
    target.mkdir()
    (target / "old").touch()
    original = Path.rename

    def rename(path: Path, to: Path) -> Path:
        if path.name == "made":
            raise error
        return original(path, to)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(error), staged(target, replaces=True) as made:
        made.mkdir()
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["me", "me/old"]
