"""Fits the talkers' movements to tracked lips: the model of `talker/coarticulation.py`, by least squares.

A clip's word times are known; phonemes divide each word as Klatt's durations say, times a factor for each visual class
that is fitted too. So are, for each class and measure, a target and a dominance, how far each measure is anticipated
and carried over, each speaker's scale, and, with priors that keep them small, each clip's effort and each phoneme's
own length.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lipscribe.data.manifest import Clip
from lipscribe.talker.coarticulation import AFTER, READY, REST_AWAY
from lipscribe.talker.lips import MAX_GAP, MAX_JAW
from lipscribe.talker.natural_lips import WIDTH_GAIN
from lipscribe.talker.phonemes import pronounce
from lipscribe.talker.timing import time_phonemes
from lipscribe.talker.visemes import DIPHTHONGS, VISEME_OF, VISEMES

CONTROLS = ("gap", "width", "jaw")  # of the talkers: what the first three measures show
SEEN = np.array([1.2, 0.375, 1.0])  # of a movement as drawn was tracked in the talkers that the table was fitted with
MOVED = 0.6  # of what the model leaves is unevenness; the rest is the tracker's and the alignment's: speeds agree so
MEASURES = ("gap", "width", "jaw", "upper", "lower")
CLASSES = [*VISEMES, "ready", "after"]
# What least squares with word times blunts, read off the means of single words: targets and dominances. More dominance
# of "b" shuts short vowels beside it too: with 5, "bin" before "blue" opened by a third of what people's does. At "r"
# and "w" the lips of s1 come as near as at "b" (0.021 to 0.025 eye distances as tracked, which is what closed lips
# show), but for a frame or two. "bin" opens between its consonants, "seven" before its "v"; "four" and "now" are round.
READ_OFF = {
    "bilabial": {"gap": (-0.08, 2.0)},
    "labiovelar": {"gap": (-0.06, 2.0)},
    "rhotic": {"gap": (-0.03, 2.0)},
    "labiodental": {"gap": (0.008, 1.5)},
    "IH": {"gap": (0.206, 1.2)},
    "UH": {"width": (-0.65, 5.59)},
    "AO": {"width": (-0.95, 2.0)},
    "UW": {"width": (-0.62, 2.06)},
}
STRESSED = 1.2  # the fit's "AA" is the mean of "white" and of "by", which has no stress and opens by two thirds as much
EVENED = 6.0  # a ridge's weight: how near lengths stay to Klatt's
FPS = 25.0
PLATEAUS = ("plain", "closed", "closed at first")


class _Still:
    """Takes a generator's place: no jitter."""

    def standard_normal(self) -> float:
        return 0.0


@dataclass
class _Pulls:
    """Of all clips, padded: what the blending needs. Arrays (N, S) for phonemes, (N, P) for pulls."""

    klatt: torch.Tensor
    kind: torch.Tensor
    word_start: torch.Tensor
    word_length: torch.Tensor
    same_word: torch.Tensor
    parent: torch.Tensor
    pull_class: torch.Tensor
    ends: torch.Tensor  # (N, P, 2) shares of the parent's length, or seconds where there is no parent
    plateau: torch.Tensor  # index into PLATEAUS, -1 for fixed shares
    strength: torch.Tensor
    free: torch.Tensor  # (N, P) bool: has no parent, `ends` are seconds
    valid: torch.Tensor


def pulls_of(clips: list[Clip], num_frames: int) -> _Pulls:
    rows = [_row(clip, num_frames) for clip in clips]
    segments, pulls = max(len(r["klatt"]) for r in rows), max(len(r["parent"]) for r in rows)

    def padded(name: str, length: int, fill: Any, dtype: torch.dtype) -> torch.Tensor:
        parts = [list(r[name]) + [fill] * (length - len(r[name])) for r in rows]
        return torch.tensor(parts, dtype=dtype)

    word = padded("word", segments, -1, torch.long)
    return _Pulls(
        klatt=padded("klatt", segments, 1.0, torch.float),
        kind=padded("kind", segments, 0, torch.long),
        word_start=padded("start", segments, 0.0, torch.float),
        word_length=padded("length", segments, 0.1, torch.float),
        same_word=(word[:, :, None] == word[:, None]).float(),
        parent=padded("parent", pulls, 0, torch.long),
        pull_class=padded("class", pulls, 0, torch.long),
        ends=padded("ends", pulls, (0.0, 0.0), torch.float),
        plateau=padded("plateau", pulls, -1, torch.long),
        strength=padded("strength", pulls, 0.0, torch.float),
        free=padded("free", pulls, True, torch.bool),
        valid=padded("strength", pulls, 0.0, torch.float) > 0,
    )


