"""Progress is reported to a callback, item by item."""

from lipscribe.progress import tracked


def test_each_item_is_reported_once_it_is_done():
    reports = []
    seen = [(item, len(reports)) for item in tracked("abc", lambda *report: reports.append(report), "read")]
    assert seen == [("a", 1), ("b", 2), ("c", 3)]
    assert reports == [("read", 0, 3), ("read", 1, 3), ("read", 2, 3), ("read", 3, 3)]


def test_the_total_may_be_unknown_and_work_may_have_been_done_before():
    reports = []
    assert list(tracked(iter("ab"), lambda *report: reports.append(report), "read", done=5)) == ["a", "b"]
    assert reports == [("read", 5, None), ("read", 6, None), ("read", 7, None)]


def test_without_a_callback_the_items_just_pass():
    assert list(tracked(iter("ab"), None, "read")) == ["a", "b"]
