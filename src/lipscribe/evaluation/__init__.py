"""A model and clips whose text is known -> how well it reads them.

Needs torch and numpy only where the clips are prepared: training machines evaluate too.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from lipscribe.data.manifest import Clip
from lipscribe.data.shards import PreparedClip, check_crop, find_shards, read_shard
from lipscribe.errors import LipscribeError, ManifestError
from lipscribe.evaluation.report import format_markdown
from lipscribe.evaluation.scores import (
    Evaluation,
    LeftOut,
    Reading,
    calibrate,
    count_confusions,
    score_clips,
    score_method,
    score_positions,
)
from lipscribe.evaluation.temperature import Fit, fit_temperature
from lipscribe.search import BY_DECODER, Grammar, Hypothesis, SearchOptions, options_by_method
from lipscribe.text import normalise
from lipscribe.transcript import Transcript
from lipscribe.units import Seconds, frame_to_seconds

if TYPE_CHECKING:
    from lipscribe.pipeline import Model

NORMALISATION = "plain"  # lower case, no punctuation: what is read has neither case nor punctuation


def evaluate_prepared(
    model: "Model",
    folder: Path | str,
    split: str = "dev",
    options: SearchOptions | None = None,
    progress: bool = True,
) -> Evaluation:
    """Reads the prepared clips of a split.

    The network reads each clip once; every search that the model allows (greedy, beam and its grammar if it has one by
    CTC, attention and joint by a decoder) works on the same output, so that they can be compared.

    Args:
        folder: What `lipscribe prepare` wrote. Clips that could not be prepared are listed in `left_out`.
        options: The search that the figures are of; None is the model's own.
        progress: Show a bar on stderr, where that is a terminal.

    Raises:
        ManifestError: The folder has no such split, or is damaged.
        ConfigError: Its crops are of another kind than the model's.
    """
    main = options or model.default_search
    methods = _methods(model, main)
    readings: dict[str, list[Reading]] = {name: [] for name in methods}
    seconds = dict.fromkeys(methods, 0.0)
    video_seconds: Seconds = 0.0
    shards = _shards(model, folder, split)
    clips = (prepared for shard in shards for prepared in read_shard(shard))
    for prepared in _with_progress(clips, split, progress):
        video_seconds += frame_to_seconds(len(prepared.crops), model.spec.input.fps)
        for name, reading, taken in _read_prepared(model, prepared, methods):
            readings[name].append(reading)
            seconds[name] += taken
    _check_any(readings[_name(main)], f"{folder}, split {split!r},")
    return _summarise(model, split, _name(main), readings, seconds, video_seconds, _left_out(Path(folder), split))


def calibrate_prepared(
    model: "Model", folder: Path | str, split: str = "dev", options: SearchOptions | None = None, progress: bool = True
) -> Fit:
    """Fits the temperature of a search's word probabilities on the prepared clips of a split.

    Args:
        options: The search; None is the model's own.

    Raises:
        ManifestError: The folder has no such split, or is damaged.
        ConfigError: Its crops are of another kind than the model's.
        LipscribeError: Too few words were read.
    """
    options = options or model.default_search
    shards = _shards(model, folder, split)
    uncalibrated = model.uncalibrated()
    readings = [
        reading
        for shard in shards
        for prepared in _with_progress(read_shard(shard), split, progress)
        for _, reading, _ in _read_prepared(uncalibrated, prepared, {options.method: options})
    ]
    return fit_temperature(readings)


def evaluate_videos(
    model: "Model",
    clips: Sequence[Clip],
    options: SearchOptions | None = None,
    face: str | int = "moving",
    progress: bool = True,
) -> Evaluation:
    """Reads clips from their video files, the whole way that a user's file goes.

    A clip that cannot be read counts all its words as deletions, and is listed with the reason.

    Args:
        clips: With paths that can be opened from the working directory.
        options: How to search; None is the model's own.
        face: Whom to read in each video; see `Model.transcribe`.
        progress: Show a bar on stderr, where that is a terminal.

    Raises:
        ManifestError: There are no clips.
    """
    split = ", ".join(sorted({clip.split for clip in clips}))
    method = _name(options or model.default_search)
    readings: list[Reading] = []
    video_seconds: Seconds = 0.0
    started = time.perf_counter()
    for clip in _with_progress(clips, split, progress):
        try:
            transcript = model.transcribe(clip.path, face=face, options=options)
        except LipscribeError as error:
            readings.append(_failed(clip, error))
            continue
        readings.append(_reading(clip, transcript))
        video_seconds += transcript.duration or 0.0
    seconds = time.perf_counter() - started
    _check_any(readings, "the list of clips")
    return _summarise(model, split, method, {method: readings}, {method: seconds}, video_seconds, ())


def write_evaluation(evaluation: Evaluation, folder: Path | str) -> list[Path]:
    """Writes `report.json`, `report.md` and `report.png`, and returns their paths.

    Raises:
        LipscribeError: The folder cannot be written.
    """
    from lipscribe.evaluation.plots import draw_report

    folder = Path(folder)
    data, report, page = (folder / f"report.{suffix}" for suffix in ("json", "md", "png"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(evaluation.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)
        data.write_text(text + "\n", encoding="utf-8")
        report.write_text(format_markdown(evaluation), encoding="utf-8")
        draw_report(evaluation, page)
    except OSError as error:
        raise LipscribeError(f"{folder} cannot be written ({error.strerror}): give another folder") from None
    return [data, report, page]


def _shards(model: "Model", folder: Path | str, split: str) -> list[Path]:
    shards = find_shards(folder, split)
    check_crop(folder, model.spec.input.crop)
    return shards


def _methods(model: "Model", main: SearchOptions) -> dict[str, SearchOptions]:
    able = [method for method in model.methods if method != "grammar"]
    methods = {method: options_by_method(method, model.default_search) for method in able}
    if "grammar" in model.methods and model.spec.grammar:
        methods["grammar"] = SearchOptions(method="grammar", grammar=Grammar(model.spec.grammar))
    return {**methods, _name(main): main}


def _name(options: SearchOptions) -> str:
    """What a search is called in a report: a decoder's may have a grammar or not."""
    by_decoder_with_grammar = options.method in BY_DECODER and options.grammar is not None
    return f"{options.method} + grammar" if by_decoder_with_grammar else options.method


