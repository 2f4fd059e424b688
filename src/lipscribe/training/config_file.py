"""Config files: bundled ones by name, merging with bases, and copies to edit."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from lipscribe.errors import ConfigError
from lipscribe.plain_data import count_nodes
from lipscribe.zoo.registry import RUNS

BUNDLED = Path(__file__).parent.parent / "assets" / "configs"
Clean = Callable[[dict[str, Any]], dict[str, Any]]  # see `laid_over`
MAX_VALUES = 100_000  # in a config
_EARLIER = Path("configs")  # the former folder: `configs/grid-s1.yaml` still means `grid-s1`


def list_configs() -> Iterator[tuple[str, str]]:
    """Name of each bundled config, and the first line of its comment as a summary."""
    for path in sorted(BUNDLED.glob("*.yaml")):
        yield path.stem, path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def find_config(name: str | Path) -> Path:
    """The file of a config: one that exists, else a bundled one by its name.

    Raises:
        ConfigError: The config does not exist; the message lists the bundled ones.
    """
    path = Path(name)
    if _is_file(path):
        return path
    bundled = BUNDLED / f"{path.stem if path.suffix == '.yaml' else path.name}.yaml"
    if path.parent in (Path(), _EARLIER) and _is_file(bundled):  # a folder may have the same name: talkers/
        return bundled
    if _exists(path):
        raise ConfigError(f"{path} is not readable YAML (it is a folder): give a YAML file")
    names = ", ".join(known for known, _ in list_configs())
    raise ConfigError(f"{path} does not exist: give a YAML file, or one of the bundled configs: {names}")


def read_config(name: str | Path, clean: Clean = dict) -> dict[str, Any]:
    """A config as plain data, laid over that of its `base`, a file beside it or a bundled config.

    Args:
        clean: See `laid_over`.

    Raises:
        ConfigError: It is missing, not YAML, or its own base.
    """
    return _read_with_base(find_config(name), clean, ())


def whole_config(name: str, copy: Path | None = None) -> str:
    """The text of a bundled config that needs no other file: as it is, or with its base merged under its own comment.

    Args:
        copy: The file that it is for. Its run, its model and the command in its comment are called after it then.

    Raises:
        ConfigError: No bundled config has this name.
    """
    names = [known for known, _ in list_configs()]
    if name not in names:
        raise ConfigError(f"no bundled config {name!r}: give one of {', '.join(names)}")
    text = (BUNDLED / f"{name}.yaml").read_text(encoding="utf-8")
    base = yaml.safe_load(text).get("base")
    if base is not None:
        comment = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
        settings = yaml.safe_dump(
            read_config(name), sort_keys=False, default_flow_style=None, width=120, allow_unicode=True
        )
        text = f"{comment}# Its base, {base}, is merged into it.\n{settings}"
    return text if copy is None or copy.stem == name else _called(text, name, copy)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long for the system
        return False


def _is_file(path: Path) -> bool:
    return _exists(path) and path.is_file()


def _called(text: str, name: str, copy: Path) -> str:
    for pattern, value in ((r"^output: .*", (RUNS / copy.stem).as_posix()), (r"^  name: .*", copy.stem)):
        key = pattern.removeprefix("^").removesuffix(".*")
        line = key + yaml.safe_dump(value, allow_unicode=True).splitlines()[0]
        text = re.sub(pattern, lambda _, line=line: line, text, count=1, flags=re.MULTILINE)
    return text.replace(f"lipscribe train {name}", f"lipscribe train {copy}")


def _read_with_base(path: Path, clean: Clean, users: tuple[Path, ...]) -> dict[str, Any]:
    """A config as plain data, laid over that of its base, less its card; `users` are the files that build on it."""
    if path.resolve() in users:
        raise ConfigError(f"{path} is its own base, through {len(users)} files: take one `base` out")
    data = _read(path)
    base = data.pop("base", None)
    if base is None:
        return data
    if not isinstance(base, str):
        raise ConfigError(f"{path}: base is {base!r}, wanted the name of a config beside it")
    beside = path.parent / base
    found = beside if _is_file(beside) else find_config(base)
    below = _read_with_base(found, clean, (*users, path.resolve()))
    if isinstance(model := below.get("model"), dict):
        model.pop("card", None)  # it tells of the model that the base makes
    return laid_over(below, data, clean)


def laid_over(base: dict[str, Any], data: dict[str, Any], clean: Clean = dict) -> dict[str, Any]:
    """Settings over those of a base: sections are merged; values and lists replace what is there.

    Args:
        clean: Takes out of the merged settings what the data made useless: the fields of another kind of encoder, say.
            What the data itself says stays, useful or not.
    """
    return _merged(clean(_merged(base, data)), data)


def _merged(base: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in data.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merged(merged[name], value) if both else value
    return merged


def parse_yaml(text: str) -> Any:
    """The data of a YAML text.

    Raises:
        ValueError: It is not YAML; or it is nested too deeply, or larger than any config, as a few lines are that refer
            to each other again and again.
    """
    try:
        data = yaml.safe_load(text)
        count_nodes(data, MAX_VALUES)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (yaml.YAMLError, TypeError, OverflowError) as error:  # TypeError: a list as a key
        raise ValueError(str(error)) from None
    except (LookupError, AttributeError):  # of PyYAML itself, which says nothing of use
        raise ValueError("a value is none of its tag, such as `!!bool maybe`") from None
    return data


def _read(path: Path) -> dict[str, Any]:
    try:
        data = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} is not readable YAML ({' '.join(str(error).split())}): `lipscribe configs copy` writes one to edit"
        ) from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path} holds no settings, wanted a mapping with output, data, model and others")
    return data
