//! Checks that the polygons of a file are in Great Britain. Polygons outside Great Britain indicate
//! a wrong coordinate reference system, a wrong unit or swapped axes.

use super::boundary::{place_name, vertex_grid_metres};
use crate::formats::{Crs, PolygonError, PolygonFeature, PolygonFile, file_error, from_units};
use crate::plural::{count_with_noun, first_names};
use catchment_core::geodesy;

/// Bands that contain Great Britain and some of the surrounding sea. Each band has the northing of
/// its northern edge and a range of eastings, in kilometres. The first band begins at northing 0.
///
/// The bands exclude the corners of the grid, in particular the origin. Positions in degrees or
/// kilometres would be near the origin if they were interpreted as metres.
const BANDS_KM: [(f64, f64, f64); 6] = [
    // The Isles of Scilly to Dungeness.
    (100.0, 75.0, 640.0),
    // Lundy to Kent.
    (200.0, 120.0, 650.0),
    // Pembrokeshire and Llŷn to East Anglia.
    (480.0, 150.0, 670.0),
    // Galloway to the North Sea.
    (600.0, 150.0, 560.0),
    // St Kilda to Aberdeenshire.
    (990.0, -10.0, 430.0),
    // Rona, Orkney and Shetland.
    (1_250.0, 160.0, 490.0),
];

/// The maximum number of features outside Great Britain in a remark.
const FEATURES_NAMED_MAX: usize = 10;

/// Adds a remark about the features that are outside Great Britain.
///
/// # Errors
/// If all features are outside Great Britain.
pub(crate) fn check_location(file: &mut PolygonFile) -> Result<(), PolygonError> {
    let is_outside = |feature: &&PolygonFeature| !is_in_great_britain(file.crs, feature);
    let outside: Vec<&PolygonFeature> = file.features.iter().filter(is_outside).collect();
    if outside.is_empty() {
        return Ok(());
    }
    if outside.len() == file.features.len() {
        return Err(file_error(
            &file.name,
            describe_outside(file.crs, outside[0]),
        ));
    }
    let labels = outside.iter().map(|feature| feature.label());
    let named = first_names(labels, FEATURES_NAMED_MAX);
    let count = count_with_noun(outside.len(), "feature is", "features are");
    let remark = format!("{count} outside Great Britain: {named}");
    file.remarks.push(remark);
    Ok(())
}

/// Returns whether the box around a feature overlaps Great Britain.
fn is_in_great_britain(crs: Crs, feature: &PolygonFeature) -> bool {
    let vertices = feature.polygons.iter().flatten().flatten();
    let mut bounds: Option<(f64, f64, f64, f64)> = None;
    for &vertex in vertices {
        let Some((x, y)) = vertex_grid_metres(crs, vertex) else {
            continue;
        };
        let position = (x, y);
        if is_position_inside(position) {
            return true;
        }
        bounds = Some(match bounds {
            None => (x, y, x, y),
            Some((west, south, east, north)) => {
                (west.min(x), south.min(y), east.max(x), north.max(y))
            }
        });
    }
    let Some((west, south, east, north)) = bounds else {
        // A feature without vertices has no position, because all its rings were dropped.
        return feature.polygons.is_empty();
    };
    bands_m().any(|(band_south, band_north, band_west, band_east)| {
        south <= band_north && north >= band_south && west <= band_east && east >= band_west
    })
}

fn is_position_inside((x, y): (f64, f64)) -> bool {
    bands_m().any(|(south, north, west, east)| {
        (south..=north).contains(&y) && (west..=east).contains(&x)
    })
}

/// Returns the south, north, west and east of each band, in metres.
fn bands_m() -> impl Iterator<Item = (f64, f64, f64, f64)> {
    let souths = std::iter::once(0.0).chain(BANDS_KM.iter().map(|band| band.0));
    souths
        .zip(BANDS_KM)
        .map(|(south, (north, west, east))| (south * 1e3, north * 1e3, west * 1e3, east * 1e3))
}

/// Describes the position of a feature that is outside Great Britain, and the probable reason for
/// this position.
fn describe_outside(crs: Crs, feature: &PolygonFeature) -> String {
    let first = feature.polygons.iter().flatten().flatten().next();
    let Some(&vertex) = first else {
        return "none of the features has an area".into();
    };
    let place = match crs {
        Crs::BritishGrid => place_name(crs, vertex),
        Crs::LonLat => {
            let (lon, lat) = from_units(crs, vertex);
            format!("longitude {lon}, latitude {lat}")
        }
    };
    let hint = match probable_reason(crs, from_units(crs, vertex)) {
        Some(reason) => format!("; {reason}"),
        None => String::new(),
    };
    format!(
        "it is outside Great Britain: feature {} has a vertex at {place}{hint}",
        feature.label()
    )
}

