"""Sound is read where it is, and told from its pauses."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from lipscribe.errors import VideoError
from lipscribe.footage.sound import SAMPLE_RATE, envelope, is_silent, read_sound, sounding, stretches

BURSTS = [(1.0, 2.0), (2.6, 4.0), (30.0, 31.5)]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 s with a picture a second and bursts of noise, 44.1 kHz stereo."""
    path = tmp_path_factory.mktemp("film") / "bursts.mkv"
    rng = np.random.default_rng(0)
    times = np.arange(40 * 44_100) / 44_100
    loud = sum(((times >= start) & (times < end)).astype(np.float32) for start, end in BURSTS)
    samples = (8000 * (loud + 0.001) * rng.standard_normal(len(times))).clip(-32768, 32767).astype(np.int16)
    with av.open(str(path), "w") as out:
        video = out.add_stream("mpeg4", rate=1)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = out.add_stream("pcm_s16le", rate=44_100, layout="stereo")
        for second in range(40):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), second, np.uint8), format="rgb24")
            out.mux(video.encode(picture))
            part = np.repeat(samples[second * 44_100 : (second + 1) * 44_100], 2)[None]
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = 44_100, second * 44_100, Fraction(1, 44_100)
            out.mux(audio.encode(frame))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return path


@pytest.mark.parametrize(("start", "end"), [(0.0, 6.0), (0.5, 5.0), (28.0, 34.0)])
def test_bursts_are_where_they_were_put(film: Path, start: float, end: float) -> None:
    samples = read_sound(film, start, end)
    assert samples.shape == (round((end - start) * SAMPLE_RATE),)
    found = sounding(envelope(samples))
    wanted = [(first - start, last - start) for first, last in BURSTS if start < first < end]
    np.testing.assert_allclose(found, wanted, atol=0.05)


def test_beyond_the_end_there_is_silence(film: Path) -> None:
    samples = read_sound(film, 39.0, 42.0)
    assert samples.shape == (3 * SAMPLE_RATE,)
    assert not samples[round(1.1 * SAMPLE_RATE) :].any()


def test_a_film_without_sound_has_none(tmp_path: Path) -> None:
    from lipscribe.video.write import save_video

    save_video(tmp_path / "mute.mp4", np.zeros((5, 48, 64, 3), np.uint8), 25)
    assert read_sound(tmp_path / "mute.mp4", 0, 1) is None
    with pytest.raises(VideoError, match="no such file"):
        read_sound(tmp_path / "missing.mp4", 0, 1)


def test_silence_and_steady_noise_have_no_speech() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE * 3).astype(np.float32)
    assert sounding(envelope(noise)) == []
    assert not is_silent(envelope(noise))
    assert is_silent(envelope(np.zeros(SAMPLE_RATE, np.float32)))
    assert is_silent(envelope(np.zeros(0, np.float32)))
    assert sounding(envelope(np.zeros(0, np.float32))) == []


def test_stretches_bridge_short_pauses_and_leave_clicks_out() -> None:
    active = np.zeros(100, bool)
    active[10:30] = active[33:50] = active[70:72] = True
    assert stretches(active, 10, 0.5, 0.4) == [(1.0, 5.0)]
    assert stretches(active, 10, 0.5, 0.2) == [(1.0, 3.0), (3.3, 5.0)]
    assert stretches(np.ones(10, bool), 10, 0.5, 0.4) == [(0.0, 1.0)]
    assert stretches(np.zeros(0, bool), 10, 0.5, 0.4) == []
