"""Several processes that train one model: how they are started, and what they tell each other.

A step's clips are dealt into shares (`data.batches.Shares`), and each share is computed alike whoever computes it: its
dropout is drawn by its own seed, its losses count by its part of the whole step, and batch norm has the statistics of
the share. So two processes train as one does that computes both shares in turn, but for the rounding of sums.
"""

import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed import PrefixStore, TCPStore
from torch.nn.parallel import DistributedDataParallel

from lipscribe.data.batches import Batch
from lipscribe.errors import ConfigError, LipscribeError
from lipscribe.models.device import moved
from lipscribe.training.config import TrainConfig
from lipscribe.training.fabric import DDPStrategy, Fabric, ModelParallelStrategy, SLURMEnvironment
from lipscribe.training.sharding import shard

# Which count of `_counts` a loss is the mean over.
COUNTED = {"ctc": 0, "frame": 1, "attention": 2, "distil_ctc": 3, "distil_attention": 2}
# What torch says when another process is gone, by gloo, by NCCL and by their store.
_GONE = ("peer", "connection", "gloo", "nccl", "socket", "timed out", "timeout", "broken pipe")
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)

Result = TypeVar("Result")


class OtherProcessError(LipscribeError):
    """What is wrong is said by another process of the training, so this one need not say it again."""


class LostProcessError(LipscribeError):
    """Another process of the training has ended."""


def as_launched(config: TrainConfig) -> TrainConfig:
    """The config with the numbers of the launcher (torchrun, SLURM), where one has started this process.

    Raises:
        ConfigError: The config has other numbers, or they do not fit it.
    """
    found = _launcher()
    if found is None:
        return config
    name, devices, num_nodes = found
    given = (config.devices, config.num_nodes)
    if given not in ((1, 1), (devices, num_nodes)):
        raise ConfigError(
            f"{name} has started {devices} processes on each of {num_nodes} machines, the config wants "
            f"{config.devices} on {config.num_nodes}: leave devices and num_nodes out, or make them equal"
        )
    config = replace(config, devices=devices, num_nodes=num_nodes)
    if faults := config.faults():
        raise ConfigError("; ".join(faults))
    return config


def _launcher() -> tuple[str, int, int] | None:
    """Name, processes of a machine and machines of what has started this process; None if nothing has."""
    env = os.environ
    if "TORCHELASTIC_RUN_ID" in env:
        local = int(env.get("LOCAL_WORLD_SIZE", env["WORLD_SIZE"]))
        return "torchrun", local, int(env["WORLD_SIZE"]) // local
    if SLURMEnvironment.detect() and int(env["SLURM_NTASKS"]) > 1:
        nodes = int(env.get("SLURM_NNODES", "1"))
        return "SLURM", int(env["SLURM_NTASKS"]) // nodes, nodes
    return None


def restarted() -> bool:
    """Whether the launcher has started this process again after a failure."""
    names = ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT", "LIPSCRIBE_RESTART_COUNT")
    return any(int(os.environ.get(name) or 0) > 0 for name in names)


def make_fabric(config: TrainConfig, precision: Any) -> Fabric:
    """Fabric for the processes of a config."""
    processes = config.devices * config.num_nodes
    strategy: Any = "auto"
    if config.strategy == "fsdp":
        strategy = ModelParallelStrategy(shard, data_parallel_size=processes, tensor_parallel_size=1)
    elif processes > 1:
        # `RunningStatistics` brings the buffers of all together. Torch has a new name for the setting.
        named = "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
        settings: dict[str, Any] = {"forward_sync_buffers" if named else "broadcast_buffers": False}
        strategy = DDPStrategy(**settings)
    return Fabric(
        accelerator="auto",
        devices=config.devices,
        num_nodes=config.num_nodes,
        strategy=strategy,
        precision=precision,
    )


def launch(fabric: Fabric) -> None:
    """Connects the processes; those that a launcher has not started are started."""
    if "LT_CLI_USED" in os.environ:  # `fabric run` has done so
        return
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    if attempt != "0" and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        # The store in which torchrun lets processes meet still has the addresses of those before the restart.
        env, on_gpu = os.environ, fabric.device.type == "cuda"
        store = TCPStore(env["MASTER_ADDR"], int(env["MASTER_PORT"]), int(env["WORLD_SIZE"]), is_master=False)
        torch.distributed.init_process_group(
            "nccl" if on_gpu else "gloo",
            store=PrefixStore(f"attempt {attempt}", store),
            rank=int(env["RANK"]),
            world_size=int(env["WORLD_SIZE"]),
            device_id=fabric.device if on_gpu else None,
        )
    fabric.launch()


