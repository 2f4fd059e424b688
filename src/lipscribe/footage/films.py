"""Films -> a manifest of clips: pieces in worker processes, resumable, one bad film spoiling no other."""

import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lipscribe.atomic import writing
from lipscribe.data.journal import open_journal
from lipscribe.data.manifest import Clip, clip_record
from lipscribe.engines import Tell, run_tasks
from lipscribe.errors import ConfigError, LipscribeError, VideoError
from lipscribe.faces.identity import Gallery, People
from lipscribe.footage.analysis import Found, FoundClip, Recogniser, find_clips
from lipscribe.footage.journal import FootageJournal
from lipscribe.footage.pieces import Piece, plan_by_subtitles, plan_by_time
from lipscribe.footage.recognisers import load_recogniser
from lipscribe.footage.subtitles import Dropped, chosen_subtitles, load_utterances
from lipscribe.model import Model
from lipscribe.models.spec import load_spec
from lipscribe.processes import available_cpus
from lipscribe.progress import Progress
from lipscribe.runtimes import load_runtime
from lipscribe.units import MODEL_FPS
from lipscribe.video import Video
from lipscribe.video.source import file_state
from lipscribe.zoo.registry import find_model

PIECES_AT_ONCE = 400  # planned together, about 30 hours: workers are started for so many
TWICE = 0.3  # seconds by which two clips may overlap: more is the same speech found by two pieces


@dataclass(frozen=True)
class ClipOptions:
    """What clips are made with.

    Attributes:
        subtitles: "auto" (beside each film), "none", or a file, for one film.
        recogniser: Tells what is said in films without subtitles; see `load_recogniser`.
        model: Aligns texts that it can spell; its name or folder, or "none".
        split: Of all clips.
    """

    subtitles: str = "auto"
    recogniser: str | None = None
    model: str = "grid"
    split: str = "train"


@dataclass
class ClipsReport:
    """What became of films.

    Attributes:
        num_clips, seconds: In the manifest.
        dropped: How often each reason occurred.
        failed: What could not be read, by film, a line each.
        num_speakers: Told apart by looks within each film.
    """

    num_clips: int = 0
    seconds: float = 0.0
    dropped: Counter[str] = field(default_factory=Counter)
    failed: dict[str, list[str]] = field(default_factory=dict)
    num_speakers: int = 0

    def fail(self, film: Path, error: object) -> None:
        """Adds an error of a film."""
        text = str(error)
        self.failed.setdefault(str(film), []).append(text.removeprefix(f"{film}: "))


@dataclass(frozen=True)
class _Plan:
    """What is to be done with a film.

    Attributes:
        state: The film's path and what changes with its content, as JSON.
        pieces: By their keys; none once they are done, since all subtitles of many films are large.
        keys: Of all pieces.
        dropped: What its subtitles hold that is no speech of one person.
    """

    film: Path
    state: str
    pieces: tuple[Piece, ...]
    keys: tuple[str, ...]
    dropped: tuple[Dropped, ...]


@dataclass(frozen=True)
class _Task:
    film: Path
    piece: Piece


def make_clips(
    films: Sequence[Path],
    output: Path,
    options: ClipOptions | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    names: Sequence[str] | None = None,
) -> ClipsReport:
    """Writes a manifest of the clips in films, and beside it `.status.jsonl` with what became of everything said.

    A run that is stopped resumes: finished pieces lie in `.work` beside the manifest, which is removed once no film
    fails.

    Args:
        films: Video files.
        output: The manifest (JSONL).
        jobs: Number of worker processes; 1 works in this process, None is one per available CPU.
        progress: Called with the number of finished pieces.
        names: Of the films, with which the ids of their clips begin, such as "2024/news"; None is their files' names.

    Returns:
        What became of the films; where all of them failed, no manifest is written.

    Raises:
        ConfigError: An option is wrong.
        ManifestError: The manifest cannot be written, or its journal is of other options.
        LipscribeError: Another process writes it.
    """
    options, report = options or ClipOptions(), ClipsReport()
    if len(films) > 1 and options.subtitles not in ("auto", "none"):
        raise ConfigError(f"{options.subtitles} is of one film, not of {len(films)}: give auto, or one film")
    if films and options.subtitles not in ("auto", "none"):
        chosen_subtitles(films[0], options.subtitles)  # fails now if it is not there
    if options.recogniser is not None:
        load_recogniser(options.recogniser)  # fails now if it is not there
    work = output.with_name(output.name + ".work")
    how = {"subtitles": options.subtitles, "recogniser": options.recogniser, "model": options.model}
    plans: list[_Plan] = []
    with open_journal(FootageJournal, work, how) as journal:
        for some in _planned(films, options, report):
            tasks = [
                _Task(plan.film, piece)
                for plan in some
                for piece in plan.pieces
                if (plan.state, piece.key) not in journal
            ]
            _work_on(tasks, {plan.film: plan.state for plan in some}, options, journal, jobs, report, progress)
            plans += [replace(plan, pieces=()) for plan in some]
        if len(report.failed) < len(films):
            given = dict(zip(films, names or [film.stem for film in films], strict=True))
            _write(output, plans, given, journal, options, report)
        if not report.failed:
            work.unlink()
    return report


