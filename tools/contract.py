"""What others build on, as data: the HTTP API, commands, tables, settings, metrics, storage keys, released files.

``python -m tools.contract`` prints it; tests/test_contract.py compares it with tests/contract.json. Descriptions,
titles, component names and help texts are left out: they may change, what is here may not, except on purpose
(``python -m tools.contract --write``).
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import click
from prometheus_client import REGISTRY
from pydantic_core import PydanticUndefined
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement

from backend.app import create_app
from backend.cli import main as server_commands
from backend.schema import METADATA
from backend.settings import PREFIX, Settings
from model.cli import main as model_commands

ROOT = Path(__file__).parent.parent
EXTENSION = ROOT / "extension"
RELEASED = ROOT / "model" / "released"
CONTRACT_FILE = ROOT / "tests" / "contract.json"

# For people, not for programs.
TEXTS = frozenset(["description", "title", "summary", "operationId", "example", "examples", "tags"])

# Whatever the extension stores stays readable after an update: IndexedDB, storage.session and storage.local.
STORAGE_KEYS = ("agreed", "begun", "drafts", "held.", "model_check", "outbox", "posting", "settings", "tabs", "tally")


def contract() -> dict[str, Any]:
    """Return the contract of this source tree, as JSON holds it."""
    return {
        "api": _api(),
        "commands": {
            "tagalong-server": _commands(server_commands),
            "tagalong-model": _commands(model_commands),
        },
        "tables": _tables(),
        "settings": _settings(),
        "metrics": _metrics(),
        "extension": _extension(),
        "released": {
            path.relative_to(RELEASED).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(RELEASED.rglob("*"))
            if path.is_file()
        },
    }


def as_text(content: dict[str, Any]) -> str:
    """Return the contract as the text of its file: a line an entry, so that a difference is short."""
    parts = [
        f"{json.dumps(part)}: {{\n"
        + ",\n".join(
            f" {json.dumps(key)}: {json.dumps(value, sort_keys=True)}" for key, value in sorted(entries.items())
        )
        + "\n}"
        for part, entries in content.items()
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _api() -> dict[str, Any]:
    document = create_app(Settings()).openapi()
    components = document.get("components", {}).get("schemas", {})

    def inlined(node: Any, names: tuple[str, ...] = (), *, of_fields: bool = False) -> Any:
        if isinstance(node, list):
            return [inlined(item, names) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            name = node["$ref"].rpartition("/")[2]
            return "itself" if name in names else inlined(components[name], (*names, name))
        return {
            key: inlined(value, names, of_fields=key == "properties")
            for key, value in node.items()
            if of_fields or key not in TEXTS
        }

    return {path: inlined(operations) for path, operations in document["paths"].items()}


def _commands(group: click.Group) -> dict[str, Any]:
    context = click.Context(group)
    commands = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {
        name: sorted(_parameter(parameter) for parameter in command.params)
        for name, command in commands.items()
        if command is not None
    }


def _parameter(parameter: click.Parameter) -> str:
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    if isinstance(parameter, click.Argument):
        names = parameter.human_readable_name
    flags = [
        word
        for word, applies in (
            ("required", parameter.required),
            ("multiple", parameter.multiple or parameter.nargs == -1),
            ("flag", getattr(parameter, "is_flag", False)),
        )
        if applies
    ]
    choices = parameter.type.choices if isinstance(parameter.type, click.Choice) else ()
    return " ".join([names, parameter.type.name, *map(str, choices), *flags])


def _tables() -> dict[str, list[str]]:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return {
        table.name: [
            " ".join(str(statement.compile(dialect=dialect)).split()) for statement in _create_statements(table)
        ]
        for table in METADATA.sorted_tables
    }


def _create_statements(table: Table) -> list[ExecutableDDLElement]:
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    return [CreateTable(table), *map(CreateIndex, indexes)]


def _settings() -> dict[str, str]:
    return {
        f"{PREFIX}{name.upper()}": "computed"
        if field.default is PydanticUndefined
        else str(field.default).replace(str(ROOT), "")
        for name, field in Settings.model_fields.items()
    }


def _metrics() -> dict[str, str]:
    return {
        family.name: f"{family.type} {sorted(_labels(family.name))}"
        for family in REGISTRY.collect()
        if family.name.startswith("tagalong")
    }


def _labels(name: str) -> tuple[str, ...]:
    collector = REGISTRY._names_to_collectors.get(name) or REGISTRY._names_to_collectors.get(f"{name}_total")
    return tuple(getattr(collector, "_labelnames", ()))


def _extension() -> dict[str, Any]:
    manifest = json.loads((EXTENSION / "manifest.json").read_text())
    texts = json.loads((EXTENSION / "_locales" / "en" / "messages.json").read_text())
    source = "\n".join(path.read_text() for path in sorted(EXTENSION.rglob("*.js")))
    return {
        "permissions": sorted([*manifest["permissions"], *manifest.get("host_permissions", [])]),
        "locales": sorted(texts),
        "storage keys": [
            key for key in STORAGE_KEYS if f'"{key}' in source or f"{key}:" in source or f"`{key}" in source
        ],
    }


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        CONTRACT_FILE.write_text(as_text(contract()))
    else:
        print(as_text(contract()), end="")