def gathered(fabric: Fabric, own: Result) -> list[Result]:
    """What each process has, in the order of ranks. All have to ask."""
    if fabric.world_size == 1:
        return [own]
    found: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(found, own)
    return found


def together(fabric: Fabric, work: Callable[[], Result]) -> Result:
    """Runs the same work in each process, and fails in all where it fails in one, whose error is told once.

    Raises:
        LipscribeError: What the work raises, in the first process that fails.
        OtherProcessError: In the others.
    """
    error: LipscribeError | None = None
    result: Any = None
    try:
        result = work()
    except LipscribeError as caught:
        error = caught
    for rank, message in enumerate(gathered(fabric, None if error is None else str(error))):
        if message is not None:
            if error is not None and rank == fabric.global_rank:
                raise error
            raise OtherProcessError(message)
    return result


def is_of_peers(error: BaseException) -> bool:
    """Whether an error tells that another process of the training is gone."""
    if not torch.distributed.is_initialized() or not isinstance(error, RuntimeError):
        return False
    return type(error).__name__.startswith("Dist") or any(word in str(error).lower() for word in _GONE)


def seed_of(*counters: int) -> int:
    """A seed that depends on the numbers given, such as seed, epoch, step and share."""
    return int(np.random.SeedSequence(counters).generate_state(1)[0])


def share_weights(fabric: Fabric, batches: Sequence[Batch], counting: Sequence[bool]) -> Tensor:
    """How much the mean losses of each share count in the mean over the step's clips, frames or tokens.

    Args:
        batches: The own shares of a step.
        counting: Whether each of them counts; see `Shares.of`.

    Returns:
        (shares, 4) float32 on the training's device; a column sums to 1 over the shares of all processes, see
        `COUNTED`.
    """
    counts = torch.stack([_counts(batch) * there for batch, there in zip(batches, counting, strict=True)])
    counts = moved(counts, fabric.device)
    total = counts.sum(0)
    if fabric.world_size > 1:
        total = fabric.all_reduce(total, reduce_op="sum")
        assert isinstance(total, Tensor)
    return counts / total.clamp(min=1)


def _counts(batch: Batch) -> Tensor:
    clips = len(batch.clips)
    known, tokens, frames = (batch.frame_tokens >= 0).sum(), batch.target_lengths.sum(), batch.video_lengths.sum()
    return torch.tensor([clips, int(known), int(tokens) + clips, int(frames)], dtype=torch.float32)


class RunningStatistics:
    """Batch norm's running statistics of a step in several shares: the mean of what each share makes of them.

    Args:
        shares: Of a step, over all processes; with one the statistics are left alone.
    """

    def __init__(self, fabric: Fabric, model: nn.Module, shares: int):
        norms = [module for module in model.modules() if isinstance(module, BATCH_NORMS)]
        self._buffers = [buffer for norm in norms for buffer in norm.buffers()] if shares > 1 else []
        self._fabric = fabric
        self._before: list[Tensor] = []
        self._sum: list[Tensor] = []

    def begin(self) -> None:
        """Before a step."""
        self._before = [buffer.clone() for buffer in self._buffers]
        self._sum = [torch.zeros_like(buffer, dtype=torch.float32) for buffer in self._buffers]
        self._number = 0

    def add(self, counts: bool) -> None:
        """After a share, which counts or not; the next one starts from what was before the step."""
        self._number += counts
        for buffer, before, total in zip(self._buffers, self._before, self._sum, strict=True):
            if counts:
                total += buffer
            buffer.copy_(before)

    def end(self) -> None:
        """After a step."""
        if not self._buffers:
            return
        parts = [*self._sum, torch.tensor([float(self._number)])]
        flat = torch.cat([moved(part, self._fabric.device).flatten() for part in parts])
        if self._fabric.world_size > 1:
            reduced = self._fabric.all_reduce(flat, reduce_op="sum")
            assert isinstance(reduced, Tensor)
            flat = reduced
        means = (flat[:-1] / flat[-1]).split([buffer.numel() for buffer in self._buffers])
        for buffer, mean in zip(self._buffers, means, strict=True):
            buffer.copy_(mean.view(buffer.shape))
