//! Coordinate reference systems of polygon files. A system is identified by its description in the
//! file: the datum, the projection with its parameters, and the units. The name or code of the
//! whole system is used only if the file states nothing else.
//!
//! - `wkt`: well-known text of ESRI and OGC (WKT 1 and 2), as in a `.prj` file or a GeoPackage.
//! - `projjson`: PROJJSON, as in GeoParquet.
//! - `code`: codes and names, such as `urn:ogc:def:crs:EPSG::27700` in GeoJSON.
//! - `definition`: the datum, projection, parameters and units, which each of the other modules
//!   extracts.

mod code;
mod definition;
mod projjson;
mod wkt;

use std::fmt;
use std::str::FromStr;

use geo::Coord;

use catchment_core::geodesy::{osgb36_to_grid_metres, web_mercator};

/// The suggestion in an error about a coordinate reference system.
const ACCEPTED: &str = "convert it to EPSG:27700 (British National Grid) or EPSG:4326 (longitude \
                        and latitude)";

/// The coordinate reference system of stored polygons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crs {
    /// WGS84 or ETRS89 longitude and latitude, in degrees.
    LonLat,
    /// British National Grid, in metres.
    BritishGrid,
}

/// A coordinate reference system of a polygon file that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceCrs {
    /// British National Grid (EPSG:27700), in metres.
    BritishGrid,
    /// WGS84 or ETRS89 longitude and latitude (EPSG:4326, EPSG:4258, OGC:CRS84), in degrees.
    LonLat,
    /// OSGB36 longitude and latitude (EPSG:4277), in degrees. Positions are projected to the
    /// British National Grid.
    Osgb36LonLat,
    /// Web Mercator (EPSG:3857), in metres. Positions are converted to longitude and latitude.
    WebMercator,
}

impl SourceCrs {
    /// Returns the system in which the positions are stored.
    pub(crate) fn stored(self) -> Crs {
        match self {
            SourceCrs::BritishGrid | SourceCrs::Osgb36LonLat => Crs::BritishGrid,
            SourceCrs::LonLat | SourceCrs::WebMercator => Crs::LonLat,
        }
    }

    /// Converts a position to the system in which it is stored. Returns `None` if the position is
    /// outside the area of the conversion.
    pub(super) fn to_stored(self, position: [f64; 2]) -> Option<[f64; 2]> {
        match self {
            SourceCrs::BritishGrid | SourceCrs::LonLat => Some(position),
            SourceCrs::Osgb36LonLat => {
                let (easting, northing) = osgb36_to_grid_metres(position[0], position[1])?;
                Some([easting, northing])
            }
            SourceCrs::WebMercator => {
                let lonlat = web_mercator::from_metres(Coord::from(position));
                let is_on_earth = lonlat.x.abs() <= 180.0 && lonlat.y.is_finite();
                is_on_earth.then_some([lonlat.x, lonlat.y])
            }
        }
    }

    /// Identifies the system that well-known text describes, such as the content of a `.prj` file.
    ///
    /// # Errors
    /// If the text is not well-known text, or describes another system. The error states what the
    /// text describes.
    pub(super) fn from_wkt(text: &str) -> Result<SourceCrs, String> {
        let text = text.trim_start_matches('\u{feff}').trim();
        if !text.is_empty() && !text.contains(['[', '(']) {
            return text.parse();
        }
        wkt::parse(text)?.identify()
    }

    /// Identifies the system that a PROJJSON object describes.
    pub(super) fn from_projjson(value: &serde_json::Value) -> Result<SourceCrs, String> {
        projjson::parse(value)?.identify()
    }

    /// Identifies a system by its authority, such as `EPSG`, and its code.
    pub(super) fn from_authority(authority: &str, code: &str) -> Option<SourceCrs> {
        code::find(authority, code)
    }
}

impl From<Crs> for SourceCrs {
    fn from(crs: Crs) -> SourceCrs {
        match crs {
            Crs::LonLat => SourceCrs::LonLat,
            Crs::BritishGrid => SourceCrs::BritishGrid,
        }
    }
}

impl FromStr for SourceCrs {
    type Err = String;

