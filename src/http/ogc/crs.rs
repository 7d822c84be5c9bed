//! The coordinate reference systems of features (OGC API Features, Part 2).

use geo::{BoundingRect, Coord, Intersects, MapCoords, MultiPolygon, Rect};

use catchment_core::domain::Boundary;
use catchment_core::geodesy::web_mercator;
use catchment_core::geometry::planar;

/// A coordinate reference system, with its axes in the order of its definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OgcCrs {
    /// WGS84 with longitude before latitude, which is the CRS of GeoJSON.
    Crs84,
    /// EPSG:4326: WGS84, latitude before longitude.
    Wgs84,
    /// EPSG:27700: British National Grid, in metres.
    BritishNationalGrid,
    /// EPSG:3857: Web Mercator, in metres.
    WebMercator,
}

impl OgcCrs {
    pub(super) const ALL: [OgcCrs; 4] = [
        OgcCrs::Crs84,
        OgcCrs::Wgs84,
        OgcCrs::BritishNationalGrid,
        OgcCrs::WebMercator,
    ];

    /// The `storageCrs`, which is the CRS of the boundaries for look-ups.
    pub(super) const STORAGE: OgcCrs = OgcCrs::BritishNationalGrid;

    pub(super) fn uri(self) -> &'static str {
        match self {
            OgcCrs::Crs84 => "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
            OgcCrs::Wgs84 => "http://www.opengis.net/def/crs/EPSG/0/4326",
            OgcCrs::BritishNationalGrid => "http://www.opengis.net/def/crs/EPSG/0/27700",
            OgcCrs::WebMercator => "http://www.opengis.net/def/crs/EPSG/0/3857",
        }
    }

    pub(super) fn from_uri(uri: &str) -> Option<OgcCrs> {
        OgcCrs::ALL.into_iter().find(|crs| crs.uri() == uri)
    }

    /// Returns the number of decimal places of coordinates, for a precision of 1 cm or finer.
    pub(super) fn decimals(self) -> i32 {
        match self {
            OgcCrs::Crs84 | OgcCrs::Wgs84 => 7,
            OgcCrs::BritishNationalGrid => 3,
            OgcCrs::WebMercator => 2,
        }
    }

    /// Returns the geometry of the boundary in this CRS and its axis order.
    pub(super) fn geometry(self, boundary: &Boundary) -> MultiPolygon<f64> {
        match self {
            OgcCrs::Crs84 => boundary.lonlat.clone(),
            OgcCrs::Wgs84 => boundary.lonlat.map_coords(|point| Coord {
                x: point.y,
                y: point.x,
            }),
            OgcCrs::WebMercator => boundary.lonlat.map_coords(web_mercator::to_metres),
            OgcCrs::BritishNationalGrid => planar::to_planar(boundary),
        }
    }

    /// Returns whether the boundary, including its edge, intersects a box in this CRS.
    ///
    /// `low` and `high` are corners of the box, in the axis order of the CRS. If the longitude of
    /// `low` is greater than the longitude of `high`, the box crosses the antimeridian.
    pub(super) fn intersects_box(self, boundary: &Boundary, low: [f64; 2], high: [f64; 2]) -> bool {
        match self {
            OgcCrs::BritishNationalGrid => intersects_rect(&planar::to_planar(boundary), low, high),
            OgcCrs::Wgs84 => {
                OgcCrs::Crs84.intersects_box(boundary, [low[1], low[0]], [high[1], high[0]])
            }
            OgcCrs::WebMercator => {
                let [low, high] =
                    [low, high].map(|corner| web_mercator::from_metres(corner.into()).into());
                OgcCrs::Crs84.intersects_box(boundary, low, high)
            }
            OgcCrs::Crs84 if low[0] > high[0] => {
                intersects_rect(&boundary.lonlat, low, [180.0, high[1]])
                    || intersects_rect(&boundary.lonlat, [-180.0, low[1]], high)
            }
            OgcCrs::Crs84 => intersects_rect(&boundary.lonlat, low, high),
        }
    }

    /// Returns whether the corners form a valid box in this CRS.
    pub(super) fn is_valid_box(self, low: [f64; 2], high: [f64; 2]) -> bool {
        let may_cross_antimeridian = [self == OgcCrs::Crs84, self == OgcCrs::Wgs84];
        (0..2).all(|axis| low[axis] <= high[axis] || may_cross_antimeridian[axis])
    }
}

fn intersects_rect(geometry: &MultiPolygon<f64>, low: [f64; 2], high: [f64; 2]) -> bool {
    let rect = Rect::new(low, high);
    // The cheap test is first, because most boundaries are far away.
    let bounds = geometry.bounding_rect();
    bounds.is_some_and(|bounds| bounds.intersects(&rect)) && geometry.intersects(&rect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crs_is_found_by_its_uri() {
        for crs in OgcCrs::ALL {
            assert_eq!(OgcCrs::from_uri(crs.uri()), Some(crs));
        }
        assert_eq!(OgcCrs::from_uri("EPSG:27700"), None);
    }
}
