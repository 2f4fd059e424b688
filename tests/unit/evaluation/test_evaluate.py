import dataclasses
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from lipscribe.data.manifest import Clip
from lipscribe.data.shards import PreparedClip, write_shard
from lipscribe.encoded import Encoded
from lipscribe.errors import ConfigError, LipscribeError, ManifestError, VideoError
from lipscribe.evaluation import calibrate_prepared, evaluate_prepared, evaluate_videos, write_evaluation
from lipscribe.evaluation.report import facts
from lipscribe.search import Capabilities, Grammar, Hypothesis, SearchOptions, resolve, search
from lipscribe.search.familiarity import QUANTILE, SLACK
from lipscribe.search.hypothesis import WordSpan
from lipscribe.search.initials import Initials
from lipscribe.tokenizer import WordTokenizer
from lipscribe.transcript import Segment, Transcript, Word

WORDS = ("red", "green", "blue", "one", "two", "now")


class ScriptedModel:
    """Reads crops whose first pixel is the number of a word, frame by frame; a word it was not told of it doubts."""

    name = "scripted"
    methods = ("greedy", "beam", "grammar")

    def __init__(self, grammar=None, slot_names=None):
        self.spec = SimpleNamespace(
            grammar=grammar, slot_names=slot_names, input=SimpleNamespace(fps=25.0, crop="lipscribe")
        )
        self.tokenizer = WordTokenizer(WORDS)
        grammar = Grammar(grammar) if grammar else None
        self.capabilities = Capabilities(self.tokenizer, grammar=grammar)
        self.num_encoded = 0

    def resolve(self, options=None):
        return resolve(self.capabilities, options or SearchOptions("beam"))

    def encode(self, crops):
        self.num_encoded += 1
        if (crops == 255).all():
            raise LipscribeError("these crops are spoilt")
        probabilities = np.full((len(crops), len(WORDS) + 1), 0.01)
        probabilities[np.arange(len(crops)), crops[:, 0, 0]] = 0.94
        return Encoded(None, np.log(probabilities).astype(np.float32))

    def search(self, encoded, options):
        return search(encoded.log_probs[None], None, self.tokenizer, options)[0]


def prepared(clip_id, said, shown):
    """A clip in which one text is said and another is shown."""
    ids = [WORDS.index(word) + 1 for word in shown.split()]
    crops = np.zeros((2 * len(ids) + 1, 96, 96), np.uint8)
    crops[1::2] = np.array(ids, np.uint8)[:, None, None]
    return PreparedClip(Clip(clip_id, f"{clip_id}.mpg", said, split="dev"), crops)


def write_clips(folder, *clips):
    write_shard(folder / "dev-000000.tar", clips)
    return folder


def test_planted_errors_give_the_known_rates(tmp_path):
    write_clips(
        tmp_path,
        prepared("a", "red one now", "red one now"),
        prepared("b", "red one now", "blue one now"),
        prepared("c", "red one now", "red now"),
        prepared("d", "red one now", "red one two now"),
    )
    evaluation = evaluate_prepared(ScriptedModel(), tmp_path)
    wer = evaluation.wer
    assert (wer.hits, wer.substitutions, wer.deletions, wer.insertions) == (10, 1, 1, 1)
    assert wer.rate == pytest.approx(3 / 12)
    assert wer.low < wer.rate < wer.high
    assert evaluation.sentence_accuracy == 1 / 4
    assert (evaluation.model, evaluation.split, evaluation.method) == ("scripted", "dev", "beam")
    assert [clip.errors for clip in evaluation.clips] == [0, 1, 1, 1]
    assert evaluation.video_seconds == pytest.approx((7 + 7 + 5 + 9) / 25)
    assert evaluation.seconds > 0


def test_characters_count_spaces(tmp_path):
    write_clips(tmp_path, prepared("a", "red one", "red"))
    evaluation = evaluate_prepared(ScriptedModel(), tmp_path)
    assert evaluation.cer.rate == pytest.approx(4 / 7)


