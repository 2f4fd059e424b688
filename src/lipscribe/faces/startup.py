"""What to tell a user whose MediaPipe does not start."""

import re

from lipscribe.errors import MissingExtraError

_SYSTEM_LIBRARIES = "libgl1 libglib2.0-0 libegl1 libgles2"  # by Debian's names: what OpenCV and MediaPipe load


def does_not_start(error: Exception) -> MissingExtraError:
    """What to tell the user when MediaPipe is installed and fails to load."""
    reason = " ".join(str(error).split())
    if re.search(r"lib\S*: cannot open shared object file", reason):
        return MissingExtraError(
            f"MediaPipe does not start, a system library is missing ({reason}): run `apt-get install "
            f"{_SYSTEM_LIBRARIES}`"
        )
    return MissingExtraError(
        f"MediaPipe does not start ({reason}): run `pip install --force-reinstall mediapipe opencv-contrib-python`"
    )
