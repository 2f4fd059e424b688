"""One person's recordings -> a model of that person's lips; read from top to bottom."""

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lipscribe.adaptation.checking import Recording, check_recording, crashed
from lipscribe.adaptation.choosing import adaptable, named_folder, new_folder
from lipscribe.adaptation.people import people_in
from lipscribe.adaptation.prompts import shown
from lipscribe.adaptation.recipe import MIN_RECORDINGS
from lipscribe.adaptation.recordings import find_recordings
from lipscribe.adaptation.result import Adaptation
from lipscribe.atomic import make_private
from lipscribe.data.manifest import Clip
from lipscribe.errors import LipscribeError, ManifestError, MissingExtraError
from lipscribe.evaluation.result import LeftOut
from lipscribe.extras import TRAIN
from lipscribe.processes import Processes, available_cpus
from lipscribe.progress import Progress, tracked
from lipscribe.resumable import locked
from lipscribe.text import count_of
from lipscribe.zoo.registry import DEFAULT_MODEL

if TYPE_CHECKING:  # modules that load torch are imported where they are used
    from lipscribe.model import Model
    from lipscribe.models.spec import ModelSpec

MAX_WORKERS = 4  # each learns alone, and there are six trials

_LOG = logging.getLogger(__name__)


def adapt(
    recordings: Sequence[str | Path] | str | Path,
    name: str,
    prompts: Path | str | None = None,
    base: str | Path = DEFAULT_MODEL,
    *,
    minutes: float | None = None,
    untranscribed: bool = False,
    trust_texts: bool = False,
    same_person: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] = _LOG.info,
) -> Adaptation:
    """Adapts a lip reader to one person and installs it under a name.

        result = lipscribe.adapt("recordings/", "me", prompts="prompts.txt")
        print(result.after.rate, result.after.low, result.after.high)
        lipscribe.transcribe("me.mp4", model="me")

    The same call resumes an interrupted one.

    Args:
        recordings: Videos, folders of them, or JSONL manifests; at least 5, each of one sentence or a few.
        name: Of the new model.
        prompts: What is said; see `find_recordings`.
        base: The model to adapt.
        minutes: Time that may be used, about; with less than is needed it learns in fewer steps.
        untranscribed: Learn from the videos alone, without texts; see docs/adapt.md for how little that brings.
        trust_texts: Learn even if the texts do not seem to be what is said.
        same_person: Learn even if the recordings seem to be of several people.
        jobs: Processes; None is one for each processor, up to 4.
        progress: Called with recordings checked and steps done.
        say: Called with a line for each thing that a user should know on the way.

    Raises:
        ManifestError: Recordings or texts are missing, bad, too few or of several people.
        CheckpointError: The base cannot be adapted, the name is taken, or the model cannot be written.
        ConfigError: `minutes` is too short.
        MissingExtraError: Torch is not installed.
    """
    # More than 60 lines on purpose: most of them say what the arguments mean.
    limit = None if minutes is None else (time.monotonic(), minutes * 60)
    if find_spec("torch") is None or find_spec("lightning_fabric") is None:
        raise MissingExtraError(f"adapting needs torch: run `{TRAIN}`")
    _remove_finished(named_folder(name))
    target = new_folder(name)
    folder, spec = adaptable(base)
    clips = find_recordings(recordings, prompts, untranscribed)
    _check_number(len(clips))
    workers = min(jobs or available_cpus(), MAX_WORKERS)
    with _work_folder(target) as work:
        good, left_out = _checked(clips, spec, work, workers, progress, say, same_person)
        from lipscribe.adaptation.learning import Limit, learn, learn_without_texts

        model = _load_base(folder, spec)
        if untranscribed:
            result = learn_without_texts(model, folder, good, target, progress)
        else:
            good, misfits = _with_fitting_texts(model, good, say, trust_texts)
            left_out += misfits
            result = learn(model, folder, good, work, target, workers, limit and Limit(*limit), progress)
    return replace(result, left_out=tuple(left_out))


