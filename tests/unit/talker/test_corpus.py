"""A corpus of talkers: its plan, GRID's layout, the same on any number of processes, whole after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import lipscribe.talker.corpus
from lipscribe.atomic import write_text
from lipscribe.data.corpora.grid import prepare_grid, read_align, sentence_of_name, write_align
from lipscribe.data.manifest import WordTime
from lipscribe.errors import ConfigError, ManifestError
from lipscribe.talker.corpus import _Options, _rate, make_corpus
from lipscribe.talker.idle import MOVEMENTS
from lipscribe.talker.phonemes import pronounce
from lipscribe.talker.plan import PlannedClip, plan_grid
from lipscribe.talker.timing import time_phonemes
from lipscribe.video import Video

HERE = Path(__file__).parent


def drawn_in_worker(clip: PlannedClip, options) -> str:
    """Takes the place of `_render` in the processes: the folder's name says what happens to clips."""
    video, align, _ = options.paths(clip)
    with (options.folder.parent / "worked.txt").open("a") as log:
        log.write(f"{clip.id}\n")
    if "slow" in options.folder.name:
        time.sleep(0.15)
    if "crash" in options.folder.name and clip.take == 1 and clip.speaker == 1:
        os._exit(11)
    if "full" in options.folder.name and clip.take == 1:
        raise ManifestError(f"{clip.id} cannot be written (No space left on device): give another --output")
    write_align(align, [WordTime(word, n / 10, n / 10 + 0.1) for n, word in enumerate(clip.text.split())], 3.0)
    write_text(video, f"{options.seed} {clip}")
    return ""


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lipscribe.talker.corpus, "_render", drawn_in_worker)
    monkeypatch.setattr(lipscribe.talker.corpus, "CLIPS_AT_ONCE", 4)


