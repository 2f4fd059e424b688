"""Faces in hard videos, one version of Lipscribe beside another.

    python benchmarks/faces.py videos hard/           # writes the videos: GRID and talkers, made hard in many ways
    python benchmarks/faces.py track hard/ new.npz    # follows the face in each, with the Lipscribe that is installed
    python benchmarks/faces.py compare old.npz new.npz

The middle command is run twice, by two environments: what docs/results.md compares with is the version before LiteRT
(4eb506e, Python 3.11, MediaPipe 0.10.21): `git worktree add ../old 4eb506e && make -C ../old setup`, then
`../old/.venv/bin/python benchmarks/faces.py track hard/ old.npz`. Distances are in pixels of a face whose eyes are 66
px apart, over the frames in which both found the face. How far a tracker is from itself when it begins three frames
later says how sure landmarks are at all: `track hard/ later.npz --skip 3`, then `compare old.npz later.npz`.

How far key frames put the crops from where every frame's landmarks put them, and whether the mouths' movement is the
same: `track hard/ all.npz --every-frame`, then `crops all.npz new.npz`. A folder of other clips, named KIND--NAME.mp4
(or .mpg), does as well.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

SHARED = Path(os.environ.get("LIPSCRIBE_SHARED") or "../shared")
EYES_PX = 66.0
SETTLED = 8  # frames after which it no longer matters where a tracker began
LIPS = slice(15, 55)  # of the landmarks that are kept
Frames = np.ndarray  # (T, H, W, 3) uint8 RGB
SKIN, HAIR = (190, 140, 115), (45, 32, 25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, names in {
        "videos": ["folder"],
        "track": ["folder", "output"],
        "compare": ["old", "new"],
        "crops": ["old", "new"],
    }.items():
        command = commands.add_parser(name)
        for argument in names:
            command.add_argument(argument, type=Path)
        if name == "track":
            command.add_argument("--skip", type=int, default=0, help="begin so many frames later")
            command.add_argument("--every-frame", action="store_true", help="read every frame, and no key frames")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.command == "videos":
        write_videos(args.folder)
    elif args.command == "track":
        track(args.folder, args.output, args.skip, args.every_frame)
    elif args.command == "crops":
        compare_crops(np.load(args.old), np.load(args.new))
    else:
        compare(np.load(args.old), np.load(args.new))


# --- the videos ---


def people() -> Iterator[tuple[str, Frames, np.ndarray]]:
    """Eight speakers of GRID and four talkers: name, frames of 360x288, landmarks (T, 91, 2) px."""
    import lipscribe
    from lipscribe.talker import Talker

    for speaker in ("s1", "s2", "s3", "s4", "s30", "s31", "s32", "s34"):
        folder = SHARED / ("grid" if speaker == "s1" else "grid-others") / "video" / speaker
        path = sorted(path for path in folder.iterdir() if path.suffix == ".mpg")[0]
        yield speaker, *with_landmarks(lipscribe.Video(path).read())
    for seed in range(4):
        clip = Talker(seed).say("place red at v seven please", take=seed, scene={"width": 360, "height": 288})
        yield f"talker{seed}", *with_landmarks(np.stack(list(clip.frames)))


def with_landmarks(frames: Frames) -> tuple[Frames, np.ndarray]:
    import lipscribe

    run = lipscribe.choose_faces(lipscribe.track_faces(frames))[0].runs()[0]
    return frames[run.start : run.stop], run.landmarks


def warp(frames: Frames, matrix: np.ndarray, size: tuple[int, int] = (360, 288)) -> Frames:
    flags = cv2.INTER_AREA if abs(matrix[0, 0]) < 1 else cv2.INTER_LINEAR
    return np.stack([cv2.warpAffine(frame, matrix, size, flags=flags, borderValue=(70, 70, 75)) for frame in frames])


def rolled(degrees: float) -> Callable:
    return lambda frames, _: warp(frames, cv2.getRotationMatrix2D((180, 150), degrees, 1))


def squeezed(share: float) -> Callable:
    """Narrower, as a head turned aside looks."""
    return lambda frames, _: warp(frames, np.array([[share, 0, 180 * (1 - share)], [0, 1, 0]]))


def lit(gain: float, noise: float, offset: float = 0.0) -> Callable:
    def light(frames: Frames, _: np.ndarray) -> Frames:
        rng = np.random.default_rng(0)
        noisy = [frame * gain + offset + rng.normal(0, noise, frame.shape) for frame in frames]
        return np.stack(noisy).clip(0, 255).astype(np.uint8)

    return light


def far(eyes_px: float, size: tuple[int, int]) -> Callable:
    """The picture made small, in a large one."""

    def shrink(frames: Frames, landmarks: np.ndarray) -> Frames:
        scale = eyes_px / np.linalg.norm(landmarks[:, 4:6].mean(1) - landmarks[:, 0:2].mean(1), axis=-1).mean()
        small = [cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for frame in frames]
        canvas = cv2.resize(np.random.default_rng(1).integers(60, 160, (5, 9, 3)).astype(np.uint8), size)
        large = np.repeat(canvas[None], len(frames), 0)
        top, left = size[1] // 3, int(size[0] * 0.55)
        large[:, top : top + small[0].shape[0], left : left + small[0].shape[1]] = small
        return large

    return shrink


def enlarged(width: int) -> Callable:
    return lambda frames, _: np.stack([cv2.resize(f, (width, width * 4 // 5)) for f in frames])


def painted(paint: Callable[[np.ndarray, np.ndarray, int], None]) -> Callable:
    def on_all(frames: Frames, landmarks: np.ndarray) -> Frames:
        frames = frames.copy()
        for t, frame in enumerate(frames):
            paint(frame, landmarks[t], t)
        return frames

    return on_all


def glasses(frame: np.ndarray, face: np.ndarray, t: int) -> None:
    right, left = face[0:2].mean(0), face[4:6].mean(0)
    radius = round(0.33 * float(np.linalg.norm(left - right)))
    for eye in (right, left):
        cv2.circle(frame, tuple(int(v) for v in eye), radius, (25, 22, 20), 4, cv2.LINE_AA)
    cv2.line(
        frame, tuple(int(v) for v in right), tuple(int(v) for v in face[0] - 0.4 * (left - right)), (25, 22, 20), 3
    )


def sunglasses(frame: np.ndarray, face: np.ndarray, t: int) -> None:
    right, left = face[0:2].mean(0), face[4:6].mean(0)
    radius = round(0.38 * float(np.linalg.norm(left - right)))
    for eye in (right, left):
        cv2.circle(frame, tuple(int(v) for v in eye), radius, (15, 15, 18), -1, cv2.LINE_AA)


def beard(frame: np.ndarray, face: np.ndarray, t: int) -> None:
    oval, lips = face[55:91], face[15:35]
    below = oval[oval[:, 1] > lips[:, 1].min() - 3]
    hair = np.zeros(frame.shape[:2], np.float32)
    cv2.fillConvexPoly(hair, cv2.convexHull(below.astype(np.int32)), 1.0)
    cv2.fillConvexPoly(hair, cv2.convexHull(lips.astype(np.int32)), 0.0)
    hair = cv2.GaussianBlur(hair, (0, 0), 2)[..., None] * 0.8
    texture = np.random.default_rng(2).normal(0, 14, frame.shape[:2])[..., None] + HAIR
    frame[:] = (frame * (1 - hair) + texture * hair).clip(0, 255).astype(np.uint8)


def hand(frame: np.ndarray, face: np.ndarray, t: int) -> None:
    """Before the mouth for a second, coming from below."""
    mouth, eyes = face[15:35].mean(0), float(np.linalg.norm(face[4:6].mean(0) - face[0:2].mean(0)))
    rise = np.clip(min(t - 15, 55 - t) / 10, 0, 1)
    at = mouth + np.array([0, (1 - rise) * 3 * eyes])
    cv2.ellipse(frame, tuple(int(v) for v in at), (int(0.9 * eyes), int(0.7 * eyes)), 15, 0, 360, SKIN, -1, cv2.LINE_AA)
    arm = (at + np.array([0.3, 0.4]) * eyes).astype(int)
    cv2.line(frame, tuple(arm.tolist()), (int(arm[0] + eyes), 320), SKIN, int(0.8 * eyes))


def slid(x: float, y: float) -> Callable:
    """Part of the face is outside the picture."""
    return lambda frames, _: warp(frames, np.array([[1, 0, x], [0, 1, y]], float))


HARD: dict[str, Callable[[Frames, np.ndarray], Frames]] = {
    "as it is": lambda frames, _: frames,
    "rolled 30": rolled(30),
    "rolled 60": rolled(-60),
    "on its side": lambda frames, _: np.rot90(frames, 1, axes=(1, 2)),
    "upside down": lambda frames, _: frames[:, ::-1, ::-1],
    "squeezed 0.7": squeezed(0.7),
    "squeezed 0.5": squeezed(0.5),
    "glasses": painted(glasses),
    "sunglasses": painted(sunglasses),
    "beard": painted(beard),
    "hand before the mouth": painted(hand),
    "dark": lit(0.12, 2),
    "very dark": lit(0.05, 2),
    "washed out": lit(0.35, 3, 160),
    "noisy": lit(1, 25),
    "blurred": lambda frames, _: np.stack([cv2.GaussianBlur(frame, (0, 0), 4) for frame in frames]),
    "small, eyes 20 px in 720p": far(20, (1280, 720)),
    "small, eyes 16 px in 1080p": far(16, (1920, 1080)),
    "large, 1920 px": enlarged(1920),
    "cut by the edge": slid(-130, 0),
    "chin cut off": slid(0, 70),
}


def write_videos(folder: Path) -> None:
    from lipscribe.talker import Talker
    from lipscribe.video import save_video

    folder.mkdir(parents=True, exist_ok=True)
    everybody = list(people())
    for name, frames, landmarks in everybody:
        for kind, make in HARD.items():
            save_video(folder / f"{kind}--{name}.mp4", list(np.ascontiguousarray(make(frames, landmarks))), 25.0)
    for i in range(0, len(everybody) - 2, 3):
        shortest = min(len(frames) for _, frames, _ in everybody[i : i + 3])
        three = [frames[:shortest] for _, frames, _ in everybody[i : i + 3]]
        names = "+".join(name for name, _, _ in everybody[i : i + 3])
        save_video(folder / f"three people--{names}.mp4", list(np.concatenate(three, axis=2)), 25.0)
    for yaw in (-30, 30):
        for seed in range(4):
            scene = {"width": 360, "height": 288, "yaw_deg": yaw}
            clip = Talker(seed).say("place red at v seven please", take=seed, scene=scene)
            save_video(folder / f"head turned 30--talker{seed}{yaw:+d}.mp4", list(clip.frames), 25.0)


# --- tracks ---


class EveryFrame:
    """A face detector that reads one frame at a time."""

    def __init__(self) -> None:
        from lipscribe.faces import load_face_detector

        detector = load_face_detector()
        self.detect, self.reset = detector.detect, detector.reset


def track(folder: Path, output: Path, skip: int, every_frame: bool) -> None:
    """For each video: landmarks (F, T, 91, 2) of its faces from left to right, NaN where a face was not found."""
    import lipscribe
    from lipscribe.faces import load_face_detector

    found = {}
    videos = sorted(path for path in folder.iterdir() if path.suffix in (".mp4", ".mpg"))
    if not videos:
        raise SystemExit(f"{folder} has no *.mp4: run the command `videos` first")
    detector = EveryFrame() if every_frame else load_face_detector()
    lipscribe.track_faces(lipscribe.Video(videos[0]).read(), 25.0, detector)  # the first run is not timed
    for path in videos:
        frames = lipscribe.Video(path).read()
        started = time.process_time()
        tracks = lipscribe.track_faces(frames[skip:], 25.0, detector)
        seconds = time.process_time() - started
        faces = np.full((len(tracks), len(frames), 91, 2), np.nan, np.float32)
        for face, each in zip(faces, tracks, strict=True):
            face[skip + each.start : skip + each.stop] = each.landmarks
        faces = faces[np.argsort([np.nanmedian(face[..., 0]) for face in faces])]
        found[path.stem] = faces
        found[f"{path.stem}--ms"] = np.array(1000 * seconds / len(frames))
    np.savez_compressed(output, **found)


def compare(old: dict[str, np.ndarray], new: dict[str, np.ndarray]) -> None:
    clips = [name for name in new if not name.endswith("--ms")]
    print(f"{'':28s} videos  face found in    lips off by, px    from frame 8 on, px     ms a frame")
    print(f"{'':28s}            old    new      mean    most               mean    most     old    new")
    kinds = dict.fromkeys([*HARD, *(name.split("--")[0] for name in clips)])
    for kind in kinds:
        own = [name for name in clips if name.split("--")[0] == kind]
        if own:
            show(kind, own, old, new)
    show("all", clips, old, new)


def compare_crops(old: dict[str, np.ndarray], new: dict[str, np.ndarray]) -> None:
    clips = [name for name in new if not name.endswith("--ms")]
    print(f"{'':28s} videos  face found in   crop's centre off by, px      motion    new/old      ms a frame")
    print(f"{'':28s}            old    new     mean   95 %   most       old     5 %   95 %    old    new")
    kinds = [*dict.fromkeys([*HARD, *(name.split("--")[0] for name in clips)]), ""]
    for kind in kinds:
        own = [name for name in clips if name.split("--")[0] == kind or not kind]
        if not own:
            continue
        shares = [np.mean([share(found[name], 3 if "three" in name else 1) for name in own]) for found in (old, new)]
        times = [np.median([found[f"{name}--ms"] for name in own]) for found in (old, new)]
        pairs = [pair for name in own for pair in same_runs(old[name], new[name])]
        off = np.concatenate([centres_off(*pair) for pair in pairs]) if pairs else np.array([np.nan])
        motions = np.array([[motion(face) for face in pair] for pair in pairs]).reshape(-1, 2)
        ratios = np.percentile(motions[:, 1] / np.maximum(motions[:, 0], 0.02), (5, 95)) if pairs else (np.nan, np.nan)
        print(
            f"{kind or 'all':28s} {len(own):6d} {shares[0]:7.1%} {shares[1]:6.1%} {off.mean():8.3f} "
            f"{np.percentile(off, 95):6.2f} {off.max():6.2f} {motions[:, 0].mean():9.3f} {ratios[0]:7.2f} "
            f"{ratios[1]:6.2f} {times[0]:6.2f} {times[1]:6.2f}"
        )


def same_runs(old: np.ndarray, new: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Longest stretches in which both found a face, of videos in which both found as many: (T, 91, 2) each."""
    for one, other in zip(old, new, strict=False) if len(old) == len(new) else ():
        both = np.flatnonzero(~np.isnan(one[:, 0, 0]) & ~np.isnan(other[:, 0, 0]))
        run = max(np.split(both, np.flatnonzero(np.diff(both) > 1) + 1), key=len)
        if len(run) > SETTLED:
            yield one[run], other[run]


