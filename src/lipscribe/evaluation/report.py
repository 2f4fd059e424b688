"""An evaluation as a page of Markdown."""

from collections.abc import Iterable, Sequence

from lipscribe.evaluation.result import ErrorRate, Evaluation

MAX_ROWS = 10  # of a list; report.json has all of them
MAX_CLIP_ROWS = 20  # of clips that could not be read


def format_markdown(evaluation: Evaluation) -> str:
    """The figures, then the details; sections without content are omitted."""
    sections = [
        _head(evaluation),
        _section(
            "By search method",
            ("method", "WER", "CER", "sentences right"),
            [
                (m.method, _with_interval(m.wer), _percent(m.cer.rate), _percent(m.sentence_accuracy))
                for m in evaluation.methods
            ]
            if len(evaluation.methods) > 1
            else [],
        ),
        _section(
            "By position in the sentence",
            ("position", "errors", "of", "rate"),
            [(p.name, p.errors, p.total, _percent(p.rate)) for p in evaluation.positions],
        ),
        _section(
            "Most frequent substitutions",
            ("reference", "hypothesis", "times"),
            [(c.reference, c.hypothesis, c.count) for c in evaluation.confusions[:MAX_ROWS]],
        ),
        _section(
            "Worst clips",
            ("clip", "reference", "hypothesis"),
            [(c.id, c.reference, c.hypothesis or "(nothing)") for c in evaluation.worst_clips(MAX_ROWS)],
        ),
        _section(
            f"Clips that could not be read: {len(evaluation.failures)}, all their words count as deletions",
            ("clip", "reason"),
            [(c.id, c.failure) for c in evaluation.failures[:MAX_CLIP_ROWS]],
        ),
        _section(
            f"Clips that could not be prepared: {len(evaluation.left_out)}, not in any figure above",
            ("clip", "reason"),
            [(c.id, c.reason) for c in evaluation.left_out[:MAX_CLIP_ROWS]],
        ),
    ]
    return "\n".join(section for section in sections if section)


def headline(evaluation: Evaluation) -> str:
    """The main result in one line."""
    return f"WER {_percent(evaluation.wer.rate)}, 95 % interval {_interval(evaluation.wer)}"


def facts(evaluation: Evaluation) -> list[str]:
    """The other figures, a few words each."""
    wer = evaluation.wer
    plain = [each.wer for each in evaluation.methods if f"{each.method} + initials" == evaluation.method]
    return [
        *(f"without the initials WER {_percent(each.rate)}, 95 % interval {_interval(each)}" for each in plain),
        f"CER {_percent(evaluation.cer.rate)}",
        f"{_percent(evaluation.sentence_accuracy)} of sentences right",
        f"{len(evaluation.clips)} clips, {wer.hits + wer.substitutions + wer.deletions} words",
        f"{wer.substitutions} substitutions, {wer.deletions} deletions, {wer.insertions} insertions",
        f"read at {evaluation.speed:.1f} x real time",
    ]


def _head(evaluation: Evaluation) -> str:
    calibration = evaluation.calibration
    lines = [
        f"# {evaluation.model} on {evaluation.split}",
        "",
        f"**{headline(evaluation)}** by search method {evaluation.method}.",
        "",
        *(f"- {fact}" for fact in facts(evaluation)),
        f"- texts compared under the normalisation '{evaluation.normalisation}'",
    ]
    if calibration:
        off = _percent(calibration.expected_error)
        lines.append(f"- word probabilities are off by {off} on average (expected calibration error)")
    return "\n".join([*lines, ""])


def _section(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [_row(row) for row in rows]
    if not lines:
        return ""
    return "\n".join([f"## {title}", "", _row(columns), _row(["---"] * len(columns)), *lines, ""])


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _with_interval(rate: ErrorRate) -> str:
    return f"{_percent(rate.rate)} ({_interval(rate)})"


def _interval(rate: ErrorRate) -> str:
    return f"{100 * rate.low:.1f} to {100 * rate.high:.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
