//! Named parameters as text, and the values that several kinds of request have in common.

use jiff::civil::Date;

use super::error::InvalidRequest;
use super::location::{checked_grid, checked_lonlat, parse_location};
use crate::domain::{
    InvalidStatisticalAreaCode, Layer, StatisticalAreaLocator, Uprn, date_from_iso, today_in_london,
};
use crate::index::Locator;

/// The name of the parameter with the code of a statistical area of any layer. If a request may
/// have this parameter, it may also have the id of a layer as a parameter, with a code of that
/// layer: `lsoa11=E01019311`.
pub const STATISTICAL_AREA: &str = "statistical_area";

/// The name of the parameter with a UPRN.
pub const UPRN: &str = "uprn";

/// The parameters of a request, from a query string, a form, JSON or the command line. Each
/// parameter occurs at most once.
#[derive(Default)]
pub struct RequestParams {
    values: Vec<(&'static str, String)>,
    /// The layers whose ids are names of parameters.
    layers: Vec<Layer>,
}

impl RequestParams {
    /// Checks that every parameter is among `allowed`.
    ///
    /// # Errors
    /// If a parameter is not among `allowed`. The error lists the allowed parameters.
    pub fn check_names<'n>(
        names: impl IntoIterator<Item = &'n str>,
        allowed: &[&'static str],
    ) -> Result<(), InvalidRequest> {
        for name in names {
            RequestParams::new([(name.to_string(), String::new())], allowed)?;
        }
        Ok(())
    }

