//! Converts polygons to boundaries, which contain coordinates in both coordinate reference systems.

use geo::{Coord, LineString, MultiPolygon};

use crate::formats::{Crs, PolygonError, PolygonFeature, PolygonFile, from_units};
use catchment_core::domain::{Boundary, BritishGrid, CatchmentKind, GridPolygon, LonLat, Period};
use catchment_core::geodesy;
use catchment_core::geometry::rings::{Polygon, Ring};

/// Converts the features of a polygon file to boundaries, in the order of the file. The boundaries
/// can be used, for example, to build a [`BoundaryIndex`](catchment_core::index::BoundaryIndex).
///
/// A feature is a polygon or a multipolygon, with or without holes, in the coordinate reference
/// system of the file: longitude and latitude, or British National Grid. A boundary has the same
/// vertices in both coordinate reference systems. Its id is the value of the attribute
/// `id_attribute`, whose name is matched regardless of case. Several boundaries may have the same
/// id. The boundaries have no periods.
///
/// Does not check the rings. Call [`validated`](super::validation::validated) first.
///
/// # Errors
/// If a feature does not have the attribute, or a vertex is outside the British National Grid. The
/// error states the file and the feature.
pub fn file_boundaries(
    mut file: PolygonFile,
    id_attribute: &str,
) -> Result<Vec<Boundary>, PolygonError> {
    // To save memory, each feature is dropped when its boundary has been built.
    let features = std::mem::take(&mut file.features).into_iter();
    features
        .map(|feature| {
            let id = file.attribute(&feature, id_attribute)?.to_string();
            feature_boundary(&file, &feature, id, Period::default())
        })
        .collect()
}

/// Converts the polygons of a feature of a file to a boundary.
pub(crate) fn feature_boundary(
    file: &PolygonFile,
    feature: &PolygonFeature,
    id: String,
    period: Period,
) -> Result<Boundary, PolygonError> {
    boundary_from_polygons(file.crs, &feature.polygons, id, period)
        .map_err(|reason| file.error(feature, reason))
}

/// Converts polygons in units of `crs` to a boundary in both coordinate reference systems.
pub(crate) fn boundary_from_polygons(
    crs: Crs,
    polygons: &[Polygon],
    id: String,
    period: Period,
) -> Result<Boundary, String> {
    let mut lonlat = Vec::with_capacity(polygons.len());
    let mut grid = Vec::with_capacity(polygons.len());
    for polygon in polygons {
        let mut lonlat_rings = Vec::with_capacity(polygon.len());
        let mut grid_rings = Vec::with_capacity(polygon.len());
        for ring in polygon {
            let (line, vertices) = ring_in_both_crs(crs, ring)?;
            lonlat_rings.push(line);
            grid_rings.push(vertices);
        }
        let mut lonlat_rings = lonlat_rings.into_iter();
        let exterior = lonlat_rings.next().ok_or("a polygon has no rings")?;
        lonlat.push(geo::Polygon::new(exterior, lonlat_rings.collect()));
        grid.push(GridPolygon { rings: grid_rings });
    }
    Ok(Boundary {
        id,
        catchment_kind: CatchmentKind::Whole,
        period,
        lonlat: MultiPolygon::new(lonlat),
        grid,
    })
}

fn ring_in_both_crs(crs: Crs, ring: &Ring) -> Result<(LineString<f64>, Vec<BritishGrid>), String> {
    let mut line = Vec::with_capacity(ring.len() + 1);
    let mut vertices = Vec::with_capacity(ring.len());
    for &vertex in ring {
        let (lonlat, grid) = position_in_both_crs(crs, vertex)
            .ok_or("a vertex is outside the British National Grid")?;
        line.push(Coord {
            x: lonlat.lon(),
            y: lonlat.lat(),
        });
        vertices.push(grid);
    }
    line.push(line[0]);
    Ok((LineString::new(line), vertices))
}

fn position_in_both_crs(crs: Crs, vertex: Coord<i64>) -> Option<(LonLat, BritishGrid)> {
    let (x, y) = from_units(crs, vertex);
    match crs {
        Crs::LonLat => {
            let lonlat = LonLat::new(x, y).ok()?;
            Some((lonlat, geodesy::to_grid(lonlat)?))
        }
        Crs::BritishGrid => {
            let grid = BritishGrid::from_metres(x, y).ok()?;
            Some((geodesy::to_lonlat(grid)?, grid))
        }
    }
}

