"""A model and clips whose text is known -> how well it reads them.

Where the clips are prepared this needs torch and numpy only: training machines evaluate too.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lipscribe.data.manifest import Clip
from lipscribe.data.shards import read_shard
from lipscribe.errors import LipscribeError, ManifestError
from lipscribe.evaluation.read import (
    NORMALISATION,
    InitialsOf,
    failed,
    read_prepared,
    reading,
    shards_for,
    with_initials,
)
from lipscribe.evaluation.result import Evaluation, LeftOut, Reading
from lipscribe.evaluation.scores import calibrate, count_confusions, score_clips, score_method, score_positions
from lipscribe.plain_data import parse_json
from lipscribe.progress import Progress, tracked
from lipscribe.search import ResolvedSearch, SearchOptions
from lipscribe.units import Seconds, frame_to_seconds

if TYPE_CHECKING:
    from lipscribe.model import Model


def evaluate_prepared(
    model: "Model",
    folder: Path | str,
    split: str = "dev",
    options: SearchOptions | ResolvedSearch | None = None,
    progress: Progress | None = None,
    initials: InitialsOf | None = None,
) -> Evaluation:
    """Reads the prepared clips of a split.

    Each clip is encoded once. Every search that the model allows (greedy, beam and its grammar if it has one by CTC,
    attention and joint by a decoder) works on the same output, so that they can be compared.

    Args:
        folder: What `lipscribe prepare` wrote. Clips that could not be prepared are listed in `left_out`.
        options: The search that the figures are of; None is the model's own.
        progress: Called after each clip.
        initials: Gives the initials of a clip by its text, such as `Initials.of_text`. The figures are then of the
            search with them, the same search without them is among the others.

    Raises:
        ManifestError: The folder has no such split, or is damaged.
        ConfigError: Its crops are of another kind than the model's.
    """
    main = model.resolve(options)
    methods = _methods(model, main)
    shown = f"{main.name} + initials" if initials else main.name
    readings: dict[str, list[Reading]] = {name: [] for name in (*methods, shown)}
    seconds = dict.fromkeys(readings, 0.0)
    video_seconds: Seconds = 0.0
    shards = shards_for(model, folder, split)
    clips = (prepared for shard in shards for prepared in read_shard(shard))
    for prepared in tracked(clips, progress, f"read {split}"):
        video_seconds += frame_to_seconds(len(prepared.crops), model.spec.input.fps)
        searches = methods | {shown: with_initials(main, prepared.clip, initials)}
        for name, found, taken in read_prepared(model, prepared, searches):
            readings[name].append(found)
            seconds[name] += taken
    _check_any(readings[shown], f"{folder}, split {split!r},")
    return _summarise(model, split, shown, readings, seconds, video_seconds, _left_out(Path(folder), split))


def evaluate_videos(
    model: "Model",
    clips: Sequence[Clip],
    options: SearchOptions | ResolvedSearch | None = None,
    face: str | int = "moving",
    progress: Progress | None = None,
    initials: InitialsOf | None = None,
) -> Evaluation:
    """Reads clips from their video files, the whole way that a user's file goes.

    A clip that cannot be read counts all its words as deletions, and is listed with the reason.

    Args:
        clips: With paths that can be opened from the working directory.
        options: How to search; None is the model's own.
        face: Whom to read in each video; see `Model.transcribe`.
        progress: Called after each clip.
        initials: Gives the initials of a clip by its text, such as `Initials.of_text`.

    Raises:
        ManifestError: There are no clips.
    """
    split = ", ".join(sorted({clip.split for clip in clips}))
    search = model.resolve(options)
    readings: list[Reading] = []
    video_seconds: Seconds = 0.0
    started = time.perf_counter()
    for clip in tracked(clips, progress, f"read {split}"):
        own = with_initials(search, clip, initials)
        try:
            transcript = model.transcribe(clip.path, face=face, options=own)
        except LipscribeError as error:
            readings.append(failed(clip, error))
            continue
        readings.append(reading(clip, transcript))
        video_seconds += transcript.duration or 0.0
    seconds = time.perf_counter() - started
    _check_any(readings, "the list of clips")
    name = f"{search.name} + initials" if initials else search.name
    return _summarise(model, split, name, {name: readings}, {name: seconds}, video_seconds, ())


def _methods(model: "Model", main: ResolvedSearch) -> dict[str, ResolvedSearch]:
    """Every search that the model can do, by name."""
    able = [method for method in model.methods if method != "grammar" or model.spec.grammar]
    return {**{method: model.resolve(SearchOptions(method)) for method in able}, main.name: main}


def _summarise(
    model: "Model",
    split: str,
    method: str,
    readings: dict[str, list[Reading]],
    seconds: dict[str, Seconds],
    video_seconds: Seconds,
    left_out: tuple[LeftOut, ...],
) -> Evaluation:
    scores = {name: score_method(name, found, seconds[name]) for name, found in readings.items()}
    main = readings[method]
    return Evaluation(
        model=model.name,
        split=split,
        method=method,
        normalisation=NORMALISATION,
        wer=scores[method].wer,
        cer=scores[method].cer,
        sentence_accuracy=scores[method].sentence_accuracy,
        methods=tuple(scores.values()),
        positions=score_positions(main, model.spec.grammar or (), model.spec.slot_names),
        confusions=count_confusions(main),
        calibration=calibrate(main),
        clips=score_clips(main),
        left_out=left_out,
        seconds=seconds[method],
        video_seconds=video_seconds,
    )


def _left_out(folder: Path, split: str) -> tuple[LeftOut, ...]:
    """The clips of the split that `prepare` could not prepare."""
    path = folder / "status.jsonl"
    if not path.exists():  # shards from elsewhere
        return ()
    try:
        records = [parse_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
        mine = [record for record in records if record["split"] == split and record["status"] != "ok"]
        return tuple(LeftOut(str(record["id"]), str(record["reason"])) for record in mine)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestError(f"{path} is damaged ({error}): prepare the clips again") from None


def _check_any(readings: list[Reading], where: str) -> None:
    if not readings:
        raise ManifestError(f"{where} holds no clips: there is nothing to evaluate")
