//! Builds an index of areas from your own GeoJSON, and finds the area that covers a point.
//!
//! Run it with `cargo run --example own_areas`.

use std::error::Error;

use catchment::dataset::file_boundaries;
use catchment::dataset::validation::validated;
use catchment::domain::{LonLat, today_in_london};
use catchment::formats::read_geojson;
use catchment::geodesy;
use catchment::index::BoundaryIndex;

/// Two made-up areas with a common border. The western area has a hole. Positions are longitudes
/// and latitudes, in this order. To use your own file, read its bytes with `std::fs::read`.
const GEOJSON: &[u8] = br#"{"type": "FeatureCollection", "features": [
    {"type": "Feature", "properties": {"id": "west"}, "geometry": {"type": "Polygon", "coordinates": [
        [[-2.80, 54.30], [-2.75, 54.30], [-2.74, 54.33], [-2.75, 54.36], [-2.80, 54.36], [-2.80, 54.30]],
        [[-2.79, 54.31], [-2.79, 54.32], [-2.78, 54.32], [-2.78, 54.31], [-2.79, 54.31]]]}},
    {"type": "Feature", "properties": {"id": "east"}, "geometry": {"type": "Polygon", "coordinates": [
        [[-2.75, 54.30], [-2.70, 54.30], [-2.70, 54.36], [-2.75, 54.36], [-2.74, 54.33], [-2.75, 54.30]]]}}
]}"#;

/// Coordinates to look up. The second point is a vertex of the common border, which belongs to
/// exactly one of the two areas. The third point is in the hole.
const COORDINATES: [(f64, f64); 4] = [
    (-2.77, 54.35),
    (-2.74, 54.33),
    (-2.785, 54.315),
    (-2.60, 54.33),
];

fn main() -> Result<(), Box<dyn Error>> {
    // The file name is used only in messages. `validated` rejects invalid areas, such as an area
    // with a ring that crosses itself.
    let file = validated(read_geojson("areas.geojson", GEOJSON)?)?;
    let index = BoundaryIndex::build(file_boundaries(file, "id")?);

    // The boundaries of this index have no periods, so the day does not matter.
    let today = today_in_london();
    for (lon, lat) in COORDINATES {
        let point = geodesy::to_grid(LonLat::new(lon, lat)?).ok_or("outside Great Britain")?;
        let covering = index.covering(point, today);
        for &found in &covering {
            let distance_m = index.distance_to_edge_m(found, point);
            let id = &index.boundary(found).id;
            println!("{lon} {lat}: in {id}, {distance_m:.0} m from its boundary");
        }
        if covering.is_empty()
            && let Some((nearest, distance_m)) = index.nearest(point, today)
        {
            let id = &index.boundary(nearest).id;
            println!("{lon} {lat}: in no area, {distance_m:.0} m from {id}");
        }
    }
    Ok(())
}
