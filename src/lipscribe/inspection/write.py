"""An inspection on disk: its figures as JSON, a contact sheet, and a video of the mouth crops."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lipscribe.atomic import write_text
from lipscribe.errors import LipscribeError
from lipscribe.inspection.inspect import Inspection
from lipscribe.inspection.sampling import TrackedMouth
from lipscribe.mouth import CROP_SIZE
from lipscribe.video import save_video

CROP_ZOOM = 4  # crops.mp4 shows crops of 96 px at 384 px: large enough to watch
NO_FACE_GREY = 40  # what crops.mp4 shows where there is no face


def write_inspection(inspection: Inspection, folder: str | Path) -> list[Path]:
    """Writes `inspection.json`, `contact-sheet.png` and, where there is a face, `crops.mp4`.

    In `crops.mp4` each frame of the video has its crop, so that the two play side by side; where there is no
    face it is plain grey.

    Returns:
        The files written.

    Raises:
        LipscribeError: The folder cannot be written, or the video cannot be read any more.
    """
    from lipscribe.inspection.pictures import draw_contact_sheet  # Matplotlib takes a second

    folder = Path(folder)
    report, sheet, crops = (folder / name for name in ("inspection.json", "contact-sheet.png", "crops.mp4"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(inspection.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)
        write_text(report, text + "\n")
        draw_contact_sheet(inspection, sheet)
    except OSError as error:
        raise LipscribeError(f"{folder} cannot be written ({error.strerror}): give another folder") from None
    if not save_crops(inspection, crops):
        crops.unlink(missing_ok=True)  # an older one would be another video's
        return [report, sheet]
    return [report, sheet, crops]


def save_crops(inspection: Inspection, path: Path) -> bool:
    """Writes `crops.mp4`; False where there is no face.

    Raises:
        LipscribeError: The file cannot be written, or the video cannot be read any more.
    """
    if not any(track.runs() for track in inspection.material.chosen):
        return False
    save_video(path, _enlarged_crops(inspection), inspection.fps)
    return True


def _enlarged_crops(inspection: Inspection) -> Iterator[np.ndarray]:
    import cv2

    material = inspection.material
    mouths = [TrackedMouth(run, inspection.crop) for track in material.chosen for run in track.runs()]
    size = CROP_SIZE * CROP_ZOOM
    for frame_idx, frame in enumerate(material.video):
        mouth = next((mouth for mouth in mouths if mouth.start <= frame_idx < mouth.stop), None)
        if mouth is None:
            yield np.full((size, size), NO_FACE_GREY, np.uint8)
        else:
            yield cv2.resize(mouth.crop(frame, frame_idx), (size, size), interpolation=cv2.INTER_CUBIC)