def _row(clip: Clip, num_frames: int) -> dict[str, list]:
    row: dict[str, list] = {
        name: []
        for name in [
            "klatt",
            "kind",
            "word",
            "start",
            "length",
            "parent",
            "class",
            "ends",
            "plateau",
            "strength",
            "free",
        ]
    }
    spoken = pronounce(clip.text)
    timed = [p for p in time_phonemes(spoken, _Still(), lead=0, tail=0) if p.word is not None]  # pyright: ignore

    def pull(name: str, parent: int, ends: tuple[float, float], plateau: int = -1, strength: float = 1.0) -> None:
        row["parent"].append(max(parent, 0)), row["class"].append(CLASSES.index(name)), row["ends"].append(ends)
        row["plateau"].append(plateau), row["strength"].append(strength), row["free"].append(parent < 0)

    first, last = clip.words[0].start, clip.words[-1].end
    pull("rest", -1, (0.0, max(first - READY[0] - REST_AWAY, 0.0)))
    pull("ready", -1, (first - READY[0], first - READY[1]))
    for i, phoneme in enumerate(timed):
        word = clip.words[phoneme.word or 0]
        row["klatt"].append(phoneme.end - phoneme.start), row["word"].append(phoneme.word)
        row["start"].append(word.start), row["length"].append(word.end - word.start)
        if phoneme.phoneme in DIPHTHONGS:
            names = DIPHTHONGS[phoneme.phoneme]
            pull(names[0], i, (0.38, 0.45)), pull(names[1], i, (0.77, 0.77), strength=0.8)
            row["kind"].append(CLASSES.index(names[0]))
            continue
        name = VISEME_OF[phoneme.phoneme]
        row["kind"].append(CLASSES.index(name))
        reduced = name == phoneme.phoneme and phoneme.stress == 0
        plateau = 0 if name != "bilabial" else 2 if i == 0 else 1
        pull(name, i, (0.0, 0.0), plateau, 0.75 if reduced else 1.0)
    pull("after", -1, (last + AFTER[0], last + AFTER[1]))
    pull("rest", -1, (last + AFTER[1] + REST_AWAY, max(num_frames / FPS, last + AFTER[1] + REST_AWAY)))
    return row


