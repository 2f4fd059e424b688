"""Frames and a face track -> mouth crops (T, 96, 96) uint8 grey, of the kind that a model was trained on."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias, TypeVar, get_args

import numpy as np

from lipscribe.errors import ConfigError
from lipscribe.faces import FaceTrack
from lipscribe.mouth.mean_face import MeanFaceCutter, face_points
from lipscribe.mouth.sampling import CROP_SIZE
from lipscribe.mouth.upright import alignment, warp_mouth
from lipscribe.video.frames import check_frames

Frame = TypeVar("Frame")
CropKind = Literal["lipscribe", "auto-avsr"]
Cutter: TypeAlias = Callable[[np.ndarray, int], np.ndarray]
"""Called with a frame (H, W, 3) uint8 of the video and which frame of the run it is; gives the crop (96, 96) uint8."""


def crop_mouth(frames: Iterable[np.ndarray], track: FaceTrack, kind: CropKind = "lipscribe") -> np.ndarray:
    """Cuts the mouth of one tracked face out of every frame of its track.

    Args:
        frames: The frames that the track was found in, (T_video, H, W, 3) uint8 RGB, from the first on; see
            `check_frames` for what else is taken.
        track: One run of a face: no landmark may be NaN (`FaceTrack.runs` gives such runs).
        kind: What the model reads, `model.spec.input.crop`.

    Returns:
        crops (T, 96, 96) uint8 grey, one for each frame of the track. Beyond the picture its outermost pixels go on in
        "lipscribe" crops; "auto-avsr" crops are black there, as that model learned it.

    Raises:
        ConfigError: The frames are none, of another type or of several sizes, or end before the track does; or the
            track is none.
    """
    if not isinstance(track, FaceTrack):
        raise ConfigError(
            f"track is a {type(track).__name__}, wanted one run, such as choose_faces(tracks)[0].runs()[0]"
        )
    if kind not in get_args(CropKind):
        raise ConfigError(f"kind is {kind!r}, wanted one of {', '.join(get_args(CropKind))}: see model.spec.input.crop")
    crops = list(stream_crops(frames, track, kind))
    if len(crops) < track.stop - track.start:
        raise ConfigError(
            f"the frames end at frame {track.start + len(crops)}, but the track at frame {track.stop}: want the frames "
            "that it was found in"
        )
    return np.stack(crops) if crops else np.zeros((0, CROP_SIZE, CROP_SIZE), np.uint8)


def check_crops(crops: Any) -> np.ndarray:
    """Checks crops that a caller hands over, an array or a torch tensor.

    Raises:
        ConfigError: They are not (T, 96, 96) uint8.
    """
    shape, dtype = tuple(getattr(crops, "shape", ())), str(getattr(crops, "dtype", "")).removeprefix("torch.")
    if len(shape) != 3 or shape[1:] != (CROP_SIZE, CROP_SIZE) or dtype != "uint8":
        raise ConfigError(
            f"crops are {f'{shape} {dtype}' if dtype else f'a {type(crops).__name__}'}, wanted (T, {CROP_SIZE}, "
            f"{CROP_SIZE}) uint8 as crop_mouth gives; whole frames are (T, H, W, 3)"
        )
    return np.asarray(crops.detach().cpu() if hasattr(crops, "detach") else crops)


def stream_crops(frames: Iterable[np.ndarray], track: FaceTrack, kind: CropKind = "lipscribe") -> Iterator[np.ndarray]:
    """`crop_mouth`, one crop (96, 96) uint8 at a time, for videos that do not fit in memory."""
    for _, crop in stream_all_crops(frames, [track], kind):
        yield crop


def stream_all_crops(
    frames: Iterable[np.ndarray], tracks: Sequence[FaceTrack], kind: CropKind = "lipscribe"
) -> Iterator[tuple[int, np.ndarray]]:
    """The crops of many runs in one pass over the frames: (index of the run, crop (96, 96) uint8), frame by frame."""
    cutters: dict[int, Cutter] = {}
    for frame_idx, frame, active in with_runs(check_frames(frames), tracks):
        for i in active:
            if i not in cutters:
                cutters[i] = mouth_cutter(tracks[i].landmarks, kind, tracks[i].cuts)
            yield i, cutters[i](frame, frame_idx - tracks[i].start)
            if tracks[i].stop == frame_idx + 1:
                del cutters[i]


def with_runs(frames: Iterable[Frame], runs: Sequence[FaceTrack]) -> Iterator[tuple[int, Frame, list[int]]]:
    """Each frame until the last run ends: its index, itself, and the indices of the runs that it is part of."""
    waiting = sorted(range(len(runs)), key=lambda i: runs[i].start, reverse=True)
    active: list[int] = []
    for frame_idx, frame in enumerate(frames):
        while waiting and runs[waiting[-1]].start <= frame_idx:
            active.append(waiting.pop())
        yield frame_idx, frame, active
        active = [i for i in active if runs[i].stop > frame_idx + 1]
        if not waiting and not active:
            return


def crop_transforms(landmarks: np.ndarray, kind: CropKind = "lipscribe", cuts: Sequence[int] = ()) -> np.ndarray:
    """Where a run's crops lie.

    Args:
        landmarks: (T, L, 2) float px without NaN.
        kind: The kind of crops.
        cuts: `FaceTrack.cuts` of a run through several shots: each is aligned by itself, or the crop would slide.

    Returns:
        (T, 2, 3) float64 matrices, picture pixels -> crop pixels.
    """
    align = alignment if kind == "lipscribe" else _mean_face_transforms
    return np.concatenate([align(part) for part in np.split(landmarks, cuts)])


def crop_warnings(tracks: Sequence[FaceTrack], kind: CropKind = "lipscribe") -> list[str]:
    """What a user should know of the crops of these runs, a line each."""
    if kind != "auto-avsr":
        return []
    parts = [part for track in tracks for part in np.split(track.landmarks, track.cuts)]
    held_back = sum(int(MeanFaceCutter(face_points(part)).held_back.sum()) for part in parts)
    if not held_back:
        return []
    return [f"the mouth lies beside its crop in {held_back} frames: the face is turned away or not a face"]


def mouth_cutter(landmarks: np.ndarray, kind: CropKind = "lipscribe", cuts: Sequence[int] = ()) -> Cutter:
    """What cuts the crops of a run, in any order of its frames; for the arguments see `crop_transforms`."""
    if len(cuts):
        parts = [mouth_cutter(part, kind) for part in np.split(landmarks, cuts)]
        starts = (0, *cuts)

        def cut(frame: np.ndarray, t: int) -> np.ndarray:
            part = bisect_right(starts, t) - 1
            return parts[part](frame, t - starts[part])

        return cut
    if kind == "auto-avsr":
        return MeanFaceCutter(face_points(landmarks)).cut
    transforms = alignment(landmarks)
    return lambda frame, t: warp_mouth(frame, transforms[t])


def _mean_face_transforms(landmarks: np.ndarray) -> np.ndarray:
    cutter = MeanFaceCutter(face_points(landmarks))
    return np.concatenate([cutter.transforms[..., :2], cutter.transforms[..., 2:] - cutter.corners[..., None]], -1)