/// Returns the longitude and latitude, in degrees, of a vertex in units of `crs`.
pub(crate) fn vertex_lonlat(crs: Crs, vertex: Coord<i64>) -> Option<(f64, f64)> {
    let (x, y) = from_units(crs, vertex);
    match crs {
        Crs::LonLat => Some((x, y)),
        Crs::BritishGrid => geodesy::to_lonlat_degrees(x, y),
    }
}

/// Returns the easting and northing, in metres, of a vertex in units of `crs`.
pub(crate) fn vertex_grid_metres(crs: Crs, vertex: Coord<i64>) -> Option<(f64, f64)> {
    let (x, y) = from_units(crs, vertex);
    match crs {
        Crs::LonLat => geodesy::to_grid_metres(x, y),
        Crs::BritishGrid => Some((x, y)),
    }
}

/// Returns the position of a vertex in units of `crs`, for messages.
pub(crate) fn place_name(crs: Crs, vertex: Coord<i64>) -> String {
    match vertex_grid_metres(crs, vertex) {
        Some((easting, northing)) => format!("easting {easting:.0}, northing {northing:.0}"),
        None => {
            let (lon, lat) = from_units(crs, vertex);
            format!("longitude {lon}, latitude {lat}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::read_geojson;

    /// Reads a file with one feature. `member` is a member of the feature collection.
    fn read(member: &str, properties: &str, rings: &str) -> Result<Vec<Boundary>, PolygonError> {
        let feature = format!(
            r#"{{"type":"Feature","properties":{properties},"geometry":{{"type":"Polygon","coordinates":{rings}}}}}"#
        );
        let text =
            format!(r#"{{"type":"FeatureCollection",{member}"features":[{feature},{feature}]}}"#);
        file_boundaries(read_geojson("areas.geojson", text.as_bytes())?, "Code")
    }

    const GRID: &str =
        r#""crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::27700"}},"#;
    const PROPERTIES: &str = r#"{"CODE":7}"#;
    const SQUARE_WITH_HOLE: &str = "[[[350000,480000],[351000,480000],[351000,481000],[350000,481000],[350000,480000]],\
        [[350200,480200],[350200,480400],[350400,480400],[350400,480200],[350200,480200]]]";

    #[test]
    fn features_in_either_crs_become_boundaries_in_both() {
        let from_grid = read(GRID, PROPERTIES, SQUARE_WITH_HOLE).expect("boundaries");
        let ids: Vec<&str> = from_grid.iter().map(|boundary| &*boundary.id).collect();
        assert_eq!(ids, ["7", "7"]);
        let boundary = &from_grid[0];
        assert_eq!(boundary.period, Period::default());
        assert_eq!(boundary.grid[0].rings.len(), 2);
        assert_eq!(boundary.grid[0].rings[0][1].easting_m(), 351_000.0);
        // The same polygon in degrees has the same vertices on the grid.
        let ring = |ring: &LineString<f64>| {
            let positions = ring.coords().map(|c| format!("[{},{}]", c.x, c.y));
            format!("[{}]", positions.collect::<Vec<_>>().join(","))
        };
        let polygon = &boundary.lonlat.0[0];
        let rings = format!(
            "[{},{}]",
            ring(polygon.exterior()),
            ring(&polygon.interiors()[0])
        );
        let from_lonlat = read("", PROPERTIES, &rings).expect("boundaries");
        assert_eq!(from_lonlat[0].grid, boundary.grid);
    }

    #[test]
    fn errors_name_the_file_and_the_feature() {
        let check = |properties, rings, expected: &str| {
            let error = read("", properties, rings).expect_err("an error");
            assert_eq!(error.to_string(), expected);
        };
        let paris = "[[[2.3,48.8],[2.4,48.8],[2.4,48.9],[2.3,48.8]]]";
        check(
            r#"{"id":"b","code":""}"#,
            paris,
            "areas.geojson, feature 1 (`b`): no attribute `Code`; the file has `id`",
        );
        let new_york = "[[[-74,40],[-73,40],[-73,41],[-74,40]]]";
        check(
            PROPERTIES,
            new_york,
            "areas.geojson, feature 1: a vertex is outside the British National Grid",
        );
    }
}
