"""YAML files: read safely, checked against a model, errors with file and line."""

import difflib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, TypeAdapter, ValidationError, ValidationInfo
from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.nodes import MappingNode, SequenceNode

from pipeline.errors import ConfigError
from pipeline.execution.whole_file import whole


class _Constructor(SafeConstructor):
    """Reads what looks like a date as text, as YAML 1.2 does: the model checks whether there is such a day."""


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


MEND_BACKSLASHES = "write paths of Windows with / or in single quotes"


def _from_folder(path: Path, read: ValidationInfo) -> Path:
    if re.search(r"[\0-\x1f\x85\u2028\u2029]", str(path)):  # what becomes of D:\baotou between double quotes
        raise ValueError(f"holds a sign that no path has; {MEND_BACKSLASHES}")
    return Path(os.path.normpath(read.context / path)) if read.context else path


FilePath = Annotated[Path, AfterValidator(_from_folder)]
"""A path written relative to the file that contains it; absolute after reading."""


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
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text ({error}); save it as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); correct its path or its rights") from error
    yaml = YAML(typ="safe")
    yaml.Constructor = _Constructor
    try:
        content = yaml.load(text)
    except (YAMLError, ValueError) as error:  # ValueError: a number of thousands of digits, !!int of a word
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        hint = f"; {MEND_BACKSLASHES}" if "escape" in problem else ""
        if problem.startswith("found duplicate key"):
            problem, hint = problem.split(" with value ")[0], "; put what stands below the two below one of them"
        raise ConfigError(f"{path}{line}: not valid YAML: {problem}{hint}") from error
    try:
        return adapter.validate_python(content, context=Path(os.path.abspath(path)).parent)
    except ValidationError as error:
        root = YAML(typ="safe").compose(text)
        # a value that fits no member of a union fails for each of them: the first says it
        places = {_locate(root, item["loc"]): item for item in reversed(error.errors())}
        raise ConfigError("\n".join(_sentences(path, reversed(places.items()), adapter))) from error


def write_yaml(path: Path, content: Any) -> None:
    """Write YAML whole or not at all."""
    with whole(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        YAML(typ="safe", pure=True).dump(content, file)


def _sentences(path: Path, faults: Iterable[tuple[tuple[int, tuple], dict]], adapter: TypeAdapter) -> Iterator[str]:
    """What is wrong, by line and place; the same fault in several members of a list is reported once, at the first of
    them."""
    alike: dict[tuple, list[tuple[int, tuple]]] = {}
    for (line, place), error in faults:
        names = tuple(step for step in place if not isinstance(step, int))
        alike.setdefault((names, _fault(names, error, adapter)), []).append((line, place))
    for (_, fault), [(line, place), *others] in alike.items():
        more = f"; the same {len(others)} times more, next in line {others[0][0]}" if others else ""
        yield f"{path}:{line}: {'.'.join(map(str, place)) or 'the file'}{fault}{more}"


def _fault(names: tuple[str, ...], error: dict, adapter: TypeAdapter) -> str:
    """The end of the sentence that begins with the place."""
    if error["type"] == "extra_forbidden":
        near = _nearest(names, adapter.json_schema())
        return " is not a key here" + (f"; did you mean {near!r}?" if near else "; remove it")
    if error["type"] == "missing":
        return f": the key {error['loc'][-1]!r} is missing; add it"
    given = error["input"]
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool | None) else ""
    if error["type"] == "tuple_type":
        how = "with a dash before each of its members" if isinstance(given, dict) else "in square brackets"
        return f": write a list, {how}{shown}"
    if error["type"] == "model_type":
        return f": write its keys below it, each with its value{shown}"
    return f": {error['msg'].removeprefix('Value error, ')}{shown}"


def _locate(node: Any, loc: tuple) -> tuple[int, tuple]:
    """Line of the deepest node on the path ``loc``; union tags, which occur in no file, are skipped."""
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


def _nearest(place: tuple[str, ...], schema: dict) -> str | None:
    """The path of a key with this name in another place, else a similar key in the same place, else the path of the
    most similar one."""
    *parents, key = place
    paths = list(_known_keys(schema, schema.get("$defs", {})))
    anywhere = {path[-1]: ".".join(path) for path in reversed(paths)}
    here = {
        path[-1]: path[-1]
        for path in paths
        if len(path) == len(place) and all(known in (own, "*") for known, own in zip(path, parents, strict=False))
    }
    for known, cutoff in ((anywhere, 1), (here, 0.7), (anywhere | here, 0.5)):
        if near := difflib.get_close_matches(key, known, n=1, cutoff=cutoff):
            return known[near[0]]
    return None


def _known_keys(schema: dict, models: dict, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of the keys that a JSON schema knows; * stands for names that the user chooses."""
    if "$ref" in schema:
        schema = models[schema["$ref"].rsplit("/", 1)[-1]]
    for key, value in schema.get("properties", {}).items():
        yield (*path, key)
        yield from _known_keys(value, models, (*path, key))
    if isinstance(names := schema.get("additionalProperties"), dict):
        yield from _known_keys(names, models, (*path, "*"))
    items = schema.get("items")
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *([items] if isinstance(items, dict) else ())):
        yield from _known_keys(part, models, path)
