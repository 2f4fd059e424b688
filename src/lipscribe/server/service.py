"""What all endpoints share: the workers, the queue before them, the models, and the folder for uploads."""

import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from lipscribe.model import Model
from lipscribe.search import SearchOptions
from lipscribe.server.children import Children, Limits
from lipscribe.server.errors import ApiError
from lipscribe.server.metrics import Metrics
from lipscribe.server.models import Models
from lipscribe.server.settings import Settings
from lipscribe.streaming import Stream
from lipscribe.units import Seconds

Result = TypeVar("Result")

LEARNED = 0.2  # share of the newest job in the mean time of a job, for Retry-After


class Service:
    """A running server's means.

    Attributes:
        settings, metrics, models, children: See there.
        folder: Private, for uploads and what is made of them.
        num_uploads, num_streams: That are open now.
        stream_threads: A thread for each live stream.
        make_stream: Makes what reads a live stream.
    """

    def __init__(self, settings: Settings, folder: Path):
        self.settings = settings
        self.folder = folder
        self.metrics = Metrics()
        self.models = Models(settings, self.metrics)
        self.children = Children(settings.workers, folder, Limits(settings.memory_bytes), settings.time_limit)
        self.num_uploads = self.num_streams = 0
        self.make_stream: Callable[[Model, SearchOptions], Any] = Stream
        self.stream_threads = ThreadPoolExecutor(settings.max_streams, thread_name_prefix="stream")
        self._threads = ThreadPoolExecutor(settings.workers, thread_name_prefix="job")
        self._loading = ThreadPoolExecutor(1, thread_name_prefix="small")
        self._free = asyncio.Semaphore(settings.workers)
        self._taken = 0
        self._job_seconds: Seconds = 1.0

    def close(self) -> None:
        """Ends the workers; what they do is lost."""
        self.children.close()
        for threads in (self._threads, self._loading, self.stream_threads):
            threads.shutdown(cancel_futures=True)

    def check_queue(self) -> None:
        """Refuses a request that would find no place in the queue.

        Raises:
            ApiError: 429, and when to try again.
        """
        if self._taken < self.settings.workers + self.settings.queue:
            return
        self.metrics.refused.inc()
        wait = math.ceil(self._job_seconds * self._taken / self.settings.workers) or 1
        raise ApiError(
            429,
            f"{self._taken} requests are waiting, all that this server lets wait: try again in {wait} s",
            code="queue_full",
            headers={"Retry-After": str(wait)},
        )

    async def job(self, work: Callable[[threading.Event], Result], limited: bool = True) -> Result:
        """Runs `work(stop)` in a thread when a worker is free; if this is cancelled, `stop` is set and it is awaited.

        Args:
            limited: Whether a full queue refuses it.

        Raises:
            ApiError: The queue is full.
            Exception: Whatever the work raises.
        """
        async with self._place(limited):
            begun = time.monotonic()
            result = await run_in_thread(self._threads, work)
            if limited:  # the others are not the clients'
                self._job_seconds += LEARNED * (time.monotonic() - begun - self._job_seconds)
            return result

    async def child(self, function: Callable[..., Any], *args: Any, limited: bool = True) -> Any:
        """Runs `function(*args, tell)` in a child process, as a job; see `Children.call`."""
        return await self.job(lambda stop: self.children.run(function, *args, stop=stop), limited)

    async def small(self, work: Callable[[], Result]) -> Result:
        """Runs what takes a moment and may wait for the disk, such as loading a model, in a thread beside the jobs."""
        return await asyncio.get_running_loop().run_in_executor(self._loading, work)

    @asynccontextmanager
    async def _place(self, limited: bool) -> AsyncIterator[None]:
        """A place in the queue, then a worker."""
        if limited:
            self.check_queue()
        self._taken += 1
        self.metrics.jobs.set(self._taken)
        try:
            async with self._free:
                yield
        finally:
            self._taken -= 1
            self.metrics.jobs.set(self._taken)


async def run_in_thread(threads: ThreadPoolExecutor, work: Callable[[threading.Event], Result]) -> Result:
    """Runs `work(stop)`; if this is cancelled, `stop` is set, and its end is awaited."""
    stop = threading.Event()
    future = asyncio.get_running_loop().run_in_executor(threads, work, stop)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([future])
        if not future.cancelled():
            future.exception()  # `Stopped`, of which nobody else wants to know
        raise
