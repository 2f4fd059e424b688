"""The cache folder of downloaded and imported models."""

import os
from pathlib import Path

CACHE_VARIABLE = "LIPSCRIBE_CACHE"


def cache_folder() -> Path:
    """The folder that $LIPSCRIBE_CACHE names, else `lipscribe` in $XDG_CACHE_HOME or `~/.cache`; it need not exist."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lipscribe"
