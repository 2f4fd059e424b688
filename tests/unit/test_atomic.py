"""Text files that are complete or absent."""

from pathlib import Path

import pytest

from lipscribe.atomic import write_whole


def test_a_file_is_replaced_whole(tmp_path: Path):
    path = tmp_path / "x.json"
    for text in ("old\n", "né\n"):
        write_whole(path, text)
        assert path.read_bytes() == text.encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_text_that_cannot_be_written_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "x.json"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert path.read_text() == "old"
