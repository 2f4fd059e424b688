"""Word times of training clips without any: guessed from movement, then realigned by the model in training.

This is the flat start and Viterbi training of acoustic models: each text is first spread evenly over the stretch in
which the mouth moves, and the model trained on these times realigns the clips several times.
"""

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lipscribe.data.dataset import ShardDataset
from lipscribe.data.manifest import WordTime
from lipscribe.data.shards import PreparedClip
from lipscribe.errors import LipscribeError
from lipscribe.models.reader import LipReader
from lipscribe.search.align import align_text
from lipscribe.training.checks import RunData
from lipscribe.training.config import TrainConfig
from lipscribe.training.fabric import Fabric
from lipscribe.training.parallel import gathered
from lipscribe.transforms import crops_to_video
from lipscribe.units import MODEL_FPS, frame_to_seconds

REALIGN_AT = (0.2, 0.4, 0.6, 0.8)  # shares of a training after which the model realigns its clips
SURE = 0.5  # mean word probability from which another model's alignment is preferred to a guess
BATCH_SIZE = 16
SILENT, SPEAKING = 15, 85  # percentiles of a clip's movement
SPEECH_MOVES = 0.35  # threshold of speech, as a share of the way between the two
SMOOTHING = 1.5  # frames: deviation of the Gaussian over movement
WORD_OVERHEAD = 2  # letters: "a" lasts longer than a third of "bin"


def missing_word_times(
    data: RunData, config: TrainConfig, epochs: int, say: Callable[[str], None]
) -> "WordTimes | None":
    """Word times for training clips without any, if the frame loss needs them; reports what to expect."""
    missing = data.train_clips.untimed
    if not missing:
        return None
    which = f"{missing} of {data.train_clips.clips} training clips have no word times"
    if config.optim.ctc_weight > 0 and config.optim.frame_weight > 0:
        after = ", ".join(map(str, realign_epochs(epochs))) or "none"
        say(f"{which}: guessed from the movement of the mouth, then found by the model itself after epochs {after}")
        return WordTimes(data.train_set)
    if config.start_from is None and config.teacher is None:
        say(
            f"{which}, and this config does not look for them: from fresh weights expect thousands of steps before it "
            "reads at all. A tokenizer of words with optim.frame_weight 1, or a model to start from, reads far sooner"
        )
    return None


def realign_epochs(epochs: int) -> list[int]:
    """The epochs, from 0, before which clips are realigned."""
    return sorted({round(share * epochs) for share in REALIGN_AT} - {0, epochs})


