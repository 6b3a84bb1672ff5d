"""A row of the tables of domains: which files of which packages, how they become documents, and how many."""

from __future__ import annotations

from dataclasses import dataclass

from labelled_texts.texts import Form


@dataclass(frozen=True)
class Domain:
    """A labelled kind of text, as a person would name it."""

    name: str
    packages: str
    """Names of packages (`deb:anarchism npm:d3`), parted by blanks."""
    files: str
    """Regular expression that is searched for in a file's path."""
    form: Form
    documents: int
    """Most documents."""
    from_package: int = 1_000_000
    """Most documents of a package, where many make a domain wide."""
    script: str = ""
    """Class of characters (`А-я`) that at least a third of a text's letters are of: translations have gaps."""
    language: str = ""
    """Code of the language that a text must be in, where the script doesn't tell; empty: any."""
