"""Detections of single frames joined into tracks: one per person and shot."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lipscribe.errors import NoFaceError
from lipscribe.faces.detector import FaceDetector, load_face_detector
from lipscribe.faces.landmarks import NUM_LANDMARKS, eye_distance, mouth_opening
from lipscribe.units import MODEL_FPS

_CHUNK = 1024  # frames


@dataclass
class FaceTrack:
    id: int
    shot: int
    start: int
    landmarks: np.ndarray
    fps: float
    shot_frames: int | None = None

    @property
    def stop(self) -> int:
        return self.start + len(self.landmarks)

    @property
    def detected(self) -> np.ndarray:
        return ~np.isnan(self.landmarks[:, 0, 0])

    @property
    def coverage(self) -> float:
        return float(self.detected.sum() / (self.shot_frames or len(self.landmarks)))

    @property
    def size_px(self) -> float:
        return float(np.nanmedian(eye_distance(self.landmarks)))

    @property
    def motion(self) -> float:
        opening = mouth_opening(self.landmarks)
        return float(np.nanmean(np.abs(np.diff(opening))) * self.fps) if len(opening) > 1 else 0.0

    def runs(self, max_gap: int | None = None) -> list["FaceTrack"]:
        max_gap = round(self.fps) if max_gap is None else max_gap
        seen = np.flatnonzero(self.detected)
        pieces = []
        for part in np.split(seen, np.flatnonzero(np.diff(seen) > max_gap + 1) + 1):
            if len(part) < 3:
                continue
            frames = np.arange(part[0], part[-1] + 1)
            known = self.landmarks[part].reshape(len(part), -1)
            after = np.searchsorted(part, frames).clip(1, len(part) - 1)
            before = after - 1
            w = ((frames - part[before]) / (part[after] - part[before]))[:, None]
            filled = (known[before] * (1 - w) + known[after] * w).astype(np.float32)
            pieces.append(
                FaceTrack(self.id, self.shot, self.start + int(part[0]), filled.reshape(-1, NUM_LANDMARKS, 2), self.fps)
            )
        return pieces


class _Growing:
    def __init__(self, start):
        self.start, self.length, self.chunks = start, 0, []

    def put(self, frame_idx, landmarks):
        at = frame_idx - self.start
        while at >= len(self.chunks) * _CHUNK:
            self.chunks.append(np.full((_CHUNK, NUM_LANDMARKS, 2), np.nan, np.float32))
        self.chunks[at // _CHUNK][at % _CHUNK] = landmarks
        self.length = at + 1
        self.last = landmarks

    def array(self):
        return np.concatenate(self.chunks)[: self.length]


def track_faces(
    frames: Iterable[np.ndarray], fps: float = MODEL_FPS, detector: FaceDetector | None = None
) -> list[FaceTrack]:
    own = detector is None
    detector = detector or load_face_detector()
    people: list[_Growing] = []
    num_frames = 0
    try:
        for idx, frame in enumerate(frames):
            num_frames += 1
            free = list(people)
            for face in detector.detect(frame):
                centre = face.mean(0)
                best = min(free, key=lambda p: np.linalg.norm(p.last.mean(0) - centre), default=None)
                if best is not None and np.linalg.norm(best.last.mean(0) - centre) > 2 * eye_distance(face):
                    best = None
                if best is None:
                    best = _Growing(idx)
                    people.append(best)
                else:
                    free.remove(best)
                best.put(idx, face)
    finally:
        if own:
            detector.close()
    return [FaceTrack(i, 0, p.start, p.array(), fps, num_frames) for i, p in enumerate(people)]


def choose_faces(tracks: list[FaceTrack], face: str | int = "moving") -> list[FaceTrack]:
    if not tracks:
        raise NoFaceError("No face was found; see what is in the video with `lipscribe inspect`.")
    if face == "all":
        return list(tracks)
    if face == "largest":
        return [max(tracks, key=lambda t: t.size_px)]
    if face == "moving":
        return [max(tracks, key=lambda t: t.motion)]
    chosen = [t for t in tracks if t.id == int(face)]
    if not chosen:
        raise NoFaceError(f"No face {face}; the ids are {[t.id for t in tracks]}.")
    return chosen
