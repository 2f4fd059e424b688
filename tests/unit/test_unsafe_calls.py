"""What would run code out of a file, or write where a file says, is called nowhere; each exception has its reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted(path for folder in ("src", "benchmarks", "tools", "trust") for path in (ROOT / folder).rglob("*.py"))
PICKLES = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}
ALLOWED_PICKLES = {
    "src/lipscribe/engines/local.py",  # whether an exception can be sent, in the process that raised it
    "src/lipscribe/engines/ray_cluster.py",  # tasks for the cluster, which is the user's
    "src/lipscribe/training/checkpoints.py",  # the exception that torch's safe loader raises
    "src/lipscribe/zoo/interop/tensors.py",  # the same
}
FORBIDDEN = {
    ("", "eval"),
    ("", "exec"),
    ("os", "system"),
    ("os", "popen"),
    ("tempfile", "mktemp"),
    ("shutil", "unpack_archive"),
    ("yaml", "load"),
    ("yaml", "load_all"),
    ("yaml", "full_load"),
    ("yaml", "unsafe_load"),
    ("yaml", "full_load_all"),
    ("yaml", "unsafe_load_all"),
    ("torch", "hub"),
}


def faults(source: str, name: str) -> Iterator[str]:
    """What of a program is not allowed, with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            if PICKLES & {module.split(".")[0] for module in modules} and name not in ALLOWED_PICKLES:
                yield f"{name}:{node.lineno} imports {', '.join(modules)}"
        elif isinstance(node, ast.Call):
            yield from (f"{name}:{node.lineno} {fault}" for fault in call_faults(node))


def call_faults(node: ast.Call) -> Iterator[str]:
    function, given = node.func, {word.arg: word.value for word in node.keywords}
    module, called = "", ""
    if isinstance(function, ast.Attribute):
        module, called = ast.unparse(function.value), function.attr
    elif isinstance(function, ast.Name):
        called = function.id
    if (module, called) in FORBIDDEN or called in ("extractall", "from_pretrained", "load_state_dict_from_url"):
        yield f"calls {module}.{called}"
    if (module, called) == ("torch", "load") and not is_constant(given.get("weights_only"), True):
        yield "calls torch.load without weights_only=True"
    for name in ("shell", "trust_remote_code", "allow_pickle"):
        if name in given and not is_constant(given[name], False):
            yield f"gives {name}"


def is_constant(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_no_program_of_ours_calls_them():
    assert len(PROGRAMS) > 300
    found = [
        fault
        for path in PROGRAMS
        for fault in faults(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "eval(text)",
        "tar.extractall(folder)",
        "subprocess.run(text, shell=True)",
        "Model.from_pretrained(name, trust_remote_code=True)",
    ],
)
def test_they_are_found(line: str):
    assert list(faults(line, "somewhere.py"))


@pytest.mark.parametrize("line", ["torch.load(path, weights_only=True)", "np.load(path)", "yaml.safe_load(text)"])
def test_what_is_safe_is_not(line: str):
    assert not list(faults(line, "somewhere.py"))
