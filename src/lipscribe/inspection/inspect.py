"""Why a video will or will not be read: the file, its faces and how well the mouth can be seen.

The video is read twice, in bounded memory whatever its length: once for the faces, once for their mouths, since the cut
of a crop depends on the frames after it. `write_inspection` reads it a third time for the video of the crops.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lipscribe.faces import FaceDetector, FaceTrack, choose_faces, track_faces
from lipscribe.faces.orientation import orientation_warnings
from lipscribe.faces.track import frames_found
from lipscribe.inspection.sampling import SampleFrame, Sampler, TrackedMouth, read_mouths
from lipscribe.inspection.verdict import Verdict, judge_source, overall
from lipscribe.mouth import CropKind, crop_warnings
from lipscribe.mouth.measures import quality_of
from lipscribe.mouth.quality import FaceQuality, Finding, judge_face
from lipscribe.progress import Progress, tracked
from lipscribe.schema import to_dict
from lipscribe.units import MODEL_FPS, Seconds, frame_to_seconds
from lipscribe.video import Video, VideoInfo


@dataclass(frozen=True)
class FaceReport:
    """One face of one shot.

    Attributes:
        id: Whose it is, for `--face`; the same in all shots in which looks tell the person.
        shot: Number of the shot from 0.
        start, end: From its first frame to its last.
        chosen: Whether it is what would be read.
        quality: `coverage` is here the share of its shot.
    """

    id: int
    shot: int
    start: Seconds
    end: Seconds
    chosen: bool
    quality: FaceQuality


@dataclass(frozen=True)
class Material:
    """What the pictures of an inspection are made of."""

    video: Video
    tracks: tuple[FaceTrack, ...]
    chosen: tuple[FaceTrack, ...]
    samples: tuple[SampleFrame, ...]


@dataclass(frozen=True)
class Inspection:
    """What was found in a video.

    Attributes:
        info: What its headers say.
        duration: Measured by reading it to its end.
        promised_duration: By its headers; None where they don't say.
        fps: Rate at which it was read: the model's.
        crop: How the mouth was cut out: as the model reads it.
        num_frames: Frames at that rate.
        warnings: What was odd about reading it, a line each.
        faces: All face tracks.
        most_at_once: The largest number of faces in one frame.
        quality: Of the chosen faces together, `coverage` as a share of the whole video; None where there is no face.
        findings: What is wrong, and notes; `verdict` is the worst of them.
        material: For the pictures; not part of `to_dict`.
    """

    info: VideoInfo
    duration: Seconds
    promised_duration: Seconds | None
    fps: float
    crop: CropKind
    num_frames: int
    warnings: tuple[str, ...]
    faces: tuple[FaceReport, ...]
    most_at_once: int
    quality: FaceQuality | None
    findings: tuple[Finding, ...]
    verdict: Verdict
    material: Material

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pictures, ready for JSON; the verdict comes first."""
        fields = {name: to_dict(value) for name, value in vars(self).items() if name not in ("verdict", "material")}
        return {"verdict": self.verdict, **fields}


def inspect_video(
    path: str | Path,
    fps: float = MODEL_FPS,
    face: str | int = "moving",
    detector: FaceDetector | None = None,
    crop: CropKind = "lipscribe",
    progress: Progress | None = None,
    stream: int | None = None,
) -> Inspection:
    """Looks at a video as a lip reader does.

    Args:
        fps: Rate of the model that is to read it.
        face: Whom it is to read; see `choose_faces`.
        detector: One that is already loaded; None loads one.
        crop: What the model reads, `model.spec.input.crop`.
        progress: Called with the number of frames done, in two passes.
        stream: Which of several video streams; None takes the one that is read by default (see `Video`).

    Raises:
        VideoError: It is no video, or none of its pictures can be decoded.
        NoFaceError: `face` names none that is there. That nobody is there is no error but a finding.
    """
    video = Video(path, fps, stream=stream)
    total = round(video.info.duration * fps) if video.info.duration else None
    sampler = Sampler()
    tracks = tuple(track_faces(sampler.watch(tracked(video, progress, "faces", total)), fps, detector))
    chosen = tuple(choose_faces(list(tracks), face)) if tracks else ()
    scale = video.info.width / sampler.frame_width  # large pictures are read smaller; pixels are the source's
    mouths = [TrackedMouth(run, crop, scale) for run in _runs(tracks)]
    samples = sampler.samples()
    read_mouths(tracked(video, progress, "mouths", sampler.num_frames), mouths, samples, chosen)

    coverage = float(frames_found(chosen, sampler.num_frames).mean()) if chosen else 0.0
    quality = _quality(chosen, mouths, coverage) if chosen else None
    findings = [
        *judge_source(video.info.fps, fps, video.warnings, video.rate_warning),
        *judge_face(quality, sampler.num_frames),
        *(Finding("crop", "doubtful", text) for text in crop_warnings(_runs(chosen), crop)),
        *(
            Finding("roll_deg", "note", text, quality.roll_deg if quality else None)
            for text in orientation_warnings(chosen)
        ),
        *_notes(tracks, sampler.num_frames, face),
    ]
    return Inspection(
        info=video.info,
        duration=frame_to_seconds(sampler.num_frames, fps),
        promised_duration=video.promised_duration,
        fps=fps,
        crop=crop,
        num_frames=sampler.num_frames,
        warnings=tuple(video.warnings),
        faces=tuple(_report(track, mouths, any(read.covers(track) for read in chosen)) for track in tracks),
        most_at_once=_most_at_once(tracks, sampler.num_frames),
        quality=quality,
        findings=tuple(findings),
        verdict=overall(findings),
        material=Material(video, tracks, chosen, samples),
    )


def _runs(tracks: tuple[FaceTrack, ...]) -> list[FaceTrack]:
    return [run for track in tracks for run in track.runs()]


def _quality(tracks: tuple[FaceTrack, ...], mouths: list[TrackedMouth], coverage: float) -> FaceQuality:
    return quality_of(tracks, [mouth.meter for mouth in mouths], coverage)


def _report(track: FaceTrack, mouths: list[TrackedMouth], chosen: bool) -> FaceReport:
    start, end = (frame_to_seconds(frame_idx, track.fps) for frame_idx in (track.start, track.stop))
    return FaceReport(track.id, track.shot, start, end, chosen, _quality((track,), mouths, track.coverage))


def _most_at_once(tracks: tuple[FaceTrack, ...], num_frames: int) -> int:
    there = np.zeros(num_frames, int)
    for track in tracks:
        there[track.start : track.stop] += track.detected
    return int(there.max(initial=0))


def _notes(tracks: tuple[FaceTrack, ...], num_frames: int, face: str | int) -> Iterator[Finding]:
    if face != "moving":
        return
    at_once = _most_at_once(tracks, num_frames)
    if at_once > 1:
        text = f"{at_once} faces at once: the one whose mouth moves most is read; choose another with --face"
        yield Finding("faces", "note", text, at_once)
    num_shots = len({track.shot for track in tracks})
    if num_shots > 1:
        text = f"{num_shots} shots with faces: in each the one whose mouth moves most is read"
        yield Finding("faces", "note", text, num_shots)
