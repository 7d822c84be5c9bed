"""Reads a PMTiles archive with the pmtiles package. Usage: archive.py FILE

Writes JSON that contains the zooms, the bounds in degrees and the clustered flag from the header, the metadata, and the
SHA-256 of each decompressed tile by its z/x/y.

Needs pmtiles 3. tests/it/mapping/archive.rs runs this script with the Python that CATCHMENT_PYTHON specifies.
"""

import gzip
import hashlib
import json
import sys

from pmtiles.reader import MmapSource, Reader, all_tiles


def main(path: str) -> None:
    with open(path, "rb") as file:
        source = MmapSource(file)
        reader = Reader(source)
        header = reader.header()
        tiles = {
            "/".join(map(str, address)): hashlib.sha256(gzip.decompress(tile)).hexdigest()
            for address, tile in all_tiles(source)
        }
        # A look-up in the directories of the archive must find each tile that the iteration over all tiles has found.
        for address in list(tiles)[:50]:
            assert reader.get(*map(int, address.split("/"))) is not None
        found = {
            "zooms": [header["min_zoom"], header["max_zoom"]],
            "bounds": [
                header[side] / 1e7 for side in ("min_lon_e7", "min_lat_e7", "max_lon_e7", "max_lat_e7")
            ],
            "is_clustered": header["clustered"],
            "metadata": reader.metadata(),
            "tiles": tiles,
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
