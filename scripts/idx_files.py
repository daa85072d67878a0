"""Reads and writes gzip-compressed IDX files, and interleaves classes: shared by the cut-*.py scripts."""

import gzip
import random
import struct
import zlib


def read_idx(path):
    """The dimensions and the bytes of a file of unsigned bytes."""
    with gzip.open(path) as file:
        content = file.read()
    assert content[:3] == b"\0\0\x08", f"{path} holds no unsigned bytes"
    rank = content[3]
    dims = struct.unpack_from(f">{rank}I", content, 4)
    return dims, content[4 + 4 * rank :]


def write_idx(path, dims, content):
    """Writes the smallest gzip file that zlib's strategies give, without a time stamp."""
    raw = b"\0\0\x08" + bytes([len(dims)]) + struct.pack(f">{len(dims)}I", *dims) + bytes(content)
    packed = []
    for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED):
        # 16 added to the window size asks for gzip's header instead of zlib's.
        packer = zlib.compressobj(9, zlib.DEFLATED, 16 + 15, 9, strategy)
        packed.append(packer.compress(raw) + packer.flush())
    with open(path, "wb") as file:
        file.write(min(packed, key=len))


def write_split(folder, name, images, side):
    """Writes `name-images...` and `name-labels...`; an image is (label, pixels)."""
    pixels = b"".join(image for _, image in images)
    write_idx(f"{folder}/{name}-images-idx3-ubyte.gz", (len(images), side, side), pixels)
    write_idx(f"{folder}/{name}-labels-idx1-ubyte.gz", (len(images),), [label for label, _ in images])


def interleave(classes, seed):
    """One list from a list of images per class. Each round takes one image of every class, in an order
    that is drawn for that round, so that the beginning of a split is balanced as well."""
    draw = random.Random(seed)
    result = []
    for turn in range(max(len(images) for images in classes)):
        members = [(label, images[turn]) for label, images in enumerate(classes) if turn < len(images)]
        # Sorted by draws of `random()`, the only method whose sequence Python promises to keep.
        result += [member for _, member in sorted((draw.random(), member) for member in members)]
    return result
