"""Which videos a command finds in the folders that it is given."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from lipscribe.cli.sources import find_videos
from lipscribe.errors import ManifestError, VideoError
from lipscribe.video import Video


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("z.mp4", "a/b/x.MP4", "a/x.mkv", "a/x.srt", "a/readme.txt", ".old/y.mp4", "a/._x.mkv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def test_folders_below_are_looked_into_where_a_command_says_so(folder: Path, capsys: pytest.CaptureFixture[str]):
    with ExitStack() as until:
        found = find_videos([str(folder)], until, below=True)
    assert [source.stem for source in found] == ["a/b/x", "a/x", "z"]
    assert [Path(source.path) for source in found] == [folder / "a/b/x.MP4", folder / "a/x.mkv", folder / "z.mp4"]
    assert capsys.readouterr().err == f"note: {folder}: skipped 1 that are not video files: a/readme.txt\n"


def test_what_is_no_address_is_told_of_itself_alone():
    """When it is read: the videos beside it are found."""
    with ExitStack() as until:
        found = find_videos(["http://[", "https://video.example/talk.mp4?t=1", "http://video.example"], until)
    assert [source.stem for source in found] == ["video", "talk", "video"]
    with pytest.raises(VideoError, match=r"http://\[: is no address"):
        Video(found[0].path)


def test_else_they_are_listed_as_skipped(folder: Path, capsys: pytest.CaptureFixture[str]):
    with ExitStack() as until:
        assert [source.stem for source in find_videos([str(folder)], until)] == ["z"]
    assert "skipped 1 that are not video files: a\n" in capsys.readouterr().err


def test_a_folder_below_that_cannot_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(root: Path, unreadable):
        unreadable(PermissionError(13, "Permission denied", f"{root}/a"))
        return iter(())

    monkeypatch.setattr("lipscribe.video_files.files_below", refuse)
    with ExitStack() as until, pytest.raises(ManifestError, match=r"/a cannot be read \(Permission denied\): give"):
        find_videos([str(folder)], until, below=True)
