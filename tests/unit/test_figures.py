import cv2
import pytest

from lipscribe.figures import DPI, Page, shortened, wrapped


def test_places_are_inches_from_the_top_left(tmp_path):
    page = Page(4, 2)
    page.band(1, 0.5, 2, 1, "#ff0000", rounding=0)
    page.save(tmp_path / "page.png")
    picture = cv2.imread(str(tmp_path / "page.png"))
    assert picture.shape == (2 * DPI, 4 * DPI, 3)
    red = (picture == (0, 0, 255)).all(-1)
    assert red[int(0.6 * DPI) : int(1.4 * DPI), int(1.1 * DPI) : int(2.9 * DPI)].all()
    assert not red[: int(0.4 * DPI)].any()
    assert not red[:, : int(0.9 * DPI)].any()


def test_text_holds_no_commands(tmp_path):
    page = Page(4, 2)
    page.text(1, 1, "$\\frac{1}{$ \N{CJK UNIFIED IDEOGRAPH-5507}")
    page.save(tmp_path / "page.png")
    assert cv2.imread(str(tmp_path / "page.png")).min() < 100


def test_a_folder_that_is_missing_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="missing"):
        Page(1, 1).save(tmp_path / "missing" / "page.png")


def test_shortened_keeps_both_ends():
    assert shortened("clip.mpg", 8) == "clip.mpg"
    text = shortened("/a/very/long/path/to/clip.mpg", 20)
    assert len(text) == 20
    assert text.startswith("/a/")
    assert text.endswith("clip.mpg")


def test_wrapped_text_is_never_no_line():
    assert wrapped("", 10) == [""]
    assert wrapped("one two three", 8, indent="  ") == ["one two", "  three"]
