"""Why a video will or will not be read: the file, its faces and how well the mouth can be seen.

The video is read twice, in bounded memory whatever its length: once for the faces, once for their mouths, since the cut
of a crop depends on the frames after it. `write_inspection` reads it a third time for the video of the crops.
"""

from lipscribe.inspection.inspect import FaceReport, Inspection, Material, inspect_video
from lipscribe.inspection.write import write_inspection
from lipscribe.mouth.quality import FaceQuality, Finding

__all__ = ["FaceQuality", "FaceReport", "Finding", "Inspection", "Material", "inspect_video", "write_inspection"]
