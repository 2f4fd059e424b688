"""Training settings: a YAML file -> `TrainConfig`, all faults reported at once."""

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from lipscribe.data.batches import BatchSizes
from lipscribe.errors import ConfigError
from lipscribe.models.decoder_specs import AttentionDecoderSpec
from lipscribe.models.spec import ModelSpec
from lipscribe.schema import from_dict, within, without_unused
from lipscribe.search import Grammar
from lipscribe.tokenizer import WordTokenizer
from lipscribe.training.config_file import laid_over, read_config
from lipscribe.transforms import AugmentConfig


@dataclass(frozen=True)
class DataConfig:
    """The training data.

    Attributes:
        folder: A prepared folder, relative to the working directory, or its address in an object store (s3://...).
        limit: Maximum number of training clips.
        also: Further prepared folders, whose training clips are added.
        also_limit: Maximum number of clips from each of these.
        also_repeat: How often an epoch has the clips of each of these; once where not given.
        cache: Keep the decoded crops in memory; false for more clips than memory holds.
        workers: Processes that make batches ahead of the training; 0 makes them in between. None is as many as suit the
            machine. The batches are the same for any number.
        shard_cache: Folder of the copies of an object store's shards; one in the system's temporary folder where not
            given.
        shard_cache_gb: What they may take, in 10^9 bytes.
    """

    folder: str
    train_split: str = "train"
    dev_split: str = "dev"
    limit: int | None = within(None, 1)
    also: tuple[str, ...] = ()
    also_limit: int | None = within(None, 1)
    also_repeat: tuple[int, ...] = within((), 1)
    cache: bool = True
    workers: int | None = within(None, 0, 256)
    shard_cache: str | None = None
    shard_cache_gb: float = within(20.0, 0)

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        given, wanted = len(self.also_repeat), len(self.also)
        return [f"also_repeat has {given} numbers for the {wanted} folders of also"] if given > wanted else []


@dataclass(frozen=True)
class OptimConfig:
    """Optimisation and losses.

    Attributes:
        epochs: Passes over the training clips, if `steps` is not given.
        steps: Optimizer steps instead of `epochs`, rounded up to whole epochs.
        batch_size: Clips of an optimizer step, over all processes.
        batch_frames: Instead of `batch_size`, frames of a step as prepared, padding included: clips of similar length
            go together, so that little is padded, and short ones make larger batches.
        accumulate: Parts in which each process computes its share of a step, one after the other, for steps that do not
            fit into memory. The gradient is that of the whole step; batch norm has the statistics of each part.
        learning_rate: The peak of a one-cycle schedule (Smith and Topin, 2018) over all steps.
        warmup: Share of the steps that rise to the peak.
        clip_norm: Maximum gradient norm.
        average: Decay per step of the moving average of the weights, which is evaluated and saved. It is a second copy
            of the trained parameters; 0 disables it.
        ctc_weight: Share of CTC in the loss; the attention decoder has the rest (Watanabe et al., 2017). It selects the
            heads: 1 is CTC alone, 0 a decoder alone, otherwise both; see `TrainConfig.trained_model`.
        frame_weight: Weight of the frame loss: cross-entropy of CTC's output with the word spoken in each frame (needs
            a word tokenizer); 0 is CTC alone.
        frame_margin: Frames on either side of a word boundary without frame loss: word times are accurate to about a
            frame, and the shortest words hardly last longer.
        label_smoothing: Label smoothing of the frame loss and the decoder's loss.
        sampling: Probability that in training the decoder's own sample replaces the true token (scheduled sampling).
        distil_weight: The teacher's share of the loss; the texts have the rest.
        distil_temperature: Softens the distributions of teacher and model; see `training.distilling`.
        precision: "bf16-mixed" takes half to two thirds of the time on GPUs and CPUs with bfloat16, and is slow on
            others; "auto" selects it by the hardware, else "32-true".
    """

    epochs: int = within(70, 1)
    steps: int | None = within(None, 1)
    batch_size: int = within(16, 1)
    batch_frames: int | None = within(None, 1)
    accumulate: int = within(1, 1)
    learning_rate: float = within(2e-3, 1e-8, 1)
    warmup: float = within(0.1, 0, 0.9)
    weight_decay: float = within(0.01, 0, 10)
    clip_norm: float = within(5.0, 1e-6)
    average: float = within(0.998, 0, 0.99999)
    ctc_weight: float = within(1.0, 0, 1)
    frame_weight: float = within(1.0, 0)
    frame_margin: float = within(0.0, 0, 10)
    label_smoothing: float = within(0.1, 0, 0.9)
    sampling: float = within(0.0, 0, 1)
    distil_weight: float = within(0.5, 0, 1)
    distil_temperature: float = within(1.0, 0.1, 100)
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"


