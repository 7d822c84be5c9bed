"""Opens exported files as GIS programs do, with GDAL (pyogrio). Usage: files.py FOLDER

Compares FOLDER/areas.gpkg with FOLDER/areas.geojson, layer by layer and area by area, and lists the layers
of FOLDER/areas.pmtiles. tests/it/export.rs runs it with the Python that CATCHMENT_PYTHON names.
"""

import pathlib
import sys

import pyogrio
import pyproj
import shapely

folder = pathlib.Path(sys.argv[1])
package, tiles = folder / "areas.gpkg", folder / "areas.pmtiles"


def areas(path, layer):
    """The ground of each area of a layer by id, and the fields by name."""
    meta, _, geometry, columns = pyogrio.raw.read(path, layer=layer)
    fields = dict(zip(meta["fields"], columns))
    return meta, dict(zip(fields["id"], shapely.from_wkb(geometry))), fields


_, lonlat, _ = areas(folder / "areas.geojson", "lancashire-and-cumbria")
project = pyproj.Transformer.from_crs(4326, 27700, always_xy=True).transform
names = [name for name, _ in pyogrio.list_layers(package)]
assert names == ["icc", "neighbourhood_team"], names
count = 0
for name in names:
    meta, grounds, fields = areas(package, name)
    assert meta["crs"] == "EPSG:27700" and meta["geometry_type"] == "MultiPolygon", meta
    assert shapely.is_valid(list(grounds.values())).all(), name
    assert set(fields["provenance"]) <= {"official", "derived", "modelled", "indicative"}, name
    count += len(grounds)
    for area, ground in grounds.items():
        there = shapely.transform(lonlat[area], project, interleaved=False)
        # Without OSTN15 PROJ is metres off.
        assert shapely.hausdorff_distance(ground, there) < 5, area
assert count == len(lonlat) == 29, (count, len(lonlat))
assert {name for name, _ in pyogrio.list_layers(tiles)} == {"icc", "neighbourhood-team"}