class Mouths(torch.nn.Module):
    """The movements of all clips at once."""

    def __init__(self, pulls: _Pulls, speakers: torch.Tensor, num_frames: int):
        super().__init__()
        clips, segments = pulls.klatt.shape
        self.pulls, self.speakers = pulls, speakers
        self.times = (torch.arange(num_frames) + 0.5) / FPS
        size, people = (len(CLASSES), len(MEASURES)), int(speakers.max()) + 1
        start = torch.zeros(size)
        start[:, 0] = torch.tensor([_first_gap(name) for name in CLASSES])
        start[:, 2] = 0.5 * start[:, 0]
        self.target = torch.nn.Parameter(start)
        self.log_alpha = torch.nn.Parameter(torch.zeros(size))
        self.log_reach = torch.nn.Parameter(torch.full((2, len(MEASURES)), float(np.log(0.045))))
        self.log_duration = torch.nn.Parameter(torch.zeros(len(CLASSES)))
        self.plateau = torch.nn.Parameter(torch.tensor([0.3, 0.3, 0.2]))
        self.log_scale = torch.nn.Parameter(torch.zeros(people, len(MEASURES)))
        self.log_effort = torch.nn.Parameter(torch.zeros(clips, 1))
        self.offset = torch.nn.Parameter(torch.zeros(clips, len(MEASURES)))
        self.own_length = torch.nn.Parameter(torch.zeros(clips, segments))
        self.shift = torch.nn.Parameter(torch.zeros(clips, 1))

    def segments(self) -> tuple[torch.Tensor, torch.Tensor]:
        """When each phoneme begins and how long it lasts: (N, S) each."""
        p = self.pulls
        raw = p.klatt * torch.exp(self.log_duration[p.kind] + self.own_length)
        lengths = raw / (p.same_word @ raw[..., None])[..., 0] * p.word_length
        before = torch.tril(p.same_word, -1) @ lengths[..., None]
        return p.word_start + before[..., 0] + self.shift, lengths

    def blended(self) -> torch.Tensor:
        """(N, T, M) in units of the mean speaker."""
        p = self.pulls
        starts, lengths = self.segments()
        start, length = starts.gather(1, p.parent), lengths.gather(1, p.parent)
        share = self.plateau.clamp(0.02, 0.8)[p.plateau.clamp(min=0)]
        ends = torch.where((p.plateau < 0)[..., None], p.ends, torch.stack([0.5 - share / 2, 0.5 + share / 2], -1))
        free = p.free[..., None]
        ends = torch.where(free, p.ends + self.shift[..., None], start[..., None] + ends * length[..., None])
        before = (ends[:, None, :, 0] - self.times[None, :, None]).clamp(min=0)  # (N, T, P)
        after = (self.times[None, :, None] - ends[:, None, :, 1]).clamp(min=0)
        reach = self.log_reach.exp()
        columns = []
        for m in range(len(MEASURES)):
            logits = self.log_alpha[p.pull_class, m] + torch.log(p.strength.clamp(min=1e-6))
            logits = logits[:, None] - before / reach[0, m] - after / reach[1, m]
            weights = torch.softmax(logits.masked_fill(~p.valid[:, None], -1e4), -1)
            columns.append((weights * self.target[p.pull_class, m][:, None]).sum(-1))
        return torch.stack(columns, -1)

    def forward(self) -> torch.Tensor:
        """(N, T, M) as tracked, about each speaker's rest."""
        moved = self.blended()
        gap = torch.nn.functional.softplus(moved[..., :1] * 150) / 150  # lips that meet go no further
        moved = torch.cat([gap, moved[..., 1:]], -1)
        scale = self.log_scale[self.speakers][:, None] + self.log_effort[:, None]
        return moved * scale.exp() + self.offset[:, None]

    def prior(self, weight: torch.Tensor) -> torch.Tensor:
        usual = torch.tensor([0.05, 0.04, 0.05, 0.02, 0.02])
        alpha = 4 * ((self.log_alpha / 0.8) ** 2).sum() + 20 * ((self.log_duration / 0.35) ** 2).sum()
        alpha = alpha + 30 * ((self.target / usual) ** 2).sum()
        own = (((self.own_length / 0.12) ** 2).sum(1) + ((self.log_effort / 0.15) ** 2).sum(1) * 4) * weight
        away = (((self.shift / 0.02) ** 2).sum(1) + ((self.offset / 0.012) ** 2).sum(1)) * weight
        return alpha + own.sum() + away.sum() + ((self.log_scale / 0.4) ** 2).sum()


def _first_gap(name: str) -> float:
    if name in ("ready", "after"):
        return 0.03
    value = VISEMES[name].targets.get("gap", (0.0, 0.0))[0]
    return 0.15 * value if name != "bilabial" else -0.03


def fit(clips: list[Clip], moves: np.ndarray, weight: np.ndarray, steps: int = 400) -> tuple[Mouths, torch.Tensor]:
    """Fits to moves (N, T, M) float, NaN where unknown; returns the model and its residuals."""
    torch.manual_seed(0)
    people = sorted({clip.speaker for clip in clips})
    speakers = torch.tensor([people.index(clip.speaker) for clip in clips])
    model = Mouths(pulls_of(clips, moves.shape[1]), speakers, moves.shape[1])
    seen = torch.tensor(~np.isnan(moves))
    truth = torch.tensor(np.nan_to_num(moves), dtype=torch.float)
    weights = torch.tensor(weight, dtype=torch.float)
    spread = torch.tensor([0.012, 0.012, 0.018, 0.006, 0.006])  # of what the model cannot explain
    quick = {"params": [model.own_length, model.log_effort, model.offset, model.shift], "lr": 0.01}
    rest = [p for p in model.parameters() if all(p is not other for other in quick["params"])]
    optimizer = torch.optim.Adam([quick, {"params": rest, "lr": 0.02}])
    optimizer.param_groups[1]["lr"] = 0.02
    slow = torch.optim.Adam([model.target], lr=0.003)
    optimizer.param_groups[1]["params"] = [p for p in rest if p is not model.target]
    for step in range(steps):
        share = min(1.0, (step + 1) / 20) * (0.1 + 0.9 * (1 - step / steps))
        optimizer.param_groups[0]["lr"], optimizer.param_groups[1]["lr"] = 0.01 * share, 0.03 * share
        slow.param_groups[0]["lr"] = 0.004 * share
        off = ((model() - truth) / spread).masked_fill(~seen, 0)
        # Residuals of neighbouring frames are alike: five of them tell what one would.
        error = (torch.nn.functional.huber_loss(off, torch.zeros_like(off), reduction="none", delta=2.0) * 2).sum(
            (1, 2)
        )
        loss = (error * weights).sum() / 5 + model.prior(weights)
        optimizer.zero_grad(), slow.zero_grad()
        loss.backward()
        optimizer.step(), slow.step()
        if step % 50 == 0 or step == steps - 1:
            print(f"step {step}: {float(loss.detach()) / len(clips):.2f} a clip", flush=True)
    with torch.no_grad():
        return model, (truth - model()).masked_fill(~seen, float("nan"))


