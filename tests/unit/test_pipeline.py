"""The stations in order."""

import weakref
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

import lipscribe
from lipscribe import extraction, pipeline
from lipscribe import model as model_module
from lipscribe.encoded import Encoded
from lipscribe.errors import ConfigError, NoFaceError
from lipscribe.faces import FaceTrack
from lipscribe.model import Model
from lipscribe.models.builders import build_reader
from lipscribe.models.decoder_specs import AttentionDecoderSpec
from lipscribe.models.encoder_specs import ATTENDS_TO_ALL as LONG
from lipscribe.models.encoder_specs import NEARBY as SHORT
from lipscribe.models.encoder_specs import (
    ConformerEncoderSpec,
    NoEncoderSpec,
    RecurrentEncoderSpec,
    RelConformerEncoderSpec,
)
from lipscribe.models.frontend_specs import ConvFrontendSpec
from lipscribe.models.spec import Card, InputSpec, ModelSpec
from lipscribe.mouth import REFERENCE_FACE, STABLE_POINTS, crop_mouth
from lipscribe.pipeline import read_runs, to_transcript
from lipscribe.search import SearchOptions
from lipscribe.search.familiarity import familiarity, frame_surprise
from lipscribe.search.hypothesis import Hypothesis, Span, WordSpan
from lipscribe.tokenizer import WordTokenizer
from lipscribe.windows import PIECE, encode_in_windows

SPEC = ModelSpec(
    name="tiny",
    tokenizer=WordTokenizer(["a", "b"]),
    frontend=ConvFrontendSpec(channels=(2, 2), stem_frames=3, features=4),
    encoder=RecurrentEncoderSpec(hidden=4, layers=1),
)


@pytest.fixture
def model() -> Model:
    return Model(SPEC, build_reader(SPEC))


def crops(num_frames: int) -> np.ndarray:
    """Crops whose first pixel counts the frames."""
    made = np.zeros((num_frames, 96, 96), np.uint8)
    made[:, 0, 0] = np.arange(num_frames) % 251
    return made


def hypothesis(*words: tuple[str, int, int]) -> Hypothesis:
    spans = tuple(WordSpan(text, start, end, 0.9) for text, start, end in words)
    return Hypothesis((), " ".join(w.text for w in spans), 0.0, 1.0, (), spans)


def test_the_windows_of_a_run_go_with_it(model, monkeypatch):
    alive = weakref.WeakSet()
    made = model_module.Windows

    def counted(*args):
        alive.add(window := made(*args))
        return window

    monkeypatch.setattr(model_module, "Windows", counted)
    runs = [face_at(30, 30, 4, start, 0, 200) for start in range(0, 200, 4)]
    most = 0
    for _ in read_runs(model, np.zeros((200, 64, 64, 3), np.uint8), runs):
        most = max(most, len(alive))
    assert most <= 1


def test_log_probs_are_log_probabilities(model):
    out = model.log_probs(crops(5))
    assert out.shape == (5, 3)
    assert out.dtype == np.float32
    np.testing.assert_allclose(np.exp(out).sum(-1), 1, atol=1e-5)


def test_averaging_the_mirrored_view_makes_mirror_images_equal():
    spec = replace(SPEC, flip_average=True)
    model = Model(spec, build_reader(spec))
    picture = np.random.default_rng(0).integers(0, 255, (4, 96, 96), dtype=np.uint8)
    np.testing.assert_allclose(model.log_probs(picture), model.log_probs(picture[:, :, ::-1].copy()), atol=1e-5)


def test_averaging_shifted_views_is_the_mean_of_the_views():
    spec = replace(SPEC, shift_average=2)
    model, plain = Model(spec, build_reader(spec)), Model(SPEC, build_reader(SPEC))
    plain.reader.load_state_dict(model.reader.state_dict())
    picture = np.random.default_rng(0).integers(0, 255, (4, 96, 96), dtype=np.uint8)
    views = [plain.log_probs(np.roll(picture, shift, axis=1)) for shift in (0, 2, -2)]
    mean = np.mean(views, axis=0)
    mean -= np.logaddexp.reduce(mean, axis=-1, keepdims=True)
    np.testing.assert_allclose(model.log_probs(picture), mean, atol=1e-5)
    assert not np.allclose(views[0], views[1], atol=1e-3)


