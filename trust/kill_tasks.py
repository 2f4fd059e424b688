"""The tasks that are killed: their commands, and what a client asks of the server."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from trust.kill_checks import tensors_of, without_dates, without_seconds
from trust.kill_entry import REGISTRY, STEPS
from trust.kill_inputs import TRAINED

PATIENCE = 60.0  # s, for an answer
REQUESTS = 4  # to the server in one run
PHRASES = ("more water please", "good night")
VIDEO = {"Content-Type": "video/mp4"}


class Refused(Exception):
    """The server answers with what it should not."""


@dataclass
class Client:
    """What a client asks of the server; it asks again what was not answered.

    Attributes:
        ask: Does the rest of it, given the address; raises `httpx.TransportError` where the server has gone.
        answers: So far, by request.
    """

    ask: Callable[["Client", str], None]
    answers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """A command that is killed.

    Attributes:
        args: Of the command, given the folder that it writes to; the same for the first start and for resuming,
            unless `again` says otherwise.
        again: Added if an earlier start has made its folder `out`.
        env: Beside LIPSCRIBE_CACHE and TMPDIR.
        made: What a start says, and exits with 2, if the one before was killed when all was done.
        timed: What is taken out of files that hold times, by pattern of their name.
        client: Of a server.
    """

    name: str
    args: Callable[[Path], list[str]]
    again: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    made: str = ""
    timed: Mapping[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    client: Callable[[], Client] | None = None

    def command(self, home: Path) -> list[str]:
        """The arguments of the next start."""
        return [*self.args(home), *(self.again if (home / "out").exists() else ())]


def make_tasks(inputs: Path) -> list[Task]:
    """All tasks, on what `make_inputs` has made."""
    clips, person, prompts = (str(inputs / name) for name in ("clips.jsonl", "person", "prompts.txt"))
    config = inputs / "tiny.yaml"
    config.write_text(TRAINED.format(output="runs/tiny", folder=inputs / "prepared"))
    one = ("--workers", "1")
    served = ["serve", "--port", "0", "--model", "talkers", *one]

    def read(command: str, *flags: str) -> Callable[[Path], list[str]]:
        return lambda home: [command, clips, "--model", "talkers", *flags, "-o", str(home / "done.jsonl")]

    def learn(home: Path) -> list[str]:
        flags = ("--prompts", prompts, "--from", "talkers", "--jobs", "1", "--same-person", "--trust-texts")
        return ["adapt", person, *flags, "--name", "me"]

    dated = {"cache/models/me/README.md": without_dates, "cache/models/me/spec.json": without_dates}
    return [
        Task("prepare", lambda home: ["prepare", "manifest", "--root", clips, "-o", str(home / "out"), *one]),
        Task(
            "train",
            lambda home: ["train", str(config), "-o", str(home / "out")],
            again=("--resume",),
            timed={"out/metrics.csv": without_seconds, "out/last.ckpt": tensors_of},
        ),
        Task(
            "talk",
            lambda home: ["talk", "--corpus", "grid", "--clips", "4", "--speakers", "2", *one, "-o", str(home / "out")],
        ),
        Task("label", read("label", "--jobs", "1", "--split", "train")),
        Task("align", read("align")),
        Task("adapt", learn, env={STEPS: "2"}, made="a model 'me' exists", timed=dated),
        Task(
            "pull",
            lambda home: ["models", "pull", "tiny", "--accept-licence"],
            env={REGISTRY: str(inputs / "registry.json")},
            made="there is a model 'tiny'",
        ),
        Task("enrol", lambda home: served, client=lambda: Client(lambda client, url: _enrol(client, url, inputs))),
        Task("serve", lambda home: served, client=lambda: Client(lambda client, url: _transcribe(client, url, inputs))),
    ]


def chosen(tasks: list[Task], names: Sequence[str]) -> list[Task]:
    """The tasks of these names; all without names."""
    if unknown := sorted({*names} - {task.name for task in tasks}):
        raise SystemExit(f"no task {', '.join(unknown)}: wanted some of {', '.join(task.name for task in tasks)}")
    return [task for task in tasks if not names or task.name in names]


def _transcribe(client: Client, url: str, inputs: Path) -> None:
    """Several requests at once; what is answered is not asked again."""

    def ask(number: int) -> None:
        content = (inputs / "person" / f"{number}.mp4").read_bytes()
        form = {"response_format": "verbose_json"}
        answer = httpx.post(
            f"{url}/v1/video/transcriptions", data=form, files={"file": ("clip.mp4", content)}, timeout=PATIENCE
        )
        client.answers[str(number)] = json.dumps(_body(answer), sort_keys=True)

    with ThreadPoolExecutor(2) as threads:
        left = [number for number in range(REQUESTS) if str(number) not in client.answers]
        for done in [threads.submit(ask, number) for number in left]:
            done.result()
    # Where all was answered before, the server may only have said its address: ended by now, it would leave its folder.
    _body(httpx.get(f"{url}/healthz", timeout=PATIENCE))


def _enrol(client: Client, url: str, inputs: Path) -> None:
    """Two phrases, recorded twice each, and learned."""
    place, name = f"{url}/v1/enrolments", "me"
    said = [*PHRASES, *PHRASES]
    with httpx.Client(timeout=PATIENCE) as http:
        known = _body(http.get(place))["data"]
        if not any(each["name"] == name for each in known):
            _body(http.post(place, json={"name": name, "kind": "phrases", "base": "talkers", "prompts": said}))
        for each in _body(http.get(f"{place}/{name}"))["recordings"]:
            if not each["recorded"]:
                video = (inputs / "person" / f"{each['number'] - 1}.mp4").read_bytes()
                kept = _body(http.put(f"{place}/{name}/recordings/{each['number']}", content=video, headers=VIDEO))
                if not kept["kept"]:
                    raise Refused(str(kept["faults"]))
        deadline = time.monotonic() + PATIENCE
        while (now := _body(http.get(f"{place}/{name}")))["state"] != "learned":
            if now["state"] in ("recording", "interrupted"):
                _body(http.post(f"{place}/{name}/adapt"))
            elif now["state"] == "failed" or time.monotonic() > deadline:
                raise Refused(f"learning {now['state']}: {now['message']}")
            time.sleep(0.05)
    client.answers["lines"] = json.dumps(now["lines"])


def _body(answer: httpx.Response) -> Any:
    if answer.status_code >= 400:
        raise Refused(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}")
    return answer.json()


class Asking(threading.Thread):
    """A client at work beside the server's process.

    Attributes:
        done: All is answered, or it failed.
        failure: What the server should not have answered.
    """

    def __init__(self, client: Client, url: str):
        super().__init__(daemon=True)
        self._client, self._url = client, url
        self.done = threading.Event()
        self.failure = ""
        self.gone = False

    def run(self) -> None:
        try:
            self._client.ask(self._client, self._url)
        except httpx.TimeoutException as error:
            self.failure = f"no answer within {PATIENCE:g} s: {type(error).__name__}"
        except httpx.TransportError:
            self.gone = True
        except Refused as error:
            self.failure = str(error)
        except Exception as error:  # such as half an answer
            self.failure = f"{type(error).__name__}: {error}"
        self.done.set()