    /// Parses well-known text, or a code such as `EPSG:27700` in any of its common spellings.
    fn from_str(text: &str) -> Result<SourceCrs, String> {
        if text.contains('[') {
            return SourceCrs::from_wkt(text);
        }
        code::parse(text).ok_or_else(|| format!("`{text}` cannot be read; {ACCEPTED}"))
    }
}

impl fmt::Display for SourceCrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SourceCrs::BritishGrid => "EPSG:27700",
            SourceCrs::LonLat => "EPSG:4326",
            SourceCrs::Osgb36LonLat => "EPSG:4277",
            SourceCrs::WebMercator => "EPSG:3857",
        })
    }
}

/// Chooses between two systems: the system in the configuration, which takes precedence, and the
/// system that a file states. `stated` may be the reason why the file's system cannot be read. Also
/// returns a remark if the two systems differ. If `is_configurable` is true, an error suggests
/// configuring the system.
pub(super) fn choose(
    stated: Result<SourceCrs, String>,
    configured: Option<SourceCrs>,
    is_configurable: bool,
) -> Result<(SourceCrs, Option<String>), String> {
    let Some(configured) = configured else {
        return match stated {
            Ok(crs) => {
                let stored = SourceCrs::from(crs.stored());
                let converted = crs != stored;
                let remark = || format!("the file is in {crs} and was converted to {stored}");
                Ok((crs, converted.then(remark)))
            }
            Err(reason) if !is_configurable => Err(reason),
            Err(reason) => Err(format!(
                "{reason}; if the file states the wrong system, set `crs = \"EPSG:27700\"` next to \
                 it in the configuration"
            )),
        };
    };
    let remark = match stated {
        Ok(stated) if stated == configured => None,
        Ok(stated) => Some(format!(
            "the file states that it is in {stated}, but it was read in {configured}, as `crs` in \
             the configuration specifies"
        )),
        Err(reason) => Some(format!(
            "read in {configured}, as `crs` in the configuration specifies, although {reason}"
        )),
    };
    Ok((configured, remark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_converted_to_the_system_in_which_they_are_stored() {
        let close = |crs: SourceCrs, from: [f64; 2], to: [f64; 2], tolerance: f64| {
            let [x, y] = crs.to_stored(from).expect("a position");
            let distance = (x - to[0]).hypot(y - to[1]);
            assert!(distance < tolerance, "{crs}: {x} {y}");
        };
        // Caister water tower, an example in Ordnance Survey's guide.
        let osgb36 = [1.717_921_583, 52.657_570_306];
        close(
            SourceCrs::Osgb36LonLat,
            osgb36,
            [651_409.903, 313_177.270],
            2e-3,
        );
        let mercator = [-333_958.472_379_821, 7_170_156.293_999_95];
        close(SourceCrs::WebMercator, mercator, [-3.0, 54.0], 1e-4);
        for crs in [SourceCrs::Osgb36LonLat, SourceCrs::WebMercator] {
            assert_eq!(crs.to_stored([f64::NAN, 1.0]), None);
            assert_eq!(crs.to_stored([3e9, 1.0]), None);
        }
    }

    #[test]
    fn the_configuration_takes_precedence_and_a_contradiction_is_a_remark() {
        let grid = SourceCrs::BritishGrid;
        assert_eq!(choose(Ok(grid), None, true), Ok((grid, None)));
        assert_eq!(choose(Ok(grid), Some(grid), true), Ok((grid, None)));
        let (crs, remark) = choose(Ok(SourceCrs::LonLat), Some(grid), true).expect("a system");
        assert_eq!(crs, grid);
        assert!(
            remark
                .expect("a remark")
                .contains("states that it is in EPSG:4326")
        );
        let (_, remark) = choose(Err("it has no .prj".into()), Some(grid), true).expect("a system");
        assert!(
            remark
                .expect("a remark")
                .ends_with("although it has no .prj")
        );
        let (_, remark) = choose(Ok(SourceCrs::WebMercator), None, true).expect("a system");
        assert!(remark.expect("a remark").contains("converted to EPSG:4326"));
        let error = choose(Err("it is in feet".into()), None, true).expect_err("feet");
        assert!(
            error.starts_with("it is in feet; if the file states the wrong system"),
            "{error}"
        );
        let error = choose(Err("it is in feet".into()), None, false).expect_err("feet");
        assert_eq!(error, "it is in feet");
    }
}
