"""Reads the PMTiles archive of all tiles over HTTP with range requests. Usage: archive.py ADDRESS

Uses the pmtiles package, and GDAL's /vsicurl/ (pyogrio). tests/it/api/archive_http.rs runs this script on a dataset of two
communities, k and l, with the Python that CATCHMENT_PYTHON specifies.
"""

import gzip
import sys
import urllib.request

import pyogrio
from pmtiles.reader import Reader

address = sys.argv[1]
read = []


def part(offset, length):
    request = urllib.request.Request(address)
    request.add_header("Range", f"bytes={offset}-{offset + length - 1}")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 206, answer.status
        read.append(length)
        return answer.read()


reader = Reader(part)
header = reader.header()
assert (header["min_zoom"], header["max_zoom"]) == (0, 14), header
assert [it["id"] for it in reader.metadata()["vector_layers"]] == ["icc"]
tile = gzip.decompress(reader.get(0, 0, 0))
assert b"Kay ICC" in tile and b"Ell ICC" in tile, tile
assert reader.get(14, 0, 0) is None
with urllib.request.urlopen(address) as answer:
    whole = int(answer.headers["Content-Length"])
assert max(read) < whole, (read, whole)

there = "/vsicurl/" + address
assert [name for name, _ in pyogrio.list_layers(there)] == ["icc"]
meta, _, geometry, columns = pyogrio.raw.read(there, layer="icc", ZOOM_LEVEL=9)
fields = dict(zip(meta["fields"], columns))
assert meta["crs"] == "EPSG:3857" and set(fields["id"]) == {"k", "l"}, (meta, fields)