def test_each_clip_is_encoded_once_for_all_methods(tmp_path):
    # Shown is "red two": the grammar knows two only in the first place, and reads what else fits.
    write_clips(tmp_path, prepared("a", "red one", "red two"), prepared("b", "red one", "red one"))
    model = ScriptedModel(grammar=(("red", "two"), ("one", "now")))
    evaluation = evaluate_prepared(model, tmp_path)
    assert model.num_encoded == 2
    assert [method.method for method in evaluation.methods] == ["greedy", "beam", "grammar"]
    rates = {method.method: method.wer.rate for method in evaluation.methods}
    assert rates["greedy"] == rates["beam"] == 1 / 4
    assert rates["grammar"] == 0


def test_places_are_named_by_the_models_grammar(tmp_path):
    write_clips(tmp_path, prepared("a", "red one", "red two"), prepared("b", "red one", "red one"))
    named = ScriptedModel(grammar=(("red", "blue"), ("one", "two")), slot_names=("colour", "digit"))
    places = evaluate_prepared(named, tmp_path, options=SearchOptions("greedy")).positions
    assert [(place.name, place.errors, place.total) for place in places] == [("colour", 0, 2), ("digit", 1, 2)]
    open_vocabulary = evaluate_prepared(ScriptedModel(), tmp_path, options=SearchOptions("greedy")).positions
    assert [place.name for place in open_vocabulary] == ["word 1", "word 2"]


def test_each_clip_that_was_read_is_reported(tmp_path):
    write_clips(tmp_path, prepared("a", "red", "red"), prepared("b", "red", "red"))
    told = []
    evaluate_prepared(ScriptedModel(), tmp_path, progress=lambda *report: told.append(report))
    assert told == [("read dev", 0, None), ("read dev", 1, None), ("read dev", 2, None)]


def test_options_given_are_the_main_result(tmp_path):
    write_clips(tmp_path, prepared("a", "red one", "red two"))
    evaluation = evaluate_prepared(ScriptedModel(), tmp_path, "dev", SearchOptions(method="greedy"))
    assert evaluation.method == "greedy"
    assert [method.method for method in evaluation.methods] == ["greedy", "beam"]


def test_initials_are_taken_from_the_references(tmp_path):
    # Shown is "red two", which the first letters of "green one" exclude.
    write_clips(tmp_path, prepared("a", "green one", "red two"), prepared("b", "...", "red"))
    evaluation = evaluate_prepared(ScriptedModel(), tmp_path, initials=Initials.of_text)
    assert evaluation.method == "beam + initials"
    assert [method.method for method in evaluation.methods] == ["greedy", "beam", "beam + initials"]
    assert [clip.hypothesis for clip in evaluation.clips] == ["green one", "red"]  # of silence there are no initials
    rates = {method.method: method.wer.rate for method in evaluation.methods}
    assert (rates["beam"], rates["beam + initials"]) == (3 / 2, 1 / 2)
    assert facts(evaluation)[0].startswith("without the initials WER 150.0 %, 95 % interval ")
    first = evaluate_prepared(ScriptedModel(), tmp_path, initials=lambda text: Initials.of_text(text).part(0, 1))
    assert first.clips[0].hypothesis == "green"
    with pytest.raises(ConfigError, match="method 'greedy' has no use for them"):
        evaluate_prepared(ScriptedModel(), tmp_path, options=SearchOptions("greedy"), initials=Initials.of_text)
    clip, told = Clip("a", "a.mpg", "green one"), []
    model = ScriptedModel()
    model.transcribe = lambda path, face, options: told.append(options) or Transcript(())
    assert evaluate_videos(model, [clip], initials=Initials.of_text).method == "beam + initials"
    assert str(told[0].initials) == "g o"


def test_references_are_normalised_like_hypotheses(tmp_path):
    write_clips(tmp_path, prepared("a", "Red, ONE!", "red one"))
    assert evaluate_prepared(ScriptedModel(), tmp_path).wer.rate == 0


def test_crops_that_cannot_be_read_are_deletions_with_a_reason(tmp_path):
    spoilt = prepared("b", "red one now", "red")
    spoilt.crops[:] = 255
    write_clips(tmp_path, prepared("a", "red one now", "red one now"), spoilt)
    evaluation = evaluate_prepared(ScriptedModel(), tmp_path)
    assert (evaluation.wer.deletions, evaluation.wer.rate) == (3, 0.5)
    assert [(clip.id, clip.failure) for clip in evaluation.failures] == [("b", "these crops are spoilt")]
    assert evaluation.worst_clips() == []


