"""Recordings that were checked -> trials, an honest estimate, and the new model."""

import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lipscribe.adaptation.checking import Recording
from lipscribe.adaptation.estimate import confusions, curve, expected, measured
from lipscribe.adaptation.fit import fit
from lipscribe.adaptation.install import install
from lipscribe.adaptation.recipe import FOLDS, MIN_STEPS, Recipe, recipe_for
from lipscribe.adaptation.result import Adaptation
from lipscribe.adaptation.trials import Outcome, Trial, plan_trials, run_trials, weights_folder
from lipscribe.atomic import write_text
from lipscribe.data.shards import PreparedClip
from lipscribe.errors import ConfigError, ManifestError
from lipscribe.metrics import word_errors
from lipscribe.model import Model
from lipscribe.models.spec import WEIGHTS_FILE
from lipscribe.plain_data import parse_json
from lipscribe.progress import Progress
from lipscribe.schema import to_dict
from lipscribe.units import Seconds
from lipscribe.zoo.checkpoint import load_checkpoint, load_weights

RESERVED: Seconds = 8.0  # of a time limit, for processes that start and for the ONNX graphs
SLACK = 1.2  # steps are slower where several processes share the memory
OUTLOOK = (2, 4)  # times as many recordings
ALL_WRONG, ELSEWHERE = 0.75, 0.35  # share of wrong words of an odd clip, and the most of all clips together


@dataclass(frozen=True)
class Limit:
    """How long an adaptation may take, from a time of `time.monotonic` on."""

    began: float
    seconds: Seconds


def learn(
    model: Model,
    base: Path,
    recordings: Sequence[Recording],
    work: Path,
    target: Path,
    workers: int,
    limit: Limit | None = None,
    progress: Progress | None = None,
) -> Adaptation:
    """Learns from recordings with texts.

    Args:
        model: The base, computed by torch.
        base: Its folder.
        work: A folder that an interrupted call leaves and the next one resumes from.
        target: The folder of the new model, whose name is the model's.
        limit: Of the time; None takes what is needed.

    Raises:
        ConfigError: There is too little time.
        CheckpointError: The model cannot be written.
        LipscribeError: A worker process ended.
    """
    clips = [recording.prepared for recording in recordings]
    trials = plan_trials(len(clips), min(FOLDS, len(clips)))
    place = work / _fingerprint(model, base, clips, limit is not None)
    place.mkdir(exist_ok=True)
    recipe = _planned(place, recipe_for(len(clips)), len(trials), workers, limit, model, base, clips)
    outcomes = run_trials(trials, base, clips, recipe, place, workers, progress)
    look = _best_look([outcomes[trial.name] for trial in trials if trial.held_out])
    read: dict[int, str] = {}
    for trial in trials:
        read |= dict(zip(trial.held_out, outcomes[trial.name].looks[look].texts, strict=True))
    step = outcomes[trials[0].name].looks[look].step
    result = _result(model, clips, [read[idx] for idx in range(len(clips))], trials, target, step)
    return install(result, model.spec, load_weights(weights_folder(place, step)))


def learn_without_texts(
    model: Model, base: Path, recordings: Sequence[Recording], target: Path, progress: Progress | None = None
) -> Adaptation:
    """Learns from recordings alone; see `untranscribed`."""
    from lipscribe.adaptation.untranscribed import adapt_without_texts

    clips = [recording.prepared for recording in recordings]
    steps, weights = adapt_without_texts(model, base, clips, progress)
    return install(Adaptation(target.name, target, model.name, len(clips), steps), model.spec, weights)


def _fingerprint(model: Model, base: Path, clips: Sequence[PreparedClip], limited: bool) -> str:
    """A name of the folder for trials of these clips and this base: others do not resume from them."""
    said = [(clip.clip.id, clip.clip.text, hashlib.sha256(clip.crops.tobytes()).hexdigest()) for clip in clips]
    stat = (base / WEIGHTS_FILE).stat()
    made_of = json.dumps([str(base), stat.st_size, stat.st_mtime_ns, said, limited, to_dict(recipe_for(len(clips)))])
    return "trials-" + hashlib.sha256(made_of.encode()).hexdigest()[:12]


def _planned(
    place: Path,
    recipe: Recipe,
    num_trials: int,
    workers: int,
    limit: Limit | None,
    model: Model,
    base: Path,
    clips: Sequence[PreparedClip],
) -> Recipe:
    """The recipe with as many steps as there is time for; a resumed adaptation keeps those that it began with."""
    if limit is None:
        return recipe
    path = place / "steps.json"
    if path.exists():
        try:
            steps = parse_json(path.read_text(encoding="utf-8"))
        except ValueError:
            steps = 0
        if not isinstance(steps, int) or steps < 1:
            raise ManifestError(f"{path} is damaged: delete it, and run the command again")
        return replace(recipe, steps=steps)
    a_step = _step_seconds(model, base, clips, recipe) * SLACK * math.ceil(num_trials / workers)  # of all trials
    gone = time.monotonic() - limit.began + RESERVED
    steps = int((limit.seconds - gone) / a_step)
    if steps < MIN_STEPS:
        raise ConfigError(
            f"--minutes {limit.seconds / 60:g} is too short to learn anything: give at least "
            f"{math.ceil((gone + MIN_STEPS * a_step) / 6) / 10:g}, or leave it out"
        )
    recipe = replace(recipe, steps=min(steps, recipe.steps))
    write_text(path, json.dumps(recipe.steps))
    return recipe


def _step_seconds(model: Model, base: Path, clips: Sequence[PreparedClip], recipe: Recipe) -> Seconds:
    """How long a training step takes here; the first one takes longer, and is not counted."""
    steps = fit(load_checkpoint(base)[1], model.spec, clips, replace(recipe, steps=2, looks=1))
    next(steps)
    started = time.monotonic()
    next(steps)
    return time.monotonic() - started


def _best_look(outcomes: Sequence[Outcome]) -> int:
    """At which look to stop: where clips that were held out have the lowest loss, each fold counting alike."""
    losses = np.array([[look.loss for look in outcome.looks] for outcome in outcomes])
    return int(losses.mean(0).argmin())


def _result(
    model: Model, clips: Sequence[PreparedClip], read: list[str], trials: Sequence[Trial], target: Path, step: int
) -> Adaptation:
    texts, count = [each.clip.text for each in clips], len(clips)
    uncertain = measured(texts, read)
    before = measured(texts, [model.search(model.encode(each.crops))[0].text for each in clips])
    num_learned = float(np.mean([len(trial.learned) for trial in trials if trial.held_out]))
    wrong = [counts.rate for counts in word_errors(texts, read)]
    odd = [idx for idx in range(count) if wrong[idx] >= ALL_WRONG] if uncertain.rate <= ELSEWHERE else []
    return Adaptation(
        target.name,
        target,
        model.name,
        count,
        step,
        before=before,
        after=expected(before, uncertain, num_learned, count),
        outlook=tuple(
            (times * count, curve(before.rate, uncertain.rate, num_learned, times * count)) for times in OUTLOOK
        )
        if uncertain.rate < before.rate
        else (),
        confusions=confusions(texts, read),
        odd=tuple((clips[idx].clip.id, read[idx]) for idx in odd),
    )
