//! TopoJSON 1: longitudes and latitudes with 7 decimals, an object for each layer; borders between
//! areas of a layer are stored once.

use std::fmt::Write as _;

use jiff::civil::Date;
use serde_json::{Value, json};

use super::{Areas, Ground, grounds, properties};
use crate::domain::Layer;
use crate::index::Index;
use crate::tiles::{ArcRef, Topology};

/// The quantization: units in a degree. A unit is about a centimetre, as in our GeoJSON.
const UNITS: f64 = 1e7;
const UNIT_DEGREES: f64 = 1e-7;

/// A point in whole units.
type Unit = (i64, i64);

pub(super) fn topo_json(index: &Index, layers: &[Layer], day: Date) -> Areas {
    let manifest = index.manifest();
    let (mut count, mut arcs, mut objects) = (0, Vec::new(), serde_json::Map::new());
    for &layer in layers {
        let grounds: Vec<Ground<'_>> = grounds(index, layer, day).collect();
        let boundaries: Vec<_> = grounds.iter().map(|ground| ground.1).collect();
        let topology = Topology::new(&boundaries, index.is_partition(layer));
        // The file has one list of arcs for all layers.
        let before = arcs.len();
        arcs.extend(topology.arcs.iter().map(|arc| in_units(arc)));
        let geometries: Vec<Value> = grounds
            .iter()
            .zip(&topology.areas)
            .map(|(ground, polygons)| geometry(ground, polygons, before))
            .collect();
        count += grounds.len() as u64;
        let object = json!({ "type": "GeometryCollection", "geometries": geometries });
        objects.insert(layer.as_str().into(), object);
    }
    let corner = lowest(&arcs);
    let translate = [corner.0, corner.1].map(|unit| unit as f64 / UNITS);
    let transform = json!({ "scale": [UNIT_DEGREES, UNIT_DEGREES], "translate": translate });
    let mut text = format!(
        "{{\"type\":\"Topology\",\"name\":{},\"attribution\":{},\"transform\":{transform},\"objects\":{},\"arcs\":[",
        Value::from(manifest.name.as_str()),
        Value::from(manifest.attribution.as_str()),
        Value::Object(objects),
    );
    for (at, arc) in arcs.iter().enumerate() {
        text.push_str(if at == 0 { "\n" } else { ",\n" });
        write_arc(&mut text, arc, corner);
    }
    text.push_str("\n]}\n");
    let bytes = text.into_bytes();
    Areas { bytes, count }
}

fn geometry((area, boundary): &Ground<'_>, polygons: &[Vec<Vec<ArcRef>>], before: usize) -> Value {
    // The bitwise complement of an index means that the arc is reversed.
    let number = |arc: &ArcRef| {
        let number = i64::try_from(before + arc.arc).expect("fewer than 2^63");
        if arc.is_reversed { !number } else { number }
    };
    let rings = |rings: &Vec<Vec<ArcRef>>| -> Vec<Vec<i64>> {
        let ring = |ring: &Vec<ArcRef>| ring.iter().map(number).collect();
        rings.iter().map(ring).collect()
    };
    let arcs: Vec<Vec<Vec<i64>>> = polygons.iter().map(rings).collect();
    json!({
        "type": "MultiPolygon",
        "id": area.id,
        "properties": properties(area, boundary),
        "arcs": arcs,
    })
}

fn in_units(arc: &[(f64, f64)]) -> Vec<Unit> {
    #[expect(clippy::cast_possible_truncation, reason = "at most 1.8e9")]
    let unit = |degrees: f64| (degrees * UNITS).round() as i64;
    arc.iter()
        .map(|&(lon, lat)| (unit(lon), unit(lat)))
        .collect()
}

/// Returns the lower left corner of the bounding box of all arcs.
fn lowest(arcs: &[Vec<Unit>]) -> Unit {
    let places = arcs.iter().flatten().copied();
    let lowest = places.reduce(|a, b| (a.0.min(b.0), a.1.min(b.1)));
    lowest.unwrap_or_default()
}

/// Writes an arc with delta encoding: the first point relative to `origin`, each other point
/// relative to the previous one.
fn write_arc(text: &mut String, arc: &[Unit], corner: Unit) {
    let mut last = corner;
    text.push('[');
    for (at, &(x, y)) in arc.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(text, "{comma}[{},{}]", x - last.0, y - last.1).expect("writing to a String");
        last = (x, y);
    }
    text.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_from_the_one_before() {
        let arc = in_units(&[(-3.0, 54.0), (-2.999_999_9, 54.0), (-3.0, 54.000_000_2)]);
        let mut text = String::new();
        write_arc(&mut text, &arc, (-30_000_010, 540_000_000));
        assert_eq!(text, "[[10,0],[1,0],[-1,2]]");
        assert_eq!(lowest(&[arc]), (-30_000_000, 540_000_000));
    }
}
