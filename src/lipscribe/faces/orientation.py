"""Pictures that are upside down or on their side, without a word about it in the file."""

from collections.abc import Sequence

import numpy as np

from lipscribe.faces.landmarks import roll_deg
from lipscribe.faces.track import FaceTrack

ON_SIDE_DEG, UPSIDE_DOWN_DEG = 60.0, 135.0  # a head may be tilted by less than the first


def orientation_warnings(tracks: Sequence[FaceTrack]) -> list[str]:
    """What to tell a user of faces that are upside down or on their side, a line for each way; crops are upright."""
    rolls = [float(np.median(np.abs(roll_deg(track.landmarks[track.detected])))) for track in tracks]
    ways = {
        "on its side": [roll for roll in rolls if ON_SIDE_DEG <= roll <= UPSIDE_DOWN_DEG],
        "upside down": [roll for roll in rolls if roll > UPSIDE_DOWN_DEG],
    }
    whose = "the face" if len(tracks) == 1 else "a face"
    return [
        f"{whose} is {how} in the picture ({np.median(those):.0f} degrees): it was read the right way up"
        for how, those in ways.items()
        if those
    ]
