"""What a film holds, from a second at each of some regular places: how much can be read, and why the rest cannot."""

import functools
import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lipscribe.engines import Tell, run_tasks
from lipscribe.errors import LipscribeError
from lipscribe.extraction import face_detector
from lipscribe.faces import FaceTrack, choose_faces, track_faces
from lipscribe.footage.analysis import REASONS
from lipscribe.footage.pieces import open_film, plan_by_subtitles
from lipscribe.footage.speaking import Mouth
from lipscribe.footage.subtitles import Utterance, chosen_subtitles, load_utterances
from lipscribe.mouth import mouth_cutter
from lipscribe.mouth.measures import CHECKED_EVERY, MouthMeter, quality_of
from lipscribe.mouth.quality import judge_face
from lipscribe.processes import available_cpus
from lipscribe.progress import Progress
from lipscribe.units import MODEL_FPS, Seconds, frame_to_seconds
from lipscribe.video import Video

READABLE = "a mouth that speaks"
NOBODY_SPEAKS = "nobody speaks"
SEVERAL = "several mouths move"
NO_FACE = "no face"

LOOK: Seconds = 1.0  # at each place
MOST_PLACES, FEWEST_PLACES = 90, 12  # of a film
PLACES_IN_ALL = 600  # of many films, unless these are more than 50
MIN_SEEN: Seconds = 0.4  # of a face, to judge it
OVERHEAD = 1.15  # of a run over decoding and faces: sound, crops, alignment
THUMBNAIL = (160, 90)  # px
_GOOD, _BAD = (40, 160, 70), (170, 60, 50)  # RGB


class Place(NamedTuple):
    """One second of a film.

    Attributes:
        at: Where it begins.
        what: `READABLE`, or why not.
        speech: Whether the subtitles have somebody speak then.
        mouth_px: Width of the mouth, in pixels of the film; None where there is no face.
        faces: How many are seen.
        picture: (90, 160, 3) uint8 RGB; not part of the JSON.
    """

    at: Seconds
    what: str
    speech: bool
    mouth_px: float | None
    faces: int
    picture: np.ndarray


