"""The face landmarks Lipscribe keeps: 91 of the 468 points of MediaPipe's face mesh.

"Right" and "left" are the person's own. Keeping 91 points makes an hour of landmarks 65 MB instead of 337 MB.
"""

import numpy as np

MESH_RIGHT_EYE = (33, 133, 159, 145)  # outer corner, inner corner, upper lid, lower lid
MESH_LEFT_EYE = (263, 362, 386, 374)
MESH_NOSE = (168, 6, 197, 1, 2, 98, 327)  # bridge (3), tip, base, right and left nostril
# The two rings of the lips start at the right corner and run over the upper lip to the left corner and back below.
MESH_LIPS_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
MESH_LIPS_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
# The outline of the face, from the top of the forehead down its left side, round the chin and up again.
MESH_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
MESH_INDICES = np.array(MESH_RIGHT_EYE + MESH_LEFT_EYE + MESH_NOSE + MESH_LIPS_OUTER + MESH_LIPS_INNER + MESH_OVAL)
NUM_LANDMARKS = len(MESH_INDICES)
assert NUM_LANDMARKS == 91

RIGHT_EYE = slice(0, 4)
LEFT_EYE = slice(4, 8)
NOSE = slice(8, 15)
LIPS_OUTER = slice(15, 35)
LIPS_INNER = slice(35, 55)
OVAL = slice(55, 91)


def _at(mesh_index: int) -> int:
    return int(np.flatnonzero(mesh_index == MESH_INDICES)[0])


RIGHT_EYE_OUTER, RIGHT_EYE_INNER = _at(33), _at(133)
LEFT_EYE_OUTER, LEFT_EYE_INNER = _at(263), _at(362)
NOSE_BRIDGE, NOSE_TIP, NOSE_BASE, NOSTRIL_RIGHT, NOSTRIL_LEFT = _at(168), _at(1), _at(2), _at(98), _at(327)
MOUTH_RIGHT, MOUTH_LEFT = _at(61), _at(291)
LIP_INNER_TOP, LIP_INNER_BOTTOM = _at(13), _at(14)
EYE_CORNERS_RIGHT = [RIGHT_EYE_OUTER, RIGHT_EYE_INNER]
EYE_CORNERS_LEFT = [LEFT_EYE_OUTER, LEFT_EYE_INNER]
EYE_CORNERS = [*EYE_CORNERS_RIGHT, *EYE_CORNERS_LEFT]


def eye_distance(landmarks: np.ndarray) -> np.ndarray:
    """Distance between the eyes' centres in pixels: (..., L, 2) float -> (...) float."""
    right = landmarks[..., EYE_CORNERS_RIGHT, :].mean(-2)
    left = landmarks[..., EYE_CORNERS_LEFT, :].mean(-2)
    return np.linalg.norm(left - right, axis=-1)


def mouth_width(landmarks: np.ndarray) -> np.ndarray:
    """Distance between the corners of the mouth in pixels: (..., L, 2) float -> (...) float."""
    return np.linalg.norm(landmarks[..., MOUTH_LEFT, :] - landmarks[..., MOUTH_RIGHT, :], axis=-1)


def mouth_opening(landmarks: np.ndarray) -> np.ndarray:
    """Gap between the inner lips, in units of the eye distance: (..., L, 2) float -> (...) float."""
    gap = np.linalg.norm(landmarks[..., LIP_INNER_TOP, :] - landmarks[..., LIP_INNER_BOTTOM, :], axis=-1)
    return gap / eye_distance(landmarks)


def roll_deg(landmarks: np.ndarray) -> np.ndarray:
    """How far a head is tilted: (..., L, 2) float px -> (...) float degrees clockwise in the picture, -180 to 180."""
    across = landmarks[..., EYE_CORNERS_LEFT, :].mean(-2) - landmarks[..., EYE_CORNERS_RIGHT, :].mean(-2)
    return np.degrees(np.arctan2(across[..., 1], across[..., 0]))
