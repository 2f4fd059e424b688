"""Clips that are parts of longer videos: only the part is read, and its words count from its start."""

import math
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_videos import number_in, picture_of, write_source

import lipscribe.data.prepare
from lipscribe.data.manifest import Clip, WordTime
from lipscribe.data.prepare import _Inputs, prepare_clip
from lipscribe.errors import LipscribeError, ManifestError, VideoError
from lipscribe.faces import FaceTrack
from lipscribe.faces.landmarks import NUM_LANDMARKS
from lipscribe.talker import Talker


def numbered_crops(video, run, crop) -> np.ndarray:
    """Stands in for `crop_mouth`: crops as bright as the numbers of their frames."""
    return np.array([np.full((96, 96), number_in(frame), np.uint8) for frame in list(video)[run.start : run.stop]])


@pytest.fixture
def planted_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A real file of 40 s whose pictures carry their numbers, modulo 256, and a face wherever one looks."""

    def track(frames, fps, detector):
        face = np.random.default_rng(0).normal(50, 10, size=(NUM_LANDMARKS, 2))
        landmarks = np.stack([face for _ in frames]).astype(np.float32)
        return [FaceTrack(0, 0, 0, landmarks, 25.0)]

    monkeypatch.setattr(lipscribe.data.prepare, "track_faces", track)
    monkeypatch.setattr(lipscribe.data.prepare, "_detector", lambda: None)
    monkeypatch.setattr(lipscribe.data.prepare, "crop_mouth", numbered_crops)
    return write_source(tmp_path / "film.mp4", [picture_of(number % 256) for number in range(1000)], g="50")


@pytest.mark.parametrize("start", [0.0, 1.0, 30.0, 30.013])
def test_of_a_part_only_that_part_is_read_and_words_count_from_its_start(planted_film: Path, start: float):
    words = (WordTime("w0", 0.4, 0.8), WordTime("w1", 0.8, 1.2))
    clip = Clip("a", str(planted_film), "w0 w1", words, start=start, end=start + 2)
    prepared, status = prepare_clip(clip)
    first = math.ceil(start * 25)
    assert prepared.crops[:, 0, 0].tolist() == [number % 256 for number in range(first, first + 50)]
    assert status.num_frames == 50
    late = first / 25 - start  # the first frame of the part is shown up to a frame after its start
    expected = [(round(word.start - late, 6), round(word.end - late, 6)) for word in words]
    assert [(round(word.start, 6), round(word.end, 6)) for word in prepared.clip.words] == expected


def test_a_part_that_reaches_past_the_end_of_its_video(planted_film: Path):
    part = Clip("a", str(planted_film), "w0", start=39.0, end=41.0)
    with pytest.raises(ManifestError, match=r"ends at 41.00 s of its video, which ends at 40.00 s: is the unit"):
        prepare_clip(part)
    with pytest.raises(LipscribeError, match=r"start is 45 s, but its pictures end at 40.00 s"):
        prepare_clip(replace(part, start=45.0, end=None))
    assert len(prepare_clip(replace(part, end=40.08))[0].crops) == 25  # a subtitle may be rounded up


def test_a_part_is_prepared_again_if_its_times_change_and_a_whole_video_is_known_as_before():
    clip = Clip("a", "/nowhere/a.mp4", "one")
    inputs = _Inputs()
    assert inputs.of(clip) == "ad28b67813f487be-"
    changed = (replace(clip, start=1.0), replace(clip, end=2.0), replace(clip, text="", silent=True))
    assert len({inputs.of(each) for each in (clip, *changed)}) == 4


def test_a_video_that_is_cut_off_has_not_all_words_of_its_text(tmp_path: Path):
    path, half = tmp_path / "whole.mkv", tmp_path / "half.mkv"
    Talker(3).say("place red at c seven please", scene={"noise": 0}).save(tmp_path / "whole.mp4")
    with av.open(str(tmp_path / "whole.mp4")) as source, av.open(str(path), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    half.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert prepare_clip(Clip("a", str(path), "place red at c seven please"))[1].status == "ok"
    with pytest.raises(VideoError, match=r"cut off or damaged: .* s were read of the .* s that its header promises"):
        prepare_clip(Clip("a", str(half), "place red at c seven please"))
