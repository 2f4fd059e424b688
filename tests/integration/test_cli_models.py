"""`lipscribe models` and what is under it, as a user runs them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from local_server import server  # noqa: F401
from published_models import CONFIG, LM_CONFIG, chaplin_names, save, tiny_lm_state, tiny_state, write_units
from typer.testing import CliRunner

from lipscribe.cli.app import app
from lipscribe.zoo import published
from lipscribe.zoo.registry import find_model


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIPSCRIBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "cache"


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def rows() -> dict[str, dict[str, str]]:
    code, stdout, _ = run("models", "--json")
    assert code == 0
    return {row["name"]: row for row in json.loads(stdout)}


def test_import_list_and_remove(tmp_path, cache):
    path, units = save(tmp_path / "vsr.pth", tiny_state(tmp_path)), write_units(tmp_path / "elsewhere" / "u.txt")
    code, stdout, stderr = run("models", "import", path, "--name", "my-vsr", "--units", units, "--licence", "for me")
    assert (code, stdout) == (0, f"{cache / 'models' / 'my-vsr'}\n")
    assert "licence: for me" in stderr
    row = rows()["my-vsr"]
    assert (row["vocabulary"], row["licence"], row["wer"]) == ("7 units", "for me", "not measured")
    code, stdout, _ = run("models")
    assert code == 0
    assert "grid (default)" in stdout
    assert "my-vsr" in stdout
    assert "for me" in stdout
    assert "To fetch, with `lipscribe models pull NAME`" in stdout
    code, stdout, stderr = run("models", "remove", "my-vsr")
    assert (code, stdout, stderr) == (0, "", f"removed {cache / 'models' / 'my-vsr'}\n")
    assert "my-vsr" not in rows()


def test_every_name_of_a_lip_reader_in_json_can_be_given_as_model():
    here = [row for row in rows().values() if row["path"] and row["kind"] == "lip reader"]
    assert [row["name"] for row in here if row["default"]] == ["grid"]
    for row in here:
        assert find_model(row["name"]) == Path(row["path"])


def test_import_of_a_language_model_is_listed_as_one(tmp_path):
    code, _, _ = run("models", "import", save(tmp_path / "model.pth", tiny_lm_state(), LM_CONFIG), "--name", "lm")
    assert code == 0
    assert rows()["lm"]["reads"] == "nothing: a language model"
    code, stdout, stderr = run("transcribe", "x.mp4", "--model", "lm")
    assert (code, stdout) == (2, "")
    assert "'lm' is a language model" in stderr


def test_what_can_be_fetched_is_listed_until_it_is_there(tmp_path):
    row = rows()["auto-avsr-lrs3"]
    assert (row["wer"], row["size"], row["vocabulary"]) == ("19.1%", "1002.0 MB", "en")
    assert "non-commercial" in row["licence"]
    save(tmp_path / "model.pth", chaplin_names(tiny_state(tmp_path)), CONFIG)
    assert run("models", "import", tmp_path / "model.pth", "--name", "auto-avsr-lrs3")[0] == 0
    assert "pull" not in rows()["auto-avsr-lrs3"]


def test_the_licence_is_shown_and_must_be_accepted(cache):
    code, stdout, stderr = run("models", "pull", "auto-avsr-lrs3")
    assert (code, stdout) == (2, "")
    assert "not for commercial use" in stderr
    assert "19.1%" in stderr
    assert stderr.splitlines()[-1].startswith(
        "error: auto-avsr-lrs3 was not fetched, since its licence is not accepted"
    )
    assert stderr.rstrip().endswith("run `lipscribe models pull auto-avsr-lrs3 --accept-licence`")
    assert not cache.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pull", "x"], "no published model 'x'"),
        (["remove", "grid"], "no installed model 'grid'"),
        (["import", "absent.pth", "--name", "x"], "absent.pth cannot be read"),
        (["import", "absent.pth", "--name", "a b"], "'a b' is no name for a model"),
    ],
)
def test_what_goes_wrong_is_one_line(arguments, message):
    code, stdout, stderr = run("models", *arguments)
    assert (code, stdout) == (2, "")
    assert stderr.count("\n") == 1
    assert stderr.startswith("error: ")
    assert message in stderr


def registry(files: list[dict[str, str]]) -> str:
    licence = {"licence": "CC0", "licence_text": "Free.", "licence_url": "https://cc0"}
    return json.dumps(
        {
            "models": [
                {"name": "toy", "reads": "x", "data": "y", "languages": ["en"], "megabytes": 1, "files": files}
                | licence
            ]
        }
    )


def test_pull_from_plain_addresses(server, tmp_path, monkeypatch):  # noqa: F811
    files = [
        {"name": name, "use": use, "url": f"{server.url}/{name}"}
        for name, use in (("model.json", "config"), ("model.pth", "weights"))
    ]
    (tmp_path / "registry.json").write_text(registry(files))
    monkeypatch.setattr(published, "REGISTRY", tmp_path / "registry.json")
    published.list_published.cache_clear()
    save(tmp_path / "model.pth", chaplin_names(tiny_state(tmp_path)), CONFIG)
    server.files = {f"/{name}": (tmp_path / name).read_bytes() for name in ("model.pth", "model.json")}
    try:
        code, stdout, stderr = run("models", "pull", "toy", "--accept-licence", "--as", "mine")
        assert (code, stdout) == (0, f"{tmp_path / 'cache' / 'models' / 'mine'}\n"), stderr
        assert "no sha256 of model.pth is published; computed: " in stderr
        assert rows()["mine"]["licence"] == "CC0"
    finally:
        published.list_published.cache_clear()


@pytest.mark.slow
def test_pull_from_a_hub(server, tmp_path, cache):  # noqa: F811
    """In a process of its own, since the hub's library reads HF_ENDPOINT once."""
    pytest.importorskip("huggingface_hub")
    files = [
        {"name": name, "use": use, "repository": "some/model"}
        for name, use in (("model.json", "config"), ("model.pth", "weights"))
    ]
    (tmp_path / "registry.json").write_text(registry(files))
    save(tmp_path / "model.pth", chaplin_names(tiny_state(tmp_path)), CONFIG)
    server.headers["X-Repo-Commit"] = "0" * 40
    server.files = {
        f"/some/model/resolve/main/{name}": (tmp_path / name).read_bytes() for name in ("model.pth", "model.json")
    }
    code = (
        "import sys, pathlib, os; os.environ['HF_ENDPOINT'] = sys.argv[2]\n"
        "from lipscribe.zoo import published; published.REGISTRY = pathlib.Path(sys.argv[1])\n"
        "sys.argv = ['lipscribe', 'models', 'pull', 'toy', '--accept-licence']\n"
        "from lipscribe.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "registry.json", server.url], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"{cache / 'models' / 'toy'}\n"), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["pull", "import", "remove"])
def test_help_has_examples_and_imports_no_torch(command):
    code = (
        "import sys; sys.argv = ['lipscribe', 'models', *sys.argv[1:]]\n"
        "from lipscribe.cli import main\n"
        "try: main()\n"
        "finally: sys.exit('torch' in sys.modules or 'huggingface_hub' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code, command, "--help"], capture_output=True, text=True)
    assert result.returncode == 0
    assert f"lipscribe models {command} " in result.stdout.split("Examples:")[1]
