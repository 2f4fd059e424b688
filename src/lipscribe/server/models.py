"""The models of a server: those that are installed, by name, and a few of them in memory."""

import threading
from collections import OrderedDict
from typing import Any

from lipscribe.model import Model
from lipscribe.models.spec import SPEC_FILE
from lipscribe.pipeline import load_model
from lipscribe.processes import available_cpus
from lipscribe.server.errors import ApiError
from lipscribe.server.metrics import Metrics
from lipscribe.server.settings import Settings
from lipscribe.zoo.listing import describe_models
from lipscribe.zoo.registry import find_model, list_models

LIVE = {"grid": "grid-live"}  # what reads live in place of a model that was trained on whole sentences

_SHOWN = ("default", "reads", "data", "vocabulary", "wer", "size", "licence")


class Models:
    """Loads models once; threads share them.

    Each computes in as many threads as leave every worker its processors.
    """

    def __init__(self, settings: Settings, metrics: Metrics):
        self._settings, self._metrics = settings, metrics
        self._threads = max(1, available_cpus() // settings.workers)
        self._loaded: OrderedDict[str, tuple[int, Model]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str | None = None) -> Model:
        """A model by its name, from memory or disk; None is the server's own. Blocks while it is loaded.

        Raises:
            ApiError: No model of this name is installed.
            LipscribeError: It is damaged, or needs what is not installed.
        """
        name = name or self._settings.model
        if name == self._settings.model:  # which whoever starts the server may give as a folder too
            folder = find_model(name)
        elif (folder := dict(list_models()).get(name)) is None:
            names = ", ".join(each for each, _ in list_models())
            raise ApiError(404, f"no model {name[:80]!r}: give one of {names}", "model", "model_not_found")
        changed = (folder / SPEC_FILE).stat().st_mtime_ns  # adapting again may replace it
        with self._lock:
            known, model = self._loaded.pop(name, (0, None))
            if model is None or known != changed:
                model = load_model(folder, threads=self._threads)
            self._loaded[name] = changed, model
            if len(self._loaded) > self._settings.models_kept:
                self._loaded.popitem(last=False)
            self._metrics.models.set(len(self._loaded))
            return model

    def get_live(self, name: str | None = None) -> Model:
        """As `get`, for a stream."""
        name = name or self._settings.model
        return self.get(LIVE.get(name, name))

    def describe(self) -> list[dict[str, Any]]:
        """The installed models, as OpenAI lists them, and what each reads."""
        rows = [row for row in describe_models() if row["kind"] == "lip reader"]
        return [
            {"id": row["name"], "object": "model", "created": 0, "owned_by": "lipscribe"}
            | {key: row[key] for key in _SHOWN}
            | {"default": row["name"] == self._settings.model, "loaded": row["name"] in self._loaded}
            for row in rows
        ]
