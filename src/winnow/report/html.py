"""HTML and SVG by construction: text is escaped when it is put in, so nothing can be forgotten."""

from __future__ import annotations

from html import escape
from importlib import resources


class Markup(str):
    """Text that is markup already, and goes into a page as it is."""

    __slots__ = ()


def element(tag: str, *children: str | None, **attributes: object) -> Markup:
    """An element with its children, of which those that are no Markup are escaped, and None is nothing.

    In an attribute's name, an underscore stands for a hyphen, and one at the end is dropped; an attribute that is None
    or False is left out, one that is True has no value. Floats are written to a hundredth.

    >>> element("p", "1 < 2, ", element("b", "truly"), class_="sum", data_n=2, hidden=False)
    '<p class="sum" data-n="2">1 &lt; 2, <b>truly</b></p>'
    """
    inside = "".join(child if isinstance(child, Markup) else escape(child) for child in children if child is not None)
    opening = tag + "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in _EMPTY:
        return Markup(f"<{opening}>")
    return Markup(f"<{opening}>{inside}</{tag}>")


def resource(name: str) -> Markup:
    """A style sheet or a script of this package, to go into a page or a picture as it is."""
    return Markup(resources.files("winnow.report").joinpath(name).read_text("utf-8"))


def _attribute(name: str, value: object) -> str:
    if value is None or value is False:
        return ""
    written = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {written}"
    text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return f' {written}="{escape(text)}"'


_EMPTY = {"br", "hr", "meta"}
