"""How a file of a package becomes documents: plain text first, then whole paragraphs of 300 to 4,000 characters.

A `Form` says how a kind of file is made plain and how it is cut. Prose loses paragraphs that stand in many files of
its package (menus, footers, notices); code loses the comments at its head that speak of copyright.
"""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from curation.demo import cutting

SHORTEST, LONG_ENOUGH, LONGEST = 300, 1500, 4000
"""Characters: of the shortest document, at which a run of paragraphs becomes one, and of the longest."""

_BLANK_LINES = re.compile(r"\n(?:[ \t\f\r]*\n)+")


@dataclass(frozen=True)
class Form:
    """How files of a kind become documents."""

    decode: Callable[[bytes], str] = bytes.decode
    """A file's text; raises UnicodeDecodeError where it is none."""
    plain: Callable[[str], str] = str
    """A file's plain text, its paragraphs parted by blank lines."""
    cut: Callable[[str], Iterable[str]] = lambda text: runs(paragraphs(text))
    letters: float = 0.6
    """Least share of letters among a document's characters that are not blank: tables and data are left out."""
    is_prose: bool = True
    """Paragraphs that stand in many files are left out."""


def file_documents(form: Form, files: dict[str, str]) -> Iterator[tuple[str, str]]:
    """(name, text) of the documents of a package's files."""
    plain = {name: form.plain(text.replace("\r\n", "\n")) for name, text in files.items()}
    common = _common_paragraphs(plain.values()) if form.is_prose else set()
    for name, text in plain.items():
        own = "\n\n".join(part for part in paragraphs(text) if part.strip() not in common) if common else text
        for number, document in enumerate(form.cut(own)):
            if _is_usable(document, form.letters):
                yield f"{name}#{number}", document.strip("\n").rstrip()