def test_fixed_normalisation_reaches_the_network_and_its_mirror_image(monkeypatch):
    spec = replace(SPEC, input=InputSpec(88, 88, normalisation="fixed"), flip_average=True)
    model, views = Model(spec, build_reader(spec)), []
    encode = model.reader.encode
    monkeypatch.setattr(model.reader, "encode", lambda video: views.append(video) or encode(video))
    picture = np.random.default_rng(0).integers(0, 255, (4, 96, 96), dtype=np.uint8)
    there = model.log_probs(picture)
    wanted = (picture[:, 4:92, 4:92] / 255 - 0.421) / 0.165
    np.testing.assert_allclose(views[0][0, :, 0], wanted, atol=1e-5)
    np.testing.assert_allclose(views[0][1, :, 0], wanted[:, :, ::-1], atol=1e-5)
    np.testing.assert_allclose(model.log_probs(picture[:, :, ::-1].copy()), there, atol=1e-5)


@pytest.mark.parametrize("kind", ["lipscribe", "auto-avsr"])
def test_a_model_gets_the_crops_that_it_was_trained_on(kind: str, monkeypatch):
    spec = replace(SPEC, input=InputSpec(crop=kind))
    model, got = Model(spec, build_reader(spec)), []
    frames = np.random.default_rng(0).integers(0, 255, (5, 240, 400, 3), dtype=np.uint8)
    track = face_at(100, 100, 5, 0, 0, 5)
    monkeypatch.setattr(extraction, "track_faces", lambda frames, *_: [track])
    encode = model.encode_lean
    monkeypatch.setattr(model, "encode_lean", lambda crops: got.append(crops.copy()) or encode(crops))
    model.transcribe(frames)
    np.testing.assert_array_equal(got[0], crop_mouth(frames, track, kind))
    other = "auto-avsr" if kind == "lipscribe" else "lipscribe"
    assert (got[0] != crop_mouth(frames, track, other)).mean() > 0.5


def test_what_is_odd_about_crops_is_told(monkeypatch):
    spec = replace(SPEC, input=InputSpec(crop="auto-avsr"))
    track = face_at(100, 100, 5, 0, 0, 5)
    track.landmarks[:, 15:55] += 300
    monkeypatch.setattr(extraction, "track_faces", lambda frames, *_: [track])
    warnings = Model(spec, build_reader(spec)).transcribe(np.zeros((5, 240, 400, 3), np.uint8)).warnings
    assert any("the mouth lies beside its crop in 5 frames" in warning for warning in warnings)


def test_an_encoder_that_attends_to_all_is_read_in_long_windows():
    reader = build_reader(SPEC)
    assert Model(SPEC, reader).windows is SHORT
    for encoder in (ConformerEncoderSpec(), RelConformerEncoderSpec()):
        spec = replace(SPEC, encoder=encoder)
        assert Model(spec, reader).windows is LONG


def with_decoder(ctc: bool = True, flip_average: bool = False) -> Model:
    spec = replace(SPEC, ctc=ctc, decoder=AttentionDecoderSpec(hidden=4), flip_average=flip_average)
    torch.manual_seed(0)
    return Model(spec, build_reader(spec))


@pytest.mark.parametrize("flip_average", [False, True])
def test_a_model_with_a_decoder_is_read_by_it(flip_average: bool):
    model = with_decoder(flip_average=flip_average)
    assert model.methods == ("greedy", "beam", "grammar", "attention", "joint")
    assert model.default_search.method == "joint"
    picture = np.random.default_rng(0).integers(0, 255, (9, 96, 96), dtype=np.uint8)
    encoded = model.encode(picture)
    assert (encoded.states.shape, encoded.states.dtype) == ((9, 1 + flip_average, 8), np.float32)
    assert (encoded.log_probs.shape, encoded.fps, len(encoded)) == ((9, 3), 25.0, 9)
    np.testing.assert_array_equal(encoded.log_probs, model.log_probs(picture))
    assert model.search(encoded) == model.search(encoded, SearchOptions("joint"))
    by_ctc = model.search(model.log_probs(picture))  # log-probabilities alone are read by CTC
    assert by_ctc[0].text == model.search(encoded, SearchOptions("beam"))[0].text
    assert model.search(encoded[:0])[0].text == ""
    assert model.encode(picture[:0]).states.shape == (0, 1 + flip_average, 8)
    for options in (None, SearchOptions("attention"), SearchOptions("greedy")):
        model.transcribe(picture, options=options)


