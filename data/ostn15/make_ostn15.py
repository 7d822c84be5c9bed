#!/usr/bin/env python3
"""Make ostn15.bin from Ordnance Survey's OSTN15_OSGM15_DataFile.txt.

    python3 make_ostn15.py OSTN15_OSGM15_DataFile.txt.xz [ostn15.bin]

The source may be plain text or compressed with xz. README.md describes the format of
the output. Anything unexpected in the source is an error. The script needs Python 3.11
and uses only the standard library.
"""

import argparse
import csv
import hashlib
import io
import lzma
import zlib
from decimal import Decimal
from pathlib import Path

COLUMNS, ROWS, SPACING_M = 701, 1251, 1000
NODES = COLUMNS * ROWS
EAST_BASE_MM, NORTH_BASE_MM = 80_000, -90_000


def read_shifts(text: str) -> tuple[list[int], list[int]]:
    """Return the east and north shifts of all nodes, in millimetres above the bases."""
    east, north = [], []
    for index, row in enumerate(csv.DictReader(io.StringIO(text))):
        check_place(index, row)
        east.append(offset_mm(row["ETRS89_OSGB36_EShift"], EAST_BASE_MM))
        north.append(offset_mm(row["ETRS89_OSGB36_NShift"], NORTH_BASE_MM))
    if len(east) != NODES:
        raise ValueError(f"expected {NODES} nodes, found {len(east)}")
    return east, north


def check_place(index: int, row: dict[str, str]) -> None:
    """Raise ValueError if the position of a node does not match its index."""
    northward, eastward = divmod(index, COLUMNS)
    expected = (index + 1, eastward * SPACING_M, northward * SPACING_M)
    found = (int(row["Point_ID"]), int(row["ETRS89_Easting"]), int(row["ETRS89_Northing"]))
    if found != expected:
        raise ValueError(f"line {index + 2}: expected node {expected}, found {found}")


def offset_mm(metres: str, base_mm: int) -> int:
    """Return a shift in whole millimetres above `base_mm`."""
    millimetres = Decimal(metres) * 1000
    offset = int(millimetres) - base_mm
    if millimetres != int(millimetres) or not 0 <= offset < 1 << 16:
        raise ValueError(f"shift {metres}: expected whole millimetres within the range of 16 bits")
    return offset


def planes(values: list[int]) -> bytes:
    """Return the residuals of one axis: all low bytes, then all high bytes."""
    residuals = [zigzag(value - predicted(values, i)) for i, value in enumerate(values)]
    return bytes(r & 0xFF for r in residuals) + bytes(r >> 8 for r in residuals)


def predicted(values: list[int], i: int) -> int:
    """Return west + south - south-west, where a missing neighbour counts as 0."""
    has_west, has_south = i % COLUMNS > 0, i >= COLUMNS
    west = values[i - 1] if has_west else 0
    south = values[i - COLUMNS] if has_south else 0
    south_west = values[i - COLUMNS - 1] if has_west and has_south else 0
    return west + south - south_west


def zigzag(residual: int) -> int:
    """Map 0, -1, 1, -2, 2 ... to 0, 1, 2, 3, 4 ..."""
    return 2 * residual if residual >= 0 else -2 * residual - 1


def deflate(body: bytes) -> bytes:
    # Z_FILTERED is intended for data with mostly small values, such as residuals, and reduces the
    # size by 3%.
    packer = zlib.compressobj(9, zlib.DEFLATED, 15, 8, zlib.Z_FILTERED)
    return packer.compress(body) + packer.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    default = Path(__file__).with_name("ostn15.bin")
    parser.add_argument("output", type=Path, nargs="?", default=default)
    arguments = parser.parse_args()

    raw = arguments.source.read_bytes()
    if arguments.source.suffix == ".xz":
        raw = lzma.decompress(raw)
    east, north = read_shifts(raw.decode("utf-8-sig"))
    body = planes(east) + planes(north)
    packed = deflate(body)
    arguments.output.write_bytes(packed)

    print(f"{NODES} nodes, {len(packed)} bytes; SHA-256:")
    for name, content in (("source text", raw), ("body", body), ("file", packed)):
        print(f"{hashlib.sha256(content).hexdigest()}  {name}")


if __name__ == "__main__":
    main()
