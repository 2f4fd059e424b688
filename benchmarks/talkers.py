"""The synthetic talkers as a face tracker sees them, and how fast they are drawn: `python benchmarks/talkers.py`."""

import argparse
import statistics
import time

import cv2
import numpy as np

from lipscribe.faces import load_face_detector
from lipscribe.faces.landmarks import mouth_opening
from lipscribe.talker import Talker
from lipscribe.talker.lips import mouth_gaps
from lipscribe.talker.natural_lips import natural_gaps

TEXT = "place red at v seven please. bring some money home"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--manner", default="clear", help="clear, natural or careful")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    detector = load_face_detector()
    found = total = 0
    correlations, rates = [], []
    pooled: list[tuple[np.ndarray, np.ndarray]] = []
    for seed in range(args.seeds):
        clip = Talker(seed, manner=args.manner).say(TEXT, take=seed, scene={"width": 360, "height": 288})
        started = time.perf_counter()
        frames = clip.frames
        rates.append(len(frames) / (time.perf_counter() - started))
        detector.reset()
        faces = [detector.detect(frame) for frame in frames]
        seen = np.array([len(face) > 0 for face in faces])
        found, total = found + int(seen.sum()), total + len(seen)
        detected = np.array([mouth_opening(face[0]) for face in faces if face])
        does = clip.performances[0]
        gaps = natural_gaps(does.person, does.looks, does.controls) if does.looks else None
        drawn = (mouth_gaps(does.person, does.controls) if gaps is None else gaps)[seen]
        correlations.append(float(np.corrcoef(drawn, detected)[0, 1]))
        pooled.append((drawn, detected))
    drawn, detected = (np.concatenate(part) for part in zip(*pooled, strict=True))
    print(f"{args.seeds} people, {total} frames of 360x288: face found in {found / total:.2%}")
    print(f"drawn and detected opening: correlation over all frames {np.corrcoef(drawn, detected)[0, 1]:.3f}")
    print(f"  a person at a time: median {statistics.median(correlations):.3f}, least {min(correlations):.3f}")
    print(f"drawn at {statistics.median(rates):.0f} frames a second ({min(rates):.0f} to {max(rates):.0f}), one core")


if __name__ == "__main__":
    main()
