"""Whether a picture has changed beside the faces."""

import numpy as np
import pytest

from lipscribe.faces.regions import Region
from lipscribe.faces.surroundings import Surroundings

SIZES = [(288, 360), (1080, 1920), (20, 30)]


def picture(size: tuple[int, int], x: float = 0.0, width: float = 0.0, level: int = 90) -> np.ndarray:
    """Noise, and a square at x (share of the width) that is `width` (share) wide."""
    noise = np.random.default_rng(round(1000 * x)).normal(0, 6, (*size, 3))
    frame = (60 + noise).clip(0, 255).astype(np.uint8)
    left, side = round(x * size[1]), round(width * size[1])
    frame[size[0] // 3 : size[0] // 3 + side, left : left + side] = level
    return frame


@pytest.mark.parametrize("size", SIZES)
def test_the_first_picture_is_new_and_noise_is_not(size: tuple[int, int]) -> None:
    surroundings = Surroundings()
    assert surroundings.changed(picture(size), [])
    assert not surroundings.changed(picture(size, x=0.5), [])


@pytest.mark.parametrize("size", SIZES[:2])
def test_what_is_as_large_as_the_smallest_face_is_noticed(size: tuple[int, int]) -> None:
    """The full-range detector finds faces of a fifteenth of the picture."""
    surroundings = Surroundings()
    surroundings.changed(picture(size), [])
    assert surroundings.changed(picture(size, x=0.6, width=1 / 15), [])
    assert not surroundings.changed(picture(size, x=0.6, width=1 / 15), []), "it was there the last time"
    assert surroundings.changed(picture(size), []), "and is gone"


def test_what_comes_slowly_is_noticed() -> None:
    surroundings = Surroundings()
    surroundings.changed(picture((288, 360)), [])
    assert any(surroundings.changed(picture((288, 360), 0.6, 0.1, level), []) for level in range(60, 110, 4))


def test_the_faces_themselves_may_change() -> None:
    surroundings = Surroundings()
    surroundings.changed(picture((288, 360)), [])
    face = picture((288, 360), x=0.5, width=0.2)
    assert not surroundings.changed(face, [Region(216, 132, 110)])
    assert surroundings.changed(face, [Region(60, 132, 110)])


def test_faces_outside_the_picture_are_no_trouble() -> None:
    surroundings = Surroundings()
    surroundings.changed(picture((288, 360)), [])
    assert not surroundings.changed(picture((288, 360)), [Region(-200, -300, 50), Region(900, 900, 80)])