def _read_prepared(
    model: "Model", prepared: PreparedClip, methods: dict[str, SearchOptions]
) -> Iterator[tuple[str, Reading, Seconds]]:
    """The reading by each method, and the seconds that network and search took."""
    clip = prepared.clip
    started = time.perf_counter()
    try:
        seen = model.see(prepared.crops)
    except LipscribeError as error:
        yield from ((name, _failed(clip, error), 0.0) for name in methods)
        return
    network = time.perf_counter() - started
    for name, options in methods.items():
        started = time.perf_counter()
        try:
            reading = _reading(clip, model.search(seen, options)[0])
        except LipscribeError as error:
            reading = _failed(clip, error)
        yield name, reading, network + time.perf_counter() - started


def _reading(clip: Clip, found: Hypothesis | Transcript) -> Reading:
    pairs = [(token, word.probability) for word in found.words for token in _normalised(word.text).split()]
    hypothesis = _normalised(found.text)
    has_words = [token for token, _ in pairs] == hypothesis.split()  # a transcript may have text without words
    probabilities = tuple(probability for _, probability in pairs) if has_words else None
    return Reading(clip.id, _normalised(clip.text), hypothesis, probabilities)


def _failed(clip: Clip, error: LipscribeError) -> Reading:
    return Reading(clip.id, _normalised(clip.text), "", failure=str(error))


def _normalised(text: str) -> str:
    return normalise(text, NORMALISATION)


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
        positions=score_positions(main),
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
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        mine = [record for record in records if record["split"] == split and record["status"] != "ok"]
        return tuple(LeftOut(record["id"], record["reason"]) for record in mine)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestError(f"{path} is damaged ({error}): prepare the clips again") from None


def _check_any(readings: list[Reading], where: str) -> None:
    if not readings:
        raise ManifestError(f"{where} holds no clips: there is nothing to evaluate")


def _with_progress(clips: Iterable[Any], split: str, progress: bool) -> tqdm:
    return tqdm(clips, desc=f"read {split}", unit="clip", disable=None if progress else True)
