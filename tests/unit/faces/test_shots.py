"""Cuts: found where the picture becomes another one, and nowhere else."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from lipscribe.faces.shots import REACH, mark_cuts

SIZE = (144, 180)
RNG = np.random.default_rng(0)


def scene(seed: int, patches: int = 6) -> np.ndarray:
    colours = np.random.default_rng(seed).integers(30, 230, (patches, patches, 3)).astype(np.uint8)
    return cv2.resize(colours, SIZE[::-1], interpolation=cv2.INTER_CUBIC)


def shown(picture: np.ndarray, num_frames: int, noise: float = 3.0) -> list[np.ndarray]:
    """The picture as a camera would see it for some frames."""
    noisy = picture + RNG.normal(0, noise, (num_frames, *picture.shape))
    return list(noisy.clip(0, 255).astype(np.uint8))


def moved(picture: np.ndarray, dx: float, dy: float = 0.0) -> np.ndarray:
    transform = np.float64([[1, 0, dx], [0, 1, dy]])
    return cv2.warpAffine(picture, transform, SIZE[::-1], borderMode=cv2.BORDER_REFLECT)


def cuts(frames: list[np.ndarray]) -> list[int]:
    return [idx for idx, (_, is_cut) in enumerate(mark_cuts(frames)) if is_cut]


def with_head(picture: np.ndarray, colour: tuple[int, int, int], x: float = 90) -> np.ndarray:
    picture = picture.copy()
    cv2.ellipse(picture, (round(x), 80), (30, 42), 0, 0, 360, colour, -1)
    return cv2.GaussianBlur(picture, (0, 0), 2)


def test_frames_come_out_as_they_went_in() -> None:
    frames = shown(scene(0), 7) + shown(scene(1), 5)
    out = [frame for frame, _ in mark_cuts(frames)]
    assert len(out) == 12
    assert all(a is b for a, b in zip(frames, out, strict=True))


@pytest.mark.parametrize("num_frames", [0, 1, REACH, REACH + 1])
def test_short_videos_are_one_shot(num_frames: int) -> None:
    frames = shown(scene(0), num_frames)
    assert [is_cut for _, is_cut in mark_cuts(frames)] == [False] * num_frames


def test_only_a_few_frames_are_held() -> None:
    taken = 0

    def frames() -> Iterator[np.ndarray]:
        nonlocal taken
        for frame in shown(scene(0), 20):
            taken += 1
            yield frame

    for idx, _ in enumerate(mark_cuts(frames())):
        assert taken <= idx + REACH + 1


def test_finds_cuts() -> None:
    frames = shown(scene(0), 10) + shown(scene(1), 9) + shown(scene(2), 8) + shown(scene(0), 10)
    assert cuts(frames) == [10, 19, 27]


def test_finds_the_cut_after_a_stretch_of_two_frames() -> None:
    assert cuts(shown(scene(0), 10) + shown(scene(1), 2) + shown(scene(2), 10)) == [10, 12]


def test_finds_a_cut_to_another_person_in_the_same_place() -> None:
    studio = np.full((*SIZE, 3), (90, 170, 200), np.uint8)
    frames = shown(with_head(studio, (220, 180, 150)), 10) + shown(with_head(studio, (120, 70, 40)), 10)
    assert cuts(frames) == [10]


def test_finds_a_cut_while_the_camera_pans() -> None:
    frames = [moved(scene(idx // 10), dx=2 * idx) for idx in range(20)]
    assert cuts(frames) == [10]


def test_finds_the_cut_over_black() -> None:
    black = np.zeros((*SIZE, 3), np.uint8)
    assert cuts(shown(scene(0), 10) + shown(black, 6, noise=1) + shown(scene(1), 10)) == [16]


@pytest.mark.parametrize("missing", [1, 5, 30])
def test_a_black_stretch_is_no_cut(missing: int) -> None:
    black = np.zeros((*SIZE, 3), np.uint8)
    assert cuts(shown(black, 4) + shown(scene(0), 10) + shown(black, missing) + shown(scene(0), 10)) == []


@pytest.mark.parametrize("num_frames", [1, 5])
def test_a_flash_is_no_cut(num_frames: int) -> None:
    flash = (scene(0).astype(int) * 3 + 60).clip(0, 255).astype(np.uint8)
    assert cuts(shown(scene(0), 10) + shown(flash, num_frames) + shown(scene(0), 10)) == []


def test_a_damaged_frame_is_no_cut() -> None:
    assert cuts(shown(scene(0), 10) + shown(scene(5), 1) + shown(scene(0), 10)) == []


def test_exposure_is_no_cut() -> None:
    frames = shown(scene(0), 10) + shown(scene(0) // 2, 10)
    frames += [(scene(0) * gain).astype(np.uint8) for gain in np.linspace(0.5, 1, 10)]
    assert cuts(frames) == []


def test_noise_is_no_cut() -> None:
    assert cuts(shown(scene(0), 20, noise=25)) == []


@pytest.mark.parametrize("repeat", [1, 3])
def test_a_moving_head_is_no_cut(repeat: int) -> None:
    """Repeated frames, as a slow source has them, move in jerks."""
    xs = 90 + 40 * np.sin(np.arange(40) // repeat * repeat / 8)
    assert cuts([with_head(scene(0), (220, 180, 150), x) for x in xs]) == []


@pytest.mark.parametrize("repeat", [1, 2, 3])
def test_a_moving_camera_is_no_cut(repeat: int) -> None:
    start = [moved(scene(0), dx=6.0 * max(0, idx // repeat * repeat - 10)) for idx in range(30)]
    shake = [moved(scene(0), *RNG.uniform(-6, 6, 2)) for _ in range(20)]
    assert cuts(start) == []
    assert cuts(shake) == []


def test_nothing_in_the_picture_is_no_cut() -> None:
    grey = np.full((*SIZE, 3), 128, np.uint8)
    assert cuts(shown(grey, 10, noise=1) + shown(grey // 4, 10, noise=1)) == []
