"""Connects to the service in the same way as GIS programs: with GDAL (pyogrio) and OWSLib over OGC API Features, and
with GDAL over OGC API Tiles. Usage: gis.py ORIGIN

Reads every feature of every collection, compares the features with the other endpoints of the service, and
validates the API documents. tests/it/api/ogc.rs runs this script with the Python that CATCHMENT_PYTHON specifies
and the origin of a server.
"""

import json
import sys
import urllib.request

import pyogrio
import shapely
from openapi_spec_validator import validate
from owslib.ogcapi.features import Features

root = sys.argv[1]
gdal = "OAPIF:" + root + "/ogc"


def fetched(path):
    with urllib.request.urlopen(root + path) as answer:
        return json.load(answer)


def with_gdal():
    """GDAL finds every collection, with all its features and its coordinate reference system."""
    names = [name for name, _ in pyogrio.list_layers(gdal)]
    ids = [it["id"] for it in fetched("/ogc/collections")["collections"]]
    assert names == ids, (names, ids)
    for name in names:
        meta, _, geometry, fields = pyogrio.raw.read(gdal, layer=name)
        assert meta["crs"] == "EPSG:27700", (name, meta["crs"])
        assert meta["geometry_type"] == "MultiPolygon", (name, meta["geometry_type"])
        count = fetched(f"/ogc/collections/{name}/items?limit=1")["numberMatched"]
        assert len(geometry) == count > 0, (name, len(geometry), count)
        shapes = shapely.from_wkb(geometry)
        # The LSOAs of 2021 that are part of an LSOA of 2011 have a null geometry.
        missing = shapely.is_missing(shapes)
        assert missing.sum() == (9 if name.startswith("lsoa21") else 0), (name, missing.sum())
        shapes = shapes[~missing]
        assert shapely.is_valid(shapes).all(), name
        west, south, east, north = shapely.total_bounds(shapes)
        assert 0 < west < east < 700_000 and 0 < south < north < 1_300_000, name
    # GDAL sends the bounding box to the server in the layer's own CRS.
    _, _, geometry, _ = pyogrio.raw.read(gdal, layer="gp-practice")
    box = (345_000, 455_000, 350_000, 465_000)
    expected = shapely.intersects(shapely.from_wkb(geometry), shapely.box(*box)).sum()
    _, _, within, _ = pyogrio.raw.read(gdal, layer="gp-practice", bbox=box)
    assert 0 < expected == len(within) < len(geometry), (expected, len(within))
    _, _, named, _ = pyogrio.raw.read(gdal, layer="icc", where="id = 'mb-kendal'")
    assert len(named) == 1, len(named)
    for where, expected in [
        ("system = 'morecambe-bay'", 8),
        ("system = 'morecambe-bay' AND name = 'Kendal ICC'", 1),
        ("provenance IN ('official', 'derived')", 0),
        ("name LIKE 'K%' AND system = 'morecambe-bay'", 1),
    ]:
        _, _, chosen, _ = pyogrio.raw.read(gdal, layer="icc", where=where)
        assert len(chosen) == expected, (where, len(chosen))


def with_owslib():
    """OWSLib finds the collections and reads them page by page."""
    service = Features(root + "/ogc")
    assert any("features-1" in it for it in service.conformance()["conformsTo"])
    assert "icc" in service.feature_collections()
    read, offset = [], 0
    while True:
        page = service.collection_items("icc", limit=5, offset=offset)
        read += [feature["id"] for feature in page["features"]]
        if not any(link["rel"] == "next" for link in page["links"]):
            break
        offset += 5
    assert len(read) == len(set(read)) == page["numberMatched"], read
    one = service.collection_item("icc", read[0])
    assert one["id"] == read[0]


def with_tiles():
    """GDAL finds the tileset of a collection and reads all areas of the collection from the tiles."""
    here = "OGCAPI:" + root + "/ogc/collections/icc"
    # GDAL's OGCAPI driver expects the extent in metres of Web Mercator, not in degrees.
    extent = dict(zip(("MINX", "MINY", "MAXX", "MAXY"), ("-412000", "7100000", "-222000", "7400000")))
    options = {"API": "TILES", "VECTOR_FORMAT": "MVT", **extent}
    expected = {feature["id"] for feature in fetched("/ogc/collections/icc/items")["features"]}
    for zoom in (6, 9):
        meta, _, _, columns = pyogrio.raw.read(here, layer=f"Zoom level {zoom}", **options)
        fields = dict(zip(meta["fields"], columns))
        assert meta["crs"] == "EPSG:3857", meta["crs"]
        assert set(fields["id"]) == expected, (zoom, set(fields["id"]) ^ expected)


def in_every_system():
    """In every coordinate reference system, the geometry matches PROJ's conversion."""
    import pyproj

    lonlat = shape("http://www.opengis.net/def/crs/OGC/1.3/CRS84")
    for code, swap, tolerance in [(4326, True, 1e-7), (3857, False, 0.02)]:
        there = shape(f"http://www.opengis.net/def/crs/EPSG/0/{code}")
        if swap:
            expected = shapely.transform(lonlat, lambda at: at[:, ::-1])
        else:
            project = pyproj.Transformer.from_crs(4326, code, always_xy=True).transform
            expected = shapely.transform(lonlat, project, interleaved=False)
        away = abs(shapely.get_coordinates(expected) - shapely.get_coordinates(there)).max()
        assert away <= tolerance, (code, away)
    grid = shape("http://www.opengis.net/def/crs/EPSG/0/27700")
    # Without the OSTN15 grid, PROJ returns coordinates that are a few metres off, but a tolerance of 5 m still detects
    # a wrong CRS or axis order.
    project = pyproj.Transformer.from_crs(4326, 27700, always_xy=True).transform
    expected = shapely.transform(lonlat, project, interleaved=False)
    away = abs(shapely.get_coordinates(expected) - shapely.get_coordinates(grid)).max()
    assert away <= 5, away


def shape(crs):
    feature = fetched("/ogc/collections/icc/items/mb-kendal?crs=" + crs)
    return shapely.from_geojson(json.dumps(feature["geometry"]))


def documents():
    """Both API documents are valid OpenAPI 3.0 documents."""
    for path in ["/openapi.json", "/ogc/api"]:
        document = fetched(path)
        assert document["openapi"].startswith("3.0."), path
        validate(document)


for check in [with_gdal, with_owslib, with_tiles, in_every_system, documents]:
    check()
    print("passed:", check.__doc__)
