"""What an enrolment needs of child processes: recordings are checked in one, models are learned in another.

Both can take long, crash in a decoder, or want much memory: none of this may touch the process that answers.
"""

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lipscribe.engines import LocalEngine, Tell, run_tasks
from lipscribe.errors import ConfigError, LipscribeError, VideoError
from lipscribe.schema import from_dict
from lipscribe.server.enrolment_folder import PROMPTS, EnrolmentFolder
from lipscribe.server.errors import as_api_error
from lipscribe.server.told import checking, read_lines
from lipscribe.zoo.registry import find_model, models_folder

LONGEST = 20  # seconds of a recording


def check(path: str, text: str, base: str, tell: Tell) -> dict[str, list[str]]:
    """Looks at a recording as `lipscribe adapt` does: for `Service.child`.

    Returns:
        `faults`: why it cannot be used; `notes`: what could be better.
    """
    from lipscribe.adaptation.checking import check_recording
    from lipscribe.data.manifest import Clip
    from lipscribe.models.spec import load_spec
    from lipscribe.units import MODEL_FPS
    from lipscribe.video import Video

    try:
        for idx, _ in enumerate(Video(path, MODEL_FPS)):
            if idx > LONGEST * MODEL_FPS:
                raise VideoError(f"it is longer than {LONGEST} s: record one sentence at a time")
        with tempfile.TemporaryDirectory() as folder:
            crop = load_spec(find_model(base)).input.crop
            found = check_recording(Clip("recording", path, text), crop, Path(folder))
    except LipscribeError as error:
        return {"faults": [str(error).removeprefix(f"{path}: ")], "notes": []}
    return {"faults": [each.removeprefix(f"{path}: ") for each in found.faults], "notes": list(found.notes)}


@dataclass(frozen=True)
class Job:
    """What is being learned, and how far it is."""

    name: str
    task: str = "start"
    done: int = 0
    total: int | None = None
    message: str = ""


class Learner:
    """Learns one model at a time, each in a process of its own that ends with this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.job: Job | None = None

    def start(self, folder: EnrolmentFolder, insist: bool = False) -> None:
        """Starts learning from an enrolment; a second call resumes what was interrupted.

        Args:
            insist: Learn a person even if the recordings seem to be of several people, or the texts of others.

        Raises:
            ConfigError: Something is being learned already, or there is too little to learn from.
        """
        if obstacle := folder.obstacle():
            raise ConfigError(obstacle)
        with self._lock:
            if self.job is not None:
                raise ConfigError(f"{self.job.name} is being learned: wait until it is finished")
            record = folder.load()
            # A model that is there although its learning was interrupted is this enrolment's: the server ended then.
            again = bool(record.get("result") or record.get("learning"))
            folder.update(learning=True, failed="")
            self.job = Job(folder.name)
        threading.Thread(target=self._follow, args=(folder, insist, again), daemon=True).start()

    def _follow(self, folder: EnrolmentFolder, insist: bool, again: bool) -> None:
        record = folder.load()
        learn = partial(_learn_person, insist=insist) if record["kind"] == "person" else _learn_phrases
        task = (folder.path, folder.name, record["base"], again)
        changes: dict[str, Any] = {"failed": "it ended without a result: start it again"}
        engine = LocalEngine(is_plain=True)  # the recordings may be those of a stranger
        try:
            for message in run_tasks(partial(_start, learn), [task], 1, engine, retry=False):
                if message.kind == "told":
                    with checking():
                        self.job = from_dict(Job, asdict(self.job or Job(folder.name)) | message.value, "learning")
                elif message.kind == "done":
                    with checking():
                        lines, estimate = read_lines(message.value["lines"]), message.value["estimate"]
                    number = len(record["recordings"])
                    changes = {"result": {"lines": lines, "estimate": estimate, "recordings": number}}
                elif message.kind == "failed":
                    known = isinstance(message.value, LipscribeError)
                    changes = {"failed": str(message.value) if known else str(as_api_error(message.value))}
                else:
                    changes = {"failed": f"the process ended ({message.value}): start it again, it resumes"}
        except LipscribeError as error:  # the process cannot start
            changes = {"failed": str(error)}
        finally:
            try:
                folder.update(learning=False, **changes)
            finally:  # also where the disk is full: else nothing could be learned until the server is restarted
                self.job = None


def _start(learn: Callable[..., dict[str, Any]], tell: Tell) -> Callable[[Any], dict[str, Any]]:
    def run(task: tuple[Path, str, str, bool]) -> dict[str, Any]:
        folder, name, base, again = task
        with _in_place_of(name, again):
            return learn(folder, name, base, tell)

    return run


def _learn_person(folder: Path, name: str, base: str, tell: Tell, insist: bool) -> dict[str, Any]:
    """`lipscribe adapt FOLDER --prompts prompts.txt --name NAME` with one process, so that the server has a core."""
    from lipscribe.adaptation.adapt import adapt

    result = adapt(
        folder,
        name,
        folder / PROMPTS,
        base,
        trust_texts=insist,
        same_person=insist,
        jobs=1,
        progress=_teller(tell),
        say=lambda line: tell({"message": line}),
    )
    return {"lines": result.lines(), "estimate": result.to_dict()}


def _learn_phrases(folder: Path, name: str, base: str, tell: Tell) -> dict[str, Any]:
    """`lipscribe adapt FOLDER --phrases --name NAME`."""
    from lipscribe.adaptation.phrase_sources import find_recordings
    from lipscribe.adaptation.phrases import learn_phrases
    from lipscribe.text import count_of

    recordings = find_recordings(folder, folder / PROMPTS)
    made = learn_phrases(recordings, name, base, False, _teller(tell), lambda line: tell({"message": line}))
    right, total = made.right
    lines = [f"{name} knows {count_of(len(made.texts), 'phrase')} from {count_of(made.num_recordings, 'recording')}"]
    if total:
        lines.append(f"each compared with the others: {right} of {total} recordings are read right")
    else:
        lines.append("a second recording of each phrase makes it surer")
    lines += [*made.warnings, *made.failed.values()]
    estimate = {"right": right, "compared": total, "phrases": list(made.texts)}
    return {"lines": lines, "estimate": estimate}


def _teller(tell: Tell) -> Callable[[str, int, int | None], None]:
    return lambda task, done, total: tell({"task": task, "done": done, "total": total})


@contextmanager
def _in_place_of(name: str, again: bool) -> Iterator[None]:
    """Within the block there is no model of the name; the earlier one comes back if the block fails.

    Args:
        again: Whether the earlier model is one that the same enrolment made; others are not touched.
    """
    model, before = models_folder() / name, models_folder() / f".before-{name}"
    if again and model.is_dir():
        if before.exists():  # an earlier call was killed between the new model and the deletion of the former one
            shutil.rmtree(before)
        model.rename(before)
    try:
        yield
    except BaseException:
        if before.exists() and not model.exists():
            before.rename(model)
        raise
    if before.exists():
        shutil.rmtree(before)