def test_what_a_decoder_reads_is_the_same_in_windows():
    # It sees two frames to either side.
    spec = replace(SPEC, encoder=NoEncoderSpec(), decoder=AttentionDecoderSpec(hidden=4))
    model = Model(spec, build_reader(spec))
    picture = np.random.default_rng(0).integers(0, 255, (SHORT.window + 2 * SHORT.context, 96, 96), dtype=np.uint8)
    in_windows = encode_in_windows(model.encode, picture, SHORT)
    np.testing.assert_allclose(in_windows.states, model.encode(picture).states, atol=1e-5)
    np.testing.assert_allclose(in_windows.log_probs, model.log_probs(picture), atol=1e-5)


@pytest.mark.parametrize(
    ("model", "method", "message"),
    [
        (
            Model(SPEC, build_reader(SPEC)),
            "joint",
            "tiny has no decoder for method 'joint': want one of greedy, beam, gr",
        ),
        (with_decoder(ctc=False), "beam", "tiny has no CTC head for method 'beam': want one of attention"),
        (with_decoder(ctc=False), "joint", "tiny has no CTC head for method 'joint'"),
    ],
)
def test_a_search_that_the_model_cannot_do(model: Model, method: str, message: str):
    with pytest.raises(ConfigError, match=message):
        model.transcribe(crops(3), options=SearchOptions(method))


def test_without_ctc_there_are_no_log_probs_and_a_decoder_reads_all_the_same():
    model = with_decoder(ctc=False)
    with pytest.raises(ConfigError, match="no CTC head"):
        model.log_probs(crops(3))
    assert model.default_search.method == "attention"
    model.transcribe(crops(SHORT.decoder_piece + 60))


@pytest.mark.parametrize(("method", "lengths"), [("joint", 2), ("attention", 2), ("beam", 1)])
def test_only_what_a_decoder_reads_is_cut_into_short_pieces(method: str, lengths: int, monkeypatch):
    model, pieces = with_decoder(), []

    def search(encoded, options):
        pieces.append(len(encoded))
        return [hypothesis()]

    monkeypatch.setattr(model, "search", search)
    model.transcribe(crops(SHORT.decoder_piece + 60), options=SearchOptions(method))
    assert (len(pieces), sum(pieces)) == (lengths, SHORT.decoder_piece + 60)


def test_a_decoder_of_sentences_gets_one_at_a_time(monkeypatch):
    spec = replace(SPEC, decoder=AttentionDecoderSpec(hidden=4), grammar=(("a",), ("b",)))
    model, searched = Model(spec, build_reader(spec)), []
    assert model.default_search.grammar.sentence_words == 2
    spans = tuple(Span(start, start + 4) for start in (5, 12, 40, 50, 80, 85))
    words = tuple(WordSpan("ab"[i % 2], *span, 1.0) for i, span in enumerate(spans))
    read = Hypothesis((1, 2) * 3, "a b a b a b", 0.0, 1.0, spans, words)

    def search(encoded, options):
        if options.method == "joint":
            searched.append(len(encoded))
        return [read]

    monkeypatch.setattr(model, "search", search)
    pieces = [(start, stop) for start, stop, _ in model.search_pieces(Encoded(np.zeros((120, 1, 8), np.float32), None))]
    assert pieces == [(0, 28), (28, 67), (67, 120)]
    assert searched == [28, 39, 53]