def _planned(films: Sequence[Path], options: ClipOptions, report: ClipsReport) -> Iterator[list[_Plan]]:
    """The plans of films, some at a time."""
    some: list[_Plan] = []
    for film in films:
        try:
            some.append(_plan(film, options))
        except LipscribeError as error:
            report.fail(film, error)
        if sum(len(plan.pieces) for plan in some) >= PIECES_AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def _plan(film: Path, options: ClipOptions) -> _Plan:
    state = json.dumps([str(film.absolute()), file_state(film)])
    path = chosen_subtitles(film, options.subtitles)
    if path is None and options.recogniser is None:
        raise ConfigError(
            f"{film}: no subtitles lie beside it: give them with --subtitles FILE, or name a speech recogniser with "
            "--recogniser"
        )
    duration = Video(film, MODEL_FPS).info.duration
    if not duration:
        raise VideoError(
            f"{film}: its headers don't say how long it is; write it anew with `ffmpeg -i IN -c copy OUT.mkv`"
        )
    utterances, dropped = load_utterances(path, duration) if path else ([], [])
    pieces = plan_by_subtitles(utterances, duration) if path else plan_by_time(duration)
    return _Plan(film, state, tuple(pieces), tuple(piece.key for piece in pieces), tuple(dropped))


def _work_on(
    tasks: Sequence[_Task],
    states: dict[Path, str],
    options: ClipOptions,
    journal: FootageJournal,
    jobs: int | None,
    report: ClipsReport,
    progress: Progress | None,
) -> None:
    """Runs the tasks, and adds what they find to the journal."""
    for done, (idx, outcome) in enumerate(_outcomes(tasks, options, jobs), start=1):
        task = tasks[idx]
        if isinstance(outcome, Found):
            journal.add(states[task.film], task.piece.key, outcome)
        else:
            report.fail(task.film, f"{outcome} (from {task.piece.start:.0f} to {task.piece.end:.0f} s)")
        if progress is not None:
            progress("clips", done, len(tasks))


def _outcomes(tasks: Sequence[_Task], options: ClipOptions, jobs: int | None) -> Iterator[tuple[int, Found | str]]:
    """What each task finds, or one line why it fails, as they end."""
    number = min(jobs or available_cpus(), len(tasks))
    if number <= 1:
        work = _start(options, None) if tasks else None
        for idx, task in enumerate(tasks):
            assert work is not None
            try:
                yield idx, work(task)
            except Exception as error:
                yield idx, _described(error)
        return
    with closing(run_tasks(functools.partial(_start, options), tasks, number)) as messages:
        for message in messages:
            if message.idx is None or not message.ends:
                continue
            if message.kind == "crashed":
                yield message.idx, f"reading it ended the process that read it ({message.value}); re-encode it"
            else:
                yield message.idx, message.value if message.kind == "done" else _described(message.value)


def _described(error: Exception) -> str:
    """One line for what a piece ended with: nothing of one film ends the work on the others."""
    if isinstance(error, LipscribeError):
        return str(error)
    return f"unexpected {type(error).__name__}: {' '.join(str(error).split()) or 'no message'}"


