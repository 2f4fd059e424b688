"""Plain data (YAML, JSON) -> frozen dataclasses, with all faults reported at once.

A config with three mistakes gets one error that lists all three. It uses only the standard library, since it also runs
on minimal GPU machines.
"""

import contextlib
import dataclasses
import functools
import types
import typing
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, Union

from lipscribe.errors import ConfigError

T = TypeVar("T")


def within(default: Any, low: float | None = None, high: float | None = None) -> Any:
    """A dataclass field with a default, whose numbers must be in [low, high]."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high})


def odd_faults(name: str, value: int) -> list[str]:
    """The fault of an even number, for `faults` of a dataclass."""
    return [] if value % 2 else [f"{name} is {value}, wanted an odd number"]


def from_dict(cls: type[T], data: Any, source: str, error: type[Exception] = ConfigError) -> T:
    """Builds a dataclass from nested dicts.

    Fields may be int, float, str, bool, Literal, tuple[X, ...], dict, dict[str, X], other dataclasses, and unions of
    these with None. A dataclass may check several fields in a method `faults(self) -> list[str]`; a ConfigError from
    its constructor is a fault too.

    A field may also be a tagged union of dataclasses: each has a field of the same name, the tag, with its own Literal.
    Data without the tag is of the first class. Fields of another class are dropped if they have its default value, or
    the value in the class's `implied`, and are a fault otherwise.

    Args:
        source: Name of the data in messages, such as the file's.
        error: The exception to raise; its message lists all faults, each with the path of its field.
    """
    faults: list[str] = []
    value = _dataclass(cls, data, "", faults)
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise error(f"{source}: {count}: " + "; ".join(faults))
    return value


def to_dict(value: Any) -> Any:
    """The reverse of `from_dict`: nested dicts and lists, ready for JSON or YAML."""
    if dataclasses.is_dataclass(value):
        return {f.name: to_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: to_dict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_dict(item) for item in value]
    return value


def without_unused(cls: type, data: Any) -> Any:
    """The data without fields of other classes of a tagged union than the selected one."""
    if not isinstance(data, dict) or not dataclasses.is_dataclass(cls):
        return data
    hints, kept = _hints(cls), dict(data)
    for name in kept.keys() & {f.name for f in dataclasses.fields(cls)}:
        choices = _choices(hints[name])
        if len(choices) == 1:
            kept[name] = without_unused(choices[0], kept[name])
        elif isinstance(kept[name], dict) and (chosen := _choose(choices, kept[name])) is not None:
            unused = _field_names(*choices) - _field_names(chosen)
            kept[name] = {key: value for key, value in kept[name].items() if key not in unused}
    return kept


def _choices(hint: Any) -> list[Any]:
    """The dataclasses that a field may be, or the one type that it has."""
    if typing.get_origin(hint) not in (Union, types.UnionType):
        return [hint]
    return [choice for choice in typing.get_args(hint) if choice is not type(None)]


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    """The types of a dataclass's fields; finding them takes longer than checking a record by them."""
    return typing.get_type_hints(cls)


def _tag(choices: list[type]) -> str:
    """The tag field of a union."""
    hints = [_hints(choice) for choice in choices]
    shared = _field_names(choices[0]).intersection(*(_field_names(choice) for choice in choices))
    for name in shared:
        if all(typing.get_origin(hint[name]) is Literal for hint in hints):
            values = [value for hint in hints for value in typing.get_args(hint[name])]
            if len(set(values)) == len(values):
                return name
    raise AssertionError(f"{choices} have no tag")


def _tag_values(choice: type, tag: str) -> tuple[Any, ...]:
    return typing.get_args(_hints(choice)[tag])


def _choose(choices: list[type], data: dict[str, Any]) -> type | None:
    """The dataclass selected by the data's tag; None if no class has it."""
    tag = _tag(choices)
    if tag not in data:
        return choices[0]
    return next((choice for choice in choices if data[tag] in _tag_values(choice, tag)), None)


