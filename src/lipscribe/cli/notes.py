"""The library's log messages, as lines on stderr."""

import logging
import sys


class _Notes(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(f"note: {self.format(record)}", file=sys.stderr)  # looked up each time: a bar may replace it


def show_notes(quiet: bool = False) -> None:
    """Prints the library's warnings as notes, or its errors alone; calling it again changes nothing else."""
    logger = logging.getLogger("lipscribe")
    logger.setLevel(logging.ERROR if quiet else logging.WARNING)
    if not any(isinstance(handler, _Notes) for handler in logger.handlers):
        logger.addHandler(_Notes())
        logger.propagate = False
