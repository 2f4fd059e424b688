"""Preparing a corpus: what is done stays done, nothing is lost in silence, and word times move with the crops.

No face is needed: clips of the first part are drawn in the worker, those of the second part have planted tracks.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

import lipscribe.data.prepare
from lipscribe.data.manifest import Clip, WordTime, load_manifest
from lipscribe.data.prepare import ClipStatus, prepare, prepare_clip
from lipscribe.data.shards import PreparedClip, clip_members, read_shard
from lipscribe.errors import LipscribeError, ManifestError, NoFaceError
from lipscribe.faces import FaceTrack
from lipscribe.faces.landmarks import NUM_LANDMARKS
from lipscribe.resumable import locked

HERE = Path(__file__).parent


def drawn_in_worker(clip: Clip, codec: str, crop: str):
    """Takes the place of `_work` in the worker processes: the clip's path says what happens to it."""
    path = Path(clip.path)
    with (path.parent / "worked.txt").open("a") as log:
        log.write(f"{clip.id}\n")
    if path.name == "crash":
        os._exit(11)
    if path.name == "slow":
        time.sleep(0.15)
    if path.name == "skip":
        return [], ClipStatus(clip.id, clip.split, "skipped", "no face")
    crops = np.random.default_rng(len(clip.text)).integers(0, 256, size=(3, 96, 96), dtype=np.uint8)
    return clip_members(PreparedClip(clip, crops), codec), ClipStatus(clip.id, clip.split, "ok", "", 3, 1.0, 50.0)


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lipscribe.data.prepare, "_work", drawn_in_worker)
    monkeypatch.setattr(lipscribe.data.prepare, "CLIPS_PER_SHARD", 3)


def clips_in(folder: Path, number: int = 5, **kinds: str) -> list[Clip]:
    """Train clips c0, c1 ... and a dev clip; `c1="skip"` says what happens to a clip."""
    folder.mkdir(exist_ok=True)
    names = [f"c{n}" for n in range(number)]
    clips = [Clip(name, str(folder / kinds.get(name, "fine")), "one " * (n + 1)) for n, name in enumerate(names)]
    return [*clips, Clip("d0", str(folder / "fine"), "two", split="dev")]


def worked(folder: Path) -> list[str]:
    """The clips that the workers were given since the last call."""
    log = folder / "worked.txt"
    lines = log.read_text().split() if log.exists() else []
    log.unlink(missing_ok=True)
    return sorted(lines)


def contents(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.iterdir() if path.suffix != ".partial"}


@pytest.mark.usefixtures("small_shards")
def test_every_clip_is_in_one_shard_and_in_the_status(tmp_path: Path):
    output = tmp_path / "out"
    statuses = prepare(clips_in(tmp_path / "in", c1="skip"), output, workers=2)
    assert [(s.id, s.status, s.reason) for s in statuses] == [
        ("d0", "ok", ""),
        ("c0", "ok", ""),
        ("c1", "skipped", "no face"),
        *[(f"c{n}", "ok", "") for n in (2, 3, 4)],
    ]
    tars = sorted(path.name for path in output.glob("*.tar"))
    assert tars == ["dev-000000.tar", "train-000000.tar", "train-000001.tar"]
    assert [[p.clip.id for p in read_shard(output / tar)] for tar in tars] == [["d0"], ["c0", "c2"], ["c3", "c4"]]
    assert [clip.id for clip in load_manifest(output / "manifest.jsonl")] == ["c0", "c2", "c3", "c4", "d0"]
    lines = (output / "status.jsonl").read_text().splitlines()
    assert [ClipStatus(**json.loads(line)) for line in lines] == statuses


@pytest.mark.slow
@pytest.mark.usefixtures("small_shards")
def test_a_clip_that_crashes_its_process_takes_no_other_with_it(tmp_path: Path):
    clips = clips_in(tmp_path / "in", c1="crash")
    statuses = {status.id: status for status in prepare(clips, tmp_path / "out", workers=2)}
    assert [clip_id for clip_id, status in statuses.items() if status.status == "skipped"] == ["c1"]
    assert statuses["c1"].reason == (
        f"{clips[1].path}: reading it ends the process (exit code 11, 2 times); re-encode the file"
    )