def test_each_sentence_of_a_run_has_its_own_initials(monkeypatch):
    spec = replace(SPEC, decoder=AttentionDecoderSpec(hidden=4), grammar=(("a", "b"), ("b",)))
    model, searched = Model(spec, build_reader(spec)), []
    spans = tuple(Span(start, start + 4) for start in (5, 12, 40, 50, 80, 85))
    words = tuple(WordSpan("b", *span, 1.0) for span in spans)
    read = Hypothesis((2,) * 6, "b b b b b b", 0.0, 1.0, spans, words)
    monkeypatch.setattr(model, "search", lambda _, options: searched.append(options) or [read])
    encoded = Encoded(np.zeros((120, 1, 8), np.float32), None)
    for asked, wanted in {
        "b b a b ? b": ["b b", "a b", "? b"],
        "b b a ...": ["b b", "a ...", "None"],
        "b...": ["b ...", "None", "None"],
    }.items():
        searched.clear()
        list(model.search_pieces(encoded, SearchOptions(initials=asked)))
        assert [str(options.initials) for options in searched if options.method == "joint"] == wanted
        assert str(searched[0].initials) == asked.replace("b...", "b ...")  # of the search that finds the sentences
        assert all(options.language is not None for options in searched)


def test_initials_are_of_one_text(model, monkeypatch):
    options = SearchOptions("beam", initials="a ...")
    assert model.transcribe(crops(20), options=options).words
    with pytest.raises(ConfigError, match=r"initials are of one text, but this video is read in several parts.* start"):
        model.transcribe(crops(PIECE + 20), options=options)
    tracks = [face_at(100, 100, 10, 0, 0, 60), face_at(300, 100, 30, 30, 1, 60)]
    monkeypatch.setattr(extraction, "track_faces", lambda frames, *_: tracks if list(frames) else [])
    frames = np.zeros((60, 240, 400, 3), np.uint8)
    with pytest.raises(ConfigError, match="want one face, and start and end around the words"):
        model.transcribe(frames, face="all", options=options)
    assert {word.text for word in model.transcribe(frames, face=1, options=options).words} <= {"a", "b"}


def test_the_temperature_of_a_decoders_search_is_applied():
    plain = with_decoder()
    soft = Model(replace(plain.spec, temperatures={"joint": 0.5}), plain.reader)
    encoded = Encoded(np.random.default_rng(0).normal(size=(9, 1, 8)).astype(np.float32), None)
    options = SearchOptions("joint", nbest=16)
    before, after = ([each for each in one.search(encoded, options) if each.words] for one in (plain, soft))
    assert before and [each.score for each in before] == [each.score for each in after]
    assert all(
        w.probability != v.probability
        for x, y in zip(before, after, strict=True)
        for w, v in zip(x.words, y.words, strict=True)
    )


def test_words_are_placed_in_the_video():
    transcript = to_transcript(hypothesis(("a", 5, 10), ("b", 12, 20)), fps=25, first_frame=50)
    assert [(w.start, w.end) for w in transcript.words] == [(2.2, 2.4), (2.48, 2.8)]
    assert transcript.segments[0].start == 2.2
    assert transcript.segments[0].end == 2.8


def test_a_long_pause_starts_a_segment():
    transcript = to_transcript(hypothesis(("a", 0, 5), ("b", 10, 15), ("a", 40, 45)), fps=25)
    assert [segment.text for segment in transcript.segments] == ["a b", "a"]


@pytest.mark.parametrize(("pause", "segments"), [(59, ["a b"]), (61, ["a", "b"])])
def test_a_pause_is_long_beyond_six_tenths_of_a_second(pause: int, segments: list[str]):
    transcript = to_transcript(hypothesis(("a", 0, 10), ("b", 10 + pause, 90)), fps=100)
    assert [segment.text for segment in transcript.segments] == segments


def test_sentences_of_a_grammar_are_segments():
    words = [("a", i, i + 1) for i in range(4)]
    transcript = to_transcript(hypothesis(*words), fps=25, sentence_words=2)
    assert [segment.text for segment in transcript.segments] == ["a a", "a a"]


def test_segments_are_as_familiar_as_their_own_frames():
    surprise = np.repeat(np.float32([9, 0.1, 9, 0.4, 9]), 5)  # in silence it does not count
    read = replace(hypothesis(("a", 5, 8), ("b", 8, 10), ("a", 15, 17), ("b", 18, 20)), surprise=surprise)
    segments = to_transcript(read, fps=25, sentence_words=2, surprise_limit=0.2).segments
    assert [segment.familiarity for segment in segments] == [
        round(familiarity(float(np.float32(each)), 0.2), 4) for each in (0.1, 0.4)
    ]
    assert [segment.familiarity for segment in to_transcript(read, fps=25).segments] == [None]
    assert to_transcript(hypothesis(("a", 5, 8)), fps=25, surprise_limit=0.2).segments[0].familiarity is None


