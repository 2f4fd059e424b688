"""The golden landmarks of tests/unit/faces/test_golden.py: what MediaPipe itself finds in a video of ours.

    python tools/mediapipe_golden.py video                # draws tests/golden/faces.mp4: talkers, 20 frames each
    python tools/mediapipe_golden.py landmarks            # writes tests/golden/faces.npz

The second command needs MediaPipe 0.10.21, which wants numpy 1 and Python 3.12 at most: run it in an environment of its
own, `python3.11 -m venv mp && mp/bin/pip install mediapipe==0.10.21 av && PYTHONPATH=src mp/bin/python tools/...`.
"""

import sys
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
FRAMES_EACH = 20


def main() -> None:
    commands = {"video": draw_video, "landmarks": find_landmarks}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    GOLDEN.mkdir(exist_ok=True)
    commands[sys.argv[1]]()


def draw_video() -> None:
    import cv2

    from lipscribe.talker import Talker
    from lipscribe.video import save_video

    def moved(matrix: np.ndarray):
        return lambda frame: cv2.warpAffine(frame, matrix, (360, 288), flags=cv2.INTER_AREA, borderValue=(70, 70, 75))

    changes = [
        lambda frame: frame,
        moved(cv2.getRotationMatrix2D((180, 150), 40, 1)),
        lambda frame: (frame * 0.3).astype(np.uint8),
        lambda frame: cv2.GaussianBlur(frame, (0, 0), 2),
        moved(np.array([[0.5, 0, 150], [0, 0.5, 100]])),
        moved(np.array([[1.0, 0, -110], [0, 1, 0]])),
    ]
    scenes = [{"width": 360, "height": 288}] * len(changes) + [{"width": 360, "height": 288, "yaw_deg": 30}]
    frames = []
    for seed, (scene, change) in enumerate(zip(scenes, [*changes, changes[0]], strict=True)):
        clip = Talker(seed).say("place red", take=seed, scene=scene)
        frames += [np.ascontiguousarray(change(frame)) for frame in clip.frames[5 : 5 + FRAMES_EACH]]
    save_video(GOLDEN / "faces.mp4", frames, 25.0)


def find_landmarks() -> None:
    from mediapipe.python.solutions.face_mesh import FaceMesh

    from lipscribe.faces.landmarks import MESH_INDICES
    from lipscribe.video import Video

    frames = Video(GOLDEN / "faces.mp4").read()
    height, width = frames.shape[1:3]
    found = np.empty((len(frames), len(MESH_INDICES), 2), np.float32)
    for start in range(0, len(frames), FRAMES_EACH):
        mesh = FaceMesh(static_image_mode=False, max_num_faces=1, refine_landmarks=False)
        for t in range(start, start + FRAMES_EACH):
            points = mesh.process(frames[t]).multi_face_landmarks[0].landmark
            found[t] = [(points[i].x * width, points[i].y * height) for i in MESH_INDICES.tolist()]
        mesh.close()
    np.savez_compressed(GOLDEN / "faces.npz", landmarks=found)


if __name__ == "__main__":
    main()
