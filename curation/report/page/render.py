"""The HTML of a page: one file that asks nobody for anything.

Scripts, styles and the plotting library lie beside this module and go into the page as they are. What comes from the
corpus goes in as one block of JSON, in which no character is left that HTML knows (`<`, `>`, `&`, U+2028, U+2029);
the scripts put it on the screen as text nodes. Three more walls stand behind that: the page's policy (CSP) runs
only the scripts whose hashes it names and lets nothing be loaded or sent, and it forbids to make HTML out of strings
(trusted types).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib.resources import files

from curation.report.page.data import PageData

#: The scripts, in the order in which they need each other; together they are one function, so none leaves a global.
SCRIPTS = (
    *("dom", "charts", "bars", "clusters", "map", "mixture", "table", "sections", "audit"),
    *("probe_charts", "probe_price", "probe", "main"),
)

#: The styles, in the order in which the later win.
STYLES = ("base", "figures", "parts", "media")

_ESCAPED = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


def page_html(data: PageData) -> str:
    """The page.

    Args:
        data: see `data`; strings without lone surrogates.

    Returns:
        HTML, to be written as UTF-8. The same data give the same page.
    """
    head, library = asset("head.js"), asset("echarts.common.min.js", "vendor")
    style = "".join(asset(f"{name}.css") for name in STYLES)
    script = '(() => {\n"use strict";\n' + "\n".join(asset(f"{name}.js") for name in SCRIPTS) + "})();\n"
    parts = {
        "policy": policy([head, library, script], [style]),
        "style": style,
        "head": head,
        "data": embedded(data),
        "library": library,
        "script": script,
    }
    # One pass, so that nothing that is put in is looked at for places to put things in.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], asset("page.html"))


def embedded(data: PageData) -> str:
    """The data as JSON that may stand inside a script element, whatever texts are in it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPED)


def policy(scripts: list[str], styles: list[str]) -> str:
    """The content security policy: these scripts and styles, and nothing else from anywhere."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts))}",
            f"style-src {' '.join(map(_hash, styles))}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types default",
        ]
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def asset(name: str, folder: str = "assets") -> str:
    """A file that goes into the page."""
    return (files("curation.report.page") / folder / name).read_text(encoding="utf-8")
