"""A film of talkers for `footage.py`: cuts, subtitles, people leaving, with the truth beside it.

A few dozen segments are drawn and encoded once. A film of any length is their packets joined without decoding, with
one sound track, and subtitles as careless as real ones: up to 0.5 s off, two sentences in one cue, capitals, tags,
sounds in brackets, dashes.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from lipscribe.talker import Person, Scene, Talker, TalkingClip, together
from lipscribe.talker.corpus import plan_grid
from lipscribe.talker.performance import perform
from lipscribe.talker.timing import PhonemeTime
from lipscribe.video.write import save_video

FPS = 25
SIZE = {"width": 640, "height": 360}
RATE = 16_000  # Hz, of the sound
NUM_PEOPLE = 14
OPEN_TEXTS = (
    "I think we should go home before it rains again",
    "the committee will publish its report on Monday",
    "nobody told me that the bridge was closed",
    "could you pass me the newspaper please",
    "our correspondent joins us now from the border",
    "they have been waiting for an answer since Friday",
    "prices rose by almost four percent last month",
    "that is exactly what my father used to say",
    "the train from the north arrives at eleven",
    "we found an old map behind the kitchen door",
    "she never wanted to become a famous painter",
    "turn left at the church and follow the river",
    "most of these houses were built before the war",
    "I would rather have a cup of tea",
    "the weather tomorrow will be cold and windy",
    "he asked whether anybody had seen his brother",
    "what happened after the meeting was over",
    "good evening and welcome to the programme",
    "it took us seven years to finish this film",
    "thank you very much for coming here today",
)
VOICE_OVERS = (
    "far away in the hills another winter begins",
    "few visitors ever come to this quiet valley",
    "every morning the fishermen leave the harbour",
    "the old factory has been empty for years",
    "nobody knows how many birds live on the island",
    "a narrow road leads up to the village",
)
# How often each kind of segment is shown; all are drawn as often as `DRAWN` says.
WEIGHTS = {
    "talk": 46,
    "two sentences": 10,
    "pair": 10,
    "turns": 5,
    "leaves": 6,
    "zoom": 4,
    "listener": 4,
    "other words": 3,
    "scenery": 4,
    "empty": 3,
    "title": 2,
    "far": 2,
    "dark": 2,
}
DRAWN = {"talk": 20, "two sentences": 5, "pair": 5, "turns": 3, "leaves": 4, "zoom": 3, "other words": 8}  # others: 2


@dataclass
class Said:
    """One sentence.

    Attributes:
        words: (text, start, end) each, seconds.
        x: Where the speaker's face is, as a share of the width; None where no mouth that says it is seen.
    """

    words: list[tuple[str, float, float]]
    x: float | None = 0.5


@dataclass
class Segment:
    """What a segment of the film holds; `clips` give its sound."""

    kind: str
    num_frames: int
    said: list[Said] = field(default_factory=list)


def draw_segments(folder: Path, seed: int) -> list[str]:
    """Draws all segments, each an MP4, its sound (.npy) and its truth (.json); those of an earlier run are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    grid = [plan.text for plan in plan_grid(60, 1, seed)]
    names = []
    for kind in WEIGHTS:
        for number in range(DRAWN.get(kind, 2)):
            name = f"{kind.replace(' ', '-')}-{number}"
            names.append(name)
            if (folder / f"{name}.json").exists():
                continue
            text = [grid[len(names) % len(grid)], OPEN_TEXTS[len(names) % len(OPEN_TEXTS)]][number % 2]
            other = OPEN_TEXTS[(len(names) * 7 + 3) % len(OPEN_TEXTS)]
            draw_segment(folder, name, kind, text, other, seed)
    return names


def draw_segment(folder: Path, name: str, kind: str, text: str, other: str, seed: int) -> None:
    """Draws one segment, in which `text` is said, and in some kinds `other`."""
    rng = np.random.default_rng([seed, *name.encode()])
    segment, frames, sound = _draw(kind, text, other, rng)
    save_video(folder / f"{name}.mp4", frames, FPS, crf=23, preset="veryfast")
    np.save(folder / f"{name}.npy", sound)
    (folder / f"{name}.json").write_text(json.dumps(asdict(segment)))