@pytest.mark.slow
@pytest.mark.usefixtures("small_shards")
def test_what_is_finished_is_not_done_again(tmp_path: Path):
    source, output = tmp_path / "in", tmp_path / "out"
    clips = clips_in(source)
    first = prepare(clips, output, workers=1)
    whole = contents(output)
    assert worked(source) == ["c0", "c1", "c2", "c3", "c4", "d0"]

    assert prepare(clips, output, workers=1) == first  # nothing is left to do
    assert worked(source) == []

    (output / "train-000001.jsonl").unlink()  # killed between a shard and its status
    (output / "status.jsonl").unlink()
    assert prepare(clips, output, workers=1) == first
    assert worked(source) == ["c3", "c4"]

    (output / "train-000000.tar").rename(output / "train-000000.tar.partial")  # killed in the middle of a shard
    (output / "train-000000.jsonl").unlink()
    (output / "prepare.json.partial").write_text('{"cod')
    assert prepare(clips, output, workers=1) == first
    assert worked(source) == ["c0", "c1", "c2"]

    (output / "dev-000000.tar").unlink()  # a shard that somebody deleted
    assert prepare(clips, output, workers=1) == first
    assert contents(output) == whole


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_prepare
from lipscribe.data import prepare
if __name__ == "__main__":
    prepare._work, prepare.CLIPS_PER_SHARD = test_prepare.drawn_in_worker, 3
    clips = test_prepare.clips_in(Path(sys.argv[2]), 9, **{f"c{n}": "slow" for n in range(9)})
    prepare.prepare(clips, sys.argv[3], workers=2)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc to see the processes")
