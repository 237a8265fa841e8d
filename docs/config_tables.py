"""Write ``config.md``, the meaning of every key of the config, from the models that check it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from pipeline.config.run_config import RunConfig

CONFIG_MD = Path(__file__).with_name("config.md")
HEAD = """# Config 配置

Every key of a run's YAML file, its values and its default; a key without a default is required. Paths are relative to
the file. `configs/baotou.yaml` is a template with comments in Chinese. Editors that use `configs/schema.json` show the
same as you type (VS Code with the YAML extension). Written by `python docs/config_tables.py`.

配置文件的全部键、取值和默认值；没有默认值的键必须填写，路径相对于配置文件。带中文注释的模板见 `configs/baotou.yaml`。
"""


def text() -> str:
    """The whole document."""
    schema = RunConfig.model_json_schema()
    parts = [HEAD]
    for name, section in _sections(schema, "", schema, set()):
        rows = "".join(
            f"| `{key}` | {_values(about, schema)} | {_default(about, key in section.get('required', ()))} "
            f"| {_meaning(about, schema)} |\n"
            for key, about in section["properties"].items()
        )
        title, said = f"`{name}`" if name else "Top level", _line(section["description"])
        parts.append(f"## {title}\n\n{said}\n\n| key | values | default | meaning |\n|---|---|---|---|\n{rows}")
    return "\n".join(parts)


def _sections(section: dict, name: str, schema: dict, seen: set[str]) -> Iterator[tuple[str, dict]]:
    """(dotted key, schema) of a section and of those within it, in order; of those not ``seen`` before."""
    yield name, section
    for key, about in section["properties"].items():
        inner, by_ecosystem = _section_of(about)
        if inner and inner not in seen:
            seen.add(inner)
            path = (f"{name}.{key}" if name else key) + "[]" * (about.get("type") == "array")
            yield from _sections(schema["$defs"][inner], f"{path}.<ecosystem>" if by_ecosystem else path, schema, seen)


def _section_of(about: dict) -> tuple[str | None, bool]:
    """Name of the section that a value is or may be, and whether there is one for each ecosystem."""
    if "additionalProperties" in about:
        return _section_of(about["additionalProperties"])[0], True
    for choice in [about, about.get("items", {}), *about.get("anyOf", ())]:
        if "$ref" in choice:
            return choice["$ref"].rpartition("/")[2], False
    return None, False


def _values(about: dict, schema: dict) -> str:
    """What a value may be, in words."""
    if examples := about.get("examples"):
        return "such as " + " or ".join(f"`{json.dumps(each, ensure_ascii=False)}`" for each in examples)
    if "anyOf" in about:
        choices = [_values(choice, schema) for choice in about["anyOf"] if choice.get("type") != "null"]
        return ", or ".join(dict.fromkeys(choices))
    if "enum" in about:
        return ", ".join(f"`{word}`" for word in about["enum"])
    if "$ref" in about:
        return "a section"
    if about.get("type") == "object":
        key = "ecosystem" if "propertyNames" in about else "year"
        return f"for each {key}: {_values(about['additionalProperties'], schema)}"
    if about.get("type") == "array":
        if "prefixItems" in about:
            return "two, each " + _values(about["prefixItems"][0], schema)
        return "list of sections" if "$ref" in about["items"] else "list of " + _values(about["items"], schema)
    kind = {"path": "path", None: ""}.get(about.get("format"), "")
    kind = kind or {"string": "text", "number": "number", "integer": "whole number", "boolean": "`true`, `false`"}[
        about["type"]
    ]  # fmt: skip
    return kind + "".join(
        f" {word} {about[limit]:.10g}"
        for limit, word in (
            ("exclusiveMinimum", "above"), ("minimum", "from"), ("exclusiveMaximum", "below"), ("maximum", "to"),
            ("multipleOf", "in steps of"),
        )
        if limit in about
    )  # fmt: skip


def _default(about: dict, required: bool) -> str:
    if required:
        return "-"
    value = about.get("default")
    if "$ref" in about and value is not None:
        return "those below"
    if not value and value is not False and value != 0:
        return "none"
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_listed(each)}" for key, each in value.items())
    return _listed(value)


def _listed(value: object) -> str:
    """A default as text; of a list its parts."""
    values = value if isinstance(value, list) else [value]
    return ", ".join(f"`{json.dumps(each, ensure_ascii=False)}`".replace('"', "") for each in values)


def _meaning(about: dict, schema: dict) -> str:
    """What is said of a key, or of the section that it holds."""
    return _line(about.get("description") or schema["$defs"][_section_of(about)[0]]["description"])


def _line(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


if __name__ == "__main__":
    CONFIG_MD.write_text(text(), encoding="utf-8", newline="\n")
