"""The training loop, to be read from top to bottom."""

import contextlib
import functools
import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from lipscribe.data.batches import Shares
from lipscribe.data.loader import BatchLoader, fitting_workers
from lipscribe.models.builders import build_reader
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import ModelSpec
from lipscribe.progress import Progress, tracked
from lipscribe.training.alignment import SURE, missing_word_times, realign_epochs
from lipscribe.training.average import MovingAverage
from lipscribe.training.card import card_of_run, with_scores
from lipscribe.training.checkpoints import Checkpoints, Position
from lipscribe.training.checks import RunData, load_data
from lipscribe.training.config import TrainConfig
from lipscribe.training.distilling import distil_losses, load_teacher
from lipscribe.training.fabric import Fabric, rank_zero_only
from lipscribe.training.finite import FiniteCheck
from lipscribe.training.freezing import freeze, set_training
from lipscribe.training.logs import EpochLines, log_row, tensorboard
from lipscribe.training.losses import attention_loss, ctc_loss, frame_loss
from lipscribe.training.parallel import (
    COUNTED,
    LostProcessError,
    OtherProcessError,
    RunningStatistics,
    as_launched,
    gathered,
    is_of_peers,
    launch,
    make_fabric,
    restarted,
    seed_of,
    share_weights,
    together,
)
from lipscribe.training.run_folder import run_folder
from lipscribe.training.scoring import dev_scores
from lipscribe.training.sharding import shard, whole
from lipscribe.zoo.checkpoint import save_checkpoint, start_from
from lipscribe.zoo.registry import find_model

_LOG = logging.getLogger(__name__)


def train(
    config: TrainConfig,
    resume: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] = _LOG.info,
) -> Path:
    """Trains a model; one of the processes of a training, where a launcher has started several.

    Args:
        resume: Continue after the last state that an earlier run in the same folder has kept. The result equals that of
            a run that was never interrupted: everything random is drawn from the seed, the epoch and the step. With
            more epochs than the earlier run had, the learning rate continues on the longer schedule. A run that its
            launcher restarts after a failure is resumed without being asked.
        progress: Called with the steps of each epoch, in the first process.
        say: Called with a line of metrics for each epoch, in the first process; without `progress` also about once a
            minute within an epoch.

    Returns:
        The folder of the final model, `<output>/last`; `<output>/best` is the one with the fewest errors on dev.

    Raises:
        ConfigError: The folder holds another run, or nothing to resume; the clips' crops are not the model's kind;
            the teacher does not fit; or a loss or gradient is not finite: its step and clips are named.
        CheckpointError: The model to start from, the teacher or the state to resume from is missing or damaged.
        ManifestError: Clips are missing, damaged or of no use; all faults are listed before the first step.
        OtherProcessError: It is another process of the training that fails, and says so.
        LostProcessError: Another process of the training has ended.
        LipscribeError: Another process is writing to the run's folder.
    """
    config = as_launched(config)
    precision = best_precision() if config.optim.precision == "auto" else config.optim.precision
    fabric = make_fabric(config, precision)
    try:
        launch(fabric)
        data = together(fabric, lambda: load_data(config))
        spec = config.trained_model
        spec = replace(spec, card=card_of_run(config, spec, data.train_clips))
        named, weight = config.teacher, config.optim.distil_weight
        teacher = together(fabric, lambda: load_teacher(named, spec, weight) if named else None)
        with contextlib.ExitStack() as stack:
            folder = together(fabric, lambda: stack.enter_context(run_folder(config, resume, restarted())))
            output, resume = gathered(fabric, folder)[0]
            _train(config, spec, data, teacher, fabric, output, resume, progress, say)
    except RuntimeError as error:
        if not is_of_peers(error):
            raise
        kind = LostProcessError if fabric.is_global_zero else OtherProcessError
        raise kind(
            "another process of this training has ended (it says why itself, or was killed, often for lack of memory): "
            "--resume continues after the last state that was kept"
        ) from error
    return output / "last"


