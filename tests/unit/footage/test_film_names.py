"""What films are called in the ids of their clips."""

from lipscribe.footage.films import _names


def test_names_are_all_different_and_keep_the_folders() -> None:
    given = ["a/talk", "b/talk", "talk", "talk", "My talk (1)", "2024/\u2026/x"]
    assert _names(given) == ["a/talk", "b/talk", "talk", "talk-2", "My-talk-1", "2024/film/x"]


def test_another_film_in_another_folder_renames_none() -> None:
    assert set(_names(["b/talk", "c/talk"])) < set(_names(["a/talk", "b/talk", "c/talk"]))
