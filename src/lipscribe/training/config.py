"""Training settings: a YAML file -> `TrainConfig`, all faults reported at once."""

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

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
    """Which prepared clips are read.

    Attributes:
        folder: What `lipscribe prepare` wrote; relative to the working directory.
        limit: Train on so many clips only.
        also: Further prepared folders, whose training clips are added.
        also_limit: Add so many clips only of each of them.
        cache: Keep the decoded crops in memory.
    """

    folder: str
    train_split: str = "train"
    dev_split: str = "dev"
    limit: int | None = within(None, 1)
    also: tuple[str, ...] = ()
    also_limit: int | None = within(None, 1)
    cache: bool = True


@dataclass(frozen=True)
class OptimConfig:
    """How the weights are learned.

    Attributes:
        epochs: Passes over the training clips, where `steps` is not given.
        steps: Optimizer steps in place of `epochs`, rounded up to whole epochs: the same for any number of clips.
        learning_rate: The peak of a one-cycle schedule (Smith and Topin, 2018) over all steps.
        warmup: Share of the steps that rise to the peak.
        clip_norm: Largest norm of a step's gradient.
        average: Decay a step of the moving average of the weights, which is what is evaluated and saved. It is a second
            copy of what is trained; 0 is off, and none is made.
        ctc_weight: Share of CTC in the loss, the rest being the attention decoder's (Watanabe et al., 2017). It decides
            what the model is made of: 1 is a CTC head alone, 0 a decoder alone, what lies between is both; see
            `TrainConfig.trained_model`.
        frame_weight: Weight of the loss that asks each frame for the word being said (needs word times and a
            tokenizer of words) beside CTC's own, on whose output it works; 0 is CTC's alone.
        frame_margin: Frames to either side of where a word begins or ends that the frame loss leaves to CTC. Word times
            are good to about a frame, and the shortest words hardly last longer.
        label_smoothing: Share of the target of the frame loss and of the decoder's that is spread over all tokens.
        sampling: Chance that the decoder in training hears a draw of its own instead of the true token.
        distil_weight: The teacher's share of the loss, where there is one, the rest being the texts'; 1 is its alone.
        distil_temperature: What its distributions and the model's are softened by; see `training.distilling`.
        precision: "bf16-mixed" takes half to two thirds of the time on processors that know bfloat16, GPUs and CPUs
            alike, and is slow on others; "auto" is that where the processor knows it, else "32-true".
    """

    epochs: int = within(70, 1)
    steps: int | None = within(None, 1)
    batch_size: int = within(16, 1)
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
        start_from: Name or folder of a model whose weights training begins with, as far as they fit; None is fresh
            weights. A head for other words is initialised randomly.
        freeze: Parts of it that stay as they are, whatever is learned: they get no gradient, drop nothing, and keep the
            statistics of their batches.
        teacher: Name or folder of a model of the same input and the same tokens, whose distributions are learned beside
            the texts; None is the texts alone.
        evaluate_every: Epochs between evaluations on the dev split.
        devices: Processes (GPUs) to train on.
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
    devices: int = within(1, 1)

    @property
    def trained_model(self) -> ModelSpec:
        """The model with the heads that `ctc_weight` trains; a decoder that is not given has the default sizes."""
        decoder = self.model.decoder or AttentionDecoderSpec()
        share = self.optim.ctc_weight
        return dataclasses.replace(self.model, ctc=share > 0, decoder=decoder if share < 1 else None)

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        faults = []
        if not self.model.ctc and self.optim.ctc_weight > 0:
            faults.append(f"model.ctc is false, but optim.ctc_weight is {self.optim.ctc_weight}, wanted 0")
        if self.freeze and self.start_from is None:
            faults.append("freeze without start_from keeps weights that never learned, wanted a model to start from")
        if self.teacher is not None and self.optim.distil_weight == 0:
            faults.append("optim.distil_weight is 0, so the teacher has no say, wanted more or no teacher")
        if self.teacher is not None and self.optim.sampling > 0:
            faults.append(
                f"optim.sampling is {self.optim.sampling} with a teacher, wanted 0: both hear the true tokens"
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
    """Reads a config: a file, or a bundled one by its name.

    A file may name another as its `base`, beside it or bundled: what it does not say is as it is there.

    Args:
        path: A YAML file, or a name such as "few-clips" (`list_configs`).
        overrides: Values that replace the file's, named with `__` for a dot: `optim__epochs=3`.

    Raises:
        ConfigError: It is missing, no YAML, its own base, or has faults; all of them are listed.
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
