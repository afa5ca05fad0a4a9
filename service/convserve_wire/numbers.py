"""Whole numbers in headers, paths and queries."""

DIGITS = 18  # the most that are fewer than 2^63, whatever they are


def whole(text: str) -> int | None:
    """A number from 0 in ASCII digits; None for anything else, and for more digits than DIGITS."""
    return int(text) if len(text) <= DIGITS and text.isascii() and text.isdigit() else None
