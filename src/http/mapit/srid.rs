//! Points in the coordinate reference systems of these routes.

use geo::Coord;

use super::error::MapItError;
use catchment_core::domain::{BritishGrid, LonLat};
use catchment_core::geodesy::{self, web_mercator};

/// Parses a point such as `-2.8,54.05` in the coordinate reference system with an EPSG code, and
/// converts it to the British National Grid; `None` if the point is outside the grid. As in MapIt,
/// `latlon` means latitude and longitude, and `osgb` means the British National Grid.
///
/// # Errors
/// If the coordinate reference system is not supported, or if the text is not a point in it.
pub(super) fn parse_point(srid: &str, text: &str) -> Result<Option<BritishGrid>, MapItError> {
    let (x, y) = parse_coordinates(text).ok_or_else(|| {
        MapItError::bad_request(
            "A point consists of two numbers with a comma between them, such as -2.8,54.05",
        )
    })?;
    let outside = || MapItError::bad_request("Point outside the area geometry");
    let from_degrees = |lon, lat| {
        let position = LonLat::new(lon, lat).map_err(|_| outside())?;
        Ok(geodesy::to_grid(position))
    };
    match srid {
        "4326" => from_degrees(x, y),
        "latlon" => from_degrees(y, x),
        "27700" | "osgb" => {
            let point = BritishGrid::from_metres(x, y).map_err(|_| outside())?;
            Ok(Some(point))
        }
        "3857" => {
            let degrees = web_mercator::from_metres(Coord { x, y });
            from_degrees(degrees.x, degrees.y)
        }
        _ => Err(MapItError::bad_request(
            "The SRID must be 4326 (longitude and latitude), 27700 (British National Grid) or 3857 (Web Mercator)",
        )),
    }
}

fn parse_coordinates(text: &str) -> Option<(f64, f64)> {
    let text = text.strip_suffix(".json").unwrap_or(text);
    let (x, y) = text.split_once(',')?;
    let parse = |text: &str| {
        let number: f64 = text.trim().parse().ok()?;
        number.is_finite().then_some(number)
    };
    Some((parse(x)?, parse(y)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metres(srid: &str, text: &str) -> Option<(f64, f64)> {
        let point = parse_point(srid, text).ok()??;
        Some((point.easting_m().round(), point.northing_m().round()))
    }

    #[test]
    fn points_are_the_same_in_every_coordinate_reference_system() {
        let expected = Some((317_303.0, 480_077.0));
        for (srid, text) in [
            ("27700", "317303,480077"),
            ("osgb", "317303.2,480077.4.json"),
            ("4326", "-3.2694711,54.2097422"),
            ("latlon", " 54.2097422 , -3.2694711 "),
            ("3857", "-363955.9,7209979.5"),
        ] {
            let found = metres(srid, text);
            let is_near = found.zip(expected).is_some_and(|(found, expected)| {
                (found.0 - expected.0).abs() < 3.0 && (found.1 - expected.1).abs() < 3.0
            });
            assert!(is_near, "{srid} {text}: {found:?}");
        }
    }

    #[test]
    fn points_outside_the_grid_are_valid_and_others_are_not() {
        assert!(matches!(parse_point("4326", "0,0"), Ok(None)));
        for (srid, text) in [
            ("4326", "-2.8,91"),
            ("27700", "-200001,0"),
            ("29902", "1,1"),
            ("4326", "1"),
            ("4326", "NaN,1"),
            ("4326", "1,2,3"),
        ] {
            assert!(parse_point(srid, text).is_err(), "{srid} {text}");
        }
    }
}
