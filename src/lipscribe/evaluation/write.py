"""An evaluation -> the three files of a report."""

import json
from pathlib import Path

from lipscribe.atomic import write_text
from lipscribe.errors import LipscribeError
from lipscribe.evaluation.report import format_markdown
from lipscribe.evaluation.result import Evaluation


def write_evaluation(evaluation: Evaluation, folder: Path | str) -> list[Path]:
    """Writes `report.json`, `report.md` and `report.png`, and returns their paths.

    Raises:
        LipscribeError: The folder cannot be written.
    """
    from lipscribe.evaluation.plots import draw_report

    folder = Path(folder)
    data, report, page = (folder / f"report.{suffix}" for suffix in ("json", "md", "png"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(evaluation.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)
        write_text(data, text + "\n")
        write_text(report, format_markdown(evaluation))
        draw_report(evaluation, page)
    except OSError as error:
        raise LipscribeError(f"{folder} cannot be written ({error.strerror}): give another folder") from None
    return [data, report, page]