def _start(options: ClipOptions, tell: Tell | None) -> Callable[[_Task], Found]:
    """In a worker: loads what is needed, and returns the function that works on one piece."""
    import cv2

    if tell is not None:
        cv2.setNumThreads(1)  # the other processors have workers of their own
    recogniser: Recogniser | None = load_recogniser(options.recogniser) if options.recogniser else None
    model: Model | None = None
    if options.model != "none":
        folder = find_model(options.model)
        spec = load_spec(folder)
        if not spec.ctc:
            raise ConfigError(f"model {spec.name} has no CTC head to align with: give another --model, or none")
        model = Model(spec, load_runtime(folder, spec, threads=1))
    return lambda task: find_clips(task.film, task.piece, model, recogniser)


def _write(
    output: Path,
    plans: Sequence[_Plan],
    given: dict[Path, str],
    journal: FootageJournal,
    options: ClipOptions,
    report: ClipsReport,
) -> None:
    """Writes the manifest and the status of all that is said, a film at a time."""
    names = _names([given[plan.film] for plan in plans])
    status = output.with_name(f"{output.stem}.status.jsonl")
    with writing(output) as manifest, writing(status) as statuses:
        for plan, name in zip(plans, names, strict=True):
            lines: list[dict[str, Any]] = [_status(plan.film, one) for one in plan.dropped]
            speakers: set[int] = set()
            for clip, speaker in _speakers(plan, journal, lines):
                record = Clip(
                    f"{name}/{round(clip.start * 1000):08d}",
                    str(plan.film.absolute()),
                    clip.text,
                    clip.words,
                    f"{name}-{speaker + 1}",
                    options.split,
                    clip.start,
                    clip.end,
                )
                manifest.write(json.dumps(clip_record(record)).encode() + b"\n")
                lines.append(_ok(record.id, plan.film, clip))
                report.num_clips += 1
                report.seconds += clip.end - clip.start
                speakers.add(speaker)
            report.num_speakers += len(speakers)
            report.dropped.update(line["reason"] for line in lines if line["status"] == "dropped")
            lines.sort(key=lambda line: line["start"])
            statuses.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def _speakers(plan: _Plan, journal: FootageJournal, lines: list[dict[str, Any]]) -> Iterator[tuple[FoundClip, int]]:
    """The clips of a film with the number of their speaker; what is dropped is added to the lines."""
    people, before = People(), -1.0
    for key in plan.keys:
        if (plan.state, key) not in journal:
            continue  # it failed
        found = journal.read(plan.state, key)
        galleries: dict[int, Gallery] = {}
        for person, looks in found.looks.items():
            galleries[person] = Gallery()
            for look in looks:
                galleries[person].add(look)
        numbers = dict(zip(galleries, people.identify(list(galleries.values())), strict=True))
        lines += [_status(plan.film, one) for one in found.dropped]
        for clip in sorted(found.clips, key=lambda clip: clip.start):
            if clip.start < before - TWICE:
                lines.append(_status(plan.film, Dropped(clip.start, clip.end, clip.text, "found twice")))
                continue
            before = clip.end
            yield clip, numbers[clip.person]


def _status(film: Path, one: Dropped) -> dict[str, Any]:
    return {
        "status": "dropped",
        "reason": one.reason,
        "film": str(film),
        "start": round(one.start, 3),
        "end": round(one.end, 3),
        "text": one.text,
    }


def _ok(clip_id: str, film: Path, clip: FoundClip) -> dict[str, Any]:
    return {
        "status": "ok",
        "id": clip_id,
        "film": str(film),
        "start": clip.start,
        "end": clip.end,
        "text": clip.text,
        "edges": clip.edges,
        "aligned": clip.sure is not None,
        "agreement": clip.agreement,
        "sure": clip.sure,
        "face": clip.face,
    }


def _names(given: Sequence[str]) -> list[str]:
    """The names of films, made all different and fit for a clip's id."""
    names: list[str] = []
    for each in given:
        stem = name = "/".join(re.sub(r"[^\w-]+", "-", part).strip("-") or "film" for part in each.split("/"))
        number = 1
        while name in names:
            number += 1
            name = f"{stem}-{number}"
        names.append(name)
    return names
