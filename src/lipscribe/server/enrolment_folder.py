"""One enrolment on disk: prompts, and a recording of each; the folder is what `lipscribe adapt` takes.

    me/enrolment.json    kind, base, prompts, what was checked, the last result
    me/prompts.txt       lines `file<TAB>text` of the recordings that are kept
    me/001.webm          the recording of the first prompt

Everything is written at once, so a page that is loaded again, or a server that is started again, finds it as it was.
"""

import json
import re
import shutil
import threading
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from lipscribe.adaptation.choosing import adaptable, new_folder
from lipscribe.adaptation.recipe import MIN_RECORDINGS
from lipscribe.atomic import make_private, write_text, writing_path
from lipscribe.errors import ConfigError, LipscribeError, ManifestError
from lipscribe.extras import TRAIN
from lipscribe.models.spec import ModelSpec
from lipscribe.plain_data import check_format, parse_json
from lipscribe.text import collapse_spaces, count_of, normalise
from lipscribe.zoo.registry import DEFAULT_MODEL, list_models

Kind = Literal["person", "phrases"]

FORMAT_VERSION = 1  # of the record
RECORD = "enrolment.json"
PROMPTS = "prompts.txt"
SENTENCES = 10  # prompts of a person, if none are given: docs/adapt.md has what they bring
MOST_PROMPTS = 200
MOST_CHARS = 200  # of a prompt
MIN_PHRASES = 2  # that can be told apart
_NAME = re.compile(r"\w[\w .-]{0,39}")
_lock = threading.RLock()  # of all records: they are small, and written in a moment


def close_to_others(root: Path) -> None:
    """Makes all enrolments private: earlier versions left them to the umask."""
    for record in root.glob(f"*/{RECORD}"):
        with suppress(OSError):  # another user's, which that user's server does
            make_private(record.parent)


class EnrolmentFolder:
    """The folder of one enrolment.

    Args:
        root: The folder of all enrolments.
        name: Its name, also that of the model that is learned from it.

    Raises:
        ConfigError: The name cannot be that of a folder.
    """

    def __init__(self, root: Path, name: str):
        if not _NAME.fullmatch(name) or name.endswith((" ", ".")):
            raise ConfigError(f"the name is {name!r}, wanted letters, digits and spaces, at most 40, such as 'me'")
        self.name = name
        self.path = root / name

    @property
    def exists(self) -> bool:
        """Whether it was created."""
        return (self.path / RECORD).is_file()

    def create(self, kind: Kind, base: str | None, prompts: list[str] | None) -> None:
        """Makes the folder.

        Args:
            kind: "person" (sentences that the base knows, `lipscribe adapt`) or "phrases" (any, `adapt --phrases`).
            base: Name of the model to learn from; None is the default.
            prompts: What is to be said; None takes sentences of the base's grammar.

        Raises:
            LipscribeError: The name is taken, or the base cannot say or learn such prompts.
        """
        new_folder(self.name)
        base = base or DEFAULT_MODEL
        if base not in (names := [label for label, _ in list_models()]):  # a folder could be anywhere
            raise ConfigError(f"no model {base[:80]!r}: give one of {', '.join(names)}")
        _, spec = adaptable(base)
        texts = [_text(each) for each in prompts or []]
        if not texts and kind == "person":
            texts = sentences_of(spec)
        different = len(set(map(normalise, texts)))
        if kind == "phrases" and different < MIN_PHRASES:
            raise ConfigError(f"{count_of(different, 'phrase')}, wanted at least {MIN_PHRASES} different ones")
        if not 0 < len(texts) <= MOST_PROMPTS:
            raise ConfigError(f"{count_of(len(texts), 'prompt')}, wanted 1 to {MOST_PROMPTS}")
        if kind == "person":
            _check_words(spec, texts)
        with _lock:
            if self.exists:
                raise ConfigError(f"an enrolment {self.name!r} exists: open it, or give another name")
            make_private(self.path)
            self.save({"kind": kind, "base": base, "prompts": texts, "recordings": {}})

    def load(self) -> dict[str, Any]:
        """The record: `kind`, `base`, `prompts`, `recordings` by number, and what was learned.

        Raises:
            ManifestError: It is damaged.
        """
        try:
            record = parse_json((self.path / RECORD).read_text(encoding="utf-8"))
            check_format(record, FORMAT_VERSION, str(self.path / RECORD), ManifestError)
            if not _is_record(record):
                raise ValueError("it is no record of an enrolment")
            return record
        except (OSError, ValueError) as error:
            raise ManifestError(f"{self.path / RECORD} cannot be read ({error}): delete {self.path}") from None

    def save(self, record: dict[str, Any]) -> None:
        """Writes the record, and the prompts that belong to it."""
        with _lock:
            kept = sorted(record["recordings"].items(), key=lambda item: int(item[0]))
            write_text(self.path / PROMPTS, "".join(f"{each['file']}\t{each['text']}\n" for _, each in kept))
            write_text(self.path / RECORD, json.dumps(record, indent=2))

    def update(self, **changes: Any) -> None:
        """Changes some fields of the record."""
        with _lock:
            self.save(self.load() | changes)

    def check_place(self, number: int, text: str | None) -> str:
        """What is said in the recording of a number, from 1; one more than there are prompts adds one.

        Raises:
            ConfigError: There is no such prompt, or the text is none.
        """
        prompts = self.load()["prompts"]
        if not 1 <= number <= min(len(prompts) + 1, MOST_PROMPTS):
            raise ConfigError(f"the number is {number}, wanted 1 to {min(len(prompts) + 1, MOST_PROMPTS)}")
        if text is None and number > len(prompts):
            raise ConfigError(f"there is no prompt {number}: say what is said in it (text=...)")
        return prompts[number - 1] if text is None else _text(text)

    def keep(self, number: int, text: str, video: Path, suffix: str, notes: list[str]) -> None:
        """Takes a checked recording in, in place of an earlier one of the same number."""
        file = f"{number:03d}{suffix}"
        with writing_path(self.path / file) as incoming:
            shutil.copyfile(video, incoming)  # it may come from another disk
        with _lock:
            record = self.load()
            record["prompts"][number - 1 : number] = [text]
            record["recordings"][str(number)] = {"file": file, "text": text, "notes": notes}
            self.save(record)
            for earlier in self.path.glob(f"{number:03d}.*"):  # also one that a killed server had not recorded yet
                if earlier.name != file:
                    earlier.unlink(missing_ok=True)

    def remove_recording(self, number: int) -> None:
        """Deletes a recording; that there is none is no error."""
        with _lock:
            record = self.load()
            if (earlier := record["recordings"].pop(str(number), None)) is not None:
                self.save(record)
                (self.path / earlier["file"]).unlink(missing_ok=True)

    def delete(self) -> None:
        """Deletes the recordings and the folder; a model that was learned stays."""
        for path in self.path.iterdir():
            if path.is_file() and path.name != RECORD:  # which is last: until then what is left is known
                path.unlink()
        shutil.rmtree(self.path)

    def obstacle(self) -> str:
        """Why nothing can be learned yet, with the remedy; empty if it can."""
        record = self.load()
        if record["kind"] == "phrases":
            number = len({normalise(each["text"]) for each in record["recordings"].values()})
            return "" if number >= MIN_PHRASES else f"record at least {MIN_PHRASES} different phrases"
        if find_spec("torch") is None or find_spec("lightning_fabric") is None:
            return f"learning a person needs torch: run `{TRAIN}` where the server runs; your recordings stay"
        number = len(record["recordings"])
        return "" if number >= MIN_RECORDINGS else f"record at least {MIN_RECORDINGS} sentences, better {SENTENCES}"

    @property
    def command(self) -> str:
        """The command that learns the same from the folder."""
        phrases = " --phrases" if self.load()["kind"] == "phrases" else ""
        return f"lipscribe adapt '{self.path}' --prompts '{self.path / PROMPTS}'{phrases} --name '{self.name}'"


