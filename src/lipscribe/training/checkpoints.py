"""The state that an interrupted run is resumed from."""

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from lipscribe.atomic import writing
from lipscribe.errors import CheckpointError
from lipscribe.plain_data import check_format
from lipscribe.training.fabric import Fabric
from lipscribe.training.parallel import gathered
from lipscribe.training.run_folder import RESUME_FILE
from lipscribe.training.sharding import load_sharded, save_sharded
from lipscribe.zoo.interop.tensors import DAMAGED_PICKLE

FORMAT_VERSION = 1  # of the state
SHARDED = "sharded"  # folder of states that all processes write


@dataclass(frozen=True)
class Position:
    """How far a run has come. All that is random is drawn from the seed and this.

    Attributes:
        epoch, step: The next ones; a step within its epoch.
        best: Lowest word error rate on dev so far.
        sums: (shares, losses + 1) sums of the losses of this epoch, by the own shares; None at its start.
    """

    epoch: int = 0
    step: int = 0
    best: float = math.inf
    sums: Tensor | None = None


class Checkpoints:
    """Writes and reads the state of a run.

    Args:
        output: The run's folder.
        saved: What has a state, by name, among it "model", "average" and "optimizer".
        sharded: Whether the weights of these three are spread over the processes, each of which writes its part.
    """

    def __init__(self, fabric: Fabric, output: Path, saved: dict[str, Any], sharded: bool):
        self._fabric = fabric
        self._path = output / RESUME_FILE
        spread = ("model", "optimizer", "average")
        self._spread: list[Any] = [saved[name] for name in spread] if sharded else []
        self._saved = {name: part for name, part in saved.items() if not (sharded and name in spread)}

    def save(self, position: Position) -> None:
        """Replaces the state. All processes have to ask; a run that is killed meanwhile keeps the former one."""
        sums = [part for part in gathered(self._fabric, position.sums) if part is not None]
        folder = self._path.parent / SHARDED
        name = f"{position.epoch}-{position.step}"
        if self._spread:
            save_sharded(folder / name, *self._spread)
        if not self._fabric.is_global_zero:
            return
        state = {part: saved.state_dict() for part, saved in self._saved.items()}
        state |= {"epoch": position.epoch, "step": position.step, "best": position.best}
        if sums:
            state["sums"] = torch.stack(sums, 1).flatten(0, 1).cpu()  # by share: rank 0's first, rank 1's first, ...
        if self._spread:
            state[SHARDED] = name
        with writing(self._path) as file:
            torch.save(state, file)
        for former in folder.iterdir() if self._spread else ():
            if former.name != name:
                shutil.rmtree(former, ignore_errors=True)

    def load(self) -> Position:
        """Reads the state.

        Raises:
            CheckpointError: It is damaged, or of another run.
        """
        try:
            state = torch.load(self._path, weights_only=True, map_location="cpu")
            check_format(state, FORMAT_VERSION, str(self._path), CheckpointError)
            if self._spread:
                load_sharded(self._path.parent / SHARDED / state[SHARDED], *self._spread)
            for name, part in self._saved.items():
                part.load_state_dict(state[name])
            sums = state.get("sums")
            if sums is not None:
                own = slice(self._fabric.global_rank, None, self._fabric.world_size)
                sums = sums[own].to(self._fabric.device)
            numbers = state["epoch"], state.get("step", 0), state["best"]
            if not all(isinstance(number, int | float) and number >= 0 for number in numbers):  # not NaN either
                raise ValueError(f"it is at {numbers!r:.60}")
            return Position(int(numbers[0]), int(numbers[1]), numbers[2], sums)
        except (*DAMAGED_PICKLE, UnpicklingError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(":")
            raise CheckpointError(
                f"{self._path} cannot be resumed from ({reason}): start again in another output, with start_from: "
                f"{self._path.parent} to go on from its weights"
            ) from None