def _draw(kind: str, text: str, other: str, rng: np.random.Generator) -> tuple[Segment, list[np.ndarray], np.ndarray]:
    """The segment, its frames and its sound."""
    who, another = (int(number) for number in rng.choice(NUM_PEOPLE, 2, replace=False))
    voice = VOICE_OVERS[int(rng.integers(len(VOICE_OVERS)))]

    def say(person: int, words: str, **scene: object) -> TalkingClip:
        how = {"take": int(rng.integers(99)), "rate": float(rng.uniform(0.9, 1.15)), "scene": {**SIZE, **scene}}
        clip = Talker(100 + person).say(words, **how)
        length = clip.words[-1].end - clip.words[0].start  # cut as tightly as films are, or not
        return Talker(100 + person).say(words, duration=length + float(rng.uniform(0.3, 1.2)), **how)

    if kind in ("talk", "far", "dark"):
        scene = {"far": {"face": 0.055}, "dark": {"light": 0.05, "noise": 1.0}}.get(
            kind, {"face": rng.uniform(0.2, 0.27)}
        )
        clip = say(who, text, x=float(rng.uniform(0.35, 0.65)), **scene)
        seen = clip.scene.x if kind == "talk" else None
        return _segment(kind, clip, [_said(clip, seen)])
    if kind == "two sentences":
        clip = say(who, f"{text}. {other}.", face=0.24)
        return _segment(kind, clip, _sentences(clip, len(text.split()), 0.5))
    if kind in ("pair", "turns"):
        left, right = {"x": 0.27, "face": 0.19}, {"x": 0.73, "face": 0.19}
        first = say(who, text, **left)
        if kind == "pair":
            both = together([first, _silent(another, first.num_frames, rng, **right)])
            return _segment(kind, both, [_said(first, 0.27)])
        second = say(another, other, **right)
        both = together([_after(first, 0, first.num_frames + second.num_frames), _after(second, first.num_frames, 0)])
        return _segment(kind, both, [_said(first, 0.27), _said(second, 0.73, first.duration)], [first, second])
    if kind == "leaves":
        clip = say(who, text, face=0.22)
        until = clip.words[-1].end + 0.2
        path = ((0, 0.5, 0.5), (until, 0.5, 0.5), (until + 0.9, 1.4, 0.5), (until + 1.6, 1.5, 0.5))
        gone = _after(clip, 0, round((until + 1.6) * FPS), path=path)
        return _segment(kind, gone, [_said(clip, 0.5)])
    if kind == "zoom":
        clip = say(who, text, face=0.2)
        segment, frames, sound = _segment(kind, clip, [_said(clip, 0.5)])
        cut = len(frames) // 2
        return segment, frames[:cut] + [_zoomed(frame) for frame in frames[cut:]], sound
    if kind == "listener":
        voiced = say(another, voice)
        clip = _silent(who, voiced.num_frames, rng, face=0.24)
        return _segment(kind, clip, [_said(voiced, None)], [voiced])
    if kind == "other words":
        voiced, clip = say(another, voice), say(who, text, face=0.24)
        longer = max(voiced.num_frames, clip.num_frames)
        return _segment(kind, together([_after(clip, 0, longer)]), [_said(voiced, None)], [voiced])
    voiced = say(another, voice)
    frames = [_card(rng)] * voiced.num_frames if kind == "title" else list(_scenery(voiced.num_frames, rng))
    if kind == "scenery":
        return Segment(kind, len(frames), [_said(voiced, None)]), frames, _speech([voiced], len(frames), rng)
    return Segment(kind, len(frames)), frames, _music(len(frames), rng)


