"""The application: the page, the API, and what guards both."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from lipscribe import __version__
from lipscribe.server import live, page_routes, transcriptions, videos, watching
from lipscribe.server.enrolment import enrolment_router
from lipscribe.server.enrolment_folder import close_to_others
from lipscribe.server.errors import add_handlers, as_api_error
from lipscribe.server.folder import private_folder
from lipscribe.server.opening import ping
from lipscribe.server.security import Guard
from lipscribe.server.service import Service
from lipscribe.server.settings import Settings
from lipscribe.units import Seconds

logger = logging.getLogger(__name__)

RETRY: Seconds = 5.0  # after a worker or the model could not be loaded
LAST_WORDS: Seconds = 5.0  # for answers to requests that are not done when the server ends
PAGE = Path(__file__).parent / "page"


def create_app(settings: Settings) -> FastAPI:
    """The server as an ASGI application; its workers live as long as its lifespan."""
    open_requests: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with private_folder() as folder:
            await asyncio.to_thread(close_to_others, settings.enrolments)
            service = app.state.service = Service(settings, folder)
            warming = asyncio.ensure_future(_warm(app, service))
            await asyncio.sleep(0)  # so that it is before all requests, which wait already where a server is restarted
            try:
                yield
            finally:
                warming.cancel()
                if open_requests:  # uvicorn has cancelled them, and does not wait until they say so
                    await asyncio.wait(open_requests, timeout=LAST_WORDS)
                await asyncio.to_thread(service.close)

    app = FastAPI(
        title="Lipscribe",
        summary="Reads the words from a video of a person speaking, by the picture alone.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.is_ready = False
    add_handlers(app)
    for part in (transcriptions, videos, watching, live, page_routes):
        app.include_router(part.router)
    app.include_router(enrolment_router(settings.enrolments))
    app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    app.add_middleware(watching.Counted)
    app.add_middleware(Guard, settings=settings, open_requests=open_requests)
    return app


async def _warm(app: FastAPI, service: Service) -> None:
    """Waits until the server's model is loaded, and all children have their networks; tries until it is so."""
    while not app.state.is_ready:
        pings = (service.child(ping, limited=False) for _ in range(service.settings.workers))
        try:
            await asyncio.gather(service.small(service.models.get), *pings)
            app.state.is_ready = True
        except Exception as error:
            logger.error("the server is not ready, and tries again: %s", as_api_error(error))
            await asyncio.sleep(RETRY)
