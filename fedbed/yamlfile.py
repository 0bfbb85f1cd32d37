"""YAML text to plain data, with the line of every key and without YAML's surprises.

Stricter than YAML 1.1 as PyYAML reads it: `yes`, `on`, `010`, `1:30` and dates are text as in
YAML 1.2, `1e-3` is a number, and aliases, tags, duplicate keys and deep nesting are errors.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Hashable, List, Tuple

import yaml

Path = Tuple[Hashable, ...]
Lines = Dict[Path, int]

MAX_BYTES = 100_000
"""Reading it takes the parser two seconds: it is written in Python."""
_MAX_DEPTH = 20

_TAG = "tag:yaml.org,2002:"
_FLOAT = re.compile(
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_SCALARS = (
    ("null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    # 18 digits: more is no sensible number here, and Python refuses to read thousands of them.
    ("int", re.compile(r"^[-+]?(?:0|[1-9][0-9]{0,17})$"), list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
)


class YamlError(ValueError):
    """Text that can't be read; `line` counts from 1, and is 0 where there is none."""

    def __init__(self, text: str, line: int = 0) -> None:
        super().__init__(text)
        self.line = line


class _Loader(yaml.SafeLoader):
    """Composes nodes; `_plain` turns them into data, so no constructor ever runs."""

    yaml_implicit_resolvers: Dict[str, Any] = {}  # noqa: RUF012  PyYAML's own way to configure
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if self.check_event(yaml.events.AliasEvent):
            raise YamlError("aliases (*name) are not supported; write the value out", line)
        if self.depth >= _MAX_DEPTH:
            raise YamlError("nested too deeply", line)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Dumper(yaml.SafeDumper):
    """Quotes what either version of YAML would take for something else than text."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # PyYAML writes Unicode's own line breaks as they are and reads them back as \n, except in
    # double quotes, where it escapes them.
    style = '"' if re.search("[\x85\u2028\u2029]", text) else None
    return dumper.represent_scalar(_TAG + "str", text, style=style)


_Dumper.add_representer(str, _text)
for _kind, _regexp, _first in _SCALARS:
    _Loader.add_implicit_resolver(_TAG + _kind, _regexp, _first)
    _Dumper.add_implicit_resolver(_TAG + _kind, _regexp, _first)


def read(text: str) -> Tuple[Any, Lines]:
    """Read one YAML document into dicts, lists and scalars, with the line of each path.

    Raises:
        YamlError: it can't be read.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(error.problem or error.context).split())
        raise YamlError(f"not valid YAML: {problem}", mark.line + 1 if mark else 0) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(f"not text: character {error.character:#04x}", line) from None
    lines: Lines = {}
    return (None if node is None else _plain(node, (), lines)), lines


def write(data: Any) -> str:
    """Write plain data as YAML in its own order."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))


def _plain(node: yaml.Node, path: Path, lines: Lines) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    kind = node.tag[len(_TAG) :] if node.tag.startswith(_TAG) else node.tag
    if isinstance(node, yaml.MappingNode) and kind == "map":
        return _mapping(node, path, lines)
    if isinstance(node, yaml.SequenceNode) and kind == "seq":
        return [_plain(child, (*path, i), lines) for i, child in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode) and kind in ("null", "bool", "int", "float", "str"):
        return _scalar(kind, node.value, line)
    raise YamlError(f"tags ({node.tag}) are not supported; write the plain value", line)


def _mapping(node: yaml.MappingNode, path: Path, lines: Lines) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = key_node.value
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _TAG + "str":
            shown = repr(key) if isinstance(key_node, yaml.ScalarNode) else "a list or mapping"
            raise YamlError(f"keys are text; given {shown}", line)
        if key in found:
            first = lines[(*path, key)]
            raise YamlError(
                f"key {dotted((*path, key))!r} stands there twice, first in line {first}", line
            )
        lines[(*path, key)] = line
        found[key] = _plain(value_node, (*path, key), lines)
    return found


def _scalar(kind: str, text: str, line: int) -> Any:
    if kind == "str":
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    try:
        return int(text) if kind == "int" else float(re.sub(r"\.(?=[in])", "", text.lower()))
    except ValueError:  # only with an explicit tag, as in `!!int "abc"`
        raise YamlError(f"{text[:60]!r} is no {kind}", line) from None


def dotted(path: Path) -> str:
    """Write a path as people do: federation.strategy.name, seeds[2]."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


__all__: List[str] = ["MAX_BYTES", "Lines", "Path", "YamlError", "dotted", "read", "write"]
