"""Checks the clips of a run before its first step, and lists all faults at once."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from lipscribe.data.dataset import ClipLength, ShardDataset
from lipscribe.data.shards import check_crop
from lipscribe.errors import LipscribeError, ManifestError
from lipscribe.storage import location
from lipscribe.text import count_of
from lipscribe.tokenizer import Tokenizer
from lipscribe.training.config import TrainConfig
from lipscribe.transforms import Augment
from lipscribe.units import MODEL_FPS, Seconds

WORD_TIME_SLACK: Seconds = 0.1  # words may end this much after the clip, as in `prepare`
SHOWN = 3  # ids that a message names

Result = TypeVar("Result")


@dataclass
class ClipSummary:
    """What is known of the clips of a split, in memory that does not grow with their number.

    Attributes:
        words: Their number, with repetitions.
        untimed: Clips without word times.
    """

    clips: int = 0
    words: int = 0
    untimed: int = 0
    vocabulary: set[str] = field(default_factory=set)
    speakers: set[str] = field(default_factory=set)

    def add(self, found: ClipLength) -> None:
        """Counts a clip."""
        words = found.clip.text.split()
        self.clips += 1
        self.words += len(words)
        self.untimed += not found.clip.words and not found.clip.silent
        self.vocabulary.update(words)
        if found.clip.speaker:
            self.speakers.add(found.clip.speaker)


@dataclass(frozen=True)
class RunData:
    """The train and dev clips of a run, and what the check found of those for training."""

    train_set: ShardDataset
    dev_set: ShardDataset
    train_clips: ClipSummary


def load_data(config: TrainConfig) -> RunData:
    """The validated train and dev sets of a config.

    Raises:
        ConfigError: A folder's crops are not of the model's kind.
        ManifestError: Shards or whole splits are missing, damaged or empty; texts are outside the vocabulary, or longer
            than CTC can align to their clips; or word times lie outside their clips. All faults are listed, with
            numbers and the first ids.
    """
    data, size = config.data, config.model.input
    given = list(dict.fromkeys((data.folder, *data.also)))
    if absent := [folder for folder in given if not location(folder).is_dir()]:
        what = "is not a folder" if len(absent) == 1 else "are not folders"
        raise ManifestError(f"{', '.join(absent)} {what}: run `lipscribe prepare` first, or give others in the config")
    for folder in given:
        check_crop(folder, size.crop)
    faults: list[str] = []
    tokenizer = config.model.tokenizer
    common = {
        "tokenizer": tokenizer,
        "height": size.height,
        "width": size.width,
        "normalisation": size.normalisation,
        "cache": data.cache,
    }
    augment = Augment(config.augment, size.height, size.width, size.normalisation)
    folders = {data.folder: data.limit} | dict.fromkeys(data.also, data.also_limit)
    train_set = _attempt(
        lambda: ShardDataset(folders, data.train_split, augment=augment, seed=config.seed, **common), faults
    )
    dev_set = _attempt(lambda: ShardDataset(data.folder, data.dev_split, **common), faults)
    if train_set is not None:
        train_set.repeat = {
            str(location(folder)): times for folder, times in zip(data.also, data.also_repeat, strict=False)
        }
    train_clips = ClipSummary()
    for dataset in (train_set, dev_set):
        if dataset is not None:
            dataset.margin = config.optim.frame_margin if dataset is train_set else 0.0
            dataset.files.limit = int(data.shard_cache_gb * 1e9)
            dataset.files.folder = Path(data.shard_cache) if data.shard_cache else dataset.files.folder
            faults += missing_shards(dataset)
            summary = train_clips if dataset is train_set else ClipSummary()
            found = _attempt(
                lambda of=dataset, to=summary: clip_faults(
                    of.scan(), of.split, tokenizer, config.trained_model.ctc, to
                ),
                faults,
            )
            faults += found or []
    if 0 < train_clips.clips < config.shares:
        faults.append(
            f"{count_of(train_clips.clips, 'train clip')} is too few for {config.shares} parts of a step (processes x "
            "optim.accumulate): set fewer devices, nodes or accumulate"
        )
    if faults:
        count = count_of(len(faults), "fault")
        raise ManifestError(f"training cannot start, {count} in its clips: {'; '.join(faults)}")
    assert train_set is not None and dev_set is not None  # else there were faults
    return RunData(train_set, dev_set, train_clips)


def _attempt(work: Callable[[], Result], faults: list[str]) -> Result | None:
    try:
        return work()
    except ManifestError as error:
        faults.append(str(error))
        return None


def missing_shards(dataset: ShardDataset) -> list[str]:
    """Missing shards, known from the status files of their clips, which `prepare` writes last."""
    faults = []
    for folder in dict.fromkeys(shard.parent for shard in dataset.shards):
        there = {shard.stem for shard in dataset.shards if shard.parent == folder}
        statuses = sorted(path.stem for path in folder.glob(f"{dataset.split}-*.jsonl"))
        lost = [name for name in statuses if name not in there and name.rsplit("-", 1)[0] == dataset.split]
        if lost:
            faults.append(f"{folder} lacks shards ({_named(lost, len(lost))}): copy or prepare them again")
    return faults


def clip_faults(
    clips: Iterable[ClipLength], split: str, tokenizer: Tokenizer, ctc: bool, summary: ClipSummary | None = None
) -> list[str]:
    """Faults in the texts and word times of clips, one line per kind of fault.

    Args:
        ctc: Whether texts must be alignable by CTC: a frame per token, and one more between equal tokens.
        summary: To which the clips are added.
    """
    summary = ClipSummary() if summary is None else summary
    numbers: Counter[str] = Counter()
    ids: dict[str, list[str]] = {}  # the first few
    first: dict[str, str] = {}

    def fault(kind: str, clip_id: str, detail: str) -> None:
        numbers[kind] += 1
        named = ids.setdefault(kind, [])
        if len(named) < SHOWN:
            named.append(clip_id)
        first.setdefault(kind, detail)

    for found in clips:
        summary.add(found)
        clip, num_frames = found.clip, found.num_frames
        try:
            tokens = tokenizer.encode(clip.text)
        except LipscribeError as error:
            fault("a text outside the vocabulary", clip.id, str(error))
            continue
        needed = len(tokens) + sum(one == other for one, other in pairwise(tokens))
        if not tokens and not clip.silent:
            fault("a text without tokens", clip.id, repr(clip.text))
        elif ctc and needed > num_frames:
            fault("a text too long for its clip", clip.id, f"{clip.text!r} needs {needed} frames and has {num_frames}")
        end, duration = max((word.end for word in clip.words), default=0.0), num_frames / MODEL_FPS
        if end > duration + WORD_TIME_SLACK:
            fault("word times past its end", clip.id, f"the words end at {end:.2f} s, the clip at {duration:.2f} s")
    return [
        f"{number} of {summary.clips} {split} clips have {kind} ({_named(ids[kind], number)}): {first[kind]}"
        for kind, number in numbers.items()
    ]


def _named(ids: list[str], number: int) -> str:
    return ", ".join(ids[:SHOWN]) + (", ..." if number > SHOWN else "")
