"""Opens exported files with GDAL (pyogrio), in the same way as GIS programs. Usage: files.py FOLDER

Compares, area by area, FOLDER/areas.gpkg and FOLDER/areas.topojson with FOLDER/areas.geojson, and FOLDER/areas.zip
and FOLDER/areas.fgb with FOLDER/areas.gpkg. Checks the names of the layers of FOLDER/areas.pmtiles. tests/it/data/export.rs
runs this script with the Python that CATCHMENT_PYTHON specifies.
"""

import json
import pathlib
import sys
import zipfile

import numpy
import pyogrio
import pyproj
import shapely

folder = pathlib.Path(sys.argv[1])
package, tiles = folder / "areas.gpkg", folder / "areas.pmtiles"


def areas(path, layer):
    """Returns the metadata of a layer, the geometry of each of its areas by id, and the fields by name."""
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
        # Without the OSTN15 grid, PROJ returns coordinates that are a few metres off.
        assert shapely.hausdorff_distance(ground, there) < 5, area
assert count == len(lonlat) == 29, (count, len(lonlat))
assert {name for name, _ in pyogrio.list_layers(tiles)} == {"icc", "neighbourhood-team"}


def same(one, other):
    """Compares two geometries vertex by vertex. Ignores the order of polygons, the first vertex of a ring, and whether the
    type is Polygon or MultiPolygon."""
    one, other = (shapely.normalize(shapely.multipolygons(shapely.get_parts(it))) for it in (one, other))
    return shapely.equals_exact(one, other, 0)


# The shapefiles must have exactly the same geometry as the GeoPackage, and a known CRS.
shapefiles = folder / "areas.zip"
with zipfile.ZipFile(shapefiles) as archive:
    endings = [name.split(".") for name in archive.namelist()]
    assert len(endings) == 10 and archive.read("icc.cpg") == b"UTF-8", endings
for name in ["icc", "neighbourhood-team"]:
    _, expected, its = areas(package, name.replace("-", "_"))
    meta, grounds, fields = areas(f"/vsizip/{shapefiles}/{name}.shp", name)
    assert meta["crs"] == "EPSG:27700", meta["crs"]
    assert meta["encoding"] == "UTF-8" and list(fields)[:2] == ["id", "name"], meta
    assert all(same(grounds[area], expected[area]) for area in expected), name
    for column in ["id", "name", "system", "provenance"]:
        assert list(fields[column]) == list(its[column]), (name, column)
    for column in ["valid_from", "valid_to"]:
        assert list(map(str, fields[column])) == list(map(str, its[column])), (name, column)
names = [name for name, _ in pyogrio.list_layers(f"/vsizip/{shapefiles}")]
assert set(names) == {"icc", "neighbourhood-team"}, names

# The FlatGeobuf file must have the same geometry and CRS as the GeoPackage, and its index must find the features in a
# bounding box.
flat = folder / "areas.fgb"
meta, grounds, fields = areas(flat, "lancashire-and-cumbria")
assert meta["crs"] == "EPSG:27700" and meta["geometry_type"] == "MultiPolygon", meta
assert set(fields["layer"]) == {"icc", "neighbourhood-team"}
for name in names:
    _, expected, its = areas(package, name.replace("-", "_"))
    assert all(same(grounds[area], expected[area]) for area in expected), name
    days = dict(zip(fields["id"], fields["valid_from"]))
    assert [str(days[area]) for area in its["id"]] == [
        str(day) if not numpy.isnat(day) else "None" for day in its["valid_from"]
    ], name
boxes = shapely.bounds(list(grounds.values()))
for box in [(340_000, 480_000, 350_000, 490_000), (300_000, 400_000, 420_000, 600_000), (0, 0, 1, 1)]:
    _, _, found, _ = pyogrio.raw.read(flat, bbox=box)
    here = shapely.intersects(list(grounds.values()), shapely.box(*box))
    assert len(found) == here.sum(), (box, len(found), here.sum())

# The TopoJSON file must have the same geometry as the GeoJSON file to within one unit of the last decimal place. It must
# contain every shared border only once, and its communities must be a valid coverage.
topology = json.loads((folder / "areas.topojson").read_text())
assert sorted(topology["objects"]) == ["icc", "neighbourhood-team"]
edges = [set() for _ in topology["objects"]]
used = [set() for _ in topology["objects"]]
for place, name in enumerate(topology["objects"]):
    rings = (ring for it in topology["objects"][name]["geometries"] for part in it["arcs"] for ring in part)
    used[place] = {arc if arc >= 0 else ~arc for ring in rings for arc in ring}
assert set.union(*used) == set(range(len(topology["arcs"]))), "some arcs are not used by any geometry"
for place, arcs in enumerate(used):
    for arc in arcs:
        x = y = 0
        vertices = []
        for dx, dy in topology["arcs"][arc]:
            x, y = x + dx, y + dy
            vertices.append((x, y))
        for edge in zip(vertices, vertices[1:]):
            edge = tuple(sorted(edge))
            assert edge not in edges[place], ("a duplicate edge", edge)
            edges[place].add(edge)
for name in names:
    meta, grounds, fields = areas(folder / "areas.topojson", name)
    assert meta["crs"] in ("EPSG:4326", "OGC:CRS84", None), meta["crs"]
    shapes = list(grounds.values())
    assert shapely.is_valid(shapes).all(), name
    for area, ground in grounds.items():
        # Noding adds vertices along existing edges.
        assert shapely.hausdorff_distance(ground, lonlat[area]) < 2e-7, (name, area)
        assert abs(ground.area - lonlat[area].area) < 1e-9, (name, area)
    if name == "icc":
        assert shapely.coverage_is_valid(shapes), "communities are not a valid coverage"