def _train(
    config: TrainConfig,
    spec: ModelSpec,
    data: RunData,
    teacher: LipReader | None,
    fabric: Fabric,
    output: Path,
    resume: bool,
    progress: Progress | None,
    say: Callable[[str], None],
) -> None:
    """Trains what `train` has checked. More than 60 lines on purpose: the loop is to be read in one piece."""
    optim, train_set = config.optim, data.train_set
    if not fabric.is_global_zero:
        say, progress = _LOG.debug, None
    loggers = tensorboard(output, say) if fabric.is_global_zero else []
    workers = config.data.workers
    if workers is None:
        workers = fitting_workers(config.devices)
    shares = Shares(config.shares, fabric.global_rank, fabric.world_size)
    steps_per_epoch = len(train_set.plan(config.batch_sizes))
    epochs = math.ceil(optim.steps / steps_per_epoch) if optim.steps else optim.epochs
    begin = _LOG.debug if resume else say  # how a run began was said when it did
    word_times = missing_word_times(data, config, epochs, begin)

    fabric.seed_everything(config.seed, verbose=False)
    reader = build_reader(spec)
    if first_model := config.start_from:
        begin(together(fabric, lambda: start_from(reader, find_model(first_model), spec, whole=config.freeze)))
    sharded = config.strategy == "fsdp"
    if not sharded:  # which takes no other layout
        # Faster convolutions, on CPU and GPU alike.
        reader.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  missing in its stubs
    freeze(reader, config.freeze)
    average = MovingAverage(reader, optim.average, () if sharded else config.freeze).to(fabric.device)
    model = fabric.setup_module(reader)
    model.mark_forward_method("forward_train")
    if sharded and optim.average:
        shard(average.module, fabric.strategy.device_mesh)  # pyright: ignore[reportAttributeAccessIssue]  of FSDP
    trained = [weights for weights in reader.parameters() if weights.requires_grad]
    fused = fabric.device.type in ("cuda", "cpu")  # one kernel for all weights
    adam = torch.optim.AdamW(trained, lr=optim.learning_rate, weight_decay=optim.weight_decay, fused=fused)
    optimizer: Any = fabric.setup_optimizers(adam)
    statistics = RunningStatistics(fabric, reader, shares.number)
    if teacher:
        teacher.to(fabric.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  as above
    schedule = LambdaLR(optimizer, one_cycle(epochs * steps_per_epoch, optim.warmup))

    def averaged() -> LipReader:
        """The averaged model in one piece."""
        if not sharded:
            return average.module
        gathered_reader = build_reader(spec)
        gathered_reader.load_state_dict(whole(average.module))
        return gathered_reader.to(fabric.device)

    saved: dict[str, Any] = {"model": reader, "average": average, "optimizer": adam, "schedule": schedule}
    if word_times:
        saved["word_times"] = word_times
        if config.start_from and not resume:
            word_times.realign(averaged(), fabric, sure_above=SURE)
    checkpoints = Checkpoints(fabric, output, saved, sharded)
    heads = {"ctc": optim.ctc_weight, "attention": 1 - optim.ctc_weight}
    distil_weight = optim.distil_weight if teacher else 0
    weights = {name: weight * (1 - distil_weight) for name, weight in heads.items()}
    weights["frame"] = weights["ctc"] * optim.frame_weight
    weights |= {f"distil_{name}": weight * distil_weight for name, weight in heads.items()}

    @functools.cache  # copied to a GPU once
    def weights_of(names: tuple[str, ...]) -> Tensor:
        return torch.tensor([weights[name] for name in names], device=fabric.device)

    position = together(fabric, checkpoints.load) if resume else Position()
    if resume:
        done = "" if position.epoch < epochs else ", which are all: for more, give larger --epochs or optim.steps"
        within = f" and {position.step} of {steps_per_epoch} steps" if position.step else ""
        say(f"{output} has {position.epoch} of {epochs} epochs{within}{done}")

    names: tuple[str, ...] = ()
    best = position.best
    with BatchLoader(train_set, config.batch_sizes, epochs, workers, fabric.device.type == "cuda", shares) as loader:
        for epoch in range(position.epoch, epochs):
            first = position.step if epoch == position.epoch else 0
            if word_times and not first and epoch in realign_epochs(epochs):
                word_times.realign(averaged(), fabric)
                loader.stop()  # its workers have the former times
            set_training(reader, config.freeze)
            started = time.monotonic()
            sums = position.sums if first else None
            sums = torch.zeros(len(shares.own), 1, device=fabric.device) if sums is None else sums
            batches = loader.epoch(epoch, first)
            plan, finite = train_set.plan(config.batch_sizes, epoch), FiniteCheck(fabric, shares)
            steps = tracked(plan[first:], progress, f"epoch {epoch + 1}/{epochs}", steps_per_epoch, first)
            lines = EpochLines(say, epoch, first, steps_per_epoch) if progress is None else None
            for step, numbers in enumerate(steps, first):
                parts, counts = [next(batches) for _ in shares.own], shares.counts(numbers)
                share_of = share_weights(fabric, parts, counts) if shares.number > 1 else None
                rows: list[Tensor] = []
                statistics.begin()
                for i, batch in enumerate(parts):
                    # Dropout draws from torch's global generator: seeded here, a share is the same in any process, and
                    # a run that is resumed equals an uninterrupted one.
                    torch.manual_seed(seed_of(config.seed, epoch, step, shares.own[i]))
                    batch = batch.to(fabric.device)
                    with fabric.no_backward_sync(model, enabled=i + 1 < len(parts)):
                        with fabric.autocast():  # Fabric does it for a marked method on several devices only
                            log_probs, expected = model.forward_train(
                                batch.video, batch.video_lengths, batch.targets, optim.sampling
                            )
                        losses: dict[str, Tensor] = {}
                        if log_probs is not None:  # (B, T, V)
                            losses["ctc"] = ctc_loss(log_probs, batch)
                            losses["frame"] = frame_loss(log_probs, batch, optim.label_smoothing)
                        if expected is not None:  # (B, U + 1, V)
                            losses["attention"] = attention_loss(expected, batch, optim.label_smoothing, reader.end)
                        if teacher:
                            with torch.no_grad(), fabric.autocast():
                                teacher_outputs = teacher.forward_train(batch.video, batch.video_lengths, batch.targets)
                            ends, outputs = (reader.end, teacher.end), (log_probs, expected)
                            losses |= distil_losses(outputs, teacher_outputs, batch, optim.distil_temperature, ends)
                        names = tuple(losses)
                        values = torch.stack(list(losses.values()))
                        if share_of is not None:
                            values = values * share_of[i, [COUNTED[name] for name in names]]
                        loss = values @ weights_of(names)
                        fabric.backward(loss * fabric.world_size)  # whose gradients are averaged over the processes
                    rows.append(torch.cat([values, loss[None]]).detach())
                    statistics.add(counts[i])
                norm: Any = fabric.clip_gradients(model, optimizer, max_norm=optim.clip_norm, error_if_nonfinite=False)
                optimizer.step()
                optimizer.zero_grad()
                schedule.step()
                statistics.end()
                average.update(reader)
                table = torch.stack(rows)
                sums = sums + table
                finite.add(step, table[:, -1], norm)  # looked at where something is saved: each look waits for a GPU
                done = step + 1
                if lines is not None:  # of all shares, as far as this process knows
                    lines.add(done, lambda so_far=sums[:, -1], done=done: float(so_far.mean()) * shares.number / done)
                if config.checkpoint_every and done % config.checkpoint_every == 0 and done < steps_per_epoch:
                    finite.raise_if_not(epoch, plan, train_set)
                    checkpoints.save(Position(epoch, done, best, sums))

            finite.raise_if_not(epoch, plan, train_set)
            every = torch.stack(gathered(fabric, sums.cpu()), 1).flatten(0, 1)  # by share, as `Checkpoints` has them
            means = (every.sum(0) / steps_per_epoch).tolist()
            metrics = dict(zip([f"train_{name}" for name in (*names, "loss")], means, strict=True))
            metrics |= {"learning_rate": float(schedule.get_last_lr()[0]), "epoch_seconds": time.monotonic() - started}
            current = averaged()
            if (epoch + 1) % config.evaluate_every == 0 or epoch + 1 == epochs:
                own = data.dev_set.plan(config.batch_sizes.of_share(shares.number))[shares.rank :: shares.world_size]
                metrics |= dev_scores(current, (data.dev_set.batch(epoch, numbers) for numbers in own), spec, fabric)
            for logger in loggers:
                logger.log_metrics(metrics, epoch + 1)
            if fabric.is_global_zero:
                log_row(output, epoch + 1, metrics)
                say(f"epoch {epoch + 1:3d}  " + "  ".join(f"{name} {value:.4g}" for name, value in metrics.items()))
                limit = metrics.get("surprise_limit")
                scored = replace(spec, card=with_scores(spec.card, metrics), surprise_limit=limit)
                save_checkpoint(output / "last", scored, current.state_dict())
                if metrics.get("dev_wer", math.inf) < best:
                    save_checkpoint(output / "best", scored, current.state_dict())
            best = min(best, metrics.get("dev_wer", math.inf))
            # Written last: an epoch that is interrupted before this line is resumed from the state before.
            checkpoints.save(Position(epoch + 1, 0, best))


def is_first() -> bool:
    """Whether this is the first of the processes of a training."""
    return rank_zero_only.rank == 0  # pyright: ignore[reportFunctionMemberAccess]  Lightning sets it on the function


def best_precision() -> Literal["32-true", "bf16-mixed"]:
    """bfloat16 where the processor computes in it, rather than imitating it."""
    if torch.cuda.is_available():
        able = torch.cuda.is_bf16_supported(including_emulation=False)
    elif torch.backends.mps.is_available():
        able = False
    else:
        known = getattr(torch.cpu, "get_capabilities", dict)()
        able = any(has is True and "bf16" in name for name, has in known.items())
    return "bf16-mixed" if able else "32-true"


def one_cycle(num_steps: int, warmup: float) -> Callable[[int], float]:
    """The factor on the peak learning rate at each step: up along a line, down along half a cosine."""
    rise = max(1, int(num_steps * warmup))

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / max(1, num_steps - rise))))

    return factor