def _work_of(target: Path) -> Path:
    return target.with_name(f".adapting-{target.name}")


def _remove_finished(target: Path) -> None:
    """Removes the work folder of a process that was killed when the model was finished already."""
    work = _work_of(target)
    if target.exists() and work.is_dir():
        with suppress(LipscribeError, OSError), locked(work):
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _work_folder(target: Path) -> Iterator[Path]:
    """A folder beside the new model's, for this process alone; deleted when the model is finished, and only then."""
    work = _work_of(target)
    try:
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(work):
            make_private(work)  # recordings are in it
            yield work
        shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise ManifestError(
            f"{work} cannot be written ({error.strerror}): make room, or set LIPSCRIBE_CACHE to another folder; the "
            "same command then resumes"
        ) from None


def _check_number(number: int, which: str = "") -> None:
    if number < MIN_RECORDINGS:
        raise ManifestError(
            f"{count_of(number, 'recording')}{which}, wanted at least {MIN_RECORDINGS}: record more, of one sentence "
            "each"
        )


def _load_base(folder: Path, spec: "ModelSpec") -> "Model":
    from lipscribe.model import Model
    from lipscribe.models.torch_runtime import TorchRuntime
    from lipscribe.zoo.checkpoint import load_checkpoint

    return Model(spec, TorchRuntime(load_checkpoint(folder)[1]))


def _checked(
    clips: Sequence[Clip],
    spec: "ModelSpec",
    work: Path,
    workers: int,
    progress: Progress | None,
    say: Callable[[str], None],
    same_person: bool,
) -> tuple[list[Recording], list[LeftOut]]:
    """The recordings that can be learned from, and the others."""
    kept = work / "recordings"
    kept.mkdir(exist_ok=True)
    check = partial(check_recording, crop=spec.input.crop, folder=kept)
    if workers == 1:
        found = list(tracked(map(check, clips), progress, "check", len(clips)))
    else:
        with Processes(workers) as pool:
            outcomes = pool.outcomes(check, list(clips), crashed)
            found = list(tracked(outcomes, progress, "check", len(clips)))
    left_out: list[LeftOut] = []
    for recording in found:
        for note in recording.notes:
            say(f"note: {recording.clip.id}: {note}")
        if recording.faults:
            left_out.append(_leave_out(recording, "; ".join(recording.faults), say))
    good = [recording for recording in found if not recording.faults]
    _check_number(len(good), f" of {len(clips)} can be learned from (the reasons are above)")
    people = people_in(good)
    if len(people) > 1 and not same_person:
        others = [recording.clip.id for group in people[1:] for recording in group]
        raise ManifestError(
            f"the recordings seem to be of {len(people)} people: {shown(others)} "
            f"{'looks' if len(others) == 1 else 'look'} unlike the others; "
            "leave them out, or add --same-person if they are one person's"
        )
    return good, left_out


def _leave_out(recording: Recording, reason: str, say: Callable[[str], None]) -> LeftOut:
    say(f"left out: {recording.clip.id}: {reason}")
    return LeftOut(recording.clip.id, reason)


def _with_fitting_texts(
    model: "Model", good: Sequence[Recording], say: Callable[[str], None], trust: bool
) -> tuple[list[Recording], list[LeftOut]]:
    """The recordings whose texts the model can learn, and the others."""
    from lipscribe.adaptation.texts import order_fault, text_fault

    faults = {recording.clip.id: text_fault(model, recording) for recording in good}
    left_out = [_leave_out(each, faults[each.clip.id], say) for each in good if faults[each.clip.id]]
    fitting = [each for each in good if not faults[each.clip.id]]
    _check_number(len(fitting), f" of {len(good)} have texts that the model can learn (the reasons are above)")
    if not trust and (fault := order_fault(model, fitting)):
        raise ManifestError(fault)
    return fitting, left_out
