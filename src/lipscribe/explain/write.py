"""An explanation on disk: a page for each stretch, a video, and the numbers."""

import json
from pathlib import Path

from lipscribe.atomic import write_text
from lipscribe.errors import LipscribeError
from lipscribe.explain.explanation import Explanation
from lipscribe.video import save_video


def write_explanation(explanation: Explanation, folder: str | Path) -> list[Path]:
    """Writes `explain.png` (`explain-2.png` and so on for further stretches), `explain.mp4` and `explain.json`.

    Returns:
        The files written.

    Raises:
        LipscribeError: The folder cannot be written, or the video cannot be read any more.
    """
    from lipscribe.explain.pictures import draw_page
    from lipscribe.explain.video import draw_video

    folder = Path(folder)
    video, report = folder / "explain.mp4", folder / "explain.json"
    pages = [folder / f"explain{f'-{n}' if n > 1 else ''}.png" for n in range(1, len(explanation.stretches) + 1)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stretch, page in zip(explanation.stretches, pages, strict=True):
            draw_page(explanation, stretch, page)
        text = json.dumps(explanation.to_dict(), ensure_ascii=False, indent=1, allow_nan=False)
        write_text(report, text + "\n")
    except OSError as error:
        raise LipscribeError(f"{folder} cannot be written ({error.strerror}): give another folder") from None
    save_video(video, draw_video(explanation), explanation.fps)
    return [*pages, video, report]
