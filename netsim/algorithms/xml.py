"""XML that others wrote, as elements: no document types and so no entities, which is where XML can do harm."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from netsim.errors import ScenarioError

_DEEPEST = 16


@dataclass(frozen=True)
class Element:
    """A tag with its attributes and what stands in it; text is left out."""

    tag: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)


def read_xml(text: str) -> Element:
    """The outermost element. ScenarioError for what is no XML, is nested too deeply or declares a document type."""
    outermost = Element("", {})
    inside = [outermost]

    def begin(tag: str, attributes: dict[str, str]) -> None:
        if len(inside) > _DEEPEST:
            raise ScenarioError("elements are nested too deeply")
        inside[-1].children.append(Element(tag, attributes))
        inside.append(inside[-1].children[-1])

    def refuse(*_: object) -> None:
        raise ScenarioError("declares a document type, which is not read as it may hold entities")

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda _: inside.pop()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise ScenarioError(f"is no XML: {error}") from None
    return outermost.children[0]
