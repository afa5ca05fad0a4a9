"""Figures as text: aligned tables, goals that are met or missed, and JSON."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import click


def spread(values: Sequence[float], scale: float = 1.0, digits: int = 2) -> list[str]:
    """Minimum, median and maximum."""
    return [f"{scale * value:.{digits}f}" for value in (min(values), median(values), max(values))]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The first column to the left, all others to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        click.echo("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
    click.echo()


def save(path: Path, content: Mapping[str, Any]) -> None:
    """As JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def goal(text: str, got: str, met: bool) -> None:
    click.echo(f"goal: {text}: {got}: {'met' if met else 'missed'}")


def progress(text: str) -> None:
    """On one line, where somebody watches."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{text}", nl=False, err=True)
