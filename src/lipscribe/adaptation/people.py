"""Whether recordings are of one person, by how their faces look."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

# Likeness of faces. In GRID, of two people's clips 99 of 100 are less alike, and each clip of a person is more alike to
# some other of the same. Within a video `faces.identity` asks for more: there the light is one.
SAME_PERSON = 0.75


class Seen(Protocol):
    """A recording by how its face looks."""

    @property
    def looks(self) -> np.ndarray:
        """(N, D) float32, signatures of N frames (see `faces.identity.signature`)."""
        ...


AnySeen = TypeVar("AnySeen", bound=Seen)


def people_in(recordings: Sequence[AnySeen], likeness: float = SAME_PERSON) -> list[list[AnySeen]]:
    """Groups recordings by person, the largest group first.

    Two recordings are of one person if they look alike, or if both look like a third: light and distance change from
    day to day, but rarely between all of somebody's recordings.

    Args:
        likeness: Of two faces, from which on they are one person's.
    """
    groups: list[list[AnySeen]] = []
    for recording in recordings:
        same = [group for group in groups if any(likeness_of(recording, other) >= likeness for other in group)]
        joined = [each for group in same for each in group] + [recording]
        groups = [group for group in groups if group not in same] + [joined]
    return sorted(groups, key=len, reverse=True)


def likeness_of(one: Seen, other: Seen) -> float:
    """Likeness of the two looks that are most alike: -1 to 1."""
    return float((one.looks @ other.looks.T).max()) if len(one.looks) and len(other.looks) else -1.0
