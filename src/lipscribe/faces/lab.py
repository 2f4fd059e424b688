"""CIE L*a*b* of small pictures, in 8 bits as OpenCV has it.

The first call of OpenCV's own conversion makes tables for large pictures, which takes as long as reading half a second
of video. The arithmetic is that of its `RGB2Lab_b`, in integers.
"""

import numpy as np

_LINEAR_BITS, _XYZ_BITS = 3, 12  # after the point
_LAB_BITS = _LINEAR_BITS + _XYZ_BITS

_SRGB = np.arange(256) / 255
_LINEAR = np.where(_SRGB <= 0.04045, _SRGB / 12.92, ((_SRGB + 0.055) / 1.055) ** 2.4)
_LINEAR = np.rint((255 << _LINEAR_BITS) * _LINEAR).astype(np.int64)

_RATIO = np.arange((256 * 3 // 2) << _LINEAR_BITS) / (255 << _LINEAR_BITS)  # of a value to that of white
_ROOT = np.where(_RATIO < 0.008856, _RATIO * 7.787 + 16 / 116, np.cbrt(_RATIO))
_ROOT = np.rint((1 << _LAB_BITS) * _ROOT).astype(np.int64)

_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]],
)
_WHITE = np.array([0.950456, 1.0, 1.088754])  # D65
_XYZ = np.rint((1 << _XYZ_BITS) * _XYZ / _WHITE[:, None]).astype(np.int64)


def rgb_to_lab(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB -> (H, W, 3) int64: L* of 0 to 255 for 0 to 100, a* and b* with 128 for 0."""
    roots = _ROOT[_rounded(_LINEAR[picture] @ _XYZ.T, _XYZ_BITS)]
    x, y, z = roots[..., 0], roots[..., 1], roots[..., 2]
    one = 1 << _LAB_BITS
    lab = np.stack([296 * y - (16 * 255 * one + 50) // 100, 500 * (x - y) + 128 * one, 200 * (y - z) + 128 * one], -1)
    return _rounded(lab, _LAB_BITS).clip(0, 255)


def _rounded(values: np.ndarray, bits: int) -> np.ndarray:
    return (values + (1 << (bits - 1))) >> bits