class WordTimes:
    """Word times for those clips of a dataset that have none of their own; the dataset uses them.

    Args:
        dataset: Of training clips.

    """

    def __init__(self, dataset: ShardDataset):
        self._dataset = dataset
        for key, prepared in dataset.clips():
            if not prepared.clip.words and not prepared.clip.silent:
                dataset.word_times[key] = guess_word_times(prepared)

    def realign(self, reader: LipReader, fabric: Fabric, sure_above: float = 0.0) -> int:
        """Aligns the clips by a model with a CTC head; of several processes each aligns some batches.

        Args:
            sure_above: Clips with a lower mean word probability keep their times.

        Returns:
            Number of clips with new times.
        """
        reader.eval()
        tokenizer = self._dataset.tokenizer
        aligned: dict[tuple[str, str], tuple[WordTime, ...]] = {}
        for keys, clips in islice(self._batches(), fabric.global_rank, None, fabric.world_size):
            for key, prepared, log_probs in zip(keys, clips, self._log_probs(reader, clips, fabric), strict=True):
                try:
                    words = align_text(log_probs, prepared.clip.text, tokenizer)
                except LipscribeError:  # the clip is too short for its text
                    continue
                if np.mean([word.probability for word in words]) >= sure_above:
                    aligned[key] = tuple(
                        WordTime(word.text, *(frame_to_seconds(frame, MODEL_FPS) for frame in (word.start, word.end)))
                        for word in words
                    )
        everyone = gathered(fabric, aligned)
        for found in everyone:
            self._dataset.word_times |= found
        return sum(map(len, everyone))

    def state_dict(self) -> dict[str, Tensor]:
        """Start and end of each word, (U, 2) float64 seconds, by the clip's folder and id."""
        found = self._dataset.word_times.items()
        return {
            "\t".join(key): torch.tensor([(word.start, word.end) for word in words], dtype=torch.float64)
            for key, words in found
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Loads the result of `state_dict`.

        Raises:
            KeyError, ValueError: It is of other clips.
        """
        for key, words in self._dataset.word_times.items():
            times = state["\t".join(key)].tolist()
            self._dataset.word_times[key] = tuple(
                WordTime(word.text, *time) for word, time in zip(words, times, strict=True)
            )

    def _batches(self) -> Iterator[tuple[list[tuple[str, str]], list[PreparedClip]]]:
        keys, clips = [], []
        for key, prepared in self._dataset.clips():
            if key in self._dataset.word_times:
                keys.append(key)
                clips.append(prepared)
            if len(clips) == BATCH_SIZE:
                yield keys, clips
                keys, clips = [], []
        if clips:
            yield keys, clips

    @torch.inference_mode()
    def _log_probs(self, reader: LipReader, clips: list[PreparedClip], fabric: Fabric) -> list[np.ndarray]:
        data = self._dataset
        assert reader.ctc is not None, "a reader without a CTC head aligns nothing"
        videos = [crops_to_video(clip.crops, data.height, data.width, data.normalisation) for clip in clips]
        lengths = torch.tensor([len(video) for video in videos])
        with fabric.autocast():
            states = reader.encode(pad_sequence(videos, batch_first=True).to(fabric.device), lengths.to(fabric.device))
            log_probs = reader.ctc(states).float().cpu().numpy()  # (B, T, V)
        return [rows[:length] for rows, length in zip(log_probs, lengths.tolist(), strict=True)]


def guess_word_times(prepared: PreparedClip) -> tuple[WordTime, ...]:
    """A flat guess: words over the stretch in which the mouth moves, each in proportion to its letters plus two.

    On 100 clips of GRID's speaker s1 a word's bounds are 0.11 s off on average (docs/results.md).
    """
    words = prepared.clip.text.split()
    start, end = moving_stretch(prepared.crops)
    lengths = np.array([len(word) + WORD_OVERHEAD for word in words], dtype=float)
    bounds = start + (end - start) * np.concatenate([[0], np.cumsum(lengths)]) / lengths.sum()
    times = [frame_to_seconds(bound, MODEL_FPS) for bound in bounds.tolist()]
    return tuple(WordTime(*word) for word in zip(words, times, times[1:], strict=False))


def moving_stretch(crops: np.ndarray) -> tuple[int, int]:
    """First frame, and one past the last, of the stretch with the most movement; all frames if there is none.

    It has the largest sum of movement above a threshold between the clip's still and moving frames.

    Args:
        crops: (T, 96, 96) uint8, T at least 1.
    """
    height, width = crops.shape[1:]
    mouth = crops[:, height // 5 : -height // 5, width // 8 : -width // 8].astype(np.int16)
    moved = np.abs(np.diff(mouth, axis=0)).mean(axis=(1, 2))  # (T - 1,)
    if len(moved) < 2 or not moved.any():
        return 0, len(crops)
    reach = np.arange(-4 * SMOOTHING, 4 * SMOOTHING + 1)
    kernel = np.exp(-(reach**2) / (2 * SMOOTHING**2))
    padded = np.pad(moved, (len(reach) // 2 + 1, len(reach) // 2), mode="edge")  # the first frame moves as the second
    moved = np.convolve(padded, kernel / kernel.sum(), mode="valid")  # (T,)
    still, speaking = np.percentile(moved, [SILENT, SPEAKING])
    sums = np.concatenate([[0], np.cumsum(moved - still - SPEECH_MOVES * (speaking - still))])
    stop = int(np.argmax(sums[1:] - np.minimum.accumulate(sums[:-1]))) + 1
    return int(np.argmin(sums[:stop])), stop
