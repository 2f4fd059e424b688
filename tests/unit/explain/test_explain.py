"""Evidence for words, on planted models and clips where it is known."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lipscribe.encoded import Encoded
from lipscribe.errors import ConfigError, LipscribeError, NoFaceError, VideoError
from lipscribe.explain import explain_video, stretches, write_explanation
from lipscribe.explain.explain import shortest_holding
from lipscribe.explain.pictures import heat_over
from lipscribe.explain.saliency import find_evidence
from lipscribe.explain.stretches import MAX_FRAMES, MAX_WORDS, group_words, read_stretches
from lipscribe.faces import FaceTrack
from lipscribe.model import Model
from lipscribe.models.builders import build_reader
from lipscribe.models.decoder_specs import AttentionDecoderSpec
from lipscribe.models.encoder_specs import RecurrentEncoderSpec
from lipscribe.models.frontend_specs import ConvFrontendSpec
from lipscribe.models.spec import ModelSpec
from lipscribe.mouth import REFERENCE_FACE, STABLE_POINTS
from lipscribe.search import Span
from lipscribe.tokenizer import TokenWord, WordTokenizer
from lipscribe.video import Video, probe_video, save_video

SPEC = ModelSpec(
    name="tiny",
    tokenizer=WordTokenizer(["a", "b"]),
    frontend=ConvFrontendSpec(channels=(2, 2), stem_frames=3, features=4),
    encoder=RecurrentEncoderSpec(hidden=4, layers=1),
    flip_average=False,
)
WORD = TokenWord("a", 0, 1)


class PlantedReader(nn.Module):
    """Hears word "a" in a frame by the brightness of one patch, three frames before."""

    decoder = None

    def __init__(self):
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))

    def encode(self, video: torch.Tensor, video_lengths: torch.Tensor) -> torch.Tensor:
        bright = video[:, :, 0, 30:40, 10:20].mean((-2, -1))
        late = torch.cat([torch.zeros_like(bright[:, :3]), bright[:, :-3]], dim=1)
        return torch.stack([torch.zeros_like(late), late, torch.zeros_like(late)], dim=-1)

    def ctc(self, states: torch.Tensor) -> torch.Tensor:
        return states.log_softmax(-1)


def flickering(num_frames: int = 30) -> np.ndarray:
    """Crops in which everything changes in every frame."""
    return np.random.default_rng(0).integers(0, 255, (num_frames, 96, 96)).astype(np.uint8)


@pytest.fixture
def planted() -> Model:
    return Model(SPEC, PlantedReader())


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted readers are nearly straight along the way, so that few steps are enough."""
    monkeypatch.setattr("lipscribe.explain.saliency.STEPS", 8)


def tiny(**changes) -> Model:
    torch.manual_seed(0)
    spec = replace(SPEC, **changes)
    return Model(spec, build_reader(spec))


@pytest.mark.parametrize("flipped", [False, True])
def test_saliency_falls_on_the_planted_patch_and_frames(planted: Model, flipped: bool):
    crops = flickering()
    # The patch's frame differs from the still mouth in the direction that the planted reader wants.
    top, left = (96 - SPEC.input.height) // 2, (96 - SPEC.input.width) // 2
    crops[12:14, top + 30 : top + 40, left + 10 : left + 20] = 255
    model = Model(replace(SPEC, flip_average=flipped), planted.reader)
    found = find_evidence(model, crops, slice(0, 30), (1,), (Span(15, 17),), (WORD,))
    saliency = found.saliency[0]
    assert saliency.shape == (30, SPEC.input.height, SPEC.input.width)
    assert saliency.min() >= 0
    assert saliency.sum() == pytest.approx(1, abs=1e-4)
    assert saliency[11:15].sum() > 0.99  # frames 12 and 13, and what the smoothing adds
    patch = saliency[:, 26:44, 6:24].sum()
    mirrored = saliency[:, 26:44, ::-1][:, :, 6:24].sum()
    if flipped:  # the mirrored look sees the patch's place on the other side, where noise is
        assert patch > 0.7
        assert patch + mirrored > 0.95
    else:
        assert patch > 0.95


def test_contributions_add_up_to_the_rise_from_a_still_mouth(planted: Model, monkeypatch: pytest.MonkeyPatch):
    # Completeness, the axiom of the paper.
    from lipscribe.explain import saliency
    from lipscribe.transforms import crops_to_video

    kept = []
    monkeypatch.setattr(saliency, "_shares", lambda contribution: kept.append(contribution) or contribution)
    crops = flickering()
    find_evidence(planted, crops, slice(0, 30), (1,), (Span(15, 17),), (WORD,))
    video = crops_to_video(crops, SPEC.input.height, SPEC.input.width)
    still = video.mean(0, keepdim=True).expand_as(video)

    def score(clip: torch.Tensor) -> float:
        log_probs = planted.reader.ctc(planted.reader.encode(clip[None], torch.tensor([30])))[0]
        return float(log_probs[15:17, 1].mean())

    assert kept[0].sum() == pytest.approx(score(video) - score(still), abs=1e-3)


