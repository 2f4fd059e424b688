"""Runs the server until Ctrl-C."""

import uvicorn

from lipscribe.server.app import create_app
from lipscribe.server.settings import Settings


def run(settings: Settings) -> None:
    """Serves until it is told to stop."""
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, access_log=False, log_level="warning")
