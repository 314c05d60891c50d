"""For the reference: examples in docstrings are code, and are shown as such."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_EXAMPLE = re.compile(r"^(>>> .*(?:\n(?!\n).+)*)", re.MULTILINE)


class Doctests(Extension):
    """Puts every example of a docstring, from its first prompt to the next empty line, into a block of code."""

    def on_object(self, *, obj: Object, **others: Any) -> None:
        """Change the docstring of an object that was loaded."""
        if obj.docstring is not None:
            obj.docstring.value = _EXAMPLE.sub(r"```pycon\n\1\n```", obj.docstring.value)
