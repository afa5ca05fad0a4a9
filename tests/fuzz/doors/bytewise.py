"""Bytes with something changed in them, whatever they mean."""

from random import Random

EXTREME = (0, 1, 0x7F, 0x80, 0xFF)


def changed(random: Random, data: bytes, others: tuple[bytes, ...] = ()) -> bytes:
    """One thing is changed; `others` are pieces that mean something."""
    at = random.randrange(len(data) + 1)
    stop = min(len(data), at + random.choice((1, 1, 2, 4, 8, 64)))
    match random.randrange(9):
        case 0:  # a bit
            return data[:at] + bytes(byte ^ 1 << random.randrange(8) for byte in data[at : at + 1]) + data[at + 1 :]
        case 1:  # a byte
            return data[:at] + bytes(random.randrange(256) for _ in data[at : at + 1]) + data[at + 1 :]
        case 2:  # bytes that mean something as numbers
            return data[:at] + bytes([random.choice(EXTREME)]) * (stop - at) + data[stop:]
        case 3:  # less
            return data[:at] + data[stop:]
        case 4:  # cut off
            return data[:at]
        case 5:  # again
            return data[:stop] + data[at:stop] * random.choice((1, 1, 2, 100)) + data[stop:]
        case 6:  # a number a little larger or smaller
            width = random.choice((1, 2, 4, 8))
            order = random.choice(("little", "big"))
            number = int.from_bytes(data[at : at + width], order) + random.choice((-1, 1, 2, -16, 256))
            return data[:at] + (number % (1 << 8 * width)).to_bytes(width, order) + data[at + width :]
        case 7:  # a piece
            return data[:at] + (random.choice(others) if others else random.randbytes(stop - at)) + data[at:]
        case _:  # a piece for another
            return data[:at] + (random.choice(others) if others else random.randbytes(stop - at)) + data[stop:]