def test_a_still_mouth_has_nothing_to_say(planted: Model):
    crops = np.repeat(flickering(1), 20, axis=0)
    found = find_evidence(planted, crops, slice(0, 20), (1,), (Span(10, 11),), (WORD,))
    assert not found.saliency.any()


def test_only_the_frames_that_the_network_saw_can_matter():
    # The words' part is in the middle; beyond the crops there is nothing that saliency could fall on.
    model, crops = tiny(), flickering(25)
    found = find_evidence(model, crops, slice(5, 20), (1, 2), (Span(2, 4), Span(8, 9)), (WORD, TokenWord("b", 1, 2)))
    assert found.saliency.shape[:2] == (2, 25)
    assert found.ctc.shape == (2, 15)
    assert found.attention is None
    log_probs = model.log_probs(crops)[5:20]
    assert (found.ctc <= np.exp(log_probs[:, 1:3].T) + 1e-5).all()


@pytest.mark.parametrize("ctc", [True, False])
def test_decoders_are_explained_by_their_own_tokens(ctc: bool):
    model = tiny(ctc=ctc, decoder=AttentionDecoderSpec(hidden=8))
    words = (WORD, TokenWord("b", 1, 2))
    found = find_evidence(model, flickering(20), slice(2, 18), (1, 2), (Span(2, 4), Span(8, 9)), words)
    assert found.saliency.sum((1, 2, 3)) == pytest.approx(1, abs=1e-4)
    assert found.attention.sum(1) == pytest.approx(1, abs=1e-5)
    assert (found.ctc is not None) == ctc


@pytest.mark.parametrize(
    ("profile", "span"),
    [([0, 0, 1, 0], (2, 3)), ([1, 1, 1, 1], (0, 2)), ([0.1, 0.3, 0.3, 0.1, 0.2], (1, 3)), ([0, 0, 0], (0, 1))],
)
def test_shortest_holding_half(profile: list[float], span: tuple[int, int]):
    assert shortest_holding(np.array(profile), 0.5) == span


def test_long_speech_is_cut_at_its_pauses():
    extents = [Span(i * 10 + 40 * (i >= 9), i * 10 + 9 + 40 * (i >= 9)) for i in range(20)]
    groups = group_words(extents)
    assert groups[0].stop == 9
    assert [group.start for group in groups[1:]] == [group.stop for group in groups[:-1]]
    assert groups[-1].stop == 20
    for group in groups:
        assert group.stop - group.start <= MAX_WORDS
        assert extents[group.stop - 1].end - extents[group.start].start <= MAX_FRAMES
    assert group_words([Span(0, 500)]) == [slice(0, 1)]


def face(num_frames: int) -> FaceTrack:
    landmarks = np.full((num_frames, 91, 2), [100, 110], np.float32)
    landmarks[:, STABLE_POINTS] = REFERENCE_FACE + np.array([100, 80])
    landmarks[:, 15:55] += np.stack([20 * np.cos(np.linspace(0, 6, 40)), 9 * np.sin(np.linspace(0, 6, 40))], -1)
    return FaceTrack(0, 0, 0, landmarks, 25.0)


def says(model: Model, monkeypatch: pytest.MonkeyPatch, spoken: dict[int, int]) -> None:
    """Makes the model read token `spoken[frame]` in a few frames from there on."""

    def runs(model, frames, found):
        for run in found:
            log_probs = np.full((run.stop - run.start, 3), np.log(1e-7), np.float32)
            log_probs[:, 0] = np.log(0.9999998)
            for frame, token in spoken.items():
                log_probs[frame : frame + 4] = np.log(1e-7)
                log_probs[frame : frame + 4, token] = np.log(0.9999998)
            yield from ((run, piece) for piece in model.search_pieces(Encoded(None, log_probs)))

    monkeypatch.setattr(stretches, "read_runs", runs)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    save_video(path, np.random.default_rng(1).integers(0, 255, (220, 80, 100, 3)).astype(np.uint8), 25, crf=40)
    return path


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch):
    """A face in every frame that is read."""

    def track(frames, fps):
        return [face(sum(1 for _ in frames))]

    monkeypatch.setattr("lipscribe.explain.explain.track_faces", track)