def fit_table(clips: list[Clip], moves: np.ndarray, rest: np.ndarray, steps: int) -> dict[str, Any]:
    """The table of the package, in units of the talkers' controls, of moves (N, T, M) about each speaker's rest."""
    torch.set_num_threads(1)
    weight = np.array([1.0 if clip.speaker == "s1" else 2.0 for clip in clips])  # s1 has most clips
    model, residuals = fit(clips, moves, weight, steps)
    with torch.no_grad():
        moved, scale = model(), model.log_scale.numpy()
        starts, lengths = (part.numpy() for part in model.segments())
    off = residuals.numpy()
    explained = 1 - np.nanvar(off, (0, 1)) / np.nanvar(moves, (0, 1))
    mean = np.exp(scale.mean(0))  # of the six people, each as much as the other
    unit = np.array([MAX_GAP, WIDTH_GAIN * float(np.median(rest[:, 1])), MAX_JAW])
    targets = model.target.detach().numpy()[:, :3]
    targets = (targets - targets[CLASSES.index("rest")]) * mean[:3] / unit / SEEN  # counted from rest
    alphas, durations = model.log_alpha.detach().exp().numpy(), model.log_duration.detach().exp().numpy()
    kinds = model.pulls.kind.numpy()
    seen = {name: int(((kinds == k) & (model.pulls.klatt.numpy() < 1)).sum()) for k, name in enumerate(CLASSES)}
    tempi, made_longer = _lengths(clips)
    classes = {}
    for k, name in enumerate(CLASSES):
        known = name in ("rest", "ready", "after") or seen[name] or name in ("IH", "UH", "IY", "UW")
        numbers = {c: [round(float(targets[k, i]), 3), round(float(alphas[k, i]), 2)] for i, c in enumerate(CONTROLS)}
        if not known:  # GRID has no such sound
            numbers = {c: _by_eye(name, c) for c in CONTROLS}
        classes[name] = {
            "phonemes": seen[name],
            "share": round(float(durations[k]), 2),
            "length": made_longer[name],
        } | numbers
    for name, read in READ_OFF.items():
        classes[name] |= {control: list(numbers) for control, numbers in read.items()}
    classes["AA"]["gap"][0] = round(STRESSED * classes["AA"]["gap"][0], 3)
    middle = _middles(model, starts, lengths, moves, mean)
    uneven = {c: _unevenness(off[..., i], moved.numpy()[..., i], c, unit[i] * SEEN[i]) for i, c in enumerate(CONTROLS)}
    reach = model.log_reach.detach().exp().numpy()
    return {
        "source": "lips tracked in train clips of six speakers of the GRID corpus (Cooke, Barker, Cunningham, Shao, "
        "J. Acoust. Soc. Am. 120, 2006; zenodo.org/records/3625687, CC BY 4.0); made by benchmarks/mouths.py",
        "clips": len(clips),
        "explained": {m: round(float(v), 3) for m, v in zip(MEASURES, explained, strict=True)},
        "classes": classes,
        "reach": {c: [round(float(reach[0, i]), 3), round(float(reach[1, i]), 3)] for i, c in enumerate(CONTROLS)},
        "tempo": round(float(np.exp(tempi.mean())), 2),
        "plateau": round(float(model.plateau[0].detach().clamp(0.05, 0.6)), 2),
        "closed": [round(max(0.12, float(v)), 2) for v in model.plateau[1:].detach()],
        "spread": {
            # Talkers differ by 0.07 already (`Person.tempo`).
            "tempo": round(float(np.sqrt(max(tempi.var() - 0.07**2, 0))), 3),
            "people": round(float(scale[:, 0].std()), 3),
            "takes": round(float(model.log_effort.detach().numpy().std()), 3),
            "lengths": round(float(model.own_length.detach().numpy().std()), 3),
        },
        "unevenness": uneven,
        "measured": middle,
    }


