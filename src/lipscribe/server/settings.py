"""What `lipscribe serve` is told: where it listens, whom it answers, and its limits."""

from dataclasses import dataclass, field
from pathlib import Path

from lipscribe.errors import ConfigError
from lipscribe.processes import available_cpus
from lipscribe.units import Seconds
from lipscribe.zoo.cache import cache_folder
from lipscribe.zoo.registry import DEFAULT_MODEL

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MB = 1_000_000


@dataclass(frozen=True)
class Settings:
    """Settings of a server; every limit has a default.

    Attributes:
        host, port: Where it listens.
        model: The model where a request names none.
        enrolments: The folder of recordings that people are learned from.
        token: What a client has to send; None asks for none, which only a loopback address allows.
        allowed_hosts: Names beside the address itself that a request may be sent to (its Host header).
        allowed_origins: Pages beside its own that may send requests, such as "https://example.org".
        workers: Videos that are read at the same time, each decoded in a process of its own.
        queue: Requests that may wait for a worker; beyond it they are refused at once.
        max_uploads: Uploads that may come in at the same time.
        max_upload_bytes: Of one upload.
        max_duration: Of one video.
        max_pixels: Of one picture.
        time_limit: For one request, from its worker's start to the answer.
        memory_bytes: Data that one worker process may allocate.
        max_streams: Live streams at the same time.
        models_kept: Models that stay in memory.
        idle_timeout: How long a client may send nothing in the middle of a request, or not read what it is sent.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    model: str = DEFAULT_MODEL
    enrolments: Path = field(default_factory=lambda: cache_folder() / "enrolments")
    token: str | None = field(default=None, repr=False)
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    workers: int = field(default_factory=available_cpus)
    queue: int = 32
    max_uploads: int = 64
    max_upload_bytes: int = 500 * MB
    max_duration: Seconds = 600.0
    max_pixels: int = 4096 * 2304
    time_limit: Seconds = 300.0
    memory_bytes: int = 3000 * MB
    max_streams: int = field(default_factory=available_cpus)
    models_kept: int = 3
    idle_timeout: Seconds = 10.0

    def __post_init__(self) -> None:
        if self.token is not None and len(self.token) < 8:
            raise ConfigError(
                "the token is too short: give at least 8 characters, such as those of `openssl rand -hex 16`"
            )
        if self.token is None and not self.is_loopback:
            raise ConfigError(
                f"host {self.host} can be reached from other machines: give a --token that clients have to send, "
                "or leave --host out"
            )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK or self.host.startswith("127.")