    /// Collects the parameters from pairs of a name and a value.
    ///
    /// # Errors
    /// If a parameter is not among `allowed`, or is given more than once.
    pub fn new(
        pairs: impl IntoIterator<Item = (String, String)>,
        allowed: &[&'static str],
    ) -> Result<RequestParams, InvalidRequest> {
        let mut params = RequestParams::default();
        for (name, value) in pairs {
            let known = allowed.iter().find(|field| **field == name).copied();
            let layer = Layer::find(&name)
                .filter(|_| known.is_none() && allowed.contains(&STATISTICAL_AREA));
            let Some(field) = known.or(layer.map(Layer::as_str)) else {
                let allowed = if allowed.is_empty() {
                    "none".into()
                } else {
                    allowed.join(", ")
                };
                return Err(InvalidRequest::UnknownParameter { allowed });
            };
            if params.get(field).is_some() {
                return Err(InvalidRequest::RepeatedParameter { field });
            }
            params.layers.extend(layer);
            params.values.push((field, value));
        }
        Ok(params)
    }

    /// Returns the value of a parameter, if it is given.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.values
            .iter()
            .find(|(name, _)| *name == field)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the date in `as_of`. Without `as_of`, returns the date of the form's three fields
    /// or, if these fields are empty, today's date in London.
    ///
    /// # Errors
    /// If the date is not valid.
    pub fn as_of(&self) -> Result<Date, InvalidRequest> {
        Ok(self.given_date()?.unwrap_or_else(today_in_london))
    }

    /// Returns the date of `as_of` or of the form's three fields, if any of these parameters is
    /// given.
    ///
    /// # Errors
    /// If the date is not valid.
    pub fn given_date(&self) -> Result<Option<Date>, InvalidRequest> {
        match self.get("as_of") {
            Some(text) => Ok(Some(date_from_iso(text)?)),
            None => self.date_from_parts(),
        }
    }

    /// Returns the date of the form's three fields, if any of these fields is filled in.
    fn date_from_parts(&self) -> Result<Option<Date>, InvalidRequest> {
        let parts = ["year", "month", "day"].map(|name| self.get(name));
        if parts == [None; 3] {
            return Ok(None);
        }
        let [year, month, day] = parts.map(|part| part.unwrap_or_default().trim());
        Ok(Some(date_from_iso(&format!(
            "{year}-{month:0>2}-{day:0>2}"
        ))?))
    }

    fn coordinate_pair(
        &self,
        first: &'static str,
        second: &'static str,
    ) -> Result<Option<(f64, f64)>, InvalidRequest> {
        let number = |field, text: &str| {
            text.trim()
                .parse::<f64>()
                .map_err(|_| InvalidRequest::NotANumber { field })
        };
        match (self.get(first), self.get(second)) {
            (None, None) => Ok(None),
            (Some(a), Some(b)) => Ok(Some((number(first, a)?, number(second, b)?))),
            (None, Some(_)) => Err(InvalidRequest::IncompleteCoordinate { missing: first }),
            (Some(_), None) => Err(InvalidRequest::IncompleteCoordinate { missing: second }),
        }
    }

    /// Returns the requested number of results, or `default` if there is no limit.
    ///
    /// # Errors
    /// If the limit is not a whole number from 1 to `max`.
    pub fn limit(&self, default: usize, max: usize) -> Result<usize, InvalidRequest> {
        let Some(text) = self.get("limit") else {
            return Ok(default);
        };
        let limit = text.trim().parse().ok();
        limit
            .filter(|limit| (1..=max).contains(limit))
            .ok_or(InvalidRequest::Limit { max })
    }

    /// Returns the statistical area that the parameters specify, if any. This function does not
    /// check whether the layer is a layer of statistical areas, because that depends on the
    /// dataset.
    fn statistical_area(&self) -> Result<Option<StatisticalAreaLocator>, InvalidRequest> {
        let names = self
            .layers
            .iter()
            .map(|layer| (Some(*layer), layer.as_str()));
        let names = [(None, STATISTICAL_AREA)].into_iter().chain(names);
        let mut given = names.filter_map(|(layer, name)| Some((layer, self.get(name)?)));
        let Some((layer, text)) = given.next() else {
            return Ok(None);
        };
        if given.next().is_some() {
            return Err(InvalidRequest::MultipleLocations);
        }
        let code = text
            .parse()
            .map_err(|error: InvalidStatisticalAreaCode| error)?;
        Ok(Some(StatisticalAreaLocator { layer, code }))
    }

    /// Returns the location that the parameters specify, if any.
    ///
    /// # Errors
    /// If a coordinate is missing, if a value is not valid, or if there is more than one location.
    pub fn locator(&self) -> Result<Option<Locator>, InvalidRequest> {
        let lonlat = self.coordinate_pair("lon", "lat")?;
        let grid = self.coordinate_pair("easting", "northing")?;
        let area = self.statistical_area()?;
        if area.is_some() || self.get(UPRN).is_some() {
            let is_only_location = lonlat.is_none()
                && grid.is_none()
                && self.get("place").is_none()
                && self.get("postcode").is_none();
            return match (area, self.get(UPRN)) {
                (Some(area), None) if is_only_location => Ok(Some(Locator::StatisticalArea(area))),
                (None, Some(text)) if is_only_location => {
                    let uprn = text.parse::<Uprn>()?;
                    Ok(Some(Locator::Uprn(uprn)))
                }
                _ => Err(InvalidRequest::MultipleLocations),
            };
        }
        if let Some(text) = self.get("place") {
            let is_only_location =
                lonlat.is_none() && grid.is_none() && self.get("postcode").is_none();
            return if is_only_location {
                parse_location(text).map(Some)
            } else {
                Err(InvalidRequest::MultipleLocations)
            };
        }
        match (self.get("postcode"), lonlat, grid) {
            (None, None, None) => Ok(None),
            (Some(text), None, None) => Ok(Some(Locator::Postcode(text.parse()?))),
            (None, Some((lon, lat)), None) => Ok(Some(Locator::LonLat(checked_lonlat(lon, lat)?))),
            (None, None, Some((easting, northing))) => {
                Ok(Some(Locator::Grid(checked_grid(easting, northing)?)))
            }
            _ => Err(InvalidRequest::MultipleLocations),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::FORM_FIELDS;
    use super::*;

    #[test]
    fn form_dates_have_three_fields() {
        let day = |parts: [&str; 3]| {
            let names = ["day", "month", "year"];
            let filled_in = names
                .into_iter()
                .zip(parts)
                .filter(|value| !value.1.is_empty());
            let filled_in = filled_in.map(|(name, value)| (name.to_string(), value.to_string()));
            let params =
                RequestParams::new(filled_in, FORM_FIELDS).expect("all are fields of the form");
            params.as_of().map(|day| day.to_string())
        };
        assert_eq!(day(["5", "4", "2023"]), Ok("2023-04-05".into()));
        assert_eq!(day(["05", " 4", "2023"]), Ok("2023-04-05".into()));
        assert_eq!(day(["", "", ""]), Ok(today_in_london().to_string()));
        for parts in [
            ["29", "2", "2023"],
            ["5", "", "2023"],
            ["5", "4", ""],
            ["5", "4", "23"],
            ["x", "4", "2023"],
        ] {
            let error = day(parts).expect_err("an invalid date");
            assert_eq!(error.code(), "invalid_date", "{parts:?}");
        }
    }
}