@pytest.mark.usefixtures("small_shards")
def test_killed_at_any_moment_it_goes_on_and_leaves_no_process_behind(tmp_path: Path):
    source, output = tmp_path / "in", tmp_path / "out"
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    process = subprocess.Popen([sys.executable, script, HERE, source, output])
    wait_until(lambda: (output / "train-000000.jsonl").exists() and any((output / ".parts").iterdir()))
    workers = children_of(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert workers
    wait_until(lambda: not any(map(alive, workers)))
    assert not (output / "status.jsonl").exists()
    worked(source)

    clips = clips_in(source, 9, **{f"c{n}": "slow" for n in range(9)})
    resumed = prepare(clips, output, workers=1)
    assert "c0" not in worked(source)
    assert prepare(clips, tmp_path / "straight", workers=1) == resumed
    assert contents(output) == contents(tmp_path / "straight")


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    stop = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < stop, "waited in vain"
        time.sleep(0.02)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.usefixtures("small_shards")
def test_a_folder_holds_one_preparation(tmp_path: Path):
    clips, output = clips_in(tmp_path / "in", 1), tmp_path / "out"
    prepare(clips, output, workers=1)
    with pytest.raises(
        ManifestError, match=r"with other options \(codec lossless, now compact\): give another --output"
    ):
        prepare(clips, output, "compact")
    with pytest.raises(ManifestError, match=r"\(crop lipscribe, now auto-avsr\)"):
        prepare(clips, output, crop="auto-avsr")
    with pytest.raises(ManifestError, match=r"another corpus \(of its 2 clips, 0 are among these 1\): give another"):
        prepare([replace(clips[0], id="other")], output)
    assert [prepared.clip.id for prepared in read_shard(output / "train-000000.tar")] == ["c0"]


@pytest.fixture
def mendable(tmp_path: Path) -> tuple[Path, list[Clip]]:
    """A corpus of files that are there, but for that of c4, and the folder it is prepared into."""
    clips = [replace(clip, path=str(tmp_path / "in" / clip.id / "fine")) for clip in clips_in(tmp_path / "in")]
    for clip in clips:
        Path(clip.path).parent.mkdir()
        if clip.id != "c4":
            Path(clip.path).write_text(clip.id)
    return tmp_path / "out", clips


def redone(clips: list[Clip], output: Path) -> list[str]:
    """Prepares the clips, and says which were worked on."""
    prepare(clips, output, workers=1)
    return sorted(line for clip in {Path(clip.path).parent for clip in clips} for line in worked(clip))


@pytest.mark.slow
@pytest.mark.usefixtures("small_shards")
def test_what_was_mended_is_done_again_and_nothing_else(mendable: tuple[Path, list[Clip]], tmp_path: Path):
    output, clips = mendable
    assert redone(clips, output) == ["c0", "c1", "c2", "c3", "c4", "d0"]
    assert redone(clips, output) == []

    Path(clips[4].path).write_text("a missing file was supplied")
    assert redone(clips, output) == ["c4"]
    Path(clips[1].path).write_text("a file was replaced")
    assert redone(clips, output) == ["c1"]
    clips[0] = replace(clips[0], words=(WordTime("one", 0.5, 1.0),))
    assert redone(clips, output) == ["c0"]
    clips[2] = replace(clips[2], text="two " * 3)
    assert redone(clips, output) == ["c2"]
    elsewhere = tmp_path / "in" / "elsewhere" / "fine"
    elsewhere.parent.mkdir()
    elsewhere.write_text("c3")
    clips[3] = replace(clips[3], path=str(elsewhere))
    assert redone(clips, output) == ["c3"]
    stored = {p.clip.id: p.clip for tar in output.glob("*.tar") for p in read_shard(tar)}
    assert stored == {clip.id: clip for clip in clips}
    assert prepare(clips, tmp_path / "straight", workers=1) == prepare(clips, output, workers=1)
    assert contents(output) == contents(tmp_path / "straight")


@pytest.mark.usefixtures("small_shards")
def test_a_reason_that_no_longer_holds_is_not_repeated(mendable: tuple[Path, list[Clip]], tmp_path: Path):
    output, clips = mendable
    bad = [replace(clip, path=str(Path(clip.path).with_name("skip"))) if clip.id == "c1" else clip for clip in clips]
    assert [s.reason for s in prepare(bad, output, workers=1) if s.id == "c1"] == ["no face"]
    assert [s.reason for s in prepare(clips, output, workers=1) if s.id == "c1"] == [""]
    assert "c1" in {p.clip.id for p in read_shard(output / "train-000000.tar")}


@pytest.mark.usefixtures("small_shards")
def test_clips_that_come_go_or_change_their_split(mendable: tuple[Path, list[Clip]], tmp_path: Path):
    output, clips = mendable
    prepare(clips, output, workers=1)
    moved = [clips[1], clips[2], replace(clips[3], split="test"), clips[5]]  # c0 and c4 go
    prepare(moved, output, workers=1)
    tars = {path.name: [p.clip.id for p in read_shard(path)] for path in output.glob("*.tar")}
    assert tars == {"train-000000.tar": ["c1", "c2"], "test-000000.tar": ["c3"], "dev-000000.tar": ["d0"]}
    assert not (output / "train-000001.jsonl").exists()
    assert [clip.id for clip in load_manifest(output / "manifest.jsonl")] == ["c1", "c2", "c3", "d0"]


@pytest.mark.slow
@pytest.mark.usefixtures("small_shards")
def test_videos_that_are_out_of_reach_leave_what_was_prepared(mendable: tuple[Path, list[Clip]]):
    output, clips = mendable
    redone(clips, output)
    for clip in clips[:3]:
        Path(clip.path).unlink()
    clips[3] = replace(clips[3], text="new")
    assert redone(clips, output) == ["c3"]
    clips[0] = replace(clips[0], text="other")  # which cannot be kept
    assert redone(clips, output) == ["c0"]


@pytest.mark.usefixtures("small_shards")
def test_two_processes_do_not_prepare_into_one_folder(tmp_path: Path):
    (tmp_path / "out").mkdir()
    with locked(tmp_path / "out"), pytest.raises(LipscribeError, match=r"another process is writing to .*out: wait"):
        prepare(clips_in(tmp_path / "in"), tmp_path / "out")


@pytest.mark.usefixtures("small_shards")
def test_each_clip_is_reported(tmp_path: Path):
    steps: list[tuple[str, int, int | None]] = []
    for _ in range(2):
        prepare(clips_in(tmp_path / "in"), tmp_path / "out", workers=1, progress=lambda *step: steps.append(step))
    assert steps == [("prepare", done, 6) for done in range(1, 7)] * 2


@pytest.mark.usefixtures("small_shards")
def test_a_folder_says_what_crops_it_holds_and_an_older_one_holds_our_own(tmp_path: Path):
    clips, output = clips_in(tmp_path / "in", 1), tmp_path / "out"
    prepare(clips, output, workers=1, crop="auto-avsr")
    record = json.loads((output / "prepare.json").read_text())
    assert record.pop("crop") == "auto-avsr"
    (output / "prepare.json").write_text(json.dumps(record))  # as it was before there were two kinds
    worked(tmp_path / "in")
    prepare(clips, output, workers=1)
    assert worked(tmp_path / "in") == []
    with pytest.raises(ManifestError, match="crop lipscribe, now auto-avsr"):
        prepare(clips, output, crop="auto-avsr")


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_folder_whose_mark_is_damaged(tmp_path: Path, content: str):
    (tmp_path / "prepare.json").write_text(content)
    with pytest.raises(ManifestError, match=r"cannot be used .*: give another --output"):
        prepare(clips_in(tmp_path / "in"), tmp_path)


def test_an_output_that_is_a_file(tmp_path: Path):
    (tmp_path / "out").touch()
    with pytest.raises(ManifestError, match=r"out cannot be used .*: give another --output"):
        prepare(clips_in(tmp_path / "in"), tmp_path / "out")


# Second part: one clip.


@dataclass
class PlantedVideo:
    """Stands in for `Video`: grey frames, each as bright as its number."""

    num_frames: int
    warnings: list[str] = field(default_factory=list)
    first_frame: int = 0
    lost_warning: None = None

    def __iter__(self):
        return (np.full((200, 200, 3), number, np.uint8) for number in range(self.num_frames))

    @property
    def info(self) -> "PlantedVideo":
        return self

    @property
    def duration(self) -> float:
        return self.num_frames / 25


def planted_track(num_frames: int, seen: list[tuple[int, int]], track_id: int = 0) -> FaceTrack:
    """A face that is there in the stretches `seen` alone."""
    landmarks = np.full((num_frames, NUM_LANDMARKS, 2), np.nan, np.float32)
    face = np.random.default_rng(track_id).normal(100, 20, size=(NUM_LANDMARKS, 2))
    for start, stop in seen:
        landmarks[start:stop] = face
    return FaceTrack(track_id, 0, 0, landmarks, 25.0)


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def put(num_frames: int, *seen: tuple[int, int], warnings: tuple[str, ...] = ()) -> None:
        video = PlantedVideo(num_frames, list(warnings))
        monkeypatch.setattr(lipscribe.data.prepare, "Video", lambda path, fps, start, end: video)
        tracks = [planted_track(num_frames, list(seen))]
        monkeypatch.setattr(lipscribe.data.prepare, "track_faces", tracker(tracks))

    return put


def tracker(tracks: list[FaceTrack]) -> Callable[..., list[FaceTrack]]:
    """What stands in for `track_faces`: it reads the frames, and finds what was planted."""
    return lambda frames, fps, detector: tracks if list(frames) else []


def clip_of(*times: tuple[float, float]) -> Clip:
    words = tuple(WordTime(f"w{n}", start, end) for n, (start, end) in enumerate(times))
    return Clip("a", "a.mp4", " ".join(word.text for word in words) or "w0", words)


def times_of(prepared: PreparedClip) -> list[tuple[float, float]]:
    return [(round(word.start, 6), round(word.end, 6)) for word in prepared.clip.words]


def test_a_face_all_the_way(plant: Callable[..., None]):
    plant(75, (0, 75), warnings=("source fps is low",))
    prepared, status = prepare_clip(clip_of((0.5, 1.0), (1.0, 2.0)))
    assert prepared.crops.shape == (75, 96, 96)
    assert times_of(prepared) == [(0.5, 1.0), (1.0, 2.0)]
    assert status == ClipStatus("a", "train", "ok", "source fps is low", 75, 1.0, status.mouth_width_px)
    assert status.mouth_width_px > 0


def test_the_crops_are_of_the_kind_asked_for(plant: Callable[..., None], monkeypatch: pytest.MonkeyPatch):
    plant(75, (0, 75))
    monkeypatch.setattr(lipscribe.data.prepare, "crop_warnings", lambda tracks, kind: [f"{len(tracks)} {kind}"])
    cut = {"lipscribe": np.zeros((75, 96, 96), np.uint8), "auto-avsr": np.ones((75, 96, 96), np.uint8)}
    monkeypatch.setattr(lipscribe.data.prepare, "crop_mouth", lambda frames, run, kind: cut[kind])
    prepared, status = prepare_clip(clip_of((0.5, 1.0)), "auto-avsr")
    assert prepared.crops is cut["auto-avsr"]
    assert status.reason == "1 auto-avsr"


def test_word_times_move_with_a_face_that_comes_late(plant: Callable[..., None]):
    plant(75, (10, 70))
    prepared, status = prepare_clip(clip_of((0.6, 1.0), (1.0, 2.0)))
    assert prepared.crops.shape == (60, 96, 96)
    assert int(prepared.crops[0].max()) == 10  # frame 10 is the first
    assert times_of(prepared) == [(0.2, 0.6), (0.6, 1.6)]
    assert (status.num_frames, status.coverage) == (60, 0.8)


def test_words_that_reach_a_little_beyond_the_face_are_cut_to_it(plant: Callable[..., None]):
    plant(75, (10, 70))
    prepared, _ = prepare_clip(clip_of((0.32, 0.36), (0.38, 1.0), (2.7, 2.79), (2.81, 2.88)))
    assert times_of(prepared) == [(0.0, 0.0), (0.0, 0.6), (2.3, 2.39), (2.4, 2.4)]
    assert not prepared.clip.faults()


def test_the_longest_run_is_taken(plant: Callable[..., None]):
    plant(120, (0, 10), (50, 110))
    prepared, status = prepare_clip(clip_of((2.1, 4.0)))
    assert times_of(prepared) == [(0.1, 2.0)]
    assert status.num_frames == 60


@pytest.mark.parametrize("times", [(0.1, 0.4), (2.0, 2.95)])
def test_words_said_while_no_face_is_there(plant: Callable[..., None], times: tuple[float, float]):
    plant(75, (15, 65))
    with pytest.raises(NoFaceError, match=r"the words last from .* s, the face from 0.60 to 2.60 s"):
        prepare_clip(clip_of(times))


def test_word_times_in_the_wrong_unit(plant: Callable[..., None]):
    plant(75, (0, 75))
    with pytest.raises(ManifestError, match=r"the words end at 53.00 s, the video at 3.00 s: is their unit right\?"):
        prepare_clip(clip_of((23.75, 30.0), (30.0, 53.0)))


def test_a_clip_of_74_frames_may_lack_the_end_of_its_last_word(plant: Callable[..., None]):
    plant(74, (0, 74))
    prepared, _ = prepare_clip(clip_of((0.5, 2.98)))
    assert times_of(prepared) == [(0.5, 2.96)]


def test_without_word_times_the_face_must_be_there_nearly_always(plant: Callable[..., None]):
    plant(100, (0, 95))
    assert prepare_clip(clip_of())[1].coverage == 0.95
    plant(100, (0, 80))
    with pytest.raises(NoFaceError, match="one face without a break is in 80% of the clip's frames, wanted 90%"):
        prepare_clip(clip_of())


def test_a_face_for_a_moment(plant: Callable[..., None]):
    plant(75, (30, 32))
    with pytest.raises(NoFaceError, match="a face is there for a moment only"):
        prepare_clip(clip_of((0.5, 1.0)))


def shots(*people: int | None, num_frames: int = 25) -> list[FaceTrack]:
    """The tracks of a clip that shows one person a shot, or nobody."""
    tracks = []
    for shot, person in enumerate(people):
        if person is not None:
            landmarks = planted_track(num_frames, [(0, num_frames)], person).landmarks
            start = shot * num_frames
            tracks.append(FaceTrack(person, shot, start, landmarks, 25.0, num_frames, start))
    return tracks


@pytest.mark.parametrize(
    ("people", "coverage"),
    [((0, None, None), "33%"), ((0, 0, None), "67%"), ((0, 1, 0), "33%"), ((0, 1, 1), "67%"), ((None, 0, 1), "33%")],
)
def test_a_clip_that_cuts_away_from_the_person_is_skipped(
    plant: Callable[..., None], monkeypatch: pytest.MonkeyPatch, people: tuple[int | None, ...], coverage: str
):
    """B-roll, a listener, another speaker: each shot has a face all the way, and none has the whole text."""
    plant(75)
    monkeypatch.setattr(lipscribe.data.prepare, "track_faces", tracker(shots(*people)))
    with pytest.raises(NoFaceError, match=rf"one face without a break is in {coverage} of the clip's frames"):
        prepare_clip(clip_of())
    with pytest.raises(NoFaceError, match=r"the words last from 0\.20 to 2\.80 s, the face from"):
        prepare_clip(clip_of((0.2, 1.0), (1.0, 2.8)))


def test_a_clip_whose_person_goes_on_after_a_cut_is_whole(plant: Callable[..., None], monkeypatch: pytest.MonkeyPatch):
    plant(75)
    monkeypatch.setattr(lipscribe.data.prepare, "track_faces", tracker(shots(0, 0, 0)))
    for clip in (clip_of(), clip_of((0.2, 1.0), (1.0, 2.8))):
        prepared, status = prepare_clip(clip)
        assert (len(prepared.crops), status.num_frames, status.coverage) == (75, 75, 1.0)


def test_a_long_clip_in_which_the_face_is_gone_for_a_sentence_is_skipped(plant: Callable[..., None]):
    """The face is in 88 % of the frames, the longest run of it in 47 %."""
    plant(250, (0, 102), (132, 250))
    with pytest.raises(NoFaceError, match="one face without a break is in 47%"):
        prepare_clip(clip_of())


def test_words_said_in_a_gap_that_could_be_filled(plant: Callable[..., None]):
    plant(75, (0, 30), (50, 75))
    with pytest.raises(NoFaceError, match="one face without a break is in 60% of the frames with words"):
        prepare_clip(clip_of((0.4, 1.0), (1.0, 2.4)))
    plant(75, (0, 10), (14, 75))
    assert prepare_clip(clip_of((0.6, 1.0), (1.0, 2.4)))[1].coverage == pytest.approx(71 / 75, abs=1e-3)
