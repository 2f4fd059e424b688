"""From recordings to an installed model, with what can go wrong."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs lipscribe[train]")

import lipscribe
from lipscribe.adaptation import adapt as adapting
from lipscribe.adaptation import learning, trials
from lipscribe.adaptation.adapt import adapt
from lipscribe.adaptation.checking import Recording
from lipscribe.adaptation.estimate import Rate
from lipscribe.adaptation.recipe import Recipe
from lipscribe.data.manifest import Clip, save_manifest
from lipscribe.errors import CheckpointError, ConfigError, LipscribeError, ManifestError, MissingExtraError
from lipscribe.models.spec import load_spec
from lipscribe.zoo.listing import describe_models

Adapt = Callable[..., lipscribe.Adaptation]


@pytest.fixture
def seen(recordings: list[Recording]) -> dict[str, Recording]:
    """What `check_recording` finds, by id; to be changed."""
    return {each.clip.id: each for each in recordings}


@pytest.fixture
def run(
    base: Path, seen: dict[str, Recording], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., lipscribe.Adaptation]:
    """`adapt` to the recordings, in this process and in few steps."""
    monkeypatch.setenv("LIPSCRIBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(adapting, "check_recording", lambda clip, crop, folder: replace(seen[clip.id], clip=clip))
    monkeypatch.setattr(learning, "recipe_for", lambda number: Recipe(steps=4, batch_size=2))
    monkeypatch.setattr("lipscribe.adaptation.install.find_spec", lambda name: None)  # exporting takes seconds
    save_manifest(tmp_path / "clips.jsonl", [Clip(name, each.clip.path, each.clip.text) for name, each in seen.items()])

    def adapted(name: str = "me", **options: object) -> lipscribe.Adaptation:
        given = {"base": base, "jobs": 1, "trust_texts": True} | options
        return adapt(tmp_path / "clips.jsonl", name, **given)

    return adapted


def test_the_result_is_an_ordinary_model(run: Adapt, tmp_path: Path):
    heard: list[tuple[str, int, int | None]] = []
    result = run(progress=lambda *report: heard.append(report))
    assert result.folder == tmp_path / "cache" / "models" / "me"
    assert (result.name, result.base, result.num_recordings, result.exported) == ("me", "toy", 8, False)
    assert result.after.low <= result.after.rate <= result.after.high
    card = load_spec(result.folder).card
    assert card.scores["dev_wer"] == pytest.approx(result.after.rate, abs=1e-4)
    assert "8 recordings of one person" in card.data
    readme = (result.folder / "README.md").read_text()
    assert "words wrong before" in readme
    assert "95 % interval" in readme
    assert next(row for row in describe_models() if row["name"] == "me")["runtime"] == "torch"
    assert lipscribe.load_model("me").name == "me"
    if os.name != "nt":  # nobody else may open it
        modes = {path.stat().st_mode & 0o777 for path in (result.folder, *result.folder.iterdir())}
        assert modes == {0o700, 0o600}
    assert heard[0][:2] == ("check", 0)
    assert heard[-1] == ("learn", 24, 24)  # five folds and the model itself
    assert [path.name for path in result.folder.parent.iterdir()] == ["me"]  # nothing is left behind
    assert json.loads(json.dumps(result.to_dict()))["num_recordings"] == 8


def test_what_is_said_of_the_result(tmp_path: Path):
    better = lipscribe.Adaptation(
        "me",
        tmp_path,
        "grid",
        10,
        60,
        before=Rate(0.7, 0.5, 0.8),
        after=Rate(0.1, 0.02, 0.3),
        outlook=((20, 0.05),),
        confusions=(("l", "f", 2), ("r", "l", 1)),
        odd=(("clip7", "bin red"),),
    )
    assert better.lines() == [
        "me learned from 10 recordings",
        "words wrong before: 70 % (95 % interval: 50 to 80 %)",
        "words wrong in the next 10 recordings, expected: 10 % (95 % interval: 2 to 30 %) (measured on recordings that "
        "it did not learn from)",
        "with more recordings, a rough guess: about 5% with 20",
        "still confused: l as f (2x), r as l",
        "clip7 was read as 'bin red': is its text right?",
    ]
    worse = replace(better, after=Rate(0.7, 0.5, 0.8), outlook=())
    assert "it reads this person no better than grid: record more, or go on with grid" in worse.lines()


def test_each_recording_is_held_out_once():
    folds = [trial for trial in trials.plan_trials(7, 5) if trial.held_out]
    assert sorted(idx for trial in folds for idx in trial.held_out) == list(range(7))
    assert all(not set(trial.learned) & set(trial.held_out) for trial in folds)
    assert all(set(trial.learned) | set(trial.held_out) == set(range(7)) for trial in folds)


def test_an_interrupted_adaptation_resumes_after_its_last_trial(run: Adapt, monkeypatch: pytest.MonkeyPatch):
    whole = run("straight")
    ran: list[str] = []
    original = trials._run

    def stopped_in_the_third(trial: trials.Trial, **given: object) -> trials.Outcome:
        if len(ran) == 2:
            raise KeyboardInterrupt
        ran.append(trial.name)
        return original(trial, **given)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trials, "_run", stopped_in_the_third)
        run()
    ran.clear()
    with monkeypatch.context() as patch:
        patch.setattr(trials, "_run", lambda trial, **given: ran.append(trial.name) or original(trial, **given))
        resumed = run()
    assert ran == ["fold-2", "fold-3", "fold-4", "fold-5"]
    assert replace(resumed, name="straight", folder=whole.folder) == whole


def test_processes_find_the_same(base: Path, recordings: list[Recording], tmp_path: Path):
    clips, recipe = [each.prepared for each in recordings], Recipe(steps=2, batch_size=2, looks=1)
    plan, found = trials.plan_trials(len(clips), 2), []
    for workers in (1, 2):
        folder = tmp_path / f"by-{workers}"
        folder.mkdir()
        outcomes = trials.run_trials(plan, base, clips, recipe, folder, workers)
        found.append({name: outcome.looks for name, outcome in outcomes.items()})
    assert found[0] == found[1]
    assert set(found[0]) == {"all", "fold-1", "fold-2"}


def test_bad_recordings_are_left_out_and_named(run: Adapt, seen: dict[str, Recording]):
    seen["clip3"] = replace(seen["clip3"], faults=("no face found in 75 frames: show the whole face",))
    seen["clip5"] = replace(seen["clip5"], notes=("mouth dark",))
    said: list[str] = []
    result = run(say=said.append)
    assert result.num_recordings == 7
    assert [(each.id, each.reason) for each in result.left_out] == [
        ("clip3", "no face found in 75 frames: show the whole face")
    ]
    assert said == [
        "left out: clip3: no face found in 75 frames: show the whole face",
        "note: clip5: mouth dark",
    ]


def test_too_few_good_recordings(run: Adapt, seen: dict[str, Recording], tmp_path: Path):
    for name in ("clip0", "clip1", "clip2", "clip3"):
        seen[name] = replace(seen[name], faults=("no face",))
    with pytest.raises(ManifestError, match=r"4 recordings of 8 can be learned from .* wanted at least 5"):
        run()
    save_manifest(tmp_path / "clips.jsonl", [Clip("clip0", "x.mp4", "red")])
    with pytest.raises(ManifestError, match=r"1 recording, wanted at least 5"):
        run()


def test_two_people(run: Adapt, seen: dict[str, Recording]):
    other = np.array([[1, -1, 1, -1]], np.float32) / 2
    for name in ("clip2", "clip6"):
        seen[name] = replace(seen[name], looks=other)
    with pytest.raises(ManifestError, match=r"seem to be of 2 people: clip2, clip6 look unlike the others; leave them"):
        run()
    assert run(same_person=True).num_recordings == 8


def test_texts_that_do_not_fit(run: Adapt, tmp_path: Path, seen: dict[str, Recording], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lipscribe.adaptation.texts.order_fault", lambda model, some: "the texts do not fit")
    with pytest.raises(ManifestError, match=r"the texts do not fit"):
        run(trust_texts=False)
    texts = {name: each.clip.text for name, each in seen.items()} | {"clip1": "purple"}
    save_manifest(tmp_path / "clips.jsonl", [Clip(name, "x.mp4", text) for name, text in texts.items()])
    result = run()
    assert [each.id for each in result.left_out] == ["clip1"]
    assert "purple" in result.left_out[0].reason


def test_names(run: Adapt):
    with pytest.raises(CheckpointError, match=r"a model 'talkers' exists: give another name$"):
        run("talkers")
    run()
    with pytest.raises(
        CheckpointError, match=r"a model 'me' exists: give another name, or delete it with `lipscribe m"
    ):
        run()
    with pytest.raises(CheckpointError, match=r"a model 'grid-s1' exists"):  # which loads the model of another name
        run("grid-s1")
    for name in ("", "a/b", "..", ".me", "-me"):
        with pytest.raises(CheckpointError, match=r"wanted one that can be a folder's"):
            run(name)


def test_models_that_cannot_be_adapted(run: Adapt, base: Path, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setattr("lipscribe.adaptation.choosing.MOST_WEIGHTS", 100)
        with pytest.raises(CheckpointError, match=r"toy cannot be adapted: its 0 million weights .* models that can"):
            run()
    (base / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"it has ONNX graphs alone.*; models that can: .*talkers"):
        run()
    with pytest.raises(CheckpointError, match=r"no model 'nobody'"):
        run(base="nobody")


def test_without_torch(run: Adapt, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(adapting, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"adapting needs torch: run `pip install 'lipscribe\[train\]'`"):
        run()


def test_a_full_disk_loses_nothing(run: Adapt, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("lipscribe.adaptation.install.save_checkpoint", full)
        with pytest.raises(CheckpointError, match=r"cannot be written .No space left on device.: make room"):
            run()
    with monkeypatch.context() as patch:
        patch.setattr(trials, "_run", lambda *_: pytest.fail("it begins again"))
        assert run().num_recordings == 8


def test_minutes(run: Adapt, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(learning, "_step_seconds", lambda *_: 1.0)
    monkeypatch.setattr(learning, "recipe_for", lambda number: Recipe(steps=400, batch_size=2))
    monkeypatch.setattr(learning, "MIN_STEPS", 3)
    with pytest.raises(
        ConfigError, match=r"--minutes 0.3 is too short to learn anything: give at least 0.\d, or leave"
    ):
        run(minutes=0.3)
    assert run(minutes=(8 + 6 * 1.2 * 4.5) / 60).steps in (2, 4)  # two looks, at the half and at the end


def test_without_texts(run: Adapt):
    result = run(untranscribed=True)
    assert result.before is None
    assert "how well it reads was not measured" in result.lines()[0]
    assert load_spec(result.folder).card.scores == {}


def test_another_process_is_adapting(run: Adapt, tmp_path: Path):
    from lipscribe.resumable import locked

    work = tmp_path / "cache" / "models" / ".adapting-me"
    work.mkdir(parents=True)
    with locked(work), pytest.raises(LipscribeError, match=r"another process is writing"):
        run()
