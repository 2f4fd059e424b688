"""What the kills work on: a few talkers, a tiny corpus, a tiny model to pull, and the server that has it."""

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SENTENCES = (
    "lay red by k five now",
    "place green at c two again",
    "set white in f zero please",
    "bin blue with q nine soon",
    "lay white at x seven now",
)
PERSON = 700_000  # none of those that the models learned from
BLOCK, PAUSE = 1 << 15, 0.03  # bytes and seconds between them: some 0.6 s for the model
TRAINED = """\
output: {output}
data: {{folder: {folder}, workers: 0}}
model:
  name: tiny
  tokenizer: {{kind: characters}}
  input: {{height: 32, width: 32}}
  frontend: {{channels: [4, 4, 8, 8], stem_frames: 1, features: 16}}
  encoder: {{cell: gru, hidden: 16, layers: 1}}
optim: {{epochs: 6, batch_size: 2, precision: 32-true, frame_weight: 0}}
checkpoint_every: 1
"""


def make_inputs(folder: Path) -> None:
    """Videos `person/*.mp4` of one person with `prompts.txt`, `clips.jsonl`, a `prepared` folder, `registry.json`."""
    from lipscribe.data.manifest import load_manifest
    from lipscribe.data.prepare import prepare
    from lipscribe.talker import Talker

    (folder / "person").mkdir(parents=True, exist_ok=True)
    person, lines = Talker(PERSON), []
    for number, text in enumerate(SENTENCES):
        person.say(text, take=number).save(folder / "person" / f"{number}.mp4")
        split = "dev" if number == 4 else "train"
        lines.append({"id": f"s1/{number}", "path": f"person/{number}.mp4", "text": text, "split": split})
    (folder / "prompts.txt").write_text("".join(f"{n}.mp4\t{text}\n" for n, text in enumerate(SENTENCES)))
    manifest = folder / "clips.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    prepare(load_manifest(manifest), folder / "prepared", workers=1)
    (folder / "prepared" / ".lock").unlink()
    _make_model(folder)


def _make_model(folder: Path) -> None:
    """A language model of 2 000 units in ESPnet's layout, which `models pull` fetches."""
    import torch

    from lipscribe.zoo.language_model import LanguageModelSpec, build_language_model
    from lipscribe.zoo.layouts import released_lm_name

    torch.manual_seed(0)
    model = build_language_model(LanguageModelSpec("tiny", 2000, embedding=64, hidden=32, heads=2, ff=32, layers=1))
    served = folder / "served"
    served.mkdir()
    torch.save({released_lm_name(name): tensor for name, tensor in model.state_dict().items()}, served / "model.pth")
    (served / "model.json").write_text(json.dumps({"head": 2, "pos_enc": "sinusoidal"}))


def write_registry(folder: Path, url: str) -> None:
    """What can be pulled: `tiny`, from this address."""
    files = [
        {"name": path.name, "use": use, "url": f"{url}/{path.name}", "sha256": _sha256(path)}
        for path, use in ((folder / "served" / "model.json", "config"), (folder / "served" / "model.pth", "weights"))
    ]
    model = {
        **{"name": "tiny", "kind": "language model", "reads": "nothing", "data": "none", "languages": ["en"]},
        **{"megabytes": 1, "licence": "none", "licence_text": "none", "licence_url": url, "files": files},
    }
    (folder / "registry.json").write_text(json.dumps({"models": [model]}))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class SlowServer(ThreadingHTTPServer):
    """Serves the files of a folder, slowly.

    Attributes:
        ranges: Whether it can send the rest of a file.
    """

    daemon_threads = True

    def __init__(self, folder: Path):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.ranges = folder, True
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: SlowServer

    def do_GET(self) -> None:
        content = (self.server.folder / self.path[1:]).read_bytes()
        tag, asked, start = f'"{hashlib.sha256(content).hexdigest()}"', self.headers.get("Range"), 0
        if asked and self.server.ranges and self.headers.get("If-Range") in (None, tag):
            start = int(asked.removeprefix("bytes=").split("-")[0])
            if start >= len(content):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        for at in range(start, len(content), BLOCK):
            self.wfile.write(content[at : min(at + BLOCK, len(content))])
            time.sleep(PAUSE)

    def log_message(self, *args: object) -> None:
        """Silent."""