def _tagged(choices: list[type], data: Any, path: str, faults: list[str]) -> Any:
    tag = _tag(choices)
    if not isinstance(data, dict):
        faults.append(f"{path} is {_show(data)}, wanted a mapping with {tag} and what belongs to it")
        return None
    chosen = _choose(choices, data)
    if chosen is None:
        known = ", ".join(str(value) for choice in choices for value in _tag_values(choice, tag))
        faults.append(f"{path}.{tag} is {_show(data[tag])}, wanted one of {known}")
        return None
    name, own, kept = data.get(tag, _tag_values(chosen, tag)[0]), _field_names(chosen), dict(data)
    for key in data.keys() - own:
        owners = [choice for choice in choices if key in _field_names(choice)]
        defaults = [f.default for owner in owners for f in dataclasses.fields(owner) if f.name == key]
        if data[key] in defaults or (key in getattr(chosen, "implied", {}) and chosen.implied[key] == data[key]):
            del kept[key]
        elif owners:
            others = " or ".join(str(value) for owner in owners for value in _tag_values(owner, tag))
            remedy = f"leave it out, or set {tag} to {others}"
            faults.append(f"{path}.{key} is {_show(data[key])}, but {tag} {name} has no {key}: {remedy}")
            del kept[key]
    return _dataclass(chosen, kept, path, faults)


def _field_names(*classes: type) -> set[str]:
    return {f.name for cls in classes for f in dataclasses.fields(cls)}


def _dataclass(cls: type, data: Any, path: str, faults: list[str]) -> Any:
    if not isinstance(data, dict):
        faults.append(f"{path or 'the whole'} is {_show(data)}, wanted a mapping with {_names(cls)}")
        return None
    before = len(faults)
    hints = _hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in data:
        if key not in fields:
            close = get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {_names(cls)}"
            faults.append(f"{_join(path, key)} is unknown; {hint}")
    values = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _value(hints[name], data[name], _join(path, name), faults, field.metadata)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            faults.append(f"{_join(path, name)} is missing")
    if len(faults) > before:
        return None
    try:
        value = cls(**values)
    except ConfigError as error:
        faults.append(f"{path}: {error}" if path else str(error))
        return None
    if hasattr(value, "faults"):
        faults.extend(f"{path}: {fault}" if path else fault for fault in value.faults())
    return value


def _value(hint: Any, data: Any, path: str, faults: list[str], limits: Any) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return data
    if origin in (Union, types.UnionType):
        if data is None and type(None) in args:
            return None
        choices = _choices(hint)
        if len(choices) > 1:
            return _tagged(choices, data, path, faults)
        return _value(choices[0], data, path, faults, limits)
    if origin is Literal:
        if data not in args:
            faults.append(f"{path} is {_show(data)}, wanted one of {', '.join(map(str, args))}")
        return data
    if origin is tuple:
        if not isinstance(data, list | tuple):
            faults.append(f"{path} is {_show(data)}, wanted a list")
            return None
        if args[-1] is not Ellipsis and len(args) != len(data):
            faults.append(f"{path} has {len(data)} values, wanted {len(args)}")
            return None
        inner = [args[0]] * len(data) if args[-1] is Ellipsis else args
        return tuple(
            _value(a, d, f"{path}[{i}]", faults, limits) for i, (a, d) in enumerate(zip(inner, data, strict=True))
        )
    if origin is dict and isinstance(data, dict):
        return {key: _value(args[1], item, _join(path, key), faults, limits) for key, item in data.items()}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _dataclass(hint, data, path, faults)
    return _scalar(origin or hint, data, path, faults, limits)


def _scalar(kind: type, data: Any, path: str, faults: list[str], limits: Any) -> Any:
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        with contextlib.suppress(OverflowError):  # of hundreds of digits
            data = float(data)
    if kind is float and isinstance(data, str):  # YAML 1.1 reads 1e-3 as text
        with contextlib.suppress(ValueError):
            data = float(data)
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        quote = " (in YAML quote yes, no, on and off)" if kind is str and isinstance(data, bool) else ""
        faults.append(f"{path} is {_show(data)}, wanted {_KINDS.get(kind, kind.__name__)}{quote}")
        return data
    low, high = limits.get("low"), limits.get("high")
    if isinstance(data, int | float) and not isinstance(data, bool):
        inside = (low is None or data >= low) and (high is None or data <= high)
        if not inside or data != data:
            wanted = f"at least {low}" if high is None else f"at most {high}" if low is None else f"{low} to {high}"
            faults.append(f"{path} is {data}, wanted {wanted}")
    return data


_KINDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", dict: "a mapping"}


def _join(path: str, name: Any) -> str:
    return f"{path}.{name}" if path else str(name)


def _names(cls: type) -> str:
    return ", ".join(f.name for f in dataclasses.fields(cls))


def _show(data: Any) -> str:
    try:
        text = repr(data)
    except (ValueError, RecursionError):  # a number of thousands of digits, what holds itself
        return f"a {type(data).__name__} that is too large"
    return text if len(text) <= 40 else text[:37] + "..."
