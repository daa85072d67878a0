#!/usr/bin/env python3
"""Cuts assets/data/fashion-mini from Fashion-MNIST as Debian packages it (dataset-fashion-mnist).

Of the training file, the first 400 images of each class become the training split and the next 100
the validation split; of the test file, the first 100 of each class become the test split.
"""

import pathlib
import sys

sys.dont_write_bytecode = True  # leaves the folder as it was

from idx_files import interleave, read_idx, write_split

SIDE = 28
CLASSES = 10


def by_class(folder, name):
    (count, *sides), pixels = read_idx(f"{folder}/{name}-images-idx3-ubyte.gz")
    _, labels = read_idx(f"{folder}/{name}-labels-idx1-ubyte.gz")
    assert sides == [SIDE, SIDE] and len(labels) == count
    classes = [[] for _ in range(CLASSES)]
    size = SIDE * SIDE
    for index, label in enumerate(labels):
        classes[label].append(pixels[index * size : (index + 1) * size])
    return classes


def main():
    source = sys.argv[1] if len(sys.argv) > 1 else "/usr/share/datasets/fashion-mnist"
    target = pathlib.Path(__file__).parent.parent / "assets/data/fashion-mini"
    train, test = by_class(source, "train"), by_class(source, "t10k")
    splits = {
        "train": [images[:400] for images in train],
        "val": [images[400:500] for images in train],
        "test": [images[:100] for images in test],
    }
    for seed, (name, classes) in enumerate(splits.items()):
        write_split(target, name, interleave(classes, seed), SIDE)


main()