@pytest.mark.parametrize("method", ["greedy", "beam", "joint", "attention"])
def test_a_search_says_how_surprising_its_best_reading_is_where_ctc_took_part(method: str):
    model = with_decoder()
    encoded = model.encode(crops(9))
    best, *others = model.search(encoded, SearchOptions(method))
    assert others == []
    if method == "attention":
        assert best.surprise is None
    else:
        np.testing.assert_array_equal(best.surprise, frame_surprise(encoded.log_probs, best))


def test_what_does_not_look_familiar_is_warned_of(model, monkeypatch):
    surprised = replace(hypothesis(("a", 1, 4)), surprise=np.full(9, 0.3, np.float32))
    monkeypatch.setattr(Model, "search", lambda *args: [surprised])
    for limit, wanted in ((None, 0), (0.6, 0), (0.2, 1)):
        known = Model(replace(SPEC, surprise_limit=limit), model.reader)
        transcript = known.transcribe(crops(9))
        assert transcript.text == "a"
        assert len(transcript.warnings) == wanted
        assert (transcript.familiarity is None) == (limit is None)
    assert transcript.warnings[0].startswith("this does not look like what the model knows (familiarity 0.16")


def test_no_words_no_segments():
    assert to_transcript(hypothesis(), fps=25).segments == ()


def face_at(x: float, y: float, num_frames: int, start: int, id: int, shot_frames: int) -> FaceTrack:
    """A still face with its eyes around (x, y)."""
    landmarks = np.full((num_frames, 91, 2), (x, y), np.float32)
    landmarks[:, STABLE_POINTS] += REFERENCE_FACE
    landmarks[:, 15:35] += (0, 76)
    return FaceTrack(id, 0, start, landmarks, 25.0, shot_frames)


def test_each_face_is_read_where_it_is_and_labelled(model, monkeypatch):
    tracks = [face_at(100, 100, 40, 0, 0, 60), face_at(300, 100, 30, 30, 1, 60)]
    monkeypatch.setattr(extraction, "track_faces", lambda frames, *_: tracks if list(frames) else [])
    monkeypatch.setattr(model, "search", lambda encoded, options=None: [hypothesis(("a", 0, len(encoded)))])
    frames = np.zeros((60, 240, 400, 3), np.uint8)
    transcript = model.transcribe(frames, face="all")
    found = [(segment.speaker, segment.start, segment.end) for segment in transcript.segments]
    assert found == [("face 0", 0.0, 1.6), ("face 1", 1.2, 2.4)]
    assert transcript.duration == pytest.approx(2.4)


def test_however_many_runs_the_frames_are_read_twice(model, monkeypatch):
    class Frames:
        passes = 0

        def __iter__(self):
            self.passes += 1
            return iter(np.zeros((60, 240, 400, 3), np.uint8))

    tracks = [face_at(100, 100, 10, start, number, 60) for number, start in enumerate(range(0, 60, 10))]
    monkeypatch.setattr(extraction, "track_faces", lambda frames, *_: tracks if list(frames) else [])
    monkeypatch.setattr(model, "search", lambda encoded, options=None: [hypothesis(("a", 0, len(encoded)))])
    frames = Frames()
    transcript = model.transcribe(frames, face="all")
    assert [(word.start, word.end) for word in transcript.words] == [(i * 10 / 25, (i + 1) * 10 / 25) for i in range(6)]
    assert frames.passes == 2


def test_a_generator_of_frames_is_read_twice(model, monkeypatch):
    monkeypatch.setattr(
        extraction,
        "track_faces",
        lambda frames, *_: [face_at(100, 100, sum(1 for _ in frames), 0, 0, 20)],
    )
    monkeypatch.setattr(model, "search", lambda encoded, options=None: [hypothesis(("a", 0, len(encoded)))])
    transcript = model.transcribe(np.zeros((240, 400, 3), np.uint8) for _ in range(20))
    assert transcript.words[0].end == 0.8


