"""What keeps the house easy to live in: small files and functions, imports that run one way, a light front door."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "lipscribe"
FILES = sorted(SOURCE.rglob("*.py"))
REASON = "on purpose"  # what is larger than the limits says so in these words, with the reason
HEAVY = ("torch", "numpy", "av", "cv2", "ai_edge_litert", "matplotlib", "lightning", "yaml")


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_functions_and_constructors_are_small_or_say_why_not(path: Path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400 or REASON in text
    for function in functions(ast.parse(text)):
        source = ast.get_source_segment(text, function)
        assert len(source.splitlines()) <= 60 or REASON in source, function.name
        if function.name == "__init__":
            arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
            assert len(arguments) - 1 <= 10, f"{function.name} at line {function.lineno}"


def test_imports_run_one_way(repo: Path):
    pytest.importorskip("importlinter", reason="needs import-linter: make setup")
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=repo)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", ["lipscribe", "lipscribe.cli", "lipscribe.errors", "lipscribe.units"])
def test_the_front_door_is_light(module: str):
    program = f"import sys, {module}; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\n", "")


def test_every_public_name_can_be_imported():
    import lipscribe

    for name in lipscribe.__all__:
        assert getattr(lipscribe, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'transcripe'"):
        lipscribe.transcripe  # noqa: B018
