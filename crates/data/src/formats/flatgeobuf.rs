//! FlatGeobuf 3: all layers in one collection, in British National Grid, with a spatial index that
//! allows readers to fetch a part of the file.
//!
//! ```text
//!  magic │ header │ index: R-tree with 16 children per node, root first │ areas in Hilbert order
//! ```
//!
//! The header and the areas are encoded as FlatBuffers. The numbers of slots are the numbers of the
//! fields in the format's header.fbs and feature.fbs. The encoder is written by hand with the
//! `flatbuffers` crate, on which Arrow already depends, because the `flatgeobuf` crate would add
//! thirty dependencies.

use flatbuffers::{FlatBufferBuilder, TableFinishedWIPOffset, WIPOffset};
use jiff::civil::Date;

use super::areas::{AreaCollection, AreaWithBoundary, GridBox, grid_bounds, merge_boxes};
use super::coordinates::BNG_EPSG_CODE;
use catchment_core::domain::GridPolygon;

/// "fgb" and the major version 3, then "fgb" and the patch version.
const MAGIC: [u8; 8] = [b'f', b'g', b'b', 3, b'f', b'g', b'b', 1];
const STRING: u8 = 11;
const POLYGON: u8 = 3;
const MULTI_POLYGON: u8 = 6;
/// The number of children of a node of the index.
const NODE_SIZE: usize = 16;

/// The columns. Dates are text, because the format's only date type represents a point in time.
const COLUMNS: [&str; 9] = [
    "id",
    "name",
    "layer",
    "kind",
    "system",
    "provenance",
    "extent",
    "valid_from",
    "valid_to",
];

type FinishedTable = WIPOffset<TableFinishedWIPOffset>;

/// Returns the areas of all layers as FlatGeobuf.
pub fn areas_to_flatgeobuf(areas: &AreaCollection<'_>) -> Vec<u8> {
    let all = areas.layers.iter().flat_map(|layer| &layer.areas);
    let mut features: Vec<(GridBox, Vec<u8>)> = all
        .map(|area| (grid_bounds([area.1]).unwrap_or_default(), feature(area)))
        .collect();
    let extent = features
        .iter()
        .map(|feature| feature.0)
        .reduce(merge_boxes)
        .unwrap_or_default();
    features.sort_by_cached_key(|(bounds, _)| hilbert_index(*bounds, extent));
    let mut bytes = MAGIC.to_vec();
    bytes.extend(header(areas, extent, features.len()));
    bytes.extend(packed_rtree(&features));
    for (_, feature) in &features {
        bytes.extend(feature);
    }
    bytes
}

/// Returns the vtable offset of a field.
const fn slot(field: u16) -> u16 {
    4 + 2 * field
}

fn header(areas: &AreaCollection<'_>, extent: GridBox, count: usize) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let columns = COLUMNS.map(|name| {
        let name = builder.create_string(name);
        let table = builder.start_table();
        builder.push_slot_always(slot(0), name);
        builder.push_slot_always(slot(1), STRING);
        builder.end_table(table)
    });
    let columns = builder.create_vector(&columns);
    let organisation = builder.create_string("EPSG");
    let table = builder.start_table();
    builder.push_slot_always(slot(0), organisation);
    builder.push_slot_always(slot(1), BNG_EPSG_CODE);
    let crs = builder.end_table(table);
    let name = builder.create_string(areas.name);
    let title = builder.create_string(areas.title);
    let description = builder.create_string(&areas.description());
    let envelope = match count {
        0 => None,
        _ => Some(builder.create_vector(&extent)),
    };
    let table = builder.start_table();
    builder.push_slot_always(slot(0), name);
    if let Some(envelope) = envelope {
        builder.push_slot_always(slot(1), envelope);
    }
    builder.push_slot_always(slot(2), MULTI_POLYGON);
    builder.push_slot_always(slot(7), columns);
    builder.push_slot_always(slot(8), count as u64);
    let node_size = if count == 0 { 0 } else { NODE_SIZE };
    let node_size = u16::try_from(node_size).expect("16");
    builder.push_slot_always(slot(9), node_size);
    builder.push_slot_always(slot(10), crs);
    builder.push_slot_always(slot(11), title);
    builder.push_slot_always(slot(12), description);
    let header = builder.end_table(table);
    finish(builder, header)
}

