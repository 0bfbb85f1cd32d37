"""The API's page: what OpenAPI says of it, as one HTML file without scripts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from fedbed import errors

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """A parameter or a key: its name, type, default ('required', or '' for none) and place."""

    name: str
    kind: str
    default: str
    where: str = ""


@dataclass(frozen=True)
class Operation:
    """One method of one address; `takes` and `gives` name types, '' for none."""

    method: str
    path: str
    text: str
    fields: list[Field]
    takes: str
    gives: str


@dataclass(frozen=True)
class Shape:
    """A JSON object that the API takes or gives."""

    name: str
    text: str
    fields: list[Field]


def render(openapi: Mapping[str, Any]) -> str:
    """Return the page for an OpenAPI 3.1 document, as `FastAPI.openapi` makes them."""
    environment = Environment(
        loader=PackageLoader("coordinator", "web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("api.html").render(
        info=openapi["info"],
        groups=operations(openapi),
        shapes=shapes(openapi),
        errors=sorted(_errors(), key=lambda kind: (kind.http_status, kind.__name__)),
    )


def operations(openapi: Mapping[str, Any]) -> dict[str, list[Operation]]:
    """Return all operations by their first tag, in the document's order."""
    groups: dict[str, list[Operation]] = {}
    for path, methods in openapi["paths"].items():
        for method, said in methods.items():
            found = Operation(
                method=method.upper(),
                path=path,
                text=said.get("description") or said.get("summary", ""),
                fields=[
                    _field(p["name"], p["schema"], p.get("required", False), p["in"])
                    for p in said.get("parameters", [])
                ],
                takes=_content(said.get("requestBody", {})),
                gives=_content(said["responses"].get("200", {})),
            )
            groups.setdefault(said.get("tags", ["other"])[0], []).append(found)
    return groups


def shapes(openapi: Mapping[str, Any]) -> list[Shape]:
    """Return the objects that operations name, by name, wherever the document defines them."""
    found: dict[str, Shape] = {}

    def collect(schema: Schema) -> None:
        for below in schema.get("$defs", {}).values():
            collect(below)
        if "properties" in schema:
            needed = schema.get("required", ())
            fields = [_field(n, s, n in needed) for n, s in schema["properties"].items()]
            found[schema["title"]] = Shape(schema["title"], schema.get("description", ""), fields)

    for name, schema in openapi.get("components", {}).get("schemas", {}).items():
        if not name.endswith("ValidationError"):  # FastAPI's form of refusals, which isn't ours
            collect(schema)
    for methods in openapi["paths"].values():
        for said in methods.values():
            for body in said.get("requestBody", {}).get("content", {}).values():
                collect(body.get("schema", {}))
    return [found[name] for name in sorted(found)]


def kind(schema: Schema) -> str:
    """Return a type in words: 'list of BlobRef', 'string or null', 'exact | int8'."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(kind(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}"
    more = schema.get("additionalProperties")
    if isinstance(more, Mapping) and more:
        return f"object of {kind(more)}"
    if "properties" in schema:
        return str(schema["title"])
    return str(schema.get("type", "anything"))


def _errors() -> list[type[errors.FedbedError]]:
    """Return the documented classes; subclasses elsewhere are details of their modules."""
    return [each for each in errors.by_code().values() if each.__module__ == errors.__name__]


def _field(name: str, schema: Schema, required: bool, where: str = "") -> Field:
    default = "required" if required else ""
    if "default" in schema and schema["default"] not in ("", None):
        default = str(schema["default"]).lower()
    return Field(name, kind(schema), default, where)


def _content(part: Mapping[str, Any]) -> str:
    for media, body in part.get("content", {}).items():
        return kind(body.get("schema", {})) if media == "application/json" else str(media)
    return ""
