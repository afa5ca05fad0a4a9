"""What is written for people, and the snippets in it."""

import re

from tests.servers import ROOT

README = (ROOT / "README.md").read_text()
DOCS = {path.stem: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
ADDRESS = "http://127.0.0.1:8000"


def block(language: str, containing: str) -> str:
    """The first snippet in a language that has these words, of the README or of a page in docs."""
    return next(text for text in blocks(language, "\n".join((README, *DOCS.values()))) if containing in text)


def blocks(language: str, page: str) -> list[str]:
    """Every snippet of a page in a language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", page, re.S)