fn finish(mut builder: FlatBufferBuilder<'_>, root: FinishedTable) -> Vec<u8> {
    builder.finish_size_prefixed(root, None);
    builder.finished_data().to_vec()
}

fn feature(area: &AreaWithBoundary<'_>) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let parts: Vec<FinishedTable> = area
        .1
        .grid
        .iter()
        .map(|grid_polygon| polygon(&mut builder, grid_polygon))
        .collect();
    let parts = builder.create_vector(&parts);
    let table = builder.start_table();
    builder.push_slot_always(slot(6), MULTI_POLYGON);
    builder.push_slot_always(slot(7), parts);
    let geometry = builder.end_table(table);
    let properties = builder.create_vector(&properties(area));
    let table = builder.start_table();
    builder.push_slot_always(slot(0), geometry);
    builder.push_slot_always(slot(1), properties);
    let feature = builder.end_table(table);
    finish(builder, feature)
}

/// Encodes a polygon: the coordinates of all rings, which are closed, and the end of each ring.
fn polygon(builder: &mut FlatBufferBuilder<'_>, polygon: &GridPolygon) -> FinishedTable {
    let (mut coordinates, mut ends) = (Vec::new(), Vec::new());
    for ring in &polygon.rings {
        for position in ring.iter().chain(ring.first()) {
            coordinates.extend([position.easting_m(), position.northing_m()]);
        }
        ends.push(
            u32::try_from(coordinates.len() / 2).expect("a boundary has fewer than 2^32 vertices"),
        );
    }
    let ends = builder.create_vector(&ends);
    let coordinates = builder.create_vector(&coordinates);
    let table = builder.start_table();
    builder.push_slot_always(slot(0), ends);
    builder.push_slot_always(slot(1), coordinates);
    builder.push_slot_always(slot(6), POLYGON);
    builder.end_table(table)
}

/// Encodes the properties of an area. For each value that is not null, writes the index of its
/// column, its length and its bytes.
fn properties((area, boundary): &AreaWithBoundary<'_>) -> Vec<u8> {
    let day = |day: Option<Date>| day.map(|day| day.to_string());
    let values: [Option<String>; COLUMNS.len()] = [
        Some(area.id.clone()),
        Some(area.title().to_string()),
        Some(area.layer.to_string()),
        area.kind.clone(),
        area.system.clone(),
        Some(area.provenance.as_str().into()),
        boundary.catchment_kind.as_str().map(str::to_string),
        day(area.period.from),
        day(area.known_end()),
    ];
    let mut out = Vec::new();
    for (column, value) in (0_u16..).zip(values) {
        if let Some(value) = value {
            out.extend(column.to_le_bytes());
            out.extend(
                u32::try_from(value.len())
                    .expect("a value is shorter than 4 GiB")
                    .to_le_bytes(),
            );
            out.extend(value.bytes());
        }
    }
    out
}

/// Encodes the index: a Hilbert R-tree (`PackedRTree` in the format's documentation), in order from
/// the root to the leaves. The leaves are the areas.
///
/// Each node is a bounding box and a number. In a leaf, the number is the offset of the area in
/// bytes. In an inner node, it is the index of the node's first child.
fn packed_rtree(features: &[(GridBox, Vec<u8>)]) -> Vec<u8> {
    let mut offset = 0;
    let leaves = features.iter().map(|(bounds, feature)| {
        let node = (*bounds, offset);
        offset += feature.len() as u64;
        node
    });
    // The levels, from the leaves up to the root.
    let mut levels: Vec<Vec<(GridBox, u64)>> = vec![leaves.collect()];
    while levels.last().is_some_and(|level| level.len() > 1)
        || levels.len() == 1 && !features.is_empty()
    {
        let children = levels.last().expect("at least one level");
        let first_child = |index: usize| (index * NODE_SIZE) as u64;
        let node = |(index, nodes): (usize, &[(GridBox, u64)])| {
            let bounds = nodes.iter().map(|value| value.0).reduce(merge_boxes);
            (bounds.expect("chunks are not empty"), first_child(index))
        };
        levels.push(children.chunks(NODE_SIZE).enumerate().map(node).collect());
    }
    levels.reverse();
    let mut out = Vec::new();
    let mut next = 0;
    for (depth, level) in levels.iter().enumerate() {
        next += level.len() as u64;
        let is_inner = depth + 1 < levels.len();
        for (bounds, offset) in level {
            let offset = if is_inner { next + offset } else { *offset };
            out.extend(bounds.iter().flat_map(|value| value.to_le_bytes()));
            out.extend(offset.to_le_bytes());
        }
    }
    out
}

