//! Converts polygons to boundaries, which have both coordinate reference systems.

use geo::{Coord, LineString, MultiPolygon};

use crate::formats::{Crs, PolygonError, PolygonFeature, PolygonFile, from_units};
use catchment_core::domain::{Boundary, BritishGrid, CatchmentKind, GridPolygon, LonLat, Period};
use catchment_core::geodesy;
use catchment_core::geometry::rings::{Polygon, Ring};

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
        let (mut lonlat_rings, mut grid_rings) = (Vec::new(), Vec::new());
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