def test_a_decoder_s_piece_is_one_stretch_without_the_silence_around(monkeypatch: pytest.MonkeyPatch):
    model = tiny()
    model.spec = replace(model.spec, decoder=AttentionDecoderSpec(hidden=4))  # after its search was chosen: by CTC
    spoken = {600 + 10 * i: 1 + i % 2 for i in range(16)}
    says(model, monkeypatch, spoken)
    (stretch,) = read_stretches(model, [], [face(1400)])
    assert [round(word.start * 25) for word in stretch.words] == list(spoken)
    assert (stretch.shown.start, stretch.shown.end) == (550, 804)


def test_stretches_of_a_long_run_are_those_of_the_transcript(monkeypatch: pytest.MonkeyPatch):
    model = tiny()
    spoken = {frame: 1 + frame // 10 % 2 for frame in range(20, 1800, 60)}
    says(model, monkeypatch, spoken)
    stretches = list(read_stretches(model, [], [face(2000)]))
    assert [round(word.start * 25) for stretch in stretches for word in stretch.words] == list(spoken)
    for stretch in stretches:
        assert stretch.num_frames <= MAX_FRAMES + 2 * model.windows.context
        assert 0 <= stretch.seen.start <= stretch.shown.start < stretch.shown.end <= stretch.seen.end <= 2000
        for word, span in zip(stretch.words, stretch.spans, strict=True):
            assert stretch.first_frame + span.start == round(word.start * 25)
    for before, after in pairwise(stretches):
        assert before.shown.end <= after.shown.start


@pytest.mark.slow
def test_the_whole_way(film: Path, seen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    model = tiny()
    says(model, monkeypatch, {10: 1, 20: 2, 190: 1})
    explanation = explain_video(film, model, seconds=5)
    assert [word.word.text for word in explanation.words] == ["a", "b"]
    assert explanation.until == 0.96
    (stretch,) = explanation.stretches
    assert stretch.first_frame == 0
    assert 0 < stretch.lips_area < 0.5
    for word in explanation.words:
        assert 0 <= word.lips_share <= 1
        assert 0 <= word.half[0] < word.half[1] <= 20
    paths = write_explanation(explanation, tmp_path / "new" / "out")
    assert [path.name for path in paths] == ["explain.png", "explain.mp4", "explain.json"]
    record = json.loads(paths[2].read_text(encoding="utf-8"))
    assert record["text"] == "a b"
    first = record["stretches"][0]["words"][0]
    assert (first["start"], first["end"], first["attention"]) == (0.4, 0.56, None)
    assert len(first["saliency"]) == len(first["ctc"]) == record["stretches"][0]["num_frames"] == stretch.num_frames
    assert probe_video(paths[1]).width > 400
    assert sum(1 for _ in Video(paths[1], 25)) == stretch.num_frames

    later = explain_video(film, model, start=5)
    assert [word.word.start for word in later.words] == [7.6]
    assert later.until is None


@pytest.mark.parametrize(
    ("options", "spoken", "error", "message"),
    [
        ({}, {}, LipscribeError, r"film\.mp4: no word was read, so there is nothing to explain: see lipscribe inspect"),
        ({"start": 5}, {10: 1}, LipscribeError, "no word was read between 5 and 20 s.*: give another --start"),
        ({"start": -1}, {10: 1}, ConfigError, "start is -1"),
        ({"seconds": 0}, {10: 1}, ConfigError, "more than 0 seconds"),
        ({"face": "7"}, {10: 1}, NoFaceError, r"film\.mp4: there is no face '7'"),
    ],
)
def test_what_cannot_be_explained(options, spoken, error, message, film, seen, monkeypatch: pytest.MonkeyPatch):
    model = tiny()
    says(model, monkeypatch, spoken)
    with pytest.raises(error, match=message):
        explain_video(film, model, **options)


def test_not_a_video_and_an_output_that_cannot_be(film, seen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    model = tiny()
    says(model, monkeypatch, {10: 1})
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(VideoError, match=r"text\.mp4"):
        explain_video(text, model)
    explanation = explain_video(film, model)
    with pytest.raises(LipscribeError, match=r"text\.mp4 cannot be written .*: give another folder"):
        write_explanation(explanation, text)


def test_heat_is_clear_where_nothing_matters():
    picture = np.full((4, 6), 90, np.uint8)
    heat = np.zeros((4, 6))
    np.testing.assert_array_equal(heat_over(picture, heat, 2), 90)
    heat[2, 3] = 1
    laid = heat_over(picture, heat, 1)
    assert laid[2, 3, 0] > 200 > 100 > laid[2, 3, 2]
