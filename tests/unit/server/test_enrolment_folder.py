"""Enrolments on disk: what is written survives, and is what `lipscribe adapt` takes."""

import json
import os
from pathlib import Path

import pytest

from lipscribe.adaptation.phrase_sources import find_recordings as find_phrases
from lipscribe.adaptation.recordings import find_recordings
from lipscribe.errors import LipscribeError
from lipscribe.models.spec import load_spec
from lipscribe.server.enrolment_folder import PROMPTS, EnrolmentFolder, close_to_others, sentences_of
from lipscribe.zoo.registry import find_model


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIPSCRIBE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "enrolments"


@pytest.fixture
def phrases(root: Path) -> EnrolmentFolder:
    folder = EnrolmentFolder(root, "mine")
    folder.create("phrases", None, ["Good morning!", "I need  water"])
    return folder


def keep(folder: EnrolmentFolder, number: int, content: bytes = b"x", suffix: str = ".webm") -> None:
    video = folder.path.parent / "upload"
    video.write_bytes(content)
    folder.keep(number, folder.check_place(number, None), video, suffix, [])


def test_the_folder_is_what_adapt_takes(phrases: EnrolmentFolder):
    keep(phrases, 2)
    keep(phrases, 1)
    prompts = phrases.path / PROMPTS
    wanted = {"001": "good morning", "002": "i need water"}
    assert {each.path.stem: each.text for each in find_phrases(phrases.path, prompts)} == wanted
    assert {each.id: each.text for each in find_recordings(phrases.path, prompts)} == wanted


def test_prompts_and_recordings_are_found_again(phrases: EnrolmentFolder, root: Path):
    keep(phrases, 2)
    again = EnrolmentFolder(root, "mine").load()
    assert again["prompts"] == ["Good morning!", "I need water"]
    assert list(again["recordings"]) == ["2"]


def test_a_recording_is_replaced_and_removed(phrases: EnrolmentFolder):
    keep(phrases, 1, b"first")
    keep(phrases, 1, b"second", ".mp4")
    assert [path.name for path in phrases.path.glob("0*")] == ["001.mp4"]
    assert (phrases.path / "001.mp4").read_bytes() == b"second"
    phrases.remove_recording(1)
    phrases.remove_recording(1)
    assert not list(phrases.path.glob("0*"))
    assert (phrases.path / PROMPTS).read_text() == ""


def test_one_more_prompt_may_be_added_at_a_time(phrases: EnrolmentFolder):
    assert phrases.check_place(3, "Good morning!") == "Good morning!"
    with pytest.raises(LipscribeError, match="wanted 1 to 3"):
        phrases.check_place(4, "more")
    with pytest.raises(LipscribeError, match="no prompt 3"):
        phrases.check_place(3, None)


def test_what_is_missing_before_it_can_learn_is_told(phrases: EnrolmentFolder):
    keep(phrases, 1)
    assert "at least 2" in phrases.obstacle()
    keep(phrases, 2)
    assert phrases.obstacle() == ""


@pytest.mark.parametrize(
    ("name", "kind", "prompts", "message"),
    [
        ("../up", "phrases", ["a", "b"], "the name is"),
        (".hidden", "phrases", ["a", "b"], "the name is"),
        ("a/b", "phrases", ["a", "b"], "the name is"),
        ("", "phrases", ["a", "b"], "the name is"),
        ("mine", "phrases", ["yes", "Yes!"], "1 phrase"),  # the same to what compares them
        ("mine", "phrases", ["yes", "?"], "wanted words"),
        ("mine", "person", ["open the door"], "phrases of any words"),
        ("talkers", "person", None, "exists"),
    ],
)
def test_faults_of_a_new_one(root: Path, name: str, kind, prompts: list[str] | None, message: str):
    with pytest.raises(LipscribeError, match=message):
        EnrolmentFolder(root, name).create(kind, None, prompts)
    assert not root.exists()


def test_two_enrolments_of_a_name_are_refused(phrases: EnrolmentFolder):
    with pytest.raises(LipscribeError, match="exists"):
        phrases.create("phrases", None, ["one", "two"])


def test_a_damaged_record_is_one_line(phrases: EnrolmentFolder):
    (phrases.path / "enrolment.json").write_text("{")
    with pytest.raises(LipscribeError, match="cannot be read"):
        phrases.load()


def test_sentences_of_a_model_are_different_and_its_own(root: Path):
    spec = load_spec(find_model("grid"))
    sentences = sentences_of(spec)
    assert len(set(sentences)) == 10
    assert len({sentence.split()[3] for sentence in sentences}) == 10  # no letter twice
    for sentence in sentences:
        assert all(word in slot for word, slot in zip(sentence.split(), spec.grammar or (), strict=True))


def test_a_person_gets_the_models_sentences(root: Path):
    folder = EnrolmentFolder(root, "me")
    folder.create("person", None, None)
    assert len(folder.load()["prompts"]) == 10
    assert "lipscribe adapt" in folder.command
    assert json.loads((folder.path / "enrolment.json").read_text())["base"] == "grid"


@pytest.mark.parametrize("base", ["/etc", "../models/talkers", "runs", ".", "nobody"])
def test_a_base_is_a_name(root: Path, base: str):
    """A client of the server is not told what folders there are."""
    folder = EnrolmentFolder(root, "mine")
    with pytest.raises(LipscribeError, match=r"no model '.*': give one of .*talkers"):
        folder.create("phrases", base, ["good morning", "i need water"])
    assert not folder.exists


def test_it_is_deleted_with_what_others_put_there(phrases: EnrolmentFolder):
    (phrases.path / "thumbnails").mkdir()
    (phrases.path / "thumbnails" / "1.png").touch()
    phrases.delete()
    assert not phrases.path.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_others_cannot_open_it_whatever_the_umask(root: Path):
    before = os.umask(0)
    try:
        folder = EnrolmentFolder(root, "mine")
        folder.create("phrases", None, ["good morning", "i need water"])
        assert folder.path.stat().st_mode & 0o777 == 0o700
        keep(folder, 1)
        folder.path.chmod(0o755)  # as an earlier version left it
        close_to_others(root)
        assert folder.path.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in folder.path.iterdir()} == {0o600}
    finally:
        os.umask(before)