def _is_record(record: Any) -> bool:
    """Whether plain data have what `create` and recordings write."""
    if not isinstance(record, dict) or record.get("kind") not in get_args(Kind):
        return False
    base, prompts, recordings = (record.get(name) for name in ("base", "prompts", "recordings"))
    if not isinstance(base, str) or not isinstance(prompts, list) or not isinstance(recordings, dict):
        return False
    kept = [(each.get("file"), each.get("text")) if isinstance(each, dict) else (None,) for each in recordings.values()]
    texts = [*prompts, *(text for pair in kept for text in pair)]
    return all(isinstance(text, str) for text in texts) and all(
        number.isdecimal() and len(number) < 5 for number in recordings
    )


def sentences_of(spec: ModelSpec, number: int = SENTENCES) -> list[str]:
    """Sentences of a model's grammar that differ: each slot's words in a random order, all of them before one again.

    Raises:
        ConfigError: The model has no grammar, so any sentence may be said.
    """
    if not spec.grammar:
        raise ConfigError(f"model {spec.name} has no grammar to take sentences from: give your own prompts")
    rng = np.random.default_rng(0)
    columns = [
        [word for _ in range(-(-number // len(slot))) for word in rng.permutation(slot).tolist()]
        for slot in spec.grammar
    ]
    return [" ".join(column[k] for column in columns) for k in range(number)]


def _check_words(spec: ModelSpec, texts: list[str]) -> None:
    faults = []
    for text in texts:
        try:
            spec.tokenizer.encode(normalise(text))
        except LipscribeError as error:
            faults.append(str(error))
    if faults:
        more = f" (and {len(faults) - 1} more such prompts)" if len(faults) > 1 else ""
        raise ConfigError(f"{faults[0]}{more}; or choose phrases of any words")


def _text(text: str) -> str:
    """A prompt on one line, as it is shown; what learns from it compares it in lower case and without punctuation.

    Raises:
        ConfigError: Nothing is left of it.
    """
    if not normalise(text):
        raise ConfigError(f"the prompt is {text[:80]!r}, wanted words")
    return collapse_spaces(text)[:MOST_CHARS]
