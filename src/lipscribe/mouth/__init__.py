"""Frames and landmarks -> mouth crops (T, 96, 96) uint8 grey, of the kind that a model was trained on.

"lipscribe" is our own (`upright`); "auto-avsr" is that of the published Auto-AVSR models (`mean_face`).
"""

from lipscribe.mouth.cropping import (
    CropKind,
    check_crops,
    crop_mouth,
    crop_transforms,
    crop_warnings,
    mouth_cutter,
    stream_all_crops,
    stream_crops,
)
from lipscribe.mouth.sampling import CROP_SIZE
from lipscribe.mouth.upright import REFERENCE_FACE, STABLE_POINTS, alignment, rotation_and_scale, warp_mouth

__all__ = [
    "CROP_SIZE",
    "REFERENCE_FACE",
    "STABLE_POINTS",
    "CropKind",
    "alignment",
    "check_crops",
    "crop_mouth",
    "crop_transforms",
    "crop_warnings",
    "mouth_cutter",
    "rotation_and_scale",
    "stream_all_crops",
    "stream_crops",
    "warp_mouth",
]
