"""The application: the page, the API, and what guards both."""

from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from lipscribe import __version__
from lipscribe.server.settings import Settings

PAGE = Path(__file__).parent / "page"


def create_app(settings: Settings) -> FastAPI:
    """The server as an ASGI application."""
    app = FastAPI(title="Lipscribe", version=__version__, docs_url=None, redoc_url=None)
    app.state.settings = settings
    if find_spec("lipscribe.server.enrolment"):
        from lipscribe.server.enrolment import router  # pyright: ignore

        app.include_router(router)
    app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    return app