def _segment(
    kind: str, clip: TalkingClip, said: list[Said], voices: list[TalkingClip] | None = None
) -> tuple[Segment, list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(clip.num_frames)
    sound = _speech(voices or [clip], clip.num_frames, rng)
    return Segment(kind, clip.num_frames, said), list(clip.stream()), sound


def _said(clip: TalkingClip, x: float | None, later: float = 0.0) -> Said:
    return Said([(word.text, word.start + later, word.end + later) for word in clip.words], x)


def _sentences(clip: TalkingClip, num_first: int, x: float) -> list[Said]:
    words = _said(clip, x).words
    return [Said(words[:num_first], x), Said(words[num_first:], x)]


def _silence(seconds: float) -> PhonemeTime:
    return PhonemeTime("SIL", 0, 0.0, seconds, None)


def _silent(person: int, num_frames: int, rng: np.random.Generator, **scene: object) -> TalkingClip:
    """Somebody who listens: the head moves, the mouth does not."""
    setting = Scene.drawn(rng, **SIZE, **scene)
    talker = Person.drawn(np.random.default_rng([100 + person, 1]))
    phonemes = [_silence(num_frames / FPS)]
    return TalkingClip(
        setting, (perform(talker, phonemes, num_frames, setting, rng),), (), tuple(phonemes), num_frames, (person, 9)
    )


def _after(clip: TalkingClip, frames_before: int, num_frames: int, **scene: object) -> TalkingClip:
    """The clip with silence before and after it, performed again."""
    from dataclasses import replace

    later, num_frames = frames_before / FPS, max(num_frames, frames_before + clip.num_frames)
    phonemes = [_silence(later)] * bool(later)
    phonemes += [replace(one, start=one.start + later, end=one.end + later) for one in clip.phonemes]
    phonemes.append(PhonemeTime("SIL", 0, phonemes[-1].end, num_frames / FPS, None))
    setting = replace(clip.scene, **scene)
    rng = np.random.default_rng(clip.seed)
    performance = perform(clip.performances[0].person, phonemes, num_frames, setting, rng)
    return replace(clip, scene=setting, performances=(performance,), phonemes=tuple(phonemes), num_frames=num_frames)


def _zoomed(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    part = frame[height // 8 : height - height // 8, width // 8 : width - width // 8]
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)


def _card(rng: np.random.Generator) -> np.ndarray:
    card = np.full((SIZE["height"], SIZE["width"], 3), rng.integers(0, 60, 3).astype(np.uint8), np.uint8)
    cv2.putText(card, f"PART {int(rng.integers(2, 9))}", (200, 190), cv2.FONT_HERSHEY_SIMPLEX, 1.8, (235, 235, 235), 3)
    return card


def _scenery(num_frames: int, rng: np.random.Generator):
    """A slow pan over a landscape of patches."""
    coarse = rng.integers(20, 230, (9, 24, 3)).astype(np.uint8)
    wide = cv2.resize(coarse, (3 * SIZE["width"], SIZE["height"]), interpolation=cv2.INTER_CUBIC)
    for at in range(num_frames):
        yield np.ascontiguousarray(wide[:, 2 * at : 2 * at + SIZE["width"]])


# How loud phonemes are, and how noisy: vowels, nasals and glides, fricatives, stops (silent, then a burst).
_LOUD = {"vowel": 1.0, "sonorant": 0.45, "fricative": 0.22, "stop": 0.3}
_SONORANT = frozenset(("M", "N", "NG", "L", "R", "W", "Y"))
_FRICATIVE = frozenset(("F", "V", "TH", "DH", "S", "Z", "SH", "ZH", "HH"))
_STOP = frozenset(("P", "B", "T", "D", "K", "G", "CH", "JH"))


def _speech(voices: Sequence[TalkingClip], num_frames: int, rng: np.random.Generator) -> np.ndarray:
    """Noise and a hum with each phoneme's loudness, one voice after the other: (N,) float32."""
    sound = np.zeros(num_frames * RATE // FPS, np.float32)
    level = np.zeros_like(sound)
    begins = 0.0
    for voice in voices:
        for one in voice.phonemes:
            first, last = (round((begins + at) * RATE) for at in (one.start, one.end))
            name = one.phoneme
            kind = "sonorant" if name in _SONORANT else "fricative" if name in _FRICATIVE else "vowel"
            kind = "stop" if name in _STOP else kind
            if name == "SIL":
                continue
            if kind == "stop":
                first += (last - first) // 2
            level[first:last] = _LOUD[kind] * rng.uniform(0.7, 1.0)
        begins += voice.duration
    smooth = round(0.02 * RATE)
    level = np.convolve(level, np.ones(smooth, np.float32) / smooth, "same")
    hum = np.sin(np.cumsum(2 * np.pi * (120 + 20 * np.sin(np.arange(len(sound)) / RATE)) / RATE)).astype(np.float32)
    sound = level * (0.12 * hum + 0.08 * rng.standard_normal(len(sound)).astype(np.float32))
    return sound + 0.0008 * rng.standard_normal(len(sound)).astype(np.float32)


def _music(num_frames: int, rng: np.random.Generator) -> np.ndarray:
    """Notes of a quarter second."""
    times = np.arange(num_frames * RATE // FPS) / RATE
    notes = 220 * 2 ** (rng.integers(0, 13, 1 + int(times[-1] * 4)) / 12)
    pitch = notes[(times * 4).astype(int)]
    return (0.06 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE) * np.exp(-2 * (times * 4 % 1))).astype(np.float32)


def join_film(folder: Path, names: Sequence[str], film: Path, seconds: float, seed: int, sound: bool = True) -> None:
    """Writes a film of at least so many seconds, its subtitles (.srt) and its truth (.truth.json)."""
    rng = np.random.default_rng([seed, 1])
    segments = {name: Segment(**json.loads((folder / f"{name}.json").read_text())) for name in names}
    weight = np.array([WEIGHTS[segments[name].kind] / DRAWN.get(segments[name].kind, 2) for name in names])
    order: list[str] = []
    num_frames = 0
    while num_frames < seconds * FPS:
        name = names[int(rng.choice(len(names), p=weight / weight.sum()))]
        if order and order[-1] == name:
            continue
        order.append(name)
        num_frames += segments[name].num_frames
    said = write_film(folder, order, film, sound)
    film.with_suffix(".srt").write_text(_subtitles(said, rng))


def write_film(folder: Path, order: Sequence[str], film: Path, sound: bool = True) -> list[dict]:
    """Writes the segments one after the other and their truth (.truth.json); returns what is said."""
    segments = {name: Segment(**json.loads((folder / f"{name}.json").read_text())) for name in set(order)}
    _write_packets(folder, order, film, sound)
    said, cuts, at = [], [], 0
    for name in order:
        for one in segments[name].said:
            words = [(text, start + at / FPS, end + at / FPS) for text, start, end in one["words"]]
            said.append({"words": words, "x": one["x"], "kind": segments[name].kind})
        cuts += [at] * bool(at)
        if segments[name].kind == "zoom":
            cuts.append(at + segments[name].num_frames // 2)
        at += segments[name].num_frames
    truth = {"said": said, "cuts": cuts, "num_frames": at, "order": order}
    film.with_suffix(".truth.json").write_text(json.dumps(truth))
    return said


def _write_packets(folder: Path, order: Sequence[str], film: Path, sound: bool) -> None:
    """The packets of all segments one after the other, and their sound encoded on the way."""
    packets = {}
    for name in set(order):
        with av.open(str(folder / f"{name}.mp4")) as source:
            stream = source.streams.video[0]
            packets[name] = [(bytes(p), p.pts, p.dts, p.is_keyframe) for p in source.demux(stream) if p.size]
            base = stream.time_base
    tick = round(1 / FPS / base)
    with av.open(str(folder / f"{order[0]}.mp4")) as first, av.open(str(film), "w", format="mp4") as out:
        video = out.add_stream_from_template(first.streams.video[0])
        audio = out.add_stream("aac", rate=RATE, layout="mono") if sound else None
        if audio:
            audio.bit_rate = 48_000
        at = heard = 0
        for name in order:
            for data, pts, dts, is_key in packets[name]:
                packet = av.Packet(data)
                packet.stream, packet.time_base = video, base
                packet.pts, packet.dts, packet.is_keyframe = pts + at * tick, dts + at * tick, is_key
                out.mux(packet)
            if audio:
                samples = np.load(folder / f"{name}.npy")
                frame = av.AudioFrame.from_ndarray(
                    (samples * 32767).clip(-32768, 32767).astype(np.int16)[None], format="s16", layout="mono"
                )
                frame.sample_rate, frame.pts, frame.time_base = RATE, heard, Fraction(1, RATE)
                heard += len(samples)
                out.mux(audio.encode(frame))
            at += len(packets[name])
        if audio:
            out.mux(audio.encode(None))


def _subtitles(said: list[dict], rng: np.random.Generator) -> str:
    """Cues as careless as real ones."""
    cues: list[tuple[float, float, str]] = []
    idx = 0
    while idx < len(said):
        group = [said[idx]]
        if idx + 1 < len(said) and rng.random() < 0.08 and said[idx + 1]["words"][0][1] - said[idx]["words"][-1][2] < 1:
            group.append(said[idx + 1])  # two sentences in one cue, of one person or two
        idx += len(group)
        texts = [" ".join(word[0] for word in one["words"]) for one in group]
        if len(group) == 2 and rng.random() < 0.7:
            text = "\n".join(f"- {_dressed(one, rng)}" for one in texts)
        else:
            text = " ".join(_dressed(one, rng) for one in texts)
        start, end = group[0]["words"][0][1], group[-1]["words"][-1][2]
        start, end = start + rng.uniform(-0.5, 0.5), end + rng.uniform(-0.5, 0.5)
        cues.append((max(0.0, start), max(end, start + 0.4), text))
        if rng.random() < 0.03:
            cues.append(
                (end, end + 1, str(rng.choice(["[music]", "(applause)", "\N{EIGHTH NOTE} la la \N{EIGHTH NOTE}"])))
            )
    return to_srt(cues)


def to_srt(cues: Sequence[tuple[float, float, str]]) -> str:
    """Start, end and text of each cue as SubRip."""
    return "\n".join(
        f"{number}\n{_clock(start)} --> {_clock(end)}\n{text}\n" for number, (start, end, text) in enumerate(cues, 1)
    )


def _dressed(text: str, rng: np.random.Generator) -> str:
    """A sentence as a subtitler writes it."""
    text = text[:1].upper() + text[1:] + "."
    style = rng.random()
    if style < 0.08:
        return text.upper()
    if style < 0.16:
        return f"<i>{text}</i>"
    if style < 0.2:
        return f"[sighs] {text}"
    if style < 0.24:
        return f"SPEAKER: {text}"
    middle = text.find(" ", len(text) // 2)
    return text[:middle] + "\n" + text[middle + 1 :] if style < 0.5 and middle > 0 else text


def _clock(seconds: float) -> str:
    ms = round(max(seconds, 0) * 1000)
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


def plain(text: str) -> list[str]:
    """Words for comparing."""
    return re.sub(r"[^a-z' ]", " ", text.lower()).split()
