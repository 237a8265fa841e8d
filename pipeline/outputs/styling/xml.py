"""XML as a value: elements made in one expression, written the same way each time."""

from xml.etree.ElementTree import Element, indent, tostring


def node(tag: str, attributes: dict[str, object] | None = None, *children: Element, text: str = "") -> Element:
    """An element; attributes are written with ``str``, truths as true and false."""
    element = Element(tag, {name: _text(value) for name, value in (attributes or {}).items()})
    element.extend(children)
    element.text = text or None
    return element


def document(root: Element, head: str = "") -> str:
    """The element as the text of a file, indented, after the line ``head`` where there is one."""
    indent(root)
    return f"{head}\n{tostring(root, encoding='unicode')}\n".lstrip()


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
