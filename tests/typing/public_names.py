"""Never run: `make lint` checks that a type checker sees the public names as what they are."""

from collections.abc import Iterator
from pathlib import Path
from typing import assert_type

import numpy as np

import lipscribe
from lipscribe import Encoded, LipscribeError, Model, SearchOptions, Transcript, Video
from lipscribe.faces import FaceTrack
from lipscribe.inspection import Inspection
from lipscribe.search import Hypothesis, ResolvedSearch
from lipscribe.transcript import Segment, Word


def way(path: Path) -> None:
    """The whole way, and each station of it."""
    model = lipscribe.load_model("grid", device="cpu")
    assert_type(model, Model)
    result = lipscribe.transcribe(path, model, options=SearchOptions(beam_size=4), on_segment=told)
    assert_type(result, Transcript)
    assert_type(model.transcribe(path), Transcript)
    assert_type(result.text, str)
    assert_type(result.segments, tuple[Segment, ...])
    assert_type(result.words, tuple[Word, ...])
    assert_type(result.words[0].start, float)
    assert_type(lipscribe.transcribe_all([path], "grid", jobs=2), Iterator[tuple[str | Path, Transcript | Exception]])
    lipscribe.write_transcript(result, "srt", path.with_suffix(".srt"))

    video = Video(path)
    assert_type(iter(video), Iterator[np.ndarray])
    tracks = lipscribe.track_faces(video, video.fps)
    assert_type(tracks, list[FaceTrack])
    (track,) = lipscribe.choose_faces(tracks, "largest")
    assert_type(track, FaceTrack)
    crops = lipscribe.crop_mouth(video, track)
    assert_type(crops, np.ndarray)
    encoded = model.encode(crops)
    assert_type(encoded, Encoded)
    assert_type(encoded.states, np.ndarray | None)
    assert_type(encoded.log_probs, np.ndarray | None)
    assert_type(encoded.fps, float)
    hypotheses = model.search(encoded)
    assert_type(hypotheses, list[Hypothesis])
    assert_type(model.resolve(SearchOptions("beam")), ResolvedSearch)
    assert_type(lipscribe.to_transcript(hypotheses[0], encoded.fps), Transcript)
    assert_type(lipscribe.inspect_video(path), Inspection)
    assert_type(lipscribe.__version__, str)


def told(segment: Segment) -> None: ...


def remedy(error: LipscribeError) -> Exception:
    return error
