#!/usr/bin/env python3
"""Cuts the two fonts in assets/fonts from Inter.

Usage: cut-font.py FOLDER
where FOLDER holds Inter-Regular.otf and Inter-SemiBold.otf, as in Debian's package fonts-inter
(/usr/share/fonts/opentype/inter). Needs fontTools.

What is kept: Latin letters, Greek letters, punctuation, and the signs listed below. Digits are the
tabular ones, since egui cannot ask a font for them: numbers that stand below one another line up.
"""

import sys

sys.dont_write_bytecode = True  # leaves the folder as it was
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

RANGES = [(0x20, 0x7E), (0xA0, 0x17F), (0x391, 0x3C9), (0x2010, 0x2026), (0x2030, 0x203A)]
SIGNS = "ſ€™←↑→↓↔↵⇧∂∆∏∑−√∞≈≠≤≥⌘⌫⎋■□▲△▶▷▼▽◀◆◇○●★☆✓✗"
TARGET = Path(__file__).resolve().parent.parent / "assets" / "fonts"


def tabular_digits(font):
    """The substitutions of the font's `tnum` feature that concern digits."""
    table = font["GSUB"].table
    lookups = {
        index
        for record in table.FeatureList.FeatureRecord
        if record.FeatureTag == "tnum"
        for index in record.Feature.LookupListIndex
    }
    cmap = font.getBestCmap()
    digits = {cmap[code]: code for code in range(ord("0"), ord("9") + 1)}
    found = {}
    for index in lookups:
        for subtable in table.LookupList.Lookup[index].SubTable:
            subtable = getattr(subtable, "ExtSubTable", subtable)
            for glyph, replacement in subtable.mapping.items():
                if glyph in digits:
                    found[digits[glyph]] = replacement
    return found


def cut(source, target):
    font = TTFont(source)
    digits = tabular_digits(font)
    assert len(digits) == 10, "the font has no tabular digits"
    for table in font["cmap"].tables:
        if table.isUnicode():
            table.cmap.update(digits)

    options = subset.Options()
    options.layout_features = ["kern", "mark", "ccmp", "locl"]
    options.name_IDs = ["*"]
    options.notdef_outline = True
    options.hinting = False
    subsetter = subset.Subsetter(options)
    codes = {code for first, last in RANGES for code in range(first, last + 1)}
    subsetter.populate(unicodes=codes | {ord(sign) for sign in SIGNS})
    subsetter.subset(font)
    font.save(target)
    missing = [sign for sign in SIGNS if ord(sign) not in font.getBestCmap()]
    print(f"{target.name}: {target.stat().st_size} bytes, missing {''.join(missing) or 'nothing'}")


def main():
    folder = Path(sys.argv[1])
    TARGET.mkdir(parents=True, exist_ok=True)
    for name in ("Inter-Regular.otf", "Inter-SemiBold.otf"):
        cut(folder / name, TARGET / name)


main()