def _common_paragraphs(texts: Iterable[str]) -> set[str]:
    """Paragraphs that stand in more than four files and in more than one of a hundred."""
    counts: Counter[str] = Counter()
    files = 0
    for text in texts:
        files += 1
        counts.update({part.strip() for part in paragraphs(text)})
    return {part for part, count in counts.items() if count > max(4, files // 100)}


_NO_LETTERS = bytes(sorted(set(range(128)) - set(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")))


def _is_usable(text: str, letters: float) -> bool:
    if not (SHORTEST <= len(text.strip()) <= LONGEST) or re.search("[\0\ufffd\ud800-\udfff]", text):
        return False
    latin = text.encode("ascii", "ignore")
    others = len(text) - len(latin)  # all count as letters: the vowel signs of Indic scripts are none to `isalpha`
    return len(latin.translate(None, _NO_LETTERS)) + others >= letters * len("".join(text.split()))


def paragraphs(text: str) -> list[str]:
    """What stands between blank lines."""
    return [part for part in _BLANK_LINES.split(text) if part.strip()]


def runs(parts: Iterable[str], long_enough: int = LONG_ENOUGH, between: str = "\n\n") -> Iterator[str]:
    """Runs of whole paragraphs, ended before they are longer than wanted; a longer paragraph is cut at lines."""
    run = ""
    for part in _short_parts(parts):
        if run and len(run) + len(part) > long_enough and len(run) >= SHORTEST:
            yield run
            run = ""
        run = f"{run}{between}{part}" if run else part
    yield run


def _short_parts(parts: Iterable[str]) -> Iterator[str]:
    """The paragraphs; those that alone are too long for a document in pieces."""
    for part in parts:
        while len(part) > LONGEST - LONG_ENOUGH:
            end = part.rfind("\n", SHORTEST, LONG_ENOUGH)
            end = end if end > 0 else part.rfind(" ", SHORTEST, LONG_ENOUGH)
            end = end if end > 0 else LONG_ENOUGH
            yield part[:end]
            part = part[end:]
        yield part


_NOT_SHOWN = re.compile(
    r"<(script|style|head|nav|header|footer|svg|info)\b.*?</\1\s*>|<!--.*?-->|<\?.*?\?>", re.DOTALL | re.IGNORECASE
)
_BREAKS = re.compile(
    r"</?(p|div|h[1-6]|li|ul|ol|dl|dt|dd|table|tr|pre|section|article|blockquote|title|item|body|note|page|media|"
    r"figure|terms|steps|code|screen|desc|para|row)\b[^>]*>",
    re.IGNORECASE,
)
_PRE = re.compile(r"(<pre\b.*?</pre>)", re.S | re.I)


def html_text(source: str) -> str:
    """The text of an HTML page, or of a page of help in XML."""
    parts = _PRE.split(_NOT_SHOWN.sub("", source))
    parts[::2] = [re.sub(r"\s+", " ", part) for part in parts[::2]]
    text = re.sub(r"<br\s*/?>", "\n", "".join(parts), flags=re.I)
    text = html.unescape(re.sub(r"<[^>]*>", "", _BREAKS.sub("\n\n", text)))
    text = re.sub(r"(?m)^ (?=\S)", "", text.replace("\u00a0", " ").replace("\u200b", ""))
    return "\n\n".join(part.strip("\n").rstrip() for part in paragraphs(text))


def man_text(source: str) -> str:
    """The text of a manual page in roff: macros and font changes taken out, sections and items as paragraphs."""
    lines = []
    for line in source.split("\n"):
        if re.match(r"[.'](TP|PP|P|LP|IP|RS|RE|SH|SS|Sh|Ss|Pp|It|HP|sp|nf|fi|EX|EE)\b", line):
            lines.append("")
        if line.startswith(
            ('.\\"', "'\\\"", ".TH", ".Dd", ".Dt", ".Os", ".de", ".ie", ".el", ".if", ".nr", ".ds", ".so")
        ):
            continue
        macro = re.match(r"[.'][ \t]*([A-Za-z]+)[ \t]*(.*)", line)
        if macro is None:
            lines.append(line)
        elif macro[1] in _WITH_TEXT and macro[2]:
            words = [quoted or word for quoted, word in re.findall(r'"([^"]*)"|(\S+)', macro[2])]
            lines.append(("" if macro[1] in _ALTERNATING else " ").join(words))
            if macro[1] in ("SH", "SS", "Sh", "Ss"):
                lines.append("")
    text = re.sub(r"\\f(\[\w*\]|\(..|.)|\\[&|^/,]|\\s[-+]?\d|\\\".*", "", "\n".join(lines))
    text = re.sub(r"\\\((..)|\\\[(\w+)\]", lambda found: _ROFF.get(found[1] or found[2], ""), text)
    return text.replace("\\-", "-").replace("\\ ", " ").replace("\\~", " ").replace("\\e", "\\").replace("\\:", "")


_ALTERNATING = {"BR", "IR", "RB", "RI", "BI", "IB"}
_WITH_TEXT = _ALTERNATING | {"B", "I", "SM", "SB", "SH", "SS", "Sh", "Ss", "IP", "Nm", "Nd", "Xr"}
_WITH_TEXT |= {"Fl", "Ar", "It", "Pa", "Cm", "Va", "Fn", "Li", "Dq", "Sq", "Ev", "Em", "Sy", "Op", "Ql"}
_ROFF = {"aq": "'", "lq": "“", "rq": "”", "dq": '"', "co": "©", "em": "—", "en": "–", "bu": "•", "ha": "^", "ti": "~"}
_ROFF |= {"oq": "‘", "cq": "’", "Fo": "«", "Fc": "»", "rs": "\\", "hy": "-", "mi": "-", "ga": "`", "u2009": " "}

_NOTICE = re.compile(r"copyright|licen[sc]e|warranty|redistribut|all rights reserved|\bSPDX\b", re.I)


def code_text(source: str) -> str:
    """Code without the notices among its first five paragraphs; nothing of what is generated or minified."""
    if "enerated" in source[:600] or max(map(len, source.split("\n")), default=0) > 1000:
        return ""
    parts = paragraphs(source)
    return "\n\n".join([part for part in parts[:5] if not _NOTICE.search(part)] + parts[5:])


def pod_text(source: str) -> str:
    """A manual in Perl's plain old documentation without its marks."""
    text = re.sub(r"\b[BCFILSXZ]<+ ?([^<>]*?) ?>+", r"\1", source)
    return re.sub(r"^=(head\d|item|over|back|cut|pod|begin|end|for|encoding)\b[ \t]*", "", text, flags=re.MULTILINE)


def brown_text(source: str) -> str:
    """Running text from words that carry their part of speech: `said/vbd`."""
    text = re.sub(r"(\S+)/[^\s/]+", r"\1", source)
    return re.sub(r" ([.,;:?!]|'')", r"\1", text.replace("`` ", '"').replace(" ''", '"')).replace("\t", "")


def by_fortunes(source: str) -> Iterator[str]:
    """Sayings between lines of a percent sign, as many as make a document."""
    yield from runs(re.split(r"\n%+\n", source), 700)


def by_entries(source: str) -> Iterator[str]:
    """Entries of a dictionary: what begins at the margin and goes on indented."""
    yield from runs(re.split(r"\n(?=\S)", source), 600)


def by_json(pick: Callable[[Any], Iterable[str]], long_enough: int = LONG_ENOUGH, between: str = "\n") -> Form:
    """A form of JSON files: `pick` yields their texts, which are joined into documents."""
    return Form(cut=lambda text: runs(pick(json.loads(text)), long_enough, between), is_prose=False)


def mail_body(message: str) -> str:
    """What stands under the headers of a message, without mark-up."""
    body = message.partition("\n\n")[2]
    if "base64" in message[:6000]:
        return ""
    return html_text(body) if re.search(r"<(html|body|p|br)\b", body, re.I) else body


HTML, MAN, POD = Form(plain=html_text), Form(plain=man_text), Form(plain=pod_text)
CODE = Form(plain=code_text, letters=0.35, is_prose=False)
PYTHON = Form(
    plain=code_text, cut=lambda text: (piece for _, piece in cutting.by_code(text)), letters=0.35, is_prose=False
)
DOCSTRINGS = Form(cut=lambda text: (piece for _, piece in cutting.by_docstrings(text)), is_prose=False)
FORTUNES = Form(cut=by_fortunes, is_prose=False)
ENTRIES = Form(decode=lambda content: content.decode("utf-8", "replace"), cut=by_entries, is_prose=False)
