"""Learning phrases: what is kept, what is said of it, and what is refused, with features that stand for videos."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from lipscribe.adaptation import phrases as module
from lipscribe.adaptation.phrase_sources import PhraseRecording
from lipscribe.adaptation.phrases import LearntPhrases, learn_phrases
from lipscribe.encoded import Encoded
from lipscribe.errors import CheckpointError, ConfigError, LipscribeError, NoFaceError
from lipscribe.export import export_model
from lipscribe.models.spec import load_spec, save_spec
from lipscribe.pipeline import load_model
from lipscribe.search import SearchOptions
from lipscribe.zoo.listing import describe_models
from lipscribe.zoo.phrases import RECORDINGS_FILE, find_base, load_recordings
from lipscribe.zoo.registry import find_model

BASE = "talkers"


def seeded(*parts: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.blake2b("/".join(parts).encode(), digest_size=4).digest()))


def features_of(said: str, take: str) -> np.ndarray:
    mouths = seeded(said).normal(size=(6, 20))
    walked = np.stack([np.interp(np.linspace(0, 5, 30), np.arange(6), column) for column in mouths.T], axis=1)
    return (walked + 0.02 * seeded(said, take).normal(size=walked.shape)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for videos, whose content says what is said in them, by whom."""
    monkeypatch.setenv("LIPSCRIBE_CACHE", str(tmp_path / "cache"))

    def record(recording, digest, model, states):
        said, person, take = recording.path.read_text().split("|")
        if not person:
            raise NoFaceError("no face found: record it again")
        look = seeded(person).normal(size=64)
        look = (look / np.linalg.norm(look)).astype(np.float32)
        return module._Recorded(recording.text, recording.path.name, digest, features_of(said, take), look[None])

    monkeypatch.setattr(module, "_record", record)
    return tmp_path


def recordings(folder: Path, *films: str) -> list[PhraseRecording]:
    """One for each `text` or `text: said` or `text: said by person`."""
    made = []
    for film in films:
        text, _, said = film.partition(": ")
        said, _, person = (said or text).partition(" by ")
        path = folder / f"{len(list(folder.glob('*.mp4')))}.mp4"
        path.write_text(f"{said}|{person or 'me'}|{path.name}" if person != "nobody" else f"{said}||{path.name}")
        made.append(PhraseRecording(path, text))
    return made


def learn(folder: Path, *films: str, add: bool = False, name: str = "mine", base: str = BASE) -> LearntPhrases:
    return learn_phrases(recordings(folder, *films), name, "" if add else base, add)


def test_the_model_is_listed_and_read_like_any_other(folder: Path):
    made = learn(folder, "yes", "no", "stop", "yes", "no", "stop")
    assert (made.texts, made.num_recordings, made.right) == (("yes", "no", "stop"), 6, (6, 6))
    assert made.failed == {} and made.warnings == ()
    row = next(row for row in describe_models() if row["name"] == "mine")
    assert (row["vocabulary"], row["reads"], row["runtime"]) == ("closed, 3 phrases", "3 phrases of one person", "onnx")
    model = load_model("mine")
    assert model.methods == ("phrases",)
    assert model.matcher.search(features_of("no", "again"))[0].text == "no"
    assert model.matcher.search(features_of("something else", "x"))[0].text == ""


def test_initials_select_phrases(folder: Path):
    learn(folder, "yes", "no", "stop", "yes", "no", "stop")
    model = load_model("mine")
    said = Encoded(features_of("no", "again")[:, None], None)
    free = model.search(said, SearchOptions(nbest=9, alternatives=9))
    assert free[0].text == "no" and {each.text for each in free} == {"yes", "no", "stop", ""}
    own = model.search(said, SearchOptions(nbest=9, alternatives=9, initials="N"))
    assert [each.text for each in own] == ["no", ""] and own[0].words[0].alternatives == ()
    assert own[0].posterior > free[0].posterior
    assert {each.text for each in model.search(said, SearchOptions(nbest=9, initials="s"))} == {"stop", ""}
    with pytest.raises(ConfigError, match="initials 'y s' fit none of the 3 phrases of model mine: correct them"):
        model.resolve(SearchOptions(initials="y s"))


def test_what_is_stored_is_what_was_recorded(folder: Path):
    made = learn(folder, "yes", "no")
    spec = load_spec(made.folder)
    if os.name != "nt":  # nobody else may open it
        modes = [path.stat().st_mode & 0o777 for path in (made.folder, *made.folder.iterdir())]
        assert modes == [0o700] + [0o600] * (len(modes) - 1)
    assert spec.phrases is not None and spec.phrases.base == BASE
    kept, looks = load_recordings(made.folder, spec.phrases)
    np.testing.assert_allclose(kept[1], features_of("no", "1.mp4"), atol=2e-3)
    assert looks.shape == (2, 64)
    numpy = pytest.importorskip("safetensors.numpy")
    assert set(numpy.load_file(made.folder / RECORDINGS_FILE)) == {"00000", "00001", "looks"}


def test_more_are_added_and_those_that_are_there_are_skipped(folder: Path):
    first = recordings(folder, "yes", "no")
    learn_phrases(first, "mine", BASE)
    made = learn_phrases([*first, *recordings(folder, "stop", "yes")], "mine", add=True)
    assert (made.texts, made.num_recordings, made.num_new) == (("yes", "no", "stop"), 4, 2)
    assert load_model("mine").matcher.search(features_of("stop", "again"))[0].text == "stop"
    again = learn_phrases(first, "mine", add=True)
    assert (again.num_recordings, again.num_new) == (4, 0)
    assert not list(made.folder.parent.glob(".*"))  # nothing is left over


