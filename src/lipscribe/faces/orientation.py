"""Pictures that are upside down or on their side, without a word about it in the file."""

from collections.abc import Sequence

import numpy as np

from lipscribe.faces.landmarks import roll_deg
from lipscribe.faces.track import FaceTrack

ON_SIDE_DEG, UPSIDE_DOWN_DEG = 60.0, 135.0  # a head may be tilted by less than the first


def orientation_warnings(tracks: Sequence[FaceTrack]) -> list[str]:
    """What to tell a user if most of what was read of these faces is upside down or on its side; crops are upright."""
    rolls = np.concatenate([np.abs(roll_deg(track.landmarks[track.detected])) for track in tracks]) if tracks else []
    if not len(rolls):
        return []
    roll = float(np.median(rolls))
    if roll < ON_SIDE_DEG:
        return []
    how = "upside down" if roll > UPSIDE_DOWN_DEG else "on its side"
    return [f"the face is {how} in the picture ({roll:.0f} degrees): it was read the right way up"]
