"""Finds the first step whose loss or gradient is not finite, without asking the device at each step."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lipscribe.data.batches import Shares
from lipscribe.data.dataset import ShardDataset
from lipscribe.errors import ConfigError
from lipscribe.training.fabric import Fabric
from lipscribe.training.parallel import OtherProcessError, gathered

SHOWN = 8  # ids that a message names


class FiniteCheck:
    """Remembers, for each of the own shares, the first step with a loss or a gradient of NaN or infinity.

    A loss may be finite and its gradient not; then all weights are NaN after the step, whose loss nobody has seen yet.

    Args:
        shares: Of a step.
    """

    def __init__(self, fabric: Fabric, shares: Shares):
        self._fabric, self._shares = fabric, shares
        self._first = torch.full((len(shares.own), 2), -1, device=fabric.device)

    def add(self, step: int, losses: Tensor, norm: Tensor) -> None:
        """After the gradient of a step, in the epoch.

        Args:
            losses: (shares,) float32 of the own shares.
            norm: () of the gradient of all; of spread weights this process's part.
        """
        norm = getattr(norm, "to_local", lambda: norm)()  # of a DTensor
        bad = ~torch.stack([losses.isfinite(), norm.isfinite().to(losses.device).expand(len(losses))], 1)
        self._first = torch.where(bad & (self._first < 0), step, self._first)

    def raise_if_not(self, epoch: int, steps: Sequence[Sequence[int]], clips: ShardDataset) -> None:
        """Before anything is saved. All processes have to ask.

        Args:
            steps: The clips of each step of the epoch, see `ShardDataset.plan`.
            clips: Those that are trained on.

        Raises:
            ConfigError: A step was not finite; the step and its clips are named. In the first process.
            OtherProcessError: In the others.
        """
        firsts = torch.stack(gathered(self._fabric, self._first.cpu()), 1).flatten(0, 1).tolist()  # by share
        found = [step for of_share in firsts for step in of_share if step >= 0]
        if not found:
            return
        step = min(found)
        shares = [share for share, (of_loss, _) in enumerate(firsts) if of_loss == step]
        what, numbers = "gradient", list(steps[step])
        if shares:
            what, number = "loss", self._shares.number
            numbers = [clip for share in shares for clip in numbers[share::number] or numbers[:1]]
        ids = [clip.id for clip in clips.batch(epoch, numbers[:SHOWN]).clips]
        more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
        kind = ConfigError if self._fabric.is_global_zero else OtherProcessError
        raise kind(
            f"the {what} is not finite in step {step + 1} of {len(steps)} of epoch {epoch + 1}, with clips "
            f"{', '.join(ids)}{more}: look at these, and start again in another output, with optim.precision 32-true "
            "or a lower optim.learning_rate; what was kept of earlier steps is as it was"
        )
