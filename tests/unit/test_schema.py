"""Plain data into dataclasses: every fault is found, and named so that it can be mended."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from lipscribe.errors import ConfigError, ManifestError
from lipscribe.schema import from_dict, to_dict, within, without_unused


@dataclass(frozen=True)
class Part:
    size: int = within(4, 1, 8)
    kind: Literal["flat", "round"] = "flat"
    ratio: float = within(0.5, 0, 1)

    def faults(self) -> list[str]:
        return ["round parts have size 8"] if self.kind == "round" and self.size != 8 else []


@dataclass(frozen=True)
class Whole:
    name: str
    least: int
    part: Part = Part()
    sizes: tuple[int, ...] = within((1, 2), 1)
    pair: tuple[str, float] = ("a", 1.0)
    limit: int | None = within(None, 1)
    on: bool = False
    extra: dict = dataclasses.field(default_factory=dict)


FULL = {
    "name": "w",
    "part": {"size": 8, "kind": "round", "ratio": 0.25},
    "sizes": [3, 4, 5],
    "pair": ["b", 2.0],
    "limit": 7,
    "on": True,
    "extra": {"a": [1]},
    "least": 3,
}


def test_round_trip():
    whole = from_dict(Whole, FULL, "x")
    assert whole.part == Part(8, "round", 0.25)
    assert whole.sizes == (3, 4, 5)
    assert to_dict(whole) == FULL
    assert from_dict(Whole, to_dict(whole), "x") == whole


def test_defaults_fill_what_is_not_given():
    assert from_dict(Whole, {"name": "w", "least": 5}, "x") == Whole("w", 5)


def test_all_faults_are_listed_in_one_line():
    data = {"name": 3, "part": {"size": 9, "knd": "flat"}, "sizes": [1, 0], "least": 3}
    with pytest.raises(ConfigError) as caught:
        from_dict(Whole, data, "file.yaml")
    assert str(caught.value) == (
        "file.yaml: 4 faults: name is 3, wanted text; part.knd is unknown; did you mean kind?; "
        "part.size is 9, wanted 1 to 8; sizes[1] is 0, wanted at least 1"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "colour is unknown; known are name, least, part, sizes"),
        ({"part": [1]}, r"part is \[1\], wanted a mapping with size, kind, ratio"),
        ({"part": {"kind": "square"}}, "part.kind is 'square', wanted one of flat, round"),
        ({"part": {"kind": "round"}}, "part: round parts have size 8"),
        ({"part": {"ratio": float("nan")}}, "part.ratio is nan, wanted 0 to 1"),
        ({"part": {"ratio": "much"}}, "part.ratio is 'much', wanted a number"),
        ({"sizes": 3}, "sizes is 3, wanted a list"),
        ({"pair": ["a"]}, "pair has 1 values, wanted 2"),
        ({"limit": 0}, "limit is 0, wanted at least 1"),
        ({"limit": 1.5}, "limit is 1.5, wanted a whole number"),
        ({"on": 1}, "on is 1, wanted true or false"),
        ({"least": True}, "least is True, wanted a whole number"),
        ({"extra": "a\nb"}, r"extra is 'a\\nb', wanted a mapping"),
    ],
)
def test_each_fault_has_its_words(change: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=f"^x: 1 fault: {message}"):
        from_dict(Whole, FULL | change, "x")


def test_a_missing_field_is_a_fault_and_the_error_is_the_callers():
    with pytest.raises(ManifestError, match=r"^line 3: 1 fault: least is missing$"):
        from_dict(Whole, {"name": "w"}, "line 3", ManifestError)


@dataclass(frozen=True)
class Box:
    side: int = within(2, 1)
    kind: Literal["box", "crate"] = "box"


@dataclass(frozen=True)
class Ball:
    radius: float = within(1.0, 0)
    kind: Literal["ball"] = "ball"

    def __post_init__(self):
        if self.radius == 13:
            raise ConfigError("13 brings no luck")


@dataclass(frozen=True)
class Shelf:
    thing: Box | Ball | None = None


@pytest.mark.parametrize(
    ("thing", "wanted"),
    [
        (None, None),
        ({}, Box()),
        ({"kind": "crate", "side": 3}, Box(3, "crate")),
        ({"kind": "ball", "radius": 2}, Ball(2.0)),
        ({"kind": "ball", "side": 2}, Ball()),  # of another kind, and says nothing
    ],
)
def test_one_of_several_dataclasses_is_told_by_its_tag(thing: Any, wanted: Any):
    shelf = from_dict(Shelf, {"thing": thing}, "x")
    assert shelf.thing == wanted
    assert from_dict(Shelf, to_dict(shelf), "x") == shelf


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (3, "thing is 3, wanted a mapping with kind and what belongs to it"),
        ({"kind": "cone"}, "thing.kind is 'cone', wanted one of box, crate, ball"),
        (
            {"kind": "ball", "side": 3},
            "thing.side is 3, but kind ball has no side: leave it out, or set kind to box or crate",
        ),
        ({"kind": "ball", "raduis": 3}, "thing.raduis is unknown; did you mean radius[?]"),
        ({"kind": "ball", "radius": -1}, "thing.radius is -1.0, wanted at least 0"),
        ({"kind": "ball", "radius": 13}, "thing: 13 brings no luck"),
    ],
)
def test_faults_of_one_of_several(thing: Any, message: str):
    with pytest.raises(ConfigError, match=f"^x: 1 fault: {message}"):
        from_dict(Shelf, {"thing": thing}, "x")


def test_fields_of_another_class_can_be_taken_out_whatever_they_say():
    data = {"thing": {"kind": "ball", "side": 7, "radius": 2, "odd": 1}, "other": 1}
    assert without_unused(Shelf, data) == {"thing": {"kind": "ball", "radius": 2, "odd": 1}, "other": 1}


def test_what_is_no_mapping_at_all():
    with pytest.raises(ConfigError, match="the whole is None, wanted a mapping with size"):
        from_dict(Part, None, "x")


def test_numbers_as_yaml_writes_them():
    assert from_dict(Part, {"ratio": 1}, "x").ratio == 1.0  # a whole number will do for a float
    assert from_dict(Part, {"ratio": "1e-3"}, "x").ratio == 1e-3  # YAML 1.1 reads this as text
