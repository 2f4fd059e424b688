"""Cuts: what a zoom cut in mid-sentence costs, and how often looks take two people for one or miss the same person.

python benchmarks/cuts.py zoom ../shared/grid --clips 20
python benchmarks/cuts.py looks ../shared/grid ../shared/grid-others
"""

import argparse
import itertools
import json
from collections import defaultdict
from pathlib import Path
from unittest import mock

import cv2
import numpy as np

import lipscribe
from lipscribe.faces import load_face_detector, track, track_faces
from lipscribe.faces.identity import SAME_PERSON, Gallery, signature
from lipscribe.metrics import wer

CHOSEN_ON = {"s1", "s2", "s3", "s30"}  # speakers on whom `SAME_PERSON` was chosen
ZOOMS = {  # part of the picture that fills it after the cut: left, top, width as shares; less than 0 is around it
    "closer": (0.12, 0.12, 0.75),
    "closer, face at the left": (0.22, 0.15, 0.7),
    "much closer": (0.24, 0.25, 0.53),
    "farther": (-0.25, -0.35, 1.6),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["zoom", "looks"])
    parser.add_argument("roots", nargs="+", type=Path, help="folders of GRID clips")
    parser.add_argument("--clips", type=int, default=20, help="of the dev split, or of each speaker")
    args = parser.parse_args()
    {"zoom": measure_zooms, "looks": measure_looks}[args.what](args.roots, args.clips)


def measure_zooms(roots: list[Path], num_clips: int) -> None:
    """The error rate of dev clips cut in mid-sentence, read as one run and, as it was once, as two."""
    model = lipscribe.load_model()
    references, texts, rng = [], defaultdict(list), np.random.default_rng(0)
    for stem in json.loads((roots[0] / "splits.json").read_text(encoding="utf-8"))["dev"][:num_clips]:
        path = next((roots[0] / "video").rglob(f"{Path(stem).stem}.mpg"))
        words = [line.split()[2] for line in next((roots[0] / "align").rglob(f"{path.stem}.align")).open()]
        references.append(" ".join(word for word in words if word not in ("sil", "sp")))
        frames, cut = lipscribe.Video(path).read(), int(rng.integers(22, 48))
        texts["no cut", True].append(read(model, frames))
        for name, part in ZOOMS.items():
            shown = np.concatenate([frames[:cut], zoomed(frames[cut:], *part)])
            texts[name, True].append(read(model, shown))
            with mock.patch.object(track, "_goes_on", lambda before, after, across_pauses: False):
                texts[name, False].append(read(model, shown))
    for (name, is_joined), found in texts.items():
        print(f"{name:26} {'one run' if is_joined else 'two runs':8}  {wer(references, found):6.1%} of the words wrong")


def read(model: lipscribe.Model, frames: np.ndarray) -> str:
    return " ".join(segment.text for segment in lipscribe.transcribe(frames, model).segments)


def zoomed(frames: np.ndarray, left: float, top: float, width: float) -> np.ndarray:
    """What a part of each frame looks like when it fills the picture."""
    size = frames.shape[2], frames.shape[1]
    matrix = np.array([[1 / width, 0, -left * size[0] / width], [0, 1 / width, -top * size[1] / width]])
    return np.stack([cv2.warpAffine(frame, matrix, size, borderMode=cv2.BORDER_REFLECT_101) for frame in frames])


def measure_looks(roots: list[Path], num_clips: int) -> None:
    """How often two clips of one speaker are not linked, and two of different speakers are."""
    galleries, detector = {}, load_face_detector()
    for folder in (folder for root in roots for folder in sorted((root / "video").iterdir())):
        paths = sorted(folder.iterdir())
        for path in paths[:: max(1, len(paths) // num_clips)][:num_clips]:
            frames = lipscribe.Video(path).read()[::5]
            longest = max(track_faces(frames, 5.0, detector), key=lambda found: int(found.detected.sum()))
            gallery = galleries[folder.name, path.stem] = Gallery()
            for idx in np.flatnonzero(longest.detected):
                gallery.add(signature(frames[longest.start + idx], longest.landmarks[idx]))
    same, different = defaultdict(list), defaultdict(list)
    for (first, gallery), (second, other) in itertools.combinations(galleries.items(), 2):
        num_chosen_on = (first[0] in CHOSEN_ON) + (second[0] in CHOSEN_ON)
        group = ("others", "one of each", "chosen on")[num_chosen_on]
        (same if first[0] == second[0] else different)[group].append(gallery.likeness_to(other))
    for group in different:
        wrong = np.array(different[group])
        linked = (wrong >= SAME_PERSON).mean()
        print(f"{group}: {linked:.1%} of {len(wrong)} pairs of two speakers linked, at most {wrong.max():.2f} alike")
        if group in same:
            right = np.array(same[group])
            missed = (right < SAME_PERSON).mean()
            print(f"{group}: {missed:.1%} of {len(right)} pairs of one speaker not, at least {right.min():.2f} alike")


if __name__ == "__main__":
    main()
