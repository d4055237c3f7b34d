"""GGUF files with something wrong with them, as disks, networks and pranksters make them: the same ones every time."""

import random
import struct


def damaged(whole, count, header, seed=1):
    """`count` damaged copies of a sound file, whose header is `header` bytes long: a name for each, and its bytes."""
    rng = random.Random(seed)
    makers = (_cut, _flipped, _magic, _counted)
    for n in range(count):
        maker = makers[n % len(makers)]
        yield f"{n:03}-{maker.__name__.strip('_')}", maker(rng, bytearray(whole), header)


def _cut(rng, data, header):
    return bytes(data[: rng.randrange(len(data))])


def _flipped(rng, data, header):
    """A few bytes of the header, its metadata or its table of tensors, turned over."""
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[rng.randrange(8, header)] ^= rng.randrange(1, 256)
    return bytes(data)


def _magic(rng, data, header):
    data[rng.randrange(8)] ^= rng.randrange(1, 256)
    return bytes(data)


def _counted(rng, data, header):
    """A count that nothing could hold: of tensors, of values, or one somewhere in the header."""
    at = rng.choice((8, 16, rng.randrange(24, header - 8)))
    data[at : at + 8] = struct.pack("<Q", rng.choice((2**64 - 1, 2**63, 2**40, 2**31, 0, 65536)))
    return bytes(data)