def worked(folder: Path) -> list[str]:
    """The clips that the processes were given since the last call."""
    log = folder / "worked.txt"
    lines = log.read_text().split() if log.exists() else []
    log.unlink(missing_ok=True)
    return sorted(lines)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sentence_file(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "sentences.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_rates_vary_and_every_command_fits_into_three_seconds():
    options = _Options(Path(), 0, 3.0, {}, None, False)
    for tempo in (0.7, 1.0, 1.3):
        rates = []
        for clip in plan_grid(100, 1, seed=0):
            words = pronounce(clip.text)
            rates.append(_rate(clip, words, tempo, options))
            for seed in range(3):
                phonemes = time_phonemes(words, np.random.default_rng(seed), rates[-1] * tempo, 0, 0)
                assert phonemes[-1].end < 2.8
        assert 0.03 < np.std(rates) < 0.15
    long = pronounce("nine hundred ninety nine million seven hundred seventy seven thousand")
    clip = PlannedClip(1, 0, "0001", "")
    assert _rate(clip, long, 1.0, options) > 1.3
    assert _rate(clip, long, 1.0, replace(options, duration=None)) < 1.3
    assert _rate(clip, long, 1.0, replace(options, duration=None, rate=2.0)) == 2.0


# The corpus, with clips that are drawn in place of `_render`.


@pytest.mark.usefixtures("drawn")
def test_the_layout_is_that_of_grid(tmp_path: Path):
    report = make_corpus(tmp_path / "corpus", clips=20, speakers=10, workers=2)
    assert (report.rendered, report.kept, report.failed) == (20, 0, {})
    assert report.splits == {"train": 16, "dev": 2, "test": 2}
    clips, skipped = prepare_grid(tmp_path / "corpus")
    assert not skipped
    assert len(clips) == 20
    assert Counter(clip.split for clip in clips) == report.splits
    for clip in clips:
        assert clip.text == sentence_of_name(clip.id.split("/")[1])
        assert clip.path == str(tmp_path / "corpus" / "video" / f"{clip.id}.mp4")
        assert len(clip.words) == 6
    assert len({(clip.speaker, clip.split) for clip in clips}) == 10  # nobody is in two splits


@pytest.mark.slow
@pytest.mark.usefixtures("drawn")
def test_numbers_of_processes_change_nothing_and_the_seed_does(tmp_path: Path):
    for name, workers, seed in (("one", 1, 0), ("three", 3, 0), ("other", 1, 5)):
        make_corpus(tmp_path / name, clips=6, speakers=2, seed=seed, workers=workers)
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
    assert contents(tmp_path / "one").keys() != contents(tmp_path / "other").keys()


@pytest.mark.usefixtures("drawn")
def test_what_is_finished_is_not_done_again(tmp_path: Path):
    def make():
        return make_corpus(tmp_path / "corpus", clips=6, speakers=2, workers=1)

    make()
    whole = contents(tmp_path / "corpus")
    clips = worked(tmp_path)
    assert len(clips) == 6
    report = make()
    assert (report.rendered, report.kept, worked(tmp_path)) == (0, 6, [])
    assert report.splits == {"train": 6}

    video = tmp_path / "corpus" / "video"
    (video / f"{clips[1]}.mp4").unlink()
    (tmp_path / "corpus" / "align" / f"{clips[4]}.align").unlink()
    (video / "s1" / f".{clips[1][3:]}.mp4.1234abcd.partial").write_text("half")
    (tmp_path / "corpus" / "align" / "s1" / ".x.align.partial").write_text("half")
    (tmp_path / "corpus" / "splits.json").unlink()
    report = make()
    assert (report.rendered, report.kept, worked(tmp_path)) == (2, 4, [clips[1], clips[4]])
    assert contents(tmp_path / "corpus") == whole


KILLED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell begins with it ignored
sys.path.insert(0, sys.argv[1])
import test_corpus
from lipscribe.talker import corpus
if __name__ == "__main__":
    corpus._render = test_corpus.drawn_in_worker
    corpus.make_corpus(sys.argv[2], clips=12, speakers=3, workers=2)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc to see the processes")
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.usefixtures("drawn")
def test_killed_at_any_moment_it_goes_on_and_leaves_no_process_behind(tmp_path: Path, kind: signal.Signals):
    folder = tmp_path / "slow"
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    process = subprocess.Popen([sys.executable, script, HERE, folder], stderr=subprocess.DEVNULL)
    wait_until(lambda: len(list(folder.glob("video/*/*.mp4"))) >= 2)
    workers = [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    process.send_signal(kind)
    process.wait()
    assert workers
    wait_until(lambda: not any(map(alive, workers)))
    finished = len(list(folder.glob("video/*/*.mp4")))
    assert finished < 12

    report = make_corpus(folder, clips=12, speakers=3, workers=2)
    assert (report.kept, report.rendered) == (finished, 12 - finished)
    make_corpus(tmp_path / "straight", clips=12, speakers=3, workers=2)
    assert contents(folder) == contents(tmp_path / "straight")


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    stop = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < stop, "waited in vain"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.usefixtures("drawn")
def test_a_clip_that_crashes_is_named_and_takes_no_other_with_it(tmp_path: Path):
    report = make_corpus(tmp_path / "crash", clips=8, speakers=2, workers=2)
    (crashed,) = report.failed
    assert crashed.startswith("s1/")
    assert report.failed[crashed] == "rendering it crashes the process"
    assert (report.rendered, report.kept, report.splits) == (7, 0, {"train": 7})
    assert len(list((tmp_path / "crash").glob("video/*/*.mp4"))) == 7


@pytest.mark.usefixtures("drawn")
def test_each_clip_is_reported_and_those_that_were_there_count(tmp_path: Path):
    told = []
    make_corpus(tmp_path / "corpus", clips=5, speakers=1, workers=1)
    gone = next((tmp_path / "corpus").glob("video/*/*.mp4"))
    gone.unlink()
    make_corpus(tmp_path / "corpus", clips=5, speakers=1, workers=1, progress=lambda *report: told.append(report))
    assert told == [("rendering clips", 4, 5), ("rendering clips", 5, 5)]


@pytest.mark.usefixtures("drawn")
def test_a_full_disk_ends_it(tmp_path: Path):
    with pytest.raises(ManifestError, match=r"s1/\w{6} cannot be written \(No space left on device\): give another"):
        make_corpus(tmp_path / "full", clips=8, speakers=2, workers=2)


@pytest.mark.usefixtures("drawn")
def test_a_folder_holds_one_corpus(tmp_path: Path):
    sentences = sentence_file(tmp_path, "one\ntwo\n")
    folder = tmp_path / "corpus"
    make_corpus(folder, clips=2, speakers=1, workers=1)
    message = r"corpus was made with other options \({}\): give another --output, or delete the folder"
    with pytest.raises(ManifestError, match=message.format("seed 0, now 1")):
        make_corpus(folder, clips=2, speakers=1, seed=1)
    with pytest.raises(ManifestError, match=message.format("clips 2, now 3; speakers 1, now 2")):
        make_corpus(folder, clips=3, speakers=2)
    with pytest.raises(ManifestError, match=message.format("rate None, now 2")):
        make_corpus(folder, clips=2, speakers=1, rate=2)
    with pytest.raises(ManifestError, match=message.format("scene.width None, now 64")):
        make_corpus(folder, clips=2, speakers=1, scene={"width": 64})
    make_corpus(tmp_path / "small corpus", clips=2, speakers=1, workers=1, scene={"width": 64})
    with pytest.raises(ManifestError, match=message.format("scene.width 64, now None")):
        make_corpus(tmp_path / "small corpus", clips=2, speakers=1)
    with pytest.raises(ManifestError, match="corpus grid, now text "):
        make_corpus(folder, sentences, clips=2, speakers=1)
    with pytest.raises(ManifestError, match="speakers 1, now 2"):
        make_corpus(folder, clips=2)


@pytest.mark.usefixtures("drawn")
def test_a_corpus_of_an_earlier_version_is_resumed(tmp_path: Path):
    folder = tmp_path / "corpus"
    make_corpus(folder, clips=2, speakers=1, workers=1, scene={"width": 64})
    record = json.loads((folder / "corpus.json").read_text())
    (folder / "corpus.json").write_text(json.dumps({**record, "scene": {"width": 64}}, indent=1))  # as it was written
    assert make_corpus(folder, clips=2, speakers=1, workers=1, scene={"width": 64}).kept == 2


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path):
    (tmp_path / "video").mkdir()
    with pytest.raises(ManifestError, match="holds other files, wanted a new folder: give another --output"):
        make_corpus(tmp_path, clips=2)
    assert [path.name for path in tmp_path.iterdir()] == ["video"]


@pytest.mark.parametrize("content", ["{", "[]", "7"])
def test_a_folder_whose_mark_is_damaged(tmp_path: Path, content: str):
    (tmp_path / "corpus.json").write_text(content)
    with pytest.raises(ManifestError, match=r"cannot be used .*: give another --output"):
        make_corpus(tmp_path, clips=2)


def test_an_output_that_is_a_file(tmp_path: Path):
    (tmp_path / "out").touch()
    with pytest.raises(ManifestError, match=r"out cannot be used .*: give another --output"):
        make_corpus(tmp_path / "out", clips=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clips": 0}, "clips is 0, wanted 1 or more"),
        ({"clips": 5, "speakers": 0}, "speakers is 0, wanted 1 to 5, the number of clips"),
        ({"clips": 5, "speakers": 6}, "speakers is 6, wanted 1 to 5, the number of clips"),
        (
            {"clips": 64_001, "speakers": 1},
            "clips is 64001, wanted at most 64000 a speaker: GRID has no more sentences",
        ),
        ({"scene": {"width": 4}}, "width is 4, wanted 48 to 4096"),
        ({"scene": {"widht": 64}}, "a scene has no widht"),
        ({"clips": 5, "seed": -1, "rate": 9.0}, "seed is -1, wanted 0 or more; rate is 9.0, wanted 0.25 to 4"),
    ],
)
def test_numbers_out_of_range(tmp_path: Path, options: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        make_corpus(tmp_path / "corpus", **options)
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize("name", ["sentences.txt", "absent.txt", "."])
def test_a_file_that_cannot_be_said_makes_no_folder(tmp_path: Path, name: str):
    sentence_file(tmp_path, "")
    with pytest.raises(ConfigError, match=r"sentences.txt is empty|cannot be read \(.*\): give `grid`, or a text file"):
        make_corpus(tmp_path / "corpus", tmp_path / name)
    assert not (tmp_path / "corpus").exists()


# Rendered clips.

SMALL = {"width": 64, "height": 64}


@pytest.mark.slow
def test_grid_clips_are_75_frames_and_their_words_are_where_the_alignment_says(tmp_path: Path):
    report = make_corpus(tmp_path / "corpus", clips=3, speakers=2, workers=1, scene=SMALL)
    assert report.rendered == 3
    clips, skipped = prepare_grid(tmp_path / "corpus")
    assert not skipped
    backgrounds = []
    for clip in clips:
        frames = list(Video(clip.path))
        backgrounds.append(int(frames[0][0, 0].astype(int).sum()))
        assert (Video(clip.path).info.fps, len(frames), frames[0].shape) == (25.0, 75, (64, 64, 3))
        assert clip.words[0].start > 0.05
        assert clip.words[-1].end < 2.95
        assert (tmp_path / "corpus" / "align" / f"{clip.id}.align").read_text().endswith(" 75000 sil\n")
    assert len(set(backgrounds)) == 3  # what is not fixed differs


@pytest.mark.slow
def test_a_clip_is_the_same_in_every_corpus_whatever_is_rendered_beside_it(tmp_path: Path):
    make_corpus(tmp_path / "one", clips=2, speakers=1, workers=2, scene=SMALL)
    make_corpus(tmp_path / "two", clips=4, speakers=2, workers=1, scene=SMALL)
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    same = [name for name in one if "/s1/" in name]
    assert len(same) == 4
    assert all(one[name] == two[name] for name in same)


@pytest.mark.slow
def test_captions_can_come_later(tmp_path: Path):
    sentences = sentence_file(tmp_path, "Don't go.\n")
    make_corpus(tmp_path / "corpus", sentences, workers=1, scene=SMALL)
    video = tmp_path / "corpus" / "video" / "s1" / "0001.mp4"
    rendered = video.read_bytes()
    words = read_align(tmp_path / "corpus" / "align" / "s1" / "0001.align")
    assert [word.text for word in words] == ["don't", "go"]
    assert 0 < words[0].start < words[-1].end < Video(video).info.duration
    make_corpus(tmp_path / "corpus", sentences, workers=1, scene=SMALL, srt=True)
    assert video.read_bytes() == rendered
    assert "don't go" in video.with_suffix(".srt").read_text()
    made = make_corpus(tmp_path / "with", sentences, workers=1, scene=SMALL, srt=True)
    assert made.rendered == 1
    assert contents(tmp_path / "with").keys() == contents(tmp_path / "corpus").keys()
    assert json.loads((tmp_path / "with" / "splits.json").read_text()) == {"train": ["s1/0001"], "dev": [], "test": []}


def test_idle_faces_are_clips_without_words(tmp_path: Path):
    report = make_corpus(tmp_path, "idle", clips=16, speakers=2, workers=1, scene=SMALL)
    assert report.rendered == 16
    clips, left_out = prepare_grid(tmp_path)
    assert not left_out
    assert all(clip.silent and clip.text == "" and clip.words == () for clip in clips)
    names = Counter(clip.id.split("/")[1].rsplit("-", 1)[0] for clip in clips)
    assert set(names) == {name.replace(" ", "-") for name in MOVEMENTS}
    assert max(names.values()) - min(names.values()) <= 1
