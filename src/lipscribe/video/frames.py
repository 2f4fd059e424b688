"""The door for frames that a caller hands over: made (H, W, 3) uint8 RGB where that is unambiguous, else refused."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from lipscribe.errors import ConfigError

WANTED = "want (T, H, W, 3) uint8 RGB"


def check_frames(frames: Any) -> Iterable[np.ndarray]:
    """Checks frames, and converts those that can mean one thing only.

    Grey pictures (H, W) or (H, W, 1) become RGB, RGBA pictures lose their alpha, and torch tensors and whatever else
    offers `__array__` (Pillow's images) become arrays, picture by picture as they are asked for. Arrays, tensors and
    sequences are checked at once, other iterables as they are read.

    Args:
        frames: (T, H, W, 3) uint8 RGB, an array like it, or an iterable of pictures.

    Returns:
        Frames (H, W, 3) uint8 RGB of one size. An array of this kind is returned as it is; an iterator gives an
        iterator; all else can be iterated over as often as `frames` can.

    Raises:
        ConfigError: They are no frames, or of another type, shape or several sizes; the message says what to do.
    """
    if isinstance(frames, str | bytes | os.PathLike):
        raise ConfigError(f"frames are the path {os.fspath(frames)!r}: {WANTED}, as Video(path) gives")
    if _is_array(frames):
        return _check_array(_to_numpy(frames, "frames"))
    if not isinstance(frames, Iterable) or isinstance(frames, dict):
        raise ConfigError(f"frames are a {type(frames).__name__}: {WANTED}, or an iterable of such pictures")
    if isinstance(frames, Iterator):
        return _read(frames)
    if isinstance(frames, list | tuple):
        for _ in _read(frames, convert=False):
            pass
    return _Checked(frames)


class _Checked:
    """Frames that are checked and converted each time they are read."""

    def __init__(self, frames: Iterable[Any]):
        self._frames = frames

    def __iter__(self) -> Iterator[np.ndarray]:
        return _read(self._frames)


def _check_array(array: np.ndarray) -> Iterable[np.ndarray]:
    if array.dtype == object:  # pictures of several sizes, or stored one by one
        return check_frames(list(array))
    if not len(array):
        return []
    if array.ndim == 3 and array.shape[-1] in (3, 4):
        raise ConfigError(f"frames are {array.shape}, which is one picture: {WANTED}; give frames[None]")
    if array.ndim not in (3, 4):
        raise ConfigError(f"frames are {array.shape}, {array.ndim} dimensions: {WANTED}")
    _check_picture(array[0], "frames are", array.shape)
    return array if array.ndim == 4 and array.shape[-1] == 3 else _Checked(array)


def _read(frames: Iterable[Any], convert: bool = True) -> Iterator[np.ndarray]:
    size = None
    for frame_idx, frame in enumerate(frames):
        if not _is_array(frame):
            raise ConfigError(f"frame {frame_idx} is a {type(frame).__name__}: want (H, W, 3) uint8 RGB")
        picture = _to_numpy(frame, f"frame {frame_idx}")
        _check_picture(picture, f"frame {frame_idx} is", picture.shape)
        size = size or picture.shape[:2]
        if picture.shape[:2] != size:
            (height, width), (first_height, first_width) = picture.shape[:2], size
            raise ConfigError(
                f"frame {frame_idx} is {width}x{height} px, those before it {first_width}x{first_height}: want one "
                "size; resize them, or transcribe each part by itself"
            )
        yield _to_rgb(picture) if convert else picture


def _is_array(value: Any) -> bool:
    offers = hasattr(value, "__array__") or hasattr(value, "__array_interface__")  # Pillow's images the second alone
    return offers and not isinstance(value, np.generic)


def _to_numpy(value: Any, name: str) -> np.ndarray:
    """An array as it is, a torch tensor on any device, or what numpy takes for an array."""
    if hasattr(value, "detach"):
        if not str(value.dtype).endswith(".uint8"):  # numpy lacks some of torch's types
            raise ConfigError(_wrong_dtype(f"{name} are" if name == "frames" else f"{name} is", value.dtype))
        value = value.detach().cpu().numpy()
    array = np.asarray(value)
    if not array.ndim:
        raise ConfigError(f"{name} is a single value: {WANTED}")
    return array


def _check_picture(picture: np.ndarray, what: str, shape: tuple[int, ...]) -> None:
    """Raises a ConfigError unless a picture is (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8 with pixels in it."""
    if picture.dtype != np.uint8:
        raise ConfigError(_wrong_dtype(f"{what} {shape}", picture.dtype))
    wanted = WANTED if what.startswith("frames") else "want (H, W, 3) uint8 RGB"
    if picture.ndim not in (2, 3):
        raise ConfigError(f"{what} {shape}: {wanted}")
    if picture.ndim == 3 and picture.shape[-1] not in (1, 3, 4):
        channels_first = picture.shape[0] in (1, 3, 4)
        remedy = "move the channels last with numpy.moveaxis(..., -3, -1)" if channels_first else "convert them to RGB"
        raise ConfigError(f"{what} {shape}: {wanted}; {remedy}")
    if 0 in picture.shape[:2]:
        raise ConfigError(f"{what} {shape}, without pixels: {wanted}")


def _wrong_dtype(what: str, dtype: Any) -> str:
    name = str(dtype).removeprefix("torch.")
    scales = {"float": "(255 * frames).astype('uint8') if they are 0 to 1", "uint16": "(frames // 257).astype('uint8')"}
    remedy = next((how for kind, how in scales.items() if kind in name), "bring them to 0 to 255, then astype('uint8')")
    return f"{what} {name}: want uint8, 0 to 255; convert them, {remedy}"


def _to_rgb(picture: np.ndarray) -> np.ndarray:
    """(H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8 -> (H, W, 3), the same array where it is RGB already."""
    if picture.ndim == 3 and picture.shape[-1] == 3:
        return picture
    if picture.ndim == 3 and picture.shape[-1] == 4:
        return np.ascontiguousarray(picture[..., :3])
    return np.repeat(picture.reshape(*picture.shape[:2], 1), 3, axis=2)