fn probable_reason(crs: Crs, (x, y): (f64, f64)) -> Option<&'static str> {
    let is_lonlat_inside =
        |lon: f64, lat: f64| geodesy::to_grid_metres(lon, lat).is_some_and(is_position_inside);
    match crs {
        Crs::LonLat if is_lonlat_inside(y, x) => {
            Some("longitude and latitude are probably swapped; longitude comes first")
        }
        Crs::LonLat if is_lonlat_inside(-x, y) => {
            Some("the longitude has probably lost its minus sign")
        }
        Crs::BritishGrid if is_lonlat_inside(x, y) || is_lonlat_inside(y, x) => {
            Some("these are probably degrees, not metres; check its coordinate reference system")
        }
        Crs::BritishGrid if is_position_inside((x * 1e3, y * 1e3)) => {
            Some("these are probably kilometres, not metres")
        }
        Crs::BritishGrid if is_position_inside((y, x)) => {
            Some("easting and northing are probably swapped; the easting comes first")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::read_geojson;

    fn check(crs: &str, squares: &[(f64, f64, f64)]) -> Result<Vec<String>, String> {
        let features: Vec<serde_json::Value> = squares
            .iter()
            .map(|&(x, y, side)| {
                let (east, north) = (x + side, y + side);
                serde_json::json!({ "type": "Feature", "properties": { "id": "k" }, "geometry": {
                    "type": "Polygon",
                    "coordinates": [[[x, y], [east, y], [east, north], [x, north], [x, y]]],
                } })
            })
            .collect();
        let text = serde_json::json!({
            "type": "FeatureCollection", "features": features,
            "crs": { "type": "name", "properties": { "name": crs } },
        });
        let mut file = read_geojson("a", text.to_string().as_bytes()).expect("polygons");
        match check_location(&mut file) {
            Ok(()) => Ok(file.remarks),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn places_all_around_the_coast_are_inside() {
        for (name, easting, northing) in [
            ("Scilly", 83_000.0, 5_300.0),
            ("Lizard", 170_000.0, 11_500.0),
            ("Dover", 636_000.0, 143_000.0),
            ("Lowestoft", 655_000.0, 293_000.0),
            ("Llŷn", 212_000.0, 321_000.0),
            ("Rhins of Galloway", 195_000.0, 557_000.0),
            ("Islay", 117_000.0, 652_000.0),
            ("St Kilda", 10_000.0, 899_000.0),
            ("Rona", 181_000.0, 1_032_000.0),
            ("Out Stack", 461_000.0, 1_220_000.0),
            ("Peterhead", 413_000.0, 846_000.0),
        ] {
            assert!(is_position_inside((easting, northing)), "{name}");
        }
    }

    #[test]
    fn a_layer_elsewhere_is_an_error_with_the_probable_reason() {
        let grid = "EPSG:27700";
        for (crs, square, expected) in [
            (grid, (1.5, 52.0, 0.5), "probably degrees, not metres"),
            (grid, (310.0, 470.0, 10.0), "probably kilometres"),
            (grid, (470_000.0, 310_000.0, 10.0), ""),
            (
                "EPSG:4326",
                (54.0, -3.0, 0.5),
                "probably swapped; longitude comes first",
            ),
            ("EPSG:4326", (3.0, 54.0, 0.5), "lost its minus sign"),
            (
                "EPSG:4326",
                (-74.0, 40.0, 1.0),
                "longitude -74, latitude 40",
            ),
            (
                grid,
                (900_000.0, 300_000.0, 10.0),
                "easting 900000, northing 300000; easting and",
            ),
        ] {
            match check(crs, &[square]) {
                Ok(_) => assert!(expected.is_empty(), "{expected}"),
                Err(error) => assert!(error.contains(expected) && !expected.is_empty(), "{error}"),
            }
        }
        // The vertices of an area around all of Great Britain are outside Great Britain.
        assert_eq!(check(grid, &[(-1e6, -1e6, 3e6)]), Ok(Vec::new()));
        let remarks = check("EPSG:4326", &[(-3.0, 54.0, 0.5), (-74.0, 40.0, 1.0)]);
        let expected = "1 feature is outside Great Britain: 2 (`k`)";
        assert_eq!(remarks, Ok(vec![expected.to_string()]));
    }
}
