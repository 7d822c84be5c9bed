//! TopoJSON 1: longitudes and latitudes with 7 decimal places, and an object for each layer.
//! Borders between areas of a layer are stored once.

use std::fmt::Write as _;

use geo::LineString;
use serde_json::{Value, json};

use super::areas::{AreaCollection, AreaWithBoundary, area_properties};

/// The quantization: the number of units in a degree. A unit is about a centimetre, as in our
/// GeoJSON.
const UNITS_PER_DEGREE: f64 = 1e7;
const DEGREES_PER_UNIT: f64 = 1e-7;

/// A point in integer units.
type QuantizedPoint = (i64, i64);

/// The borders of a layer's areas. A border between two areas is stored once.
pub struct LayerArcs {
    /// Each arc as longitudes and latitudes.
    pub arcs: Vec<LineString<f64>>,
    /// The polygons of each area, in the order of the layer. A ring is a list of arcs.
    pub areas: Vec<Vec<Vec<Vec<ArcIndex>>>>,
}

/// A reference to an arc of a layer.
#[derive(Debug, Clone, Copy)]
pub struct ArcIndex {
    /// The index of the arc.
    pub arc: usize,
    /// Whether the ring follows the arc from its end to its start.
    pub is_reversed: bool,
}

/// Returns the areas as TopoJSON. `layer_arcs` contains the borders of each layer, in the order of
/// the layers.
pub fn areas_to_topojson(areas: &AreaCollection<'_>, layer_arcs: &[LayerArcs]) -> Vec<u8> {
    let (mut arcs, mut objects) = (Vec::new(), serde_json::Map::new());
    for (layer, borders) in areas.layers.iter().zip(layer_arcs) {
        // The file contains one list of arcs for all layers.
        let first_arc = arcs.len();
        arcs.extend(borders.arcs.iter().map(quantize));
        let geometries: Vec<Value> = layer
            .areas
            .iter()
            .zip(&borders.areas)
            .map(|(area, polygons)| geometry(area, polygons, first_arc))
            .collect();
        let object = json!({ "type": "GeometryCollection", "geometries": geometries });
        objects.insert(layer.layer.as_str().into(), object);
    }
    let origin = min_corner(&arcs);
    let translate = [origin.0, origin.1].map(|unit| unit as f64 / UNITS_PER_DEGREE);
    let transform =
        json!({ "scale": [DEGREES_PER_UNIT, DEGREES_PER_UNIT], "translate": translate });
    let mut text = format!(
        "{{\"type\":\"Topology\",\"name\":{},\"attribution\":{},\"transform\":{transform},\"objects\":{},\"arcs\":[",
        Value::from(areas.name),
        Value::from(areas.attribution),
        Value::Object(objects),
    );
    for (index, arc) in arcs.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        write_arc(&mut text, arc, origin);
    }
    text.push_str("\n]}\n");
    text.into_bytes()
}

fn geometry(
    area: &AreaWithBoundary<'_>,
    polygons: &[Vec<Vec<ArcIndex>>],
    first_arc: usize,
) -> Value {
    // In TopoJSON, the bitwise complement of an index refers to the reversed arc.
    let arc_index = |arc: &ArcIndex| {
        let index = i64::try_from(first_arc + arc.arc).expect("fewer than 2^63");
        if arc.is_reversed { !index } else { index }
    };
    let rings = |rings: &Vec<Vec<ArcIndex>>| -> Vec<Vec<i64>> {
        let ring = |ring: &Vec<ArcIndex>| ring.iter().map(arc_index).collect();
        rings.iter().map(ring).collect()
    };
    let arcs: Vec<Vec<Vec<i64>>> = polygons.iter().map(rings).collect();
    json!({
        "type": "MultiPolygon",
        "id": area.0.id,
        "properties": area_properties(area),
        "arcs": arcs,
    })
}

fn quantize(arc: &LineString<f64>) -> Vec<QuantizedPoint> {
    #[expect(clippy::cast_possible_truncation, reason = "at most 1.8e9")]
    let to_units = |degrees: f64| (degrees * UNITS_PER_DEGREE).round() as i64;
    arc.coords()
        .map(|position| (to_units(position.x), to_units(position.y)))
        .collect()
}

/// Returns the lower left corner of the bounding box of all arcs.
fn min_corner(arcs: &[Vec<QuantizedPoint>]) -> QuantizedPoint {
    let points = arcs.iter().flatten().copied();
    let corner = points.reduce(|a, b| (a.0.min(b.0), a.1.min(b.1)));
    corner.unwrap_or_default()
}

/// Writes an arc with delta encoding: the first point relative to `origin`, and each other point
/// relative to the previous point.
fn write_arc(text: &mut String, arc: &[QuantizedPoint], origin: QuantizedPoint) {
    let mut previous = origin;
    text.push('[');
    for (index, &(x, y)) in arc.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(text, "{comma}[{},{}]", x - previous.0, y - previous.1)
            .expect("writing to a String");
        previous = (x, y);
    }
    text.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_deltas_from_the_previous_one() {
        let arc = vec![(-3.0, 54.0), (-2.999_999_9, 54.0), (-3.0, 54.000_000_2)];
        let arc = quantize(&arc.into());
        let mut text = String::new();
        write_arc(&mut text, &arc, (-30_000_010, 540_000_000));
        assert_eq!(text, "[[10,0],[1,0],[-1,2]]");
        assert_eq!(min_corner(&[arc]), (-30_000_000, 540_000_000));
    }
}