def centres_off(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """How far the middle of the new crops lies from that of the old ones, in px of the crop: (T,)."""
    from lipscribe.mouth.cropping import crop_transforms

    first, second = crop_transforms(old), crop_transforms(new)
    middle = np.full(2, 47.5)
    in_picture = np.linalg.solve(second[:, :, :2], (middle - second[:, :, 2])[..., None])
    return np.linalg.norm((first[:, :, :2] @ in_picture)[..., 0] + first[:, :, 2] - middle, axis=-1)


def motion(face: np.ndarray) -> float:
    """`FaceTrack.motion` of landmarks (T, 91, 2) px at 25 Hz."""
    from lipscribe.faces import FaceTrack

    return FaceTrack(0, 0, 0, face, 25.0).motion


def show(kind: str, clips: list[str], old: dict[str, np.ndarray], new: dict[str, np.ndarray]) -> None:
    shares = [np.mean([share(tracks[name], 3 if "three" in name else 1) for name in clips]) for tracks in (old, new)]
    times = [np.median([tracks[f"{name}--ms"] for name in clips]) for tracks in (old, new)]
    off = np.concatenate([distance(old[name], new[name]) for name in clips])
    later = np.concatenate([distance(old[name][:, SETTLED:], new[name][:, SETTLED:]) for name in clips])
    spread = [(part.mean(), part.max()) if part.size else (np.nan, np.nan) for part in (off, later)]
    print(
        f"{kind:28s} {len(clips):6d} {shares[0]:7.1%} {shares[1]:6.1%} {spread[0][0]:9.3f} {spread[0][1]:7.2f} "
        f"{spread[1][0]:18.3f} {spread[1][1]:7.2f} {times[0]:7.2f} {times[1]:6.2f}"
    )


def share(faces: np.ndarray, wanted: int) -> float:
    """Share of the frames in which as many faces are found as there are."""
    there = (~np.isnan(faces[..., 0, 0])).sum(0) if len(faces) else np.zeros(faces.shape[1])
    return float(np.minimum(there, wanted).mean() / wanted)


def distance(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """(N, 40) px of the lips at the common size, where both found the face; none where they differ in number."""
    if len(old) != len(new) or not len(old):
        return np.empty((0, 40))
    eyes = np.linalg.norm(old[..., 4:6, :].mean(-2) - old[..., 0:2, :].mean(-2), axis=-1)
    off = np.linalg.norm(old - new, axis=-1)[..., LIPS] * (EYES_PX / eyes)[..., None]
    return off[~np.isnan(off[..., 0])]


if __name__ == "__main__":
    main()