@dataclass(frozen=True)
class TrainConfig:
    """One training run.

    Attributes:
        output: The run's folder: config, logs, `last.ckpt` to resume from, and the models `best/` and `last/`.
        start_from: Name or folder of a model to initialise from, where weights match; None is random weights. A head
            for other words is initialised randomly.
        freeze: Parts that are not trained: no gradient, no dropout, fixed batch normalisation statistics.
        teacher: Name or folder of a model with the same input and tokens to distil from, beside the texts; None is the
            texts alone.
        evaluate_every: Epochs between evaluations on the dev split.
        checkpoint_every: Optimizer steps between the states that an interrupted run is resumed from, beside the one at
            each epoch's end.
        devices: Processes (GPUs) of a machine to train on. A launcher such as torchrun or SLURM says it itself.
        num_nodes: Machines to train on.
        strategy: "ddp" has the whole model in each process; "fsdp" spreads weights, gradients and optimizer over them.
    """

    output: str
    data: DataConfig
    model: ModelSpec
    augment: AugmentConfig = AugmentConfig()
    optim: OptimConfig = OptimConfig()
    start_from: str | None = None
    freeze: tuple[Literal["frontend", "encoder"], ...] = ()
    teacher: str | None = None
    seed: int = within(1, 0)
    evaluate_every: int = within(2, 1)
    checkpoint_every: int | None = within(None, 1)
    devices: int = within(1, 1)
    num_nodes: int = within(1, 1)
    strategy: Literal["ddp", "fsdp"] = "ddp"

    @property
    def batch_sizes(self) -> BatchSizes:
        """How clips make a batch."""
        return BatchSizes(self.optim.batch_size, self.optim.batch_frames)

    @property
    def shares(self) -> int:
        """The parts of a step, over all processes: what a run computes depends on it, not on who computes a part."""
        return self.devices * self.num_nodes * self.optim.accumulate

    @property
    def trained_model(self) -> ModelSpec:
        """The model with the heads that `ctc_weight` trains; a missing decoder gets the default sizes."""
        decoder = self.model.decoder or AttentionDecoderSpec()
        share = self.optim.ctc_weight
        return dataclasses.replace(self.model, ctc=share > 0, decoder=decoder if share < 1 else None)

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        faults = []
        name = "batch_size" if self.optim.batch_frames is None else "batch_frames"
        size = self.optim.batch_frames or self.optim.batch_size
        if size % self.shares if self.optim.batch_frames is None else size < self.shares:
            faults.append(
                f"optim.{name} is {size} for {self.shares} parts (devices {self.devices} x num_nodes {self.num_nodes} "
                f"x optim.accumulate {self.optim.accumulate}), wanted a multiple: it is the size of a whole step"
            )
        if not self.model.ctc and self.optim.ctc_weight > 0:
            faults.append(f"model.ctc is false, but optim.ctc_weight is {self.optim.ctc_weight}, wanted 0")
        if self.freeze and self.start_from is None:
            faults.append("freeze without start_from keeps weights that never learned, wanted a model to start from")
        if self.teacher is not None and self.optim.distil_weight == 0:
            faults.append("optim.distil_weight is 0, so the teacher has no say, wanted more or no teacher")
        if self.teacher is not None and self.optim.sampling > 0:
            faults.append(
                f"optim.sampling is {self.optim.sampling} with a teacher, wanted 0: both need the true tokens"
            )
        of_words, kind = isinstance(self.model.tokenizer, WordTokenizer), self.model.tokenizer.kind
        if self.optim.frame_weight > 0 and self.optim.ctc_weight > 0 and not of_words:
            faults.append(f"optim.frame_weight is above 0 with a tokenizer of {kind}, wanted 0 or one of words")
        if self.model.grammar is not None:
            try:
                Grammar.of_slots(self.model.grammar).compile(self.model.tokenizer)
            except ConfigError as error:
                faults.append(f"model: {error}")
        return faults


def load_config(path: Path | str, **overrides: Any) -> TrainConfig:
    """Loads a config: a file, or a bundled one by name.

    A file may inherit from a `base`: another file in its folder, or a bundled config.

    Args:
        path: A YAML file, or a name such as "few-clips" (`list_configs`).
        overrides: Values that replace the file's, named with `__` for a dot: `optim__epochs=3`.

    Raises:
        ConfigError: It is missing, not YAML, its own base, or invalid; all faults are listed.
    """
    changes: dict[str, Any] = {}
    for name, value in overrides.items():
        *parents, leaf = name.split("__")
        place = changes
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = value
    clean = partial(without_unused, TrainConfig)
    data = read_config(path, clean)
    for name, value in changes.items():
        if not isinstance(value, dict) or isinstance(data.get(name, {}), dict):  # what else it is, is named below
            data = laid_over(data, {name: value}, clean)
    return from_dict(TrainConfig, data, str(path))
