"""Frames that callers hand over: converted where they can mean one thing, else refused in one line with a remedy."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from lipscribe.errors import ConfigError
from lipscribe.faces import FaceTrack, track_faces
from lipscribe.faces.landmarks import NUM_LANDMARKS
from lipscribe.mouth import crop_mouth
from lipscribe.video.frames import check_frames

RGB = np.random.default_rng(0).integers(0, 256, (3, 6, 8, 3), dtype=np.uint8)
GREY = RGB[..., 0]
GREY_AS_RGB = np.stack([GREY] * 3, -1)
RGBA = np.concatenate([RGB, np.full((3, 6, 8, 1), 255, np.uint8)], -1)


class Image:
    """What numpy can read without being an array, as Pillow's images."""

    def __init__(self, pixels: np.ndarray):
        self.pixels = pixels

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        return self.pixels


class Pillow:
    """As Pillow's images since 11.3, which no longer have `__array__`."""

    def __init__(self, pixels: np.ndarray):
        self.__array_interface__ = pixels.__array_interface__


class Reader:
    """Frames that can be read again, as `Video`."""

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(RGBA)


def object_array(pictures: list[np.ndarray]) -> np.ndarray:
    array = np.empty(len(pictures), object)
    array[:] = pictures
    return array


@pytest.mark.parametrize(
    ("frames", "right"),
    [
        (RGB, RGB),
        (RGBA, RGB),
        (GREY, GREY_AS_RGB),
        (GREY[..., None], GREY_AS_RGB),
        (torch.from_numpy(RGB), RGB),
        (torch.from_numpy(RGBA), RGB),
        (list(torch.from_numpy(RGB)), RGB),
        (list(GREY), GREY_AS_RGB),
        (tuple(RGBA), RGB),
        ([Image(picture) for picture in RGB], RGB),
        ([Pillow(picture) for picture in RGB], RGB),
        (object_array(list(RGB)), RGB),
        (Reader(), RGB),
    ],
    ids=[
        *("rgb", "rgba", "grey", "one-channel", "tensor", "rgba-tensor", "tensors", "greys"),
        *("tuple", "images", "pillow", "objects", "reader"),
    ],
)
def test_what_can_mean_one_thing_is_converted_each_time_it_is_read(frames: object, right: np.ndarray):
    checked = check_frames(frames)
    for _ in range(2):
        got = list(checked)
        np.testing.assert_array_equal(got, right)
        assert all(frame.dtype == np.uint8 and frame.flags.c_contiguous for frame in got)


def test_good_frames_are_not_copied():
    assert check_frames(RGB) is RGB
    assert next(iter(check_frames(list(RGB)))).base is RGB


def test_an_iterator_stays_one_and_is_checked_as_it_is_read():
    checked = check_frames(iter([RGBA[0], RGBA[1], RGBA[2].astype(float)]))
    assert iter(checked) is checked
    np.testing.assert_array_equal([next(checked), next(checked)], RGB[:2])
    with pytest.raises(ConfigError, match=r"^frame 2 is \(6, 8, 4\) float64: want uint8"):
        next(checked)


@pytest.mark.parametrize(
    "empty", [[], np.zeros((0, 6, 8, 3), np.uint8), np.array([]), torch.zeros(0, dtype=torch.uint8)]
)
def test_no_frames_are_frames(empty: object):
    assert list(check_frames(empty)) == []


BAD = {
    "float": (RGB / 255, r"^frames are \(3, 6, 8, 3\) float64: want uint8.*255 \* frames"),
    "float32 tensor": (torch.from_numpy(RGB).float(), r"float32: want uint8.*255 \* frames"),
    "bfloat16": (torch.from_numpy(RGB).bfloat16(), "bfloat16: want uint8"),
    "uint16": (RGB.astype(np.uint16), r"uint16: want uint8.*// 257"),
    "int64": (RGB.astype(np.int64), r"int64: want uint8.*astype\('uint8'\)"),
    "bool": (RGB > 9, "bool: want uint8"),
    "channels first": (RGB.transpose(0, 3, 1, 2), r"\(3, 3, 6, 8\).*moveaxis\(\.\.\., -3, -1\)"),
    "channels first, torch": (torch.from_numpy(RGB).permute(0, 3, 1, 2), "moveaxis"),
    "two channels": (RGB[..., :2], r"\(3, 6, 8, 2\).*convert them to RGB"),
    "no pixels": (np.zeros((3, 0, 0, 3), np.uint8), r"\(3, 0, 0, 3\), without pixels"),
    "one picture": (RGB[0], r"\(6, 8, 3\), which is one picture.*frames\[None\]"),
    "batch": (RGB[None], r"\(1, 3, 6, 8, 3\), 5 dimensions"),
    "a row": (RGB[0, 0, 0], r"\(3,\), 1 dimensions"),
    "sizes": ([RGB[0], RGB[1], RGB[2][:4]], "^frame 2 is 8x4 px, those before it 8x6: want one size"),
    "sizes, objects": (object_array([RGB[0], RGB[1][:, :5]]), "^frame 1 is 5x6 px, those before it 8x6"),
    "mixed": ([RGB[0], RGB[1] / 255], r"^frame 1 is \(6, 8, 3\) float64"),
    "nested lists": (RGB.tolist(), "^frame 0 is a list: want"),
    "none inside": ([RGB[0], None], "^frame 1 is a NoneType: want"),
    "path": ("clip.mp4", r"^frames are the path 'clip\.mp4'.*Video\(path\)"),
    "Path": (Path("clip.mp4"), r"path 'clip\.mp4'"),
    "number": (5, "^frames are a int: want"),
    "None": (None, "^frames are a NoneType: want"),
    "numpy number": (np.float32(5), "^frames are a float32: want"),
    "0-d": (np.array(5), "single value"),
    "dict": ({0: RGB[0]}, "^frames are a dict: want"),
}


@pytest.mark.parametrize(("frames", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_frames_is_refused_before_any_is_read(frames: object, message: str):
    with pytest.raises(ConfigError, match=message) as refused:
        check_frames(frames)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("frames", "message"), BAD.values(), ids=BAD)
def test_tracking_and_cropping_refuse_them_too(frames: object, message: str):
    track = FaceTrack(0, 0, 0, np.ones((3, NUM_LANDMARKS, 2), np.float32), 25.0)
    for use in (lambda: track_faces(frames, detector=NeverAsked()), lambda: crop_mouth(frames, track)):
        with pytest.raises(ConfigError, match=message):
            use()


class NeverAsked:
    """A detector of faces that finds none."""

    def detect(self, frame: np.ndarray) -> list[np.ndarray]:
        return []

    def reset(self) -> None:
        pass
