"""What results are called where several videos have one name."""

import pytest

from lipscribe.cli.results import all_different


@pytest.mark.parametrize(
    ("stems", "names"),
    [
        (["a", "a", "a-2", "a"], ["a", "a-2", "a-2-2", "a-3"]),
        (["clip", "CLIP", "Clip"], ["clip", "CLIP-2", "Clip-3"]),  # one file on Windows and macOS
        (["caf\u00e9", "cafe\u0301"], ["caf\u00e9", "cafe\u0301-2"]),  # one file on macOS
    ],
)
def test_equal_names_are_numbered_also_where_only_some_systems_take_them_for_equal(stems: list[str], names: list[str]):
    assert all_different(stems) == names
