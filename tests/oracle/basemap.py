"""Writes, with the pmtiles package, a basemap that is large enough to have leaf directories. Usage: basemap.py FILE

Each tile contains its z/x/y as text instead of an image, so that a test can check that the right tile was read.
"""

import sys

from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import write

with write(sys.argv[1]) as writer:
    for z in range(9):
        for x in range(2**z):
            for y in range(2**z):
                if (x + y) % 3:
                    writer.write_tile(zxy_to_tileid(z, x, y), f"{z}/{x}/{y} {x * y}".encode())
    header = {
        "tile_type": TileType.WEBP,
        "tile_compression": Compression.NONE,
        "min_lon_e7": -80_000_000,
        "min_lat_e7": 490_000_000,
        "max_lon_e7": 20_000_000,
        "max_lat_e7": 610_000_000,
        "center_zoom": 5,
        "center_lon_e7": 0,
        "center_lat_e7": 550_000_000,
    }
    writer.finalize(header, {"attribution": "Package"})