@dataclass
class FilmSample:
    """A film by its sample.

    Attributes:
        shares: Of the film, by `Place.what`.
        readable: How much of it is readable: the least and the most, by the sample's chance.
        num_utterances: Subtitles with words of one person; None without subtitles.
        clips: How many a run may find: the least and the most; None without subtitles.
        cpu_seconds: That a run takes.
    """

    film: str
    duration: Seconds
    shares: dict[str, float]
    readable: tuple[Seconds, Seconds]
    num_utterances: int | None
    clips: tuple[int, int] | None
    cpu_seconds: Seconds
    places: list[Place] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON, without pictures."""
        places = [{k: v for k, v in place._asdict().items() if k != "picture"} for place in self.places]
        return {**{k: v for k, v in vars(self).items() if k != "places"}, "places": places}


@dataclass
class FootageReport:
    """Several films by their samples.

    Attributes:
        failed: What could not be read, by film.
    """

    films: list[FilmSample] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def duration(self) -> Seconds:
        """Of all films."""
        return sum(film.duration for film in self.films)

    @property
    def shares(self) -> dict[str, float]:
        """Of all films, the largest first, but what is readable before all."""
        total: defaultdict[str, float] = defaultdict(float)
        for film in self.films:
            for what, share in film.shares.items():
                total[what] += share * film.duration / self.duration
        return dict(sorted(total.items(), key=lambda pair: (pair[0] != READABLE, -pair[1])))

    @property
    def clips(self) -> tuple[int, int] | None:
        """Of all films that have subtitles, the least and the most; None if none has."""
        found = [film.clips for film in self.films if film.clips is not None]
        return (sum(least for least, _ in found), sum(most for _, most in found)) if found else None

    @property
    def untold(self) -> tuple[Seconds, Seconds] | None:
        """How much is readable of the films without subtitles, the least and the most; None if all have them."""
        found = [film.readable for film in self.films if film.clips is None]
        return (sum(least for least, _ in found), sum(most for _, most in found)) if found else None

    @property
    def cpu_seconds(self) -> Seconds:
        """That a run takes."""
        return sum(film.cpu_seconds for film in self.films)

    def to_json(self) -> str:
        """Everything but the pictures."""
        whole = {"duration": self.duration, "shares": self.shares, "clips": self.clips}
        whole |= {"untold": self.untold, "cpu_seconds": self.cpu_seconds, "failed": self.failed}
        return json.dumps({**whole, "films": [film.to_dict() for film in self.films]}, indent=1) + "\n"


def sample_films(
    films: Sequence[Path], subtitles: str = "auto", jobs: int | None = None, progress: Progress | None = None
) -> FootageReport:
    """Looks at a sample of films; see `sample_film`.

    Args:
        jobs: Number of worker processes; None is one per CPU. One film is read in this process.
        progress: Called with the number of films done; of one film, of its places.
    """
    report = FootageReport()
    most = max(FEWEST_PLACES, min(MOST_PLACES, PLACES_IN_ALL // max(len(films), 1)))
    if len(films) == 1:
        try:
            report.films.append(sample_film(films[0], subtitles, most, progress))
        except LipscribeError as error:
            report.failed[str(films[0])] = str(error)
        return report
    found: dict[int, FilmSample] = {}
    start = functools.partial(_start, subtitles, most)
    with closing(run_tasks(start, list(films), min(jobs or available_cpus(), len(films)))) as messages:
        for message in messages:
            if message.idx is None or not message.ends:
                continue
            if isinstance(message.value, FilmSample):
                found[message.idx] = message.value
            elif message.kind == "failed" and not isinstance(message.value, LipscribeError):
                raise message.value
            else:
                report.failed[str(films[message.idx])] = str(message.value)
            if progress is not None:
                progress("films", len(found) + len(report.failed), len(films))
    report.films = [found[idx] for idx in sorted(found)]
    return report


def _start(subtitles: str, most: int, tell: Tell) -> Callable[[Path], FilmSample]:
    import cv2

    cv2.setNumThreads(1)
    return lambda film: sample_film(film, subtitles, most)


def sample_film(
    film: Path, subtitles: str = "auto", most: int = MOST_PLACES, progress: Progress | None = None
) -> FilmSample:
    """Looks at a second of a film at each of up to `most` regular places, which are reached by seeking.

    Raises:
        VideoError: It cannot be read.
        ConfigError, ManifestError: The subtitles cannot be read.
    """
    path = chosen_subtitles(film, subtitles)
    video = open_film(film)
    duration = video.info.duration
    utterances = load_utterances(path, duration)[0] if path else None
    number = max(1, min(most, int(duration / (3 * LOOK))))
    places, costs = [], []
    for i in range(number):
        place, cost = look(video, duration * (i + 0.5) / number, utterances or [])
        places.append(place)
        costs.append(cost)
        if progress is not None:
            progress("places", i + 1, number)
    counts = Counter(place.what for place in places)
    decoded = duration
    if utterances is not None:
        decoded = sum(piece.end - piece.start for piece in plan_by_subtitles(utterances, duration))
    return FilmSample(
        str(film),
        round(duration, 2),
        {what: count / number for what, count in counts.items()},
        _readable(places, duration),
        None if utterances is None else len(utterances),
        None if utterances is None else _estimate(places, len(utterances)),
        round(float(np.mean(costs)) * decoded * OVERHEAD, 1),
        places,
    )


def _readable(places: Sequence[Place], duration: Seconds) -> tuple[Seconds, Seconds]:
    """How much of a film is readable, as far as the sample tells it (95 %)."""
    low, high = _wilson(sum(place.what == READABLE for place in places), len(places))
    return round(low * duration, 1), round(high * duration, 1)


def _estimate(places: Sequence[Place], most: int) -> tuple[int, int]:
    """How many clips: the subtitles, times the share that is readable while they are shown (95 %)."""
    some = [place for place in places if place.speech]
    if not some:
        return 0, most
    low, high = _wilson(sum(place.what == READABLE for place in some), len(some))
    return int(low * most), math.ceil(high * most)


def _wilson(hits: int, number: int, z: float = 1.96) -> tuple[float, float]:
    """The interval of a share by its sample (Wilson, 1927)."""
    share, n = hits / number, number
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def look(film: Video, at: Seconds, utterances: Sequence[Utterance]) -> tuple[Place, Seconds]:
    """What is to be seen in the second from `at` on, and the CPU time that a second of such film costs."""
    import cv2

    frames: list[np.ndarray] = []
    pictures = iter(film.part(at, at + LOOK))
    frames.append(next(pictures))  # what is decoded to reach it is no cost of a run
    began = time.process_time()
    frames += pictures
    tracks = track_faces(frames, MODEL_FPS, face_detector())
    cost = (time.process_time() - began) / frame_to_seconds(len(frames), MODEL_FPS)
    runs = [run for track in choose_faces(tracks, "all") for run in track.runs()] if tracks else []
    speech = any(one.start <= at + LOOK / 2 <= one.end for one in utterances)
    what, mouth_px = judge(frames, runs, film.info.width)
    picture = cv2.resize(frames[len(frames) // 2], THUMBNAIL, interpolation=cv2.INTER_AREA)
    return Place(round(at, 2), what, speech, mouth_px, len(runs), picture), cost


def judge(frames: Sequence[np.ndarray], runs: Sequence[FaceTrack], width: int) -> tuple[str, float | None]:
    """What a moment of film is good for, and the width of the best mouth in pixels of the film.

    Args:
        frames: (H, W, 3) uint8 RGB each.
        runs: The faces in them.
        width: Of the film's own pictures.
    """
    seen = [run for run in runs if len(run.landmarks) >= MIN_SEEN * MODEL_FPS]
    if not seen:
        return NO_FACE, None
    faults: list[tuple[float, str]] = []
    good: list[tuple[float, FaceTrack]] = []
    for run in seen:
        meter = MouthMeter(run, scale=width / frames[0].shape[1])
        cut = mouth_cutter(run.landmarks, cuts=run.cuts)
        for t in range(0, len(run.landmarks), CHECKED_EVERY):
            meter.add(cut(frames[run.start + t], t), t, frames[0].shape[:2])
        quality = quality_of([run], [meter], 1.0)
        bad = [one.measure for one in judge_face(quality, len(frames)) if one.severity == "bad"]
        fault = next((REASONS[measure] for measure in bad if measure in REASONS and measure != "motion"), "")
        if fault:
            faults.append((quality.mouth_px or 0.0, fault))
        else:
            good.append((quality.mouth_px or 0.0, run))
    if not good:
        mouth_px, fault = max(faults)
        return fault, round(mouth_px, 1)
    best = round(max(px for px, _ in good), 1)
    speaking = sum(Mouth(run).speaks(0.0, frame_to_seconds(len(frames), MODEL_FPS)) for _, run in good)
    return (NOBODY_SPEAKS if not speaking else SEVERAL if speaking > 1 else READABLE), best


def draw_sample(sample: FilmSample, columns: int = 8) -> np.ndarray:
    """The places of a film as pictures, green where a mouth speaks, and the reason written on the others.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    import cv2

    tiles = []
    for place in sample.places:
        good = place.what == READABLE
        tile = cv2.copyMakeBorder(place.picture, 2, 20, 2, 2, cv2.BORDER_CONSTANT, value=_GOOD if good else _BAD)
        text = f"{int(place.at) // 60}:{int(place.at) % 60:02d} {'' if good else place.what}"
        at = (4, THUMBNAIL[1] + 16)
        cv2.putText(tile, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (255, 255, 255), 1, cv2.LINE_AA)
        tiles.append(tile)
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[first : first + columns]) for first in range(0, len(tiles), columns)]
    return np.vstack(rows)
