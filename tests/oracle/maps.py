"""Analyses a static map and writes the result as JSON. Usage: maps.py svg|pdf < IMAGE

svg: `faults`, which are texts that overlap each other or extend beyond the image, labels that extend beyond the map,
and numbers that extend beyond their background; `labels`, the number of names and numbers on the map; `overlap`, the
total area, in square units, in which shapes of the map overlap; `is_coverage`, whether the shapes are a valid coverage
according to GEOS. The bounding box of a text is as wide as its letters in the font, and extends from the cap height to
the descenders.
pdf: `pages`, `size` in points, `title`, `lang`, `text` without spaces, and `alt`, the figure's text alternative.

Needs shapely 2.1 or newer, fonttools and pypdf. tests/it/mapping/maps.rs runs this script with the Python that
CATCHMENT_PYTHON specifies.
"""

import io
import itertools
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

SVG = "{http://www.w3.org/2000/svg}"
FONTS = pathlib.Path(__file__).parents[2] / "data" / "fonts"


def svg(image: bytes) -> dict:
    import shapely
    from fontTools.ttLib import TTFont

    fonts = {bold: TTFont(FONTS / f"Arimo-{name}.ttf") for bold, name in [(False, "Regular"), (True, "Bold")]}

    def width(text: str, size: float, bold: bool) -> float:
        font = fonts[bold]
        cmap, advances = font.getBestCmap(), font["hmtx"]
        units = sum(advances[cmap[ord(letter)]][0] for letter in text)
        return units / font["head"].unitsPerEm * size

    root = ElementTree.fromstring(image)
    sheet = shapely.box(0, 0, float(root.get("width")), float(root.get("height")))
    clip = root.find(f".//{SVG}clipPath/{SVG}rect")
    x, y, across, down = (float(clip.get(name)) for name in ("x", "y", "width", "height"))
    frame = shapely.box(x, y, x + across, y + down)
    boxes, labels = [], []

    def visit(element, inherited):
        here = {name: element.get(name, inherited.get(name)) for name in ("text-anchor", "font-weight", "class")}
        if element.tag == SVG + "text":
            x, y, size = (float(element.get(name)) for name in ("x", "y", "font-size"))
            wide = width(element.text, size, here["font-weight"] == "700")
            x -= {"middle": wide / 2, "end": wide, None: 0}[here["text-anchor"]]
            box = shapely.box(x, y - 0.73 * size, x + wide, y + 0.21 * size)
            boxes.append((element.text, box))
            if here["class"] in ("label", "number"):
                labels.append((element.text, box))
        for child in element:
            visit(child, here)

    visit(root, {})
    plates = [
        (group.find(f"{SVG}text").text, rect_of(group.find(f"{SVG}rect")))
        for group in root.iter(f"{SVG}g")
        if group.get("class") == "number"
    ]
    faults = [f"{text} extends beyond the image" for text, box in boxes if not sheet.contains(box)]
    faults += [f"{text} extends beyond the map" for text, box in labels + plates if not frame.contains(box)]
    faults += [f"{text} extends beyond its background" for text, plate in plates if not any(plate.contains(box) for own, box in labels if own == text)]
    numbers = {text for text, _ in plates}
    names = [(text, box) for text, box in boxes if text not in numbers or (text, box) not in labels]
    for (one, a), (other, b) in itertools.combinations(names + plates, 2):
        if a.intersection(b).area > 0:
            faults.append(f"{one} overlaps {other}")
    shapes = [shape(path.get("d")) for path in root.iter(f"{SVG}path") if (path.get("id") or "").startswith("map-area-")]
    shapes = [it for it in shapes if not it.is_empty]
    repaired = [shapely.make_valid(it) for it in shapes]
    tree = shapely.STRtree(repaired)
    pairs = [(a, b) for a, b in tree.query(repaired, predicate="intersects").T if a < b]
    overlap = sum(repaired[a].intersection(repaired[b]).area for a, b in pairs)
    return {
        "faults": faults,
        "labels": len(labels),
        "overlap": round(overlap, 3),
        "is_coverage": bool(shapely.coverage_is_valid(shapes)),
    }


def rect_of(rect):
    import shapely

    x, y, across, down = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
    return shapely.box(x, y, x + across, y + down)


def shape(path: str):
    """Parses a path of M, l and z commands. A ring inside another ring is a hole (by the even-odd rule)."""
    import shapely

    rings = []
    for ring in path.split("M")[1:]:
        x = y = 0.0
        places = []
        for step in ring.rstrip("z").split("l"):
            dx, dy = map(float, step.split())
            x, y = round(x + dx, 3), round(y + dy, 3)
            places.append((x, y))
        if len(places) > 2:
            rings.append(shapely.Polygon(places))
    whole = shapely.Polygon()
    # In the path, an exterior ring precedes its holes.
    polygons = []
    for ring in rings:
        around = next((at for at, (outer, _) in enumerate(polygons) if shapely.covers(outer, ring)), None)
        if around is None:
            polygons.append((ring, []))
        else:
            polygons[around][1].append(ring.exterior.coords)
    parts = [shapely.Polygon(outer.exterior.coords, holes) for outer, holes in polygons]
    return shapely.MultiPolygon(parts) if parts else whole


def pdf(image: bytes) -> dict:
    import pypdf

    reader = pypdf.PdfReader(io.BytesIO(image), strict=True)
    page = reader.pages[0]
    root = reader.trailer["/Root"]
    document = root["/StructTreeRoot"]["/K"]
    return {
        "pages": len(reader.pages),
        "size": [round(float(side)) for side in page.mediabox[2:]],
        "title": reader.metadata.title,
        "lang": str(root["/Lang"]),
        "text": re.sub(r"\s", "", page.extract_text()),
        "alt": str(document["/K"]["/Alt"]),
    }


if __name__ == "__main__":
    judge = {"svg": svg, "pdf": pdf}[sys.argv[1]]
    json.dump(judge(sys.stdin.buffer.read()), sys.stdout)