@pytest.mark.parametrize(("num_frames", "told"), [(17, False), (18, True), (19, True)])
def test_others_who_are_there_for_three_tenths_of_a_shot_are_told(model, monkeypatch, num_frames, told):
    tracks = [face_at(100, 100, 60, 0, 0, 60), face_at(300, 100, num_frames, 0, 1, 60)]
    monkeypatch.setattr(extraction, "track_faces", lambda frames, *_: tracks if list(frames) else [])
    warnings = model.transcribe(np.zeros((60, 240, 400, 3), np.uint8), face=0).warnings
    assert not any("not read" in warning for warning in warnings)  # one person was asked for
    tracks[0].landmarks[::2, 15:35, 1] += 9  # a mouth that moves
    warnings = model.transcribe(np.zeros((60, 240, 400, 3), np.uint8)).warnings
    assert any("not read: 1 other face;" in warning for warning in warnings) == told


def test_low_coverage_is_told(model, monkeypatch):
    monkeypatch.setattr(extraction, "track_faces", lambda frames, *_: [face_at(100, 100, 20, 0, 0, len(list(frames)))])
    warnings = model.transcribe(np.zeros((60, 240, 400, 3), np.uint8)).warnings
    assert any("33%" in warning for warning in warnings)


def test_crops_of_another_size_are_refused(model):
    with pytest.raises(ConfigError, match=r"\(T, 96, 96\) uint8"):
        model.transcribe(np.zeros((5, 88, 88), np.uint8))


def test_unknown_device_is_refused():
    with pytest.raises(ConfigError, match="give cpu, cuda or mps"):
        Model(SPEC, build_reader(SPEC), device="abacus")


def test_no_face_says_what_to_do(model):
    with pytest.raises(NoFaceError, match="lipscribe inspect"):
        model.transcribe(np.zeros((10, 120, 160, 3), np.uint8))


def test_a_closed_vocabulary_is_logged_once(tmp_path, monkeypatch):
    from lipscribe.zoo.checkpoint import save_checkpoint

    monkeypatch.setattr(pipeline, "_noticed", set())
    spec = replace(SPEC, card=Card(notice="knows two words"))
    save_checkpoint(tmp_path, spec, build_reader(spec).state_dict())
    told = []
    monkeypatch.setattr(pipeline.logger, "warning", told.append)
    lipscribe.load_model(tmp_path)
    lipscribe.load_model(tmp_path)
    assert told == ["knows two words"]


def test_a_long_video_is_decoded_once_and_read_alike(model, grid_root, monkeypatch):
    path, decoded, told = grid_root / "video" / "s1" / "bbal7s.mpg", [], []
    whole = model.transcribe(path)
    read = lipscribe.Video._read
    monkeypatch.setattr(lipscribe.Video, "_read", lambda video: decoded.append(video) or read(video))
    monkeypatch.setattr("lipscribe.video.video.KEEP_BYTES", 0)
    again = model.transcribe(path, progress=lambda *each: told.append(each))
    assert len(decoded) == 1
    assert again == whole
    assert told[-1] == ("mouths", 75, 75)
    monkeypatch.setattr(extraction, "EarlyCrops", partial(extraction.EarlyCrops, max_bytes=0))
    assert model.transcribe(path) == whole
    assert len(decoded) == 3


def test_the_stations_fit_together(model, grid_root):
    frames = lipscribe.Video(grid_root / "video" / "s1" / "bbal7s.mpg")
    run = lipscribe.choose_faces(lipscribe.track_faces(frames))[0].runs()[0]
    cut = lipscribe.crop_mouth(frames, run)
    found = model.search(model.log_probs(cut))[0]
    by_hand = to_transcript(found, 25, run.start)
    assert by_hand.segments == model.transcribe(grid_root / "video" / "s1" / "bbal7s.mpg").segments
    assert by_hand.segments == model.transcribe(frames.read()).segments
    assert by_hand.segments == model.transcribe(cut).segments


def test_public_names_are_there():
    for name in lipscribe.__all__:
        assert getattr(lipscribe, name) is not None
    assert set(lipscribe.__all__) == {*lipscribe._HOMES, "LipscribeError", "__version__"}
    assert callable(lipscribe.transcribe)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = lipscribe.nonsense


