"""The trainings of an adaptation, in worker processes: one for each fold of the cross-validation, and one on all clips.

What a trial found is written to the work folder when it ends, so an interrupted adaptation resumes after it.
"""

import functools
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lipscribe.adaptation.recipe import Recipe
from lipscribe.atomic import write_text
from lipscribe.data.shards import PreparedClip
from lipscribe.engines import Tell, run_tasks
from lipscribe.errors import LipscribeError
from lipscribe.models.spec import WEIGHTS_FILE
from lipscribe.plain_data import parse_json
from lipscribe.progress import Progress
from lipscribe.schema import from_dict
from lipscribe.units import Seconds


@dataclass(frozen=True)
class Trial:
    """One training.

    Attributes:
        name: Of its files in the work folder.
        learned: Indices of the clips that it learns from.
        held_out: Indices of those that it is tested on; none for the training on all clips, whose weights are kept.
    """

    name: str
    learned: tuple[int, ...]
    held_out: tuple[int, ...]


@dataclass(frozen=True)
class Look:
    """A model in the middle or at the end of a trial.

    Attributes:
        step: Steps done.
        loss: Mean loss of the clips that were held out; 0 without any.
        texts: What is read in them, in the order of `Trial.held_out`.
    """

    step: int
    loss: float
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What a trial found.

    Attributes:
        looks: In order.
        cpu_seconds: Processor time that it took.
    """

    looks: tuple[Look, ...]
    cpu_seconds: Seconds


def plan_trials(num_clips: int, num_folds: int) -> list[Trial]:
    """The training on all clips, then a trial for each fold: fold i holds out every `num_folds`-th clip from i on."""
    everything = tuple(range(num_clips))
    folds = [everything[start::num_folds] for start in range(num_folds)]
    return [
        Trial("all", everything, ()),
        *(
            Trial(f"fold-{i}", tuple(idx for idx in everything if idx not in fold), fold)
            for i, fold in enumerate(folds, start=1)
        ),
    ]


def run_trials(
    trials: Sequence[Trial],
    base: Path,
    clips: Sequence[PreparedClip],
    recipe: Recipe,
    folder: Path,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict[str, Outcome]:
    """Runs the trials that `folder` has no results of.

    Args:
        base: Folder of the model to adapt.
        folder: The work folder; `weights_folder` names the place of the weights that it has at the end.
        workers: Processes; 1 runs in this one.
        progress: Called with the optimizer steps of all trials together.

    Returns:
        The outcome of each trial by name.

    Raises:
        LipscribeError: A worker process ended, or the folder cannot be written.
    """
    outcomes = {trial.name: found for trial in trials if (found := _load(folder, trial)) is not None}
    todo = [trial for trial in trials if trial.name not in outcomes]
    done, total = len(outcomes) * recipe.steps, len(trials) * recipe.steps

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress("learn", done, total)

    start = functools.partial(_start, base=base, clips=tuple(clips), recipe=recipe, folder=folder)
    if workers == 1 or len(todo) < 2:
        run = start(lambda _: step())
        return outcomes | {trial.name: run(trial) for trial in todo}
    for message in run_tasks(start, todo, workers, retry=False):
        if message.kind == "told":
            step()
        elif message.kind == "done" and message.idx is not None:
            outcomes[todo[message.idx].name] = message.value
        elif message.kind == "failed":
            raise message.value
        else:
            raise LipscribeError(
                f"a process that learns has ended ({message.value}): run the command again, which resumes, with "
                "--jobs 1 if memory is short"
            )
    return outcomes


def weights_folder(folder: Path, step: int) -> Path:
    """Where the weights of the training on all clips after some steps are; see `load_weights`."""
    return folder / f"all-{step}"


def _start(
    tell: Tell, base: Path, clips: tuple[PreparedClip, ...], recipe: Recipe, folder: Path
) -> Callable[[Trial], Outcome]:
    """Called once in each worker."""
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)  # a network of this size gains little from a second one; the other core has its own trial
    return functools.partial(_run, tell=tell, base=base, clips=clips, recipe=recipe, folder=folder)


def _run(
    trial: Trial, tell: Tell, base: Path, clips: tuple[PreparedClip, ...], recipe: Recipe, folder: Path
) -> Outcome:
    from lipscribe.adaptation.fit import fit, held_out_loss
    from lipscribe.model import Model
    from lipscribe.models.torch_runtime import TorchRuntime
    from lipscribe.zoo.checkpoint import load_checkpoint, save_weights

    started, looks = time.process_time(), []
    spec, reader = load_checkpoint(base)
    learned, held_out = ([clips[idx] for idx in part] for part in (trial.learned, trial.held_out))
    for step, adapted in fit(reader, spec, learned, recipe):
        tell(step)
        if adapted is None:
            continue
        if not held_out:
            weights_folder(folder, step).mkdir(exist_ok=True)
            save_weights(weights_folder(folder, step) / WEIGHTS_FILE, adapted.state_dict())
            looks.append(Look(step, 0.0, ()))
            continue
        model = Model(spec, TorchRuntime(adapted))
        texts = [model.search(model.encode(each.crops))[0].text for each in held_out]
        looks.append(Look(step, held_out_loss(adapted, spec, held_out), tuple(texts)))
    outcome = Outcome(tuple(looks), time.process_time() - started)
    write_text(folder / f"{trial.name}.json", json.dumps(asdict(outcome)))
    return outcome


def _load(folder: Path, trial: Trial) -> Outcome | None:
    try:
        record = parse_json((folder / f"{trial.name}.json").read_text(encoding="utf-8"))
        outcome = from_dict(Outcome, record, trial.name, ValueError)
        return outcome if all(math.isfinite(look.loss) for look in outcome.looks) else None
    except (OSError, ValueError):
        return None