def test_clips_that_were_not_prepared_are_listed_and_not_counted(tmp_path):
    write_clips(tmp_path, prepared("a", "red one", "red one"))
    records = [
        {"id": "a", "split": "dev", "status": "ok", "reason": ""},
        {"id": "b", "split": "dev", "status": "skipped", "reason": "no face"},
        {"id": "c", "split": "train", "status": "skipped", "reason": "no face"},
    ]
    (tmp_path / "status.jsonl").write_text("\n".join(map(json.dumps, records)))
    evaluation = evaluate_prepared(ScriptedModel(), tmp_path)
    assert [(clip.id, clip.reason) for clip in evaluation.left_out] == [("b", "no face")]
    assert evaluation.wer.rate == 0


def test_damaged_status_is_named(tmp_path):
    write_clips(tmp_path, prepared("a", "red one", "red one"))
    (tmp_path / "status.jsonl").write_text('{"id": "a"}')
    with pytest.raises(ManifestError, match=r"status\.jsonl is damaged .*prepare"):
        evaluate_prepared(ScriptedModel(), tmp_path)


@pytest.mark.parametrize("measure", [evaluate_prepared, calibrate_prepared])
def test_crops_of_another_kind_are_refused(tmp_path, measure):
    write_shard(tmp_path / "dev-000000.tar", [prepared("a", "red", "red")])
    (tmp_path / "prepare.json").write_text('{"crop": "auto-avsr"}')
    with pytest.raises(ConfigError, match="holds auto-avsr crops, but the model reads lipscribe crops"):
        measure(ScriptedModel(), tmp_path)


def test_calibrating_fits_what_is_familiar_on_the_same_clips(tmp_path, monkeypatch):
    write_clips(tmp_path, *(prepared(str(i), "red one", "red one" if i % 4 else "red red") for i in range(40)))
    surprised = {}

    def search(self, encoded, options):
        (found,) = ScriptedModel.search(self, encoded, options)
        surprised[len(surprised)] = value = 0.2 + 0.01 * len(surprised)
        return [dataclasses.replace(found, surprise=np.full(100, value, np.float32))]

    model = type("Surprised", (ScriptedModel,), {"search": search, "uncalibrated": lambda self: self})()
    wanted = SLACK * np.quantile(list(0.2 + 0.01 * np.arange(40)), QUANTILE)
    assert calibrate_prepared(model, tmp_path).surprise_limit == pytest.approx(wanted, abs=1e-3)


def test_empty_split_is_refused(tmp_path):
    write_clips(tmp_path)
    with pytest.raises(ManifestError, match="split 'dev', holds no clips"):
        evaluate_prepared(ScriptedModel(), tmp_path)
    with pytest.raises(ManifestError, match="list of clips holds no clips"):
        evaluate_videos(ScriptedModel(), [])


class FilmedModel(ScriptedModel):
    """Its transcripts are planted; a path that has none cannot be read."""

    transcripts: dict[str, Transcript]

    def transcribe(self, source, face="moving", options=None):
        if source not in self.transcripts:
            raise VideoError(f"{source}: no such file; check its name")
        return self.transcripts[source]


def spoken(*words):
    timed = tuple(Word(text, 0.0, 1.0, probability) for text, probability in words)
    return Transcript((Segment(" ".join(text for text, _ in words), 0.0, 1.0, timed),), duration=3.0)


def test_videos_that_cannot_be_read_are_deletions_with_a_reason():
    model = FilmedModel()
    model.transcripts = {"a.mpg": spoken(("red", 0.9), ("one", 0.7))}
    clips = [Clip("a", "a.mpg", "red one", split="dev"), Clip("b", "b.mpg", "red one", split="dev")]
    evaluation = evaluate_videos(model, clips)
    assert (evaluation.wer.hits, evaluation.wer.deletions) == (2, 2)
    assert [(c.id, c.failure) for c in evaluation.failures] == [("b", "b.mpg: no such file; check its name")]
    assert evaluation.clips[0].confidence == pytest.approx(0.8)
    assert evaluation.clips[1].confidence is None
    assert (evaluation.split, evaluation.video_seconds) == ("dev", 3.0)
    assert [method.method for method in evaluation.methods] == ["beam"]


