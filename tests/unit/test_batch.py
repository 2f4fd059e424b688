"""Many videos: in order, each with its own error, in this process or in others."""

from pathlib import Path

import pytest

import lipscribe
from lipscribe.batch import FEW_FILES, SMALL_BYTES, choose_jobs
from lipscribe.errors import CheckpointError, ConfigError, VideoError
from lipscribe.processes import available_cpus
from lipscribe.talker import Talker

SAID = ("place red at l seven please", "bin blue by f six now")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two videos, and one that is none between them."""
    folder = tmp_path_factory.mktemp("two")
    for number, said in enumerate(SAID):
        Talker(seed=7).say(said).save(folder / f"{number}.mp4")
    (folder / "bad.mp4").write_text("no video")
    return [folder / "0.mp4", folder / "bad.mp4", folder / "1.mp4"]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_each_video_comes_with_its_transcript_or_its_error(videos: list[Path], jobs: int):
    reported = []
    results = lipscribe.transcribe_all(videos, "talkers", jobs=jobs, progress=lambda *report: reported.append(report))
    sources, (first, second, third) = zip(*results, strict=True)
    assert list(sources) == videos
    assert (first.text, third.text) == SAID
    assert isinstance(second, VideoError) and "bad.mp4" in str(second)
    assert reported == [("videos", done, 3) for done in range(4)]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_wrong_for_all_videos_is_raised(videos: list[Path], jobs: int):
    with pytest.raises(CheckpointError, match="no model 'none'"):
        list(lipscribe.transcribe_all(videos, "none", jobs=jobs))
    with pytest.raises(ConfigError, match="want auto or one of greedy"):
        list(lipscribe.transcribe_all(videos, "talkers", options=lipscribe.SearchOptions("guess"), jobs=jobs))


@pytest.mark.slow
def test_a_model_s_notice_is_logged_once(videos: list[Path], caplog: pytest.LogCaptureFixture):
    for _ in lipscribe.transcribe_all(videos, "talkers", jobs=2):
        pass
    assert [record.message[:13] for record in caplog.records] == ["model talkers"]


def test_no_video_is_no_result():
    assert list(lipscribe.transcribe_all([], "talkers")) == []


def test_the_number_of_processes_follows_the_videos(tmp_path: Path):
    small, large = tmp_path / "small.mp4", tmp_path / "large.mp4"
    small.write_bytes(b"small")
    with large.open("wb") as file:
        file.truncate(SMALL_BYTES + 1)
    many = min(available_cpus(), FEW_FILES + 1)
    assert choose_jobs(None, [str(small)] * FEW_FILES) == 1
    assert choose_jobs(None, [str(small)] * (FEW_FILES + 1)) == many
    assert choose_jobs(None, [str(large)] * 2) == min(available_cpus(), 2)
    assert choose_jobs(None, [str(large)]) == 1
    assert choose_jobs(None, ["https://example.org/a.mp4"] * 2) == min(available_cpus(), 2)
    assert choose_jobs(None, [str(tmp_path / "none.mp4"), "\0"] * 4) == 1  # nothing to read
    assert choose_jobs(5, [str(small)] * 3) == 3
    assert choose_jobs(1, [str(large)] * 9) == 1
    for wrong in (0, -1, 1.5, "all"):
        with pytest.raises(ConfigError, match="give a number of processes"):
            choose_jobs(wrong, [str(small)])
