"""YAML files: read safely, checked against a model, errors with file and line."""

import difflib
import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, TypeAdapter, ValidationError, ValidationInfo
from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.nodes import MappingNode, SequenceNode

from pipeline.errors import ConfigError
from pipeline.execution.whole_file import whole


class _Constructor(SafeConstructor):
    """What is written like a date is text, as YAML 1.2 has it: the model says whether there is such a day."""


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def _from_folder(path: Path, read: ValidationInfo) -> Path:
    return Path(os.path.normpath(read.context / path)) if read.context else path


FilePath = Annotated[Path, AfterValidator(_from_folder)]
"""A path that is written relative to the file that it stands in; absolute once that is read."""


def read_yaml(path: Path, model: type[BaseModel] | TypeAdapter) -> Any:
    """The file's content as an instance of ``model``.

    YAML 1.2 (``no`` is a word, ``1e-3`` a number); tags that would build objects are refused. Raises
    ConfigError naming the file, the line, what is wrong and, for an unknown key, the nearest right one.
    """
    adapter = model if isinstance(model, TypeAdapter) else TypeAdapter(model)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; correct its path in the config") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    yaml = YAML(typ="safe")
    yaml.Constructor = _Constructor
    try:
        content = yaml.load(text)
    except (YAMLError, ValueError) as error:  # ValueError: a number of thousands of digits, !!int of a word
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        hint = "; write paths of Windows with / or in single quotes" if "escape" in problem else ""
        raise ConfigError(f"{path}{line}: not valid YAML: {problem}{hint}") from error
    try:
        return adapter.validate_python(content, context=Path(os.path.abspath(path)).parent)
    except ValidationError as error:
        root = YAML(typ="safe").compose(text)
        # a value that fits no member of a union fails for each of them: the first says it
        places = {_locate(root, item["loc"]): item for item in reversed(error.errors())}
        raise ConfigError(
            "\n".join(_sentence(path, root, item, adapter) for item in reversed(places.values()))
        ) from error


def write_yaml(path: Path, content: Any) -> None:
    """Write YAML whole or not at all."""
    with whole(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        YAML(typ="safe", pure=True).dump(content, file)


def _sentence(path: Path, root: Any, error: dict, adapter: TypeAdapter) -> str:
    line, place = _locate(root, error["loc"])
    where = f"{path}:{line}: {'.'.join(map(str, place)) or 'the file'}"
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(error["loc"][-1]), _known_keys(adapter.json_schema()), n=1, cutoff=0.5)
        return f"{where} is not a key here" + (f"; did you mean {near[0]!r}?" if near else "; remove it")
    if error["type"] == "missing":
        return f"{where}: the key {error['loc'][-1]!r} is missing; add it"
    given = error["input"]
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool | None) else ""
    return f"{where}: {error['msg'].removeprefix('Value error, ')}{shown}"


def _locate(node: Any, loc: tuple) -> tuple[int, tuple]:
    """Line of the deepest node on the path ``loc``; union tags, which stand in no file, are skipped."""
    line, place = (node.start_mark.line + 1 if node else 1), []
    for step in loc:
        if isinstance(node, MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(step)]
            if not found:
                continue
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            continue
        place.append(step)
    return line, tuple(place)


def _known_keys(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        own = list(schema["properties"]) if isinstance(schema.get("properties"), dict) else []
        return own + [key for value in schema.values() for key in _known_keys(value)]
    if isinstance(schema, list):
        return [key for value in schema for key in _known_keys(value)]
    return []
