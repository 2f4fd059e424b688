"""Valid texts of other programs, with all that their formats have."""

from typing import Any

SRT = """1
00:00:00,500 --> 00:00:02,000
<i>Hello</i> there &amp; welcome

2
00:00:02,500 --> 00:00:04,250
- Good <b>morning</b>.
- {\\an8}Good night.

"""
VTT = """WEBVTT - a title

STYLE
::cue { color: white }

one
00:00.500 --> 00:02.000 align:start
<v Ann>Bin <00:00:00.900>blue <00:00:01.300>at f two now

00:00:02.500 --> 00:00:04.250
<v.loud Bob>No &lt;3

NOTE the end
"""
TEXTGRID = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 2.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 1.25
            text = "say ""hi"""
        intervals [3]:
            xmin = 1.25
            xmax = 2.5
            text = "now"
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 2.5
        points: size = 1
        points [1]:
            number = 1.5
            mark = "x"
'''
SHORT_TEXTGRID = b"""File type = "ooTextFile"
Object class = "TextGrid"

0
2
<exists>
1
"IntervalTier"
"ort"
0
2
1
0
2
"a b"
"""
CTM = ";; a comment\ntalk 1 0.50 0.30 bin 0.98\ntalk 1 0.85 0.30 blue\ntalk 1 1.20 0.10 sil\n"
WHISPER: dict[str, Any] = {
    "text": " Twenty-one now.",
    "segments": [
        {
            "id": 0,
            "start": 0.0,
            "end": 1.5,
            "text": " Twenty-one now.",
            "words": [
                {"word": " Twenty", "start": 0.1, "end": 0.5, "probability": 0.9},
                {"word": "-one", "start": 0.5, "end": 0.8, "score": 0.9},
                {"word": " now."},
            ],
        },
        {"start": 2, "end": 3, "text": "yes", "speaker": "A"},
    ],
    "language": "en",
}
GRAMMAR = """# a comment
<sentence> = <greeting> [<who>] | count <digit>+ [please]*
<greeting> = good (morning | evening | night)
<who>      = to (you | them)
<digit>    = one | two | "three"
"""
ARPA = """\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-1 <s> -0.3
-1 </s>
-1 one -0.3
-1 two -0.3

\\2-grams:
-1 <s> one
-1 one two

\\end\\
"""
