#!/usr/bin/env python3
"""Cuts assets/data/digits from scikit-learn's copy of the UCI digits.

Give it the path of sklearn/datasets/data/digits.csv.gz (`pip download --no-deps scikit-learn`; a
wheel is a zip file). Each class is shuffled, since the file's order follows the writers; 30 images of
each class become the test split, 30 the validation split, the rest the training split. The values
0..16 are stretched to 0..255, so that they look like any other image and resize without banding.
"""

import gzip
import pathlib
import random
import sys

sys.dont_write_bytecode = True  # leaves the folder as it was

from idx_files import interleave, write_split

SIDE = 8
CLASSES = 10
HELD_OUT = 30


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = pathlib.Path(__file__).parent.parent / "assets/data/digits"
    classes = [[] for _ in range(CLASSES)]
    with gzip.open(sys.argv[1], "rt") as file:
        for line in file:
            *pixels, label = (int(value) for value in line.split(","))
            assert len(pixels) == SIDE * SIDE
            classes[label].append(bytes((255 * pixel + 8) // 16 for pixel in pixels))
    draw = random.Random(1998)
    for label, images in enumerate(classes):
        # Sorted by draws of `random()`, the only method whose sequence Python promises to keep.
        classes[label] = [image for _, image in sorted((draw.random(), image) for image in images)]
    splits = {
        "train": [images[2 * HELD_OUT :] for images in classes],
        "val": [images[HELD_OUT : 2 * HELD_OUT] for images in classes],
        "test": [images[:HELD_OUT] for images in classes],
    }
    for seed, (name, classes) in enumerate(splits.items()):
        write_split(target, name, interleave(classes, seed), SIDE)


main()
