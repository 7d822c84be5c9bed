"""Writes a made-up National Statistics UPRN Lookup: an archive with a file for each of 11 regions, with the
header of Epoch 127 (June 2026), CRLF, and one row for each address.

    python benches/make_uprns.py data/source/postcodes.csv nsul.zip --rows 41000000

Addresses are scattered around the positions of the postcodes. The same arguments give the same rows. One row
in 60 has neither a position nor a postcode, as in the published file. The rows of a region are in order of
UPRN, but those of the regions overlap.
"""

import argparse
import zipfile

import numpy as np
import pandas as pd

HEADER = (
    "UPRN,GRIDGB1E,GRIDGB1N,PCDS,OA21CD,CTY25CD,CED25CD,LAD25CD,WD25CD,HLTH19CD,CTRY25CD,RGN25CD,PCON24CD,"
    "EER20CD,TTWA15CD,ITL25CD,NPARK16CD,LSOA21CD,MSOA21CD,WZ11CD,SICBL26CD,BUA24CD,BUASD11CD,RUC21IND,"
    "OAC21IND,LEP21CD1,LEP21CD2,PFA23CD,IMD19IND"
)
REGIONS = ["EE", "EM", "LN", "NE", "NW", "SC", "SE", "SW", "WA", "WM", "YH"]
# The distance in metres, in each direction, within which two thirds of a postcode's addresses are.
SPREAD_M = 40
CHUNK_ROWS = 500_000


def digits(numbers, width):
    """Returns whole numbers as ASCII digits with leading zeros, a row for each number."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (numbers[:, None] // powers % 10 + ord("0")).astype(np.uint8)


def characters(texts, width):
    return np.char.ljust(np.asarray(texts, dtype=f"S{width}"), width).view(np.uint8).reshape(-1, width)


def region_chunks(random, rows, number, places):
    """Yields the bytes of the rows of a region."""
    easting, northing, postcode, lsoa = places
    # UPRNs are unique, because the UPRNs of each region have a different remainder.
    uprn = number + 1
    while rows > 0:
        count = min(rows, CHUNK_ROWS)
        rows -= count
        steps = random.integers(1, 4, count, dtype=np.int64) * len(REGIONS)
        uprns = 10_000_000_000 + uprn + np.cumsum(steps)
        uprn += int(steps.sum())
        row = random.integers(0, len(easting), count)
        east = easting[row] + np.rint(random.normal(0, SPREAD_M, count)).astype(np.int64)
        north = northing[row] + np.rint(random.normal(0, SPREAD_M, count)).astype(np.int64)
        comma = np.full((count, 1), ord(","), np.uint8)
        # The codes of the other areas are not read, but have their usual length.
        code = np.broadcast_to(np.frombuffer(b"E00000001", np.uint8), (count, 9))
        parts = [digits(uprns, 12), digits(east, 7), digits(north, 7), postcode[row], code]
        # CTY to NPARK, then LSOA, then MSOA to LEP, then the last five.
        parts += [code] * 12 + [lsoa[row]] + [code] * 5
        parts += [characters(["5a"], 2).repeat(count, 0), characters(["3b2"], 3).repeat(count, 0)]
        parts += [code, code, code, digits(random.integers(1, 32_844, count, dtype=np.int64), 5)]
        blank = random.random(count) < 1 / 60
        for part in parts[1:4]:
            part[blank] = ord(" ")
        cells = [cell for part in parts for cell in (part, comma)][:-1]
        ending = np.broadcast_to(np.frombuffer(b"\r\n", np.uint8), (count, 2))
        yield np.concatenate([*cells, ending], axis=1).tobytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("postcodes", help="a table with the columns postcode, easting, northing, lsoa21cd")
    parser.add_argument("output")
    parser.add_argument("--rows", type=int, default=41_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    table = pd.read_csv(arguments.postcodes, dtype=str, keep_default_na=False)
    table = table[table.easting != ""]
    places = (
        table.easting.astype(np.int64).to_numpy(),
        table.northing.astype(np.int64).to_numpy(),
        characters(table.postcode.str.encode("ascii").tolist(), 8),
        characters(table.lsoa21cd.str.encode("ascii").tolist(), 9),
    )
    rows = np.full(len(REGIONS), arguments.rows // len(REGIONS))
    rows[: arguments.rows % len(REGIONS)] += 1
    with zipfile.ZipFile(arguments.output, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number, (region, count) in enumerate(zip(REGIONS, rows)):
            random = np.random.default_rng([arguments.seed, number])
            with archive.open(f"Data/NSUL_JUN_2026_{region}.csv", "w", force_zip64=True) as member:
                member.write(f"{HEADER}\r\n".encode())
                for chunk in region_chunks(random, int(count), number, places):
                    member.write(chunk)
        archive.writestr("Documents/LSOA21 names and codes.csv", "LSOA21CD,LSOA21NM\r\nE01012576,A name\r\n")


if __name__ == "__main__":
    main()
