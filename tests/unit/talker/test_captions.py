"""What a talker says as a transcript: a caption for each phrase."""

from lipscribe.data.manifest import WordTime
from lipscribe.talker.captions import to_captions
from lipscribe.transcript import format_srt


def test_a_pause_begins_a_new_caption():
    words = [WordTime("set", 0.5, 0.7), WordTime("red", 0.7, 1.0), WordTime("please", 1.2, 1.5)]
    captions = to_captions(words, "clip.mp4", 2.0)
    assert (captions.text, captions.source, captions.duration) == ("set red please", "clip.mp4", 2.0)
    assert [(s.text, s.start, s.end, len(s.words)) for s in captions.segments] == [
        ("set red", 0.5, 1.0, 2),
        ("please", 1.2, 1.5, 1),
    ]
    assert "00:00:00,500 --> 00:00:01,000\nset red\n" in format_srt(captions)


def test_nobody_speaks():
    assert to_captions([]).segments == ()
