"""Faces hold together: hair sits on the head, ears show or are covered, and the mouth has no part in it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from lipscribe.talker import Talker
from lipscribe.talker.face import LEFT, TOP, Face
from lipscribe.talker.person import HAIR_STYLES, Person

SCALE = 40.0  # px an eye distance
PEOPLE = [Talker(seed).person for seed in range(8)]


def places(face: Face) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of the canvas is: x and y in eye distances."""
    rows, columns = face.height.shape
    return np.meshgrid((np.arange(columns) + 0.5) / SCALE + LEFT, (np.arange(rows) + 0.5) / SCALE + TOP)


def ears(face: Face, person: Person) -> np.ndarray:
    """(H, W) bool: the middle of both ears, beside the face."""
    x, y = places(face)
    return (abs(abs(x) - 1.06 * person.face_width) < 0.03) & (abs(y - 0.22) < 0.1)


@pytest.mark.parametrize("style", HAIR_STYLES)
@pytest.mark.parametrize("person", PEOPLE, ids=range(len(PEOPLE)))
def test_head_and_hair_are_one_piece(person: Person, style: str):
    alpha = Face(replace(person, hair_style=style), SCALE).head[0, :, :, 3]
    num_pieces, _ = cv2.connectedComponents((alpha > 8).astype(np.uint8))
    assert num_pieces - 1 == 1  # label 0 is the background
    num_holes, _ = cv2.connectedComponents((alpha <= 8).astype(np.uint8))
    assert num_holes - 1 <= 3  # outside and, under long hair, both sides of the neck


@pytest.mark.parametrize("style", ["short", "parted", "fringe"])
def test_short_hair_leaves_both_ears_free(style: str):
    for person in PEOPLE:
        bald, haired = (Face(replace(person, hair_style=kind), SCALE) for kind in ("bald", style))
        where = ears(bald, person)
        assert bald.head[0, where, 3].min() > 240
        assert np.array_equal(haired.head[:, where], bald.head[:, where])
        assert np.array_equal(haired.head[..., 3][:, where], haired.head[:, :, ::-1, 3][:, where])  # the same shape


def test_long_hair_covers_both_ears():
    for person in PEOPLE:
        person = replace(person, hair_style="long")
        pale, green = (Face(replace(person, skin=skin), SCALE) for skin in ((240, 210, 190), (0, 255, 0)))
        where = ears(pale, person)
        assert pale.head[0, where, 3].min() > 240
        assert np.abs(pale.head[:, where].astype(int) - green.head[:, where]).max() < 8  # no skin shines through


def test_hair_stays_out_of_the_mouth_crop():
    for person in PEOPLE:
        faces = [Face(replace(person, hair_style=style), SCALE) for style in HAIR_STYLES]
        x, y = places(faces[0])
        crop = (abs(x) < 0.7) & (abs(y - person.mouth_y) < 0.8)
        for face in faces[1:]:
            assert np.array_equal(face.head[:, crop], faces[0].head[:, crop])  # models read up to 0.6 to a side


def test_softer_light_takes_shading_off_the_face_and_leaves_it_as_bright():
    hard, half, soft = (Face(PEOPLE[0], SCALE, softness=softness) for softness in (0.0, 0.5, 1.0))
    x, y = places(hard)
    lower_face = (abs(x) < 0.5) & (y > 0.6) & (y < 1.2)
    spreads = [face.shade[lower_face].std() for face in (hard, half, soft)]
    assert spreads[1] == pytest.approx(0.5 * spreads[0], rel=0.01)
    assert spreads[2] < 1e-6
    assert soft.mouth_shade == pytest.approx(hard.mouth_shade, rel=0.01)
    assert np.array_equal(hard.head, Face(PEOPLE[0], SCALE).head)