def test_a_recording_that_cannot_be_used_is_named_and_left_out(folder: Path):
    said: list[str] = []
    made = learn_phrases(recordings(folder, "yes", "no", "stop: stop by nobody"), "mine", BASE, warn=said.append)
    assert made.texts == ("yes", "no")
    assert list(made.failed.values()) == ["no face found: record it again"]
    assert [line.partition("2.mp4: ")[2] for line in said] == ["no face found: record it again"]
    with pytest.raises(LipscribeError, match="none of the recordings can be used: no face found"):
        learn(folder, "yes: yes by nobody", name="other")


def test_doubtful_recordings_are_told(folder: Path):
    made = learn(folder, "yes", "no", "stop", "go", "yes", "no: stop", "stop", "go")
    assert any(
        "5.mp4 looks quite different from the other recordings of 'no', more like 'stop'" in w for w in made.warnings
    )
    made = learn(folder, "yes", "no", "stop: stop by another", name="two")
    assert len(made.warnings) == 1 and "seem to show two people" in made.warnings[0]
    made = learn(folder, "yes", "no", "pat: bat", "bat", "go", name="alike")
    assert made.warnings == ("'pat' and 'bat' look alike on the lips: choose other words for one",)


@pytest.mark.parametrize("films", [("yes",), ("yes", "yes")])
def test_one_phrase_is_too_few(folder: Path, films: tuple[str, ...]):
    with pytest.raises(ConfigError, match="two phrases or more are wanted, to tell them apart, got only 'yes'"):
        learn(folder, *films)


def test_names_and_bases_that_do_not_fit(folder: Path):
    made = learn(folder, "yes", "no")
    with pytest.raises(
        CheckpointError,
        match=r"a model 'mine' exists: add --add .* give another --name, or delete it with `lipscribe models rem",
    ):
        learn(folder, "yes", "no")
    with pytest.raises(CheckpointError, match=r"a model 'talkers' exists: add --add .* give another --name$"):
        learn(folder, "yes", "no", name="talkers")
    with pytest.raises(CheckpointError, match="no model of phrases called yours to add to: leave --add out"):
        learn(folder, "yes", add=True, name="yours")
    with pytest.raises(CheckpointError, match=r"the name is '\.\./x', wanted one that can be a folder's"):
        learn(folder, "yes", "no", name="../x")
    with pytest.raises(ConfigError, match="mine is a model of phrases itself: give the one it was made with, talkers"):
        learn(folder, "yes", "no", name="next", base="mine")
    with pytest.raises(ConfigError, match="was made with talkers: leave --from out"):
        learn_phrases(recordings(folder, "go"), "mine", "grid-s1", add=True)
    with pytest.raises(CheckpointError, match="no network of its own: give its base, talkers"):
        export_model(made.folder)
    with pytest.raises(ConfigError, match="no network of its own: give its base, talkers"):
        _ = load_model("mine").reader


def test_another_base_is_refused(folder: Path):
    made = learn(folder, "yes", "no")
    spec = json.loads((made.folder / "spec.json").read_text())
    for changed, message in (
        (
            {"base": "absent"},
            "by what absent sees, which is not installed: install it again, or make the phrases again",
        ),
        ({"base": "grid-s1"}, "was made with another grid-s1 than the one that is installed"),
        ({"base_digest": "0"}, "was made with another talkers than the one that is installed"),
    ):
        (made.folder / "spec.json").write_text(json.dumps(spec | {"phrases": spec["phrases"] | changed}))
        with pytest.raises(CheckpointError, match=message):
            load_model("mine")
        row = next(row for row in describe_models() if row["name"] == "mine")
        assert row["reads"].startswith("damaged: ")
    (made.folder / "spec.json").write_text(json.dumps(spec))
    assert find_base("mine", load_spec(made.folder).phrases) == find_model(BASE)


def test_a_base_given_as_a_folder_is_found_from_everywhere(folder: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(find_model(BASE), folder / "own")
    monkeypatch.chdir(folder)
    made = learn(folder, "yes", "no", base="own")
    assert load_spec(made.folder).phrases.base == str(folder / "own")
    monkeypatch.chdir("/")
    assert load_model("mine").matcher.texts == ["yes", "no"]


def test_a_model_that_cannot_be_replaced_stays(folder: Path, monkeypatch: pytest.MonkeyPatch):
    made = learn(folder, "yes", "no")
    rename = Path.rename

    def full(path: Path, target: Path) -> Path:
        if path.name == "made":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(CheckpointError, match=r"cannot be written .*make room, or set LIPSCRIBE_CACHE"):
        learn(folder, "stop", add=True)
    assert load_spec(made.folder).phrases.texts == ("yes", "no")


def test_damaged_recordings_are_told_in_one_line(folder: Path):
    made = learn(folder, "yes", "no")
    path = made.folder / RECORDINGS_FILE
    whole, spec = path.read_bytes(), load_spec(made.folder)
    path.write_bytes(whole[:-10])
    with pytest.raises(CheckpointError, match="is damaged"):
        load_model("mine")
    path.unlink()
    with pytest.raises(CheckpointError, match=r"holds no recordings\.safetensors"):
        load_model("mine")
    path.write_bytes(whole)
    fields = spec.phrases.__dict__ | {"phrase_of": (0, 1, 1), "digests": ("a", "b", "c")}
    save_spec(made.folder, spec.__class__(**spec.__dict__ | {"phrases": type(spec.phrases)(**fields)}))
    with pytest.raises(CheckpointError, match="does not fit its spec: copy the model again"):
        load_model("mine")
    (made.folder / "spec.json").write_text((made.folder / "spec.json").read_text().replace('"b",', ""))
    with pytest.raises(CheckpointError, match="digests has 2 entries, wanted 3"):
        load_model("mine")
