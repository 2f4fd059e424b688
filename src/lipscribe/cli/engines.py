"""`--engine` and `--address`: where the workers of a command run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lipscribe.engines import Engine


class EngineName(StrEnum):  # noqa: D101
    local = "local"
    ray = "ray"


_PANEL = "Where to run"
EngineFlag = Annotated[
    EngineName,
    typer.Option("--engine", help="local: processes of this machine; ray: a Ray cluster.", rich_help_panel=_PANEL),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="Of the Ray cluster: auto (this machine is part of it), ray://host:10001 or host:6379.",
        show_default="a cluster of this machine alone",
        rich_help_panel=_PANEL,
    ),
]


def cluster_address(address: str | None) -> str | None:
    """The address that is given, else that of RAY_ADDRESS, as Ray's own tools have it."""
    return address or os.environ.get("RAY_ADDRESS")


@contextmanager
def opened(name: EngineName, address: str | None, number: int | None) -> "Iterator[Engine | None]":
    """The engine of a command; None is processes of this machine.

    Args:
        number: Of workers, where a cluster is started for them.
    """
    if name is EngineName.local:
        if address is not None:
            raise typer.BadParameter("it is of a Ray cluster: add --engine ray", param_hint="--address")
        yield None
        return
    from lipscribe.engines.ray_cluster import ray_engine

    with ray_engine(cluster_address(address), number) as engine:
        yield engine