/// The resolution of the Hilbert curve: the number of bits for each axis.
const CURVE_BITS: u32 = 16;

/// Returns the position of the centre of a box on a Hilbert curve through `extent`.
fn hilbert_index(bounds: GridBox, extent: GridBox) -> u64 {
    let cells = f64::from((1_u32 << CURVE_BITS) - 1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 65,535"
    )]
    let cell = |axis: usize| {
        let middle = f64::midpoint(bounds[axis], bounds[axis + 2]) - extent[axis];
        (middle / (extent[axis + 2] - extent[axis]).max(f64::MIN_POSITIVE) * cells) as u32
    };
    hilbert_distance(cell(0), cell(1))
}

/// Returns the position of a cell on the Hilbert curve (Hilbert 1891). Quadrant by quadrant, the
/// coordinates are rotated so that the curve is continuous.
fn hilbert_distance(mut x: u32, mut y: u32) -> u64 {
    let mut distance = 0;
    for bit in (0..CURVE_BITS).rev() {
        let side = 1 << bit;
        let (right, upper) = (x & side != 0, y & side != 0);
        let quarter = match (right, upper) {
            (false, false) => 0,
            (false, true) => 1,
            (true, true) => 2,
            (true, false) => 3,
        };
        distance = distance << 2 | quarter;
        (x, y) = (x & (side - 1), y & (side - 1));
        if !upper {
            if right {
                (x, y) = (side - 1 - x, side - 1 - y);
            }
            (x, y) = (y, x);
        }
    }
    distance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hilbert_neighbours_are_adjacent_cells() {
        let mut cells: Vec<(u32, u32)> =
            (0..32).flat_map(|x| (0..32).map(move |y| (x, y))).collect();
        cells.sort_by_key(|&(x, y)| hilbert_distance(x, y));
        for pair in cells.windows(2) {
            let [(a, b), (c, d)] = [pair[0], pair[1]];
            assert_eq!(a.abs_diff(c) + b.abs_diff(d), 1, "{pair:?}");
        }
    }

    #[test]
    fn rtree_has_a_root_and_every_area() {
        let area = |index: u32| {
            let west = f64::from(index);
            ([west, 0.0, west + 1.0, 1.0], vec![0; 10])
        };
        for (count, nodes) in [(0, 0), (1, 2), (16, 17), (17, 20), (300, 300 + 19 + 2 + 1)] {
            let areas: Vec<(GridBox, Vec<u8>)> = (0..count).map(area).collect();
            assert_eq!(packed_rtree(&areas).len(), nodes * 40, "{count}");
        }
        let areas: Vec<(GridBox, Vec<u8>)> = (0..17).map(area).collect();
        let bytes = packed_rtree(&areas);
        let offset = |node: usize| {
            let bytes = bytes[node * 40 + 32..node * 40 + 40].try_into();
            u64::from_le_bytes(bytes.expect("eight bytes"))
        };
        // Nodes 0 to 2 (the root and its children) contain the index of their first child. The
        // other nodes contain the offset of their area in bytes.
        assert_eq!([offset(0), offset(1), offset(2)], [1, 3, 19]);
        assert_eq!([offset(3), offset(4), offset(19)], [0, 10, 160]);
    }
}