def test_the_temperature_of_a_search_is_applied_to_its_words_alone(model):
    from dataclasses import replace

    log_probs = np.log(np.array([[0.9, 0.05, 0.05], [0.1, 0.7, 0.2], [0.9, 0.05, 0.05]], np.float32))
    (plain,) = model.search(log_probs)
    soft = Model(replace(SPEC, temperatures={"beam": 2.0}), model.reader)
    (softened,) = soft.search(log_probs)
    assert (softened.text, softened.score) == (plain.text, plain.score)
    assert 0.5 < softened.words[0].probability < plain.words[0].probability
    assert soft.uncalibrated().search(log_probs) == [plain]
    assert Model(replace(SPEC, temperatures={"grammar": 2.0}), model.reader).search(log_probs) == [plain]


@pytest.mark.parametrize("fps", [12.5, 50, 30])
def test_frames_of_another_rate_are_read_at_the_models(model, monkeypatch, fps):
    seen = []

    def tracked(frames, rate, detector, watcher):
        seen.extend(int(frame[0, 0, 0]) for frame in frames)
        return [face_at(100, 100, len(seen), 0, 0, len(seen))]

    monkeypatch.setattr(extraction, "track_faces", tracked)
    frames = [np.full((240, 400, 3), i, np.uint8) for i in range(30)]
    transcript = model.transcribe(frames, fps=fps)
    assert transcript.duration == pytest.approx(30 / fps, abs=0.041)
    assert seen == [min(round(i * fps / 25), 29) for i in range(len(seen))]


def test_crops_of_another_rate_are_read_at_the_models(model):
    assert model.transcribe(crops(60), fps=50).duration == pytest.approx(30 / 25)
    with pytest.raises(ConfigError, match="fps is 0, want the frames' rate, a number above 0"):
        model.transcribe(crops(60), fps=0)
    with pytest.raises(ConfigError, match="fps is 30, but a video file has its own rate: leave it out"):
        model.transcribe("clip.mp4", fps=30)


def test_segments_come_as_they_are_read(model, monkeypatch):
    told = []
    monkeypatch.setattr(model, "search", lambda encoded, options=None: [hypothesis(("a", 0, 9), ("b", 100, 110))])
    transcript = model.transcribe(crops(PIECE + 400), on_segment=told.append)
    assert told == list(transcript.segments)
    assert len(told) == 4


def test_a_long_run_is_searched_before_it_ends(model, monkeypatch):
    searched = []
    monkeypatch.setattr(model, "search", lambda encoded, options=None: searched.append(len(encoded)) or [hypothesis()])
    reader = model_module.RunReader(model)
    for crop in crops(PIECE + 300):
        list(reader.add(crop))
    assert len(searched) == 1
    list(reader.finish())
    assert sum(searched) == PIECE + 300


def test_progress_ends_with_all_frames_though_the_face_leaves_earlier(model, monkeypatch):
    monkeypatch.setattr(extraction, "track_faces", lambda frames, *_: [face_at(100, 100, 20, 0, 0, len(list(frames)))])
    told = []
    model.transcribe(np.zeros((60, 240, 400, 3), np.uint8), progress=lambda *each: told.append(each))
    assert told[-1] == ("mouths", 60, 60)


def test_sentences_of_one_run_are_encoded_one_by_one(monkeypatch):
    spec = replace(SPEC, decoder=AttentionDecoderSpec(hidden=4), grammar=(("a",), ("b",)))
    model = Model(spec, build_reader(spec))
    words = tuple(WordSpan("ab"[i % 2], start, start + 4, 1.0) for i, start in enumerate((5, 12, 40, 50)))
    spans = tuple(Span(word.start, word.end) for word in words)
    read = Hypothesis((1, 2) * 2, "a b a b", 0.0, 1.0, spans, words)
    encoded = []
    encode = model.encode_lean
    monkeypatch.setattr(model, "encode_lean", lambda crops: encoded.append(crops[:, 0, 0].tolist()) or encode(crops))
    monkeypatch.setattr(model, "search", lambda some, options=None: [read])
    transcript = model.transcribe(crops(70))
    assert encoded == [list(range(70)), list(range(28)), list(range(28, 70))]
    assert len(transcript.words) == 8
