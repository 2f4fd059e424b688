"""What hostile JSON is, and how every error stays one line."""

import pytest

from lipscribe.errors import MAX_MESSAGE, LipscribeError
from lipscribe.plain_data import MAX_DEPTH, count_nodes, parse_json


@pytest.mark.parametrize("depth", [102, 50_000])
@pytest.mark.parametrize("opening, closing", [("[", "]"), ('{"a":', "}")], ids=["list", "mapping"])
def test_what_is_nested_too_deeply_is_refused(depth: int, opening: str, closing: str):
    text = opening * depth + "1" + closing * depth
    with pytest.raises(ValueError, match=f"nested more than {MAX_DEPTH} deep"):
        parse_json(text)


def test_plain_json_is_read():
    assert parse_json(b'{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}
    assert parse_json("[" * 100 + "]" * 100)
    assert len(parse_json("[" + "[]," * 500 + "[]]")) == 501


def test_what_refers_to_itself_again_and_again_is_counted_in_full():
    bomb: list = ["x"] * 9
    for _ in range(9):
        bomb = [bomb] * 9
    with pytest.raises(ValueError, match="more than 1000 values"):
        count_nodes(bomb, 1000)
    loop: list = []
    loop.append(loop)
    with pytest.raises(ValueError, match="nested"):
        count_nodes(loop)
    assert count_nodes({"a": [1, 2]}) == 4


def test_an_error_is_one_line_of_bounded_length_without_terminal_codes():
    message = str(LipscribeError("x.srt: '\x1b[2J\x9b' is\r\nno time\x00"))
    assert message == "x.srt: '\\x1b[2J\\x9b' is no time\\x00"
    message = str(LipscribeError("a" * 10_000 + ": give another"))
    assert len(message) <= MAX_MESSAGE and message.startswith("aaa") and message.endswith(": give another")
    assert str(LipscribeError("naïve 日本 ok")) == "naïve 日本 ok"
