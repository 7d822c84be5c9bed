//! The areas that the writers of this module write.

use jiff::civil::Date;
use serde_json::{Value, json};

use catchment_core::domain::{Area, Boundary, Layer};

/// An area and its boundary.
pub(crate) type AreaWithBoundary<'a> = (&'a Area, &'a Boundary);

/// Areas of several layers on a date, and the dataset that contains them.
pub struct AreaCollection<'a> {
    /// The name of the dataset.
    pub name: &'a str,
    /// The title of the dataset.
    pub title: &'a str,
    /// The version of the dataset.
    pub version: &'a str,
    /// The attribution that the licences of the data require.
    pub attribution: &'a str,
    /// The date of the dataset, as `YYYY-MM-DD`.
    pub as_of: String,
    /// The date on which the areas are valid.
    pub day: Date,
    /// The layers, in order.
    pub layers: Vec<AreaLayer<'a>>,
}

/// The areas of a layer that have a boundary.
pub struct AreaLayer<'a> {
    /// The layer.
    pub layer: Layer,
    /// The title of the layer.
    pub title: &'a str,
    /// The areas, in order of id.
    pub areas: Vec<AreaWithBoundary<'a>>,
}

impl AreaCollection<'_> {
    /// Returns the number of areas.
    pub fn count(&self) -> usize {
        self.layers.iter().map(|layer| layer.areas.len()).sum()
    }

    /// Describes the areas: the dataset, its version, the date and the attribution.
    pub(super) fn description(&self) -> String {
        format!(
            "{} {} on {}. {}",
            self.name, self.version, self.day, self.attribution
        )
    }
}

/// Returns the properties of an area in JSON.
pub(super) fn area_properties((area, boundary): &AreaWithBoundary<'_>) -> Value {
    let date_text = |day: Option<Date>| day.map(|day| day.to_string());
    json!({
        "id": area.id, "name": area.title(), "layer": area.layer.as_str(), "kind": area.kind,
        "system": area.system, "provenance": area.provenance.as_str(),
        "extent": boundary.catchment_kind.as_str(),
        "from": date_text(area.period.from), "to": date_text(area.known_end()),
    })
}

/// A bounding box: west, south, east, north in metres.
pub(super) type GridBox = [f64; 4];

/// Returns the bounding box of boundaries, or `None` if they have no vertices.
pub(super) fn grid_bounds<'b>(
    boundaries: impl IntoIterator<Item = &'b Boundary>,
) -> Option<GridBox> {
    let rings = boundaries
        .into_iter()
        .flat_map(|boundary| &boundary.grid)
        .flat_map(|polygon| &polygon.rings);
    rings
        .flatten()
        .map(|vertex| {
            let (x, y) = (vertex.easting_m(), vertex.northing_m());
            [x, y, x, y]
        })
        .reduce(merge_boxes)
}

/// Returns the smallest box that contains both boxes.
pub(super) fn merge_boxes(a: GridBox, b: GridBox) -> GridBox {
    [
        a[0].min(b[0]),
        a[1].min(b[1]),
        a[2].max(b[2]),
        a[3].max(b[3]),
    ]
}
