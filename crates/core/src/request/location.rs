//! Parses locations in any notation, and coordinates that must be in the expected order and unit.

use super::error::InvalidRequest;
use crate::domain::{
    BritishGrid, GridReference, LonLat, StatisticalAreaCode, StatisticalAreaLocator,
};
use crate::index::Locator;

/// Parses a location in any notation: a postcode; a latitude and a longitude, in either order; an
/// easting and a northing; a grid reference; or the GSS code of a statistical area.
///
/// # Errors
/// If the text matches none of these notations. The error describes the notation that the text
/// resembles most.
pub fn parse_location(text: &str) -> Result<Locator, InvalidRequest> {
    let text = text.trim();
    if let Some((first, second)) = parse_two_numbers(text) {
        return location_from_numbers(first, second);
    }
    if GridReference::looks_like(text) {
        return Ok(Locator::Grid(text.parse::<GridReference>()?.centre()));
    }
    if StatisticalAreaCode::is_gss(text) {
        let code = text.parse()?;
        return Ok(Locator::StatisticalArea(StatisticalAreaLocator {
            layer: None,
            code,
        }));
    }
    Ok(Locator::Postcode(text.parse()?))
}

/// Parses two numbers separated by commas, semicolons or white space, each with or without a degree
/// sign.
fn parse_two_numbers(text: &str) -> Option<(f64, f64)> {
    let is_separator = |c: char| c == ',' || c == ';' || c.is_whitespace();
    let mut words = text.split(is_separator).filter(|word| !word.is_empty());
    let mut number = || {
        let word = words.next()?.trim_end_matches('°').replace('−', "-");
        // Rejects words such as `inf`, which Rust parses as numbers.
        let is_number = word.ends_with(|c: char| c.is_ascii_digit());
        word.parse::<f64>().ok().filter(|_| is_number)
    };
    let numbers = (number()?, number()?);
    words.next().is_none().then_some(numbers)
}

/// Interprets two numbers as degrees if both are in range, and otherwise as an easting and a
/// northing.
///
/// Degrees are interpreted as a latitude followed by a longitude, because people write them in this
/// order. Degrees are interpreted in the other order if only that order results in a point in Great
/// Britain.
fn location_from_numbers(first: f64, second: f64) -> Result<Locator, InvalidRequest> {
    const DEGREES_MAX: f64 = 180.0;
    if first.abs() > DEGREES_MAX || second.abs() > DEGREES_MAX {
        return Ok(Locator::Grid(checked_grid(first, second)?));
    }
    let longitude_first = LonLat::new(first, second).ok();
    let lonlat = match LonLat::new(second, first) {
        Ok(lonlat) if !lonlat.looks_swapped() => lonlat,
        swapped => longitude_first.map_or(swapped, Ok)?,
    };
    if lonlat.is_origin() {
        return Err(InvalidRequest::ZeroCoordinates);
    }
    Ok(Locator::LonLat(lonlat))
}

pub(super) fn checked_lonlat(lon: f64, lat: f64) -> Result<LonLat, InvalidRequest> {
    let lonlat = LonLat::new(lon, lat)?;
    if lonlat.is_origin() {
        return Err(InvalidRequest::ZeroCoordinates);
    }
    if lonlat.looks_swapped() {
        return Err(InvalidRequest::Swapped);
    }
    Ok(lonlat)
}

pub(super) fn checked_grid(easting: f64, northing: f64) -> Result<BritishGrid, InvalidRequest> {
    let grid = BritishGrid::from_metres(easting, northing)?;
    if grid.is_origin() {
        return Err(InvalidRequest::ZeroCoordinates);
    }
    if grid.looks_like_degrees() {
        return Err(InvalidRequest::NotMetres);
    }
    Ok(grid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_location_accepts_every_notation() {
        let degrees = |text: &str| match parse_location(text) {
            Ok(Locator::LonLat(position)) => (position.lon(), position.lat()),
            _ => panic!("{text} was not parsed as degrees"),
        };
        for text in [
            "54.32, -2.74",
            "54.32 -2.74",
            "54.32,-2.74",
            " 54.32°; −2.74° ",
            "-2.74, 54.32",
        ] {
            assert_eq!(degrees(text), (-2.74, 54.32), "{text}");
        }
        // The point is not in Great Britain in either order, so the latitude comes first.
        assert_eq!(degrees("48.86 2.35"), (2.35, 48.86));
        let metres = |text: &str| match parse_location(text) {
            Ok(Locator::Grid(position)) => (position.easting_m(), position.northing_m()),
            _ => panic!("{text} was not parsed as an easting and a northing"),
        };
        for text in ["317303 480077", "317303, 480077", "317303.0,480077.0"] {
            assert_eq!(metres(text), (317_303.0, 480_077.0), "{text}");
        }
        assert_eq!(metres("SD 173 800"), (317_350.0, 480_050.0));
        assert!(matches!(
            parse_location(" e01019311 "),
            Ok(Locator::StatisticalArea(area)) if area.code.as_str() == "E01019311" && area.layer.is_none()
        ));
        assert!(matches!(
            parse_location("la184db"),
            Ok(Locator::Postcode(_))
        ));
    }

    #[test]
    fn invalid_locations_report_the_notation_they_resemble() {
        for (text, code) in [
            ("", "missing"),
            ("LA1", "partial_postcode"),
            ("SE11", "partial_postcode"),
            ("LA1O 5DL", "malformed"),
            ("SD 173 80", "invalid_grid_reference"),
            ("95, 95", "coordinates_out_of_range"),
            ("0, 0", "coordinates_zero"),
            ("-7.5571, 49.7668", "coordinates_zero"),
            ("317303", "malformed"),
            ("317303 9e9", "coordinates_out_of_range"),
            ("NaN inf", "malformed"),
            ("E0101931", "malformed"),
            ("E010193111", "malformed"),
            ("54.32, -2.74, 3", "malformed"),
        ] {
            let error = parse_location(text).map(|_| ()).expect_err(text);
            assert_eq!(error.code(), code, "{text}");
        }
    }
}