def _lengths(clips: list[Clip]) -> tuple[np.ndarray, dict[str, float]]:
    """How long people's words last, beside Klatt's rules.

    Returns:
        Of each person the logarithm of how fast words are said, the median of clips; and by class, how long its
        phonemes make a word, by a ridge regression in which each word of each person counts once for each of up to ten
        times that it is said.
    """
    said: dict[tuple[str | None, str], list[tuple[float, float, np.ndarray]]] = {}
    tempi: dict[str | None, list[float]] = {}
    for clip in clips:
        klatt = np.zeros((len(clip.words), len(CLASSES)))
        for each in time_phonemes(pronounce(clip.text), _Still(), lead=0, tail=0):  # pyright: ignore
            if each.word is not None:
                first = DIPHTHONGS[each.phoneme][0] if each.phoneme in DIPHTHONGS else VISEME_OF[each.phoneme]
                klatt[each.word, CLASSES.index(first)] += each.end - each.start
        spoken = np.array([word.end - word.start for word in clip.words])
        # Without the first word, whose marks in GRID begin in the silence before it, with some people.
        tempi.setdefault(clip.speaker, []).append(klatt[1:].sum() / spoken[1:].sum())
        for word, ruled, length in zip(clip.words, klatt, spoken, strict=True):
            said.setdefault((clip.speaker, word.text), []).append((ruled.sum(), length, ruled / ruled.sum()))
    tempo = {speaker: float(np.median(each)) for speaker, each in tempi.items()}
    shares, ratios, weights = [], [], []
    for (speaker, _), times in said.items():
        ruled, length, share = (np.mean([each[i] for each in times], axis=0) for i in range(3))
        shares.append(share), ratios.append(np.log(length / ruled * tempo[speaker]))
        weights.append(min(len(times), 10))
    x, y, w = np.array(shares), np.array(ratios), np.array(weights)[:, None]
    found = np.linalg.solve(x.T @ (w * x) + EVENED * np.eye(len(CLASSES)), x.T @ (w[:, 0] * y))
    longer = {name: round(float(np.exp(value)), 2) for name, value in zip(CLASSES, found, strict=True)}
    return np.log(list(tempo.values())), longer


def _by_eye(name: str, control: str) -> list[float]:
    value, dominance = VISEMES[name].targets.get(control, (0.0, 0.15))
    return [round(0.35 * value, 3), dominance]


def _middles(
    model: Mouths, starts: np.ndarray, lengths: np.ndarray, moves: np.ndarray, mean: np.ndarray
) -> dict[str, Any]:
    """Of each class, three percentiles (10, 50, 90) of each measure in the middle of its phonemes, in eye distances."""
    kinds, real = model.pulls.kind.numpy(), model.pulls.klatt.numpy() < 1
    frames = np.clip((starts + lengths / 2) * FPS, 0, moves.shape[1] - 1).astype(int)
    at = np.take_along_axis(moves, frames[..., None], 1)  # (N, S, M)
    found = {}
    for k, name in enumerate(CLASSES):
        chosen = at[(kinds == k) & real]
        if len(chosen) >= 10:
            levels = np.percentile(chosen, [10, 50, 90], axis=0).T
            found[name] = {m: [round(float(v), 3) for v in row] for m, row in zip(MEASURES, levels, strict=True)}
    return found


def _unevenness(off: np.ndarray, moved: np.ndarray, control: str, unit: float) -> list[float]:
    """Spread and time of what the model leaves: of the gap as a share of it, of others in units of the control."""
    if control == "gap":
        opened = (moved > 0.06) & ~np.isnan(off)  # of smaller ones the tracker's noise is too large a share
        ratio = MOVED * np.log((moved + off)[opened].clip(0.004) / moved[opened])
        spread = float(1.48 * np.median(np.abs(ratio - np.median(ratio))))
    else:
        spread = MOVED * float(off.std()) / unit
    step = float(np.mean(off[:, 1:] * off[:, :-1]) / np.mean(off**2))
    frames = 1 / np.sqrt(-4 * np.log(min(max(step, 0.05), 0.97)))
    return [round(spread, 3), round(frames / FPS, 3)]
