"""Small pictures in a terminal, two rows of pixels in each line of text."""

import numpy as np
import numpy.typing as npt

BLOCK = "▀"  # the upper half in the foreground's colour, the lower half in the background's
RESET = "\x1b[0m"
SHADES = " .:-=+*#%@"


def grey(image: npt.ArrayLike, *, color: bool) -> list[str]:
    """Lines that show [H,W] from 0 (black) to 1 (white); with half blocks in 24-bit colour, else in characters."""
    array = np.clip(np.asarray(image, np.float64), 0, 1)
    if not color:
        return ["".join(SHADES[round(v * (len(SHADES) - 1))] for v in row) for row in array[::2]]
    levels = (array * 255).astype(int)
    return _blocks([[(v, v, v) for v in row] for row in levels.tolist()])


def signed(image: npt.ArrayLike, *, color: bool) -> list[str]:
    """Lines that show [H,W]: positive values red, negative ones blue, relative to the largest."""
    array = np.asarray(image, np.float64)
    scaled = array / max(float(np.abs(array).max()), 1e-30)
    if not color:
        return grey(np.abs(scaled), color=False)
    levels = (np.abs(scaled) ** 0.5 * 255).astype(int)
    pixels = [
        [(level, 0, 40) if value > 0 else (0, level // 2, level) for value, level in zip(*rows, strict=True)]
        for rows in zip(scaled.tolist(), levels.tolist(), strict=True)
    ]
    return _blocks(pixels)


def beside(*columns: list[str], gap: str = "   ") -> list[str]:
    """Pictures of one height side by side."""
    return [gap.join(parts) for parts in zip(*columns, strict=True)]


def _blocks(pixels: list[list[tuple[int, int, int]]]) -> list[str]:
    lines = []
    for top, bottom in zip(pixels[::2], pixels[1::2], strict=False):
        cells = (
            f"\x1b[38;2;{';'.join(map(str, upper))};48;2;{';'.join(map(str, lower))}m{BLOCK}"
            for upper, lower in zip(top, bottom, strict=True)
        )
        lines.append("".join(cells) + RESET)
    return lines