def test_transcript_text_without_words_counts_too():
    model = FilmedModel()
    model.transcripts = {"a.mpg": Transcript((Segment("red one", 0.0, 1.0),))}
    evaluation = evaluate_videos(model, [Clip("a", "a.mpg", "red one")])
    assert evaluation.wer.rate == 0
    assert evaluation.calibration is None


def hypothesis_of(text, probability):
    words = tuple(WordSpan(word, i, i + 1, probability) for i, word in enumerate(text.split()))
    return Hypothesis((), text, 0.0, 1.0, (), words)


REPORTS = {
    "right": [("red one", "red one")],
    "mixed": [("red one", "red two"), ("red one", "one"), ("red one", "red one now"), ("red one", "red one")],
    "uneven": [("red", "blue"), ("red one now", "red")],
    "strange": [("$a$ | b_1", "漢字 \\frac{ $")],
}


class PlantedModel(ScriptedModel):
    def encode(self, crops):
        return Encoded(None, crops[0, 0, :1])

    def search(self, encoded, options):
        return [hypothesis_of(self.hypotheses[int(encoded.log_probs[0])], 0.8)]


@pytest.mark.parametrize("pairs", REPORTS.values(), ids=REPORTS)
def test_reports_are_written_whatever_the_result(tmp_path, pairs):
    model = PlantedModel()
    model.hypotheses = [hypothesis for _, hypothesis in pairs]
    clips = [
        PreparedClip(Clip(f"clip {i}", "x.mpg", said, split="dev"), np.full((3, 96, 96), i, np.uint8))
        for i, (said, _) in enumerate(pairs)
    ]
    write_clips(tmp_path, *clips)
    evaluation = evaluate_prepared(model, tmp_path)
    data, report, page = write_evaluation(evaluation, tmp_path / "new" / "report")
    assert json.loads(data.read_text(encoding="utf-8")) == json.loads(json.dumps(evaluation.to_dict()))
    assert f"WER {100 * evaluation.wer.rate:.1f} %" in report.read_text(encoding="utf-8")
    assert_png(page)


def test_report_of_nothing_but_failures(tmp_path):
    model = FilmedModel()
    model.transcripts = {}
    evaluation = evaluate_videos(model, [Clip("a|b", "gone.mpg", "red one")])
    _, report, page = write_evaluation(evaluation, tmp_path)
    text = report.read_text(encoding="utf-8")
    assert "could not be read: 1" in text
    assert "| a\\|b | gone.mpg: no such file; check its name |" in text
    assert_png(page)


def test_report_names_what_was_left_out_and_worst(tmp_path):
    write_clips(tmp_path, prepared("a", "red one now", "blue one now"), prepared("b", "red one now", "blue two now"))
    evaluation = evaluate_prepared(ScriptedModel(), tmp_path)
    _, report, _ = write_evaluation(evaluation, tmp_path / "report")
    text = report.read_text(encoding="utf-8")
    assert text.index("| b | red one now | blue two now |") < text.index("| a | red one now | blue one now |")
    assert "| red | blue | 2 |" in text
    assert "could not be" not in text


def test_unwritable_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    evaluation = evaluate_prepared(ScriptedModel(), write_clips(tmp_path, prepared("a", "red", "red")))
    with pytest.raises(LipscribeError, match=r"cannot be written .*give another folder"):
        write_evaluation(evaluation, tmp_path / "file" / "report")


def test_an_evaluation_is_frozen(tmp_path):
    evaluation = evaluate_prepared(ScriptedModel(), write_clips(tmp_path, prepared("a", "red", "red")))
    with pytest.raises(dataclasses.FrozenInstanceError):
        evaluation.model = "another"


def test_evaluating_prepared_clips_needs_no_video_libraries():
    code = "import sys, lipscribe.evaluation; print({'av', 'cv2', 'mediapipe', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def assert_png(path):
    from PIL import Image

    with Image.open(path) as picture:
        assert picture.width > 1000
        assert len(np.unique(np.asarray(picture.convert("L").resize((50, 50))))) > 5  # not one blank page
