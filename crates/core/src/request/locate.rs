//! The request for a look-up.

use std::fmt;

use super::error::InvalidRequest;
use super::params::{RequestParams, STATISTICAL_AREA, UPRN};
use crate::domain::{Layer, LayerRole, Manifest};
use crate::index::{LocateQuery, Locator};

/// The names of all parameters of a look-up. The ids of layers of statistical areas are also names
/// of parameters.
pub const LOCATE_PARAMS: &[&str] = &[
    "postcode",
    "lon",
    "lat",
    "easting",
    "northing",
    STATISTICAL_AREA,
    UPRN,
    "practice",
    "as_of",
    "layers",
    "dataset",
];

/// The fields of the look-up form. The form has one field for a location in any notation (`place`),
/// and three fields for a date.
pub const FORM_FIELDS: &[&str] = &[
    "place",
    "postcode",
    "lon",
    "lat",
    "easting",
    "northing",
    STATISTICAL_AREA,
    "practice",
    "as_of",
    "day",
    "month",
    "year",
    "layers",
    "dataset",
];

/// A valid request for a look-up.
#[derive(Debug, Clone)]
pub struct LocateRequest {
    /// The query that the index answers.
    pub query: LocateQuery,
    /// The requested layers.
    pub layers: RequestedLayers,
}

/// The ids of the requested layers. The ids are checked later, when the dataset is known.
#[derive(Clone, Default)]
pub struct RequestedLayers(Option<String>);

/// Prints no ids, because a user may have entered any text.
impl fmt::Debug for RequestedLayers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestedLayers(…)")
    }
}

impl RequestedLayers {
    /// Returns the requested layers; `None` means all layers of the dataset. The layers may include
    /// layers that only other loaded datasets contain.
    ///
    /// # Errors
    /// If a layer is not in any loaded dataset. The error lists the layers of this dataset.
    pub fn resolve(&self, manifest: &Manifest) -> Result<Option<Vec<Layer>>, InvalidRequest> {
        let Some(ids) = &self.0 else {
            return Ok(None);
        };
        let layers = ids
            .split(',')
            .map(|id| Layer::find(id).ok_or_else(|| manifest.unknown_layer()));
        let layers: Result<Vec<Layer>, _> = layers.collect();
        Ok(Some(layers?))
    }
}

impl LocateRequest {
    /// Checks the parts of the request that depend on the dataset: if the request specifies a
    /// statistical area with a layer, the layer must be a layer of statistical areas.
    ///
    /// # Errors
    /// If the layer is not a layer of statistical areas. The error lists the layers of statistical
    /// areas.
    pub fn check(&self, manifest: &Manifest) -> Result<(), InvalidRequest> {
        let Some(Locator::StatisticalArea(area)) = self.query.locator else {
            return Ok(());
        };
        let mut known = manifest.layers_with_role(LayerRole::Statistical);
        match area.layer {
            Some(layer) if !known.clone().any(|known| known == layer) => {
                let known = known.by_ref().collect();
                Err(InvalidRequest::NotStatistical { layer, known })
            }
            _ => Ok(()),
        }
    }

    /// Parses the parameters of a look-up.
    ///
    /// # Errors
    /// If a parameter is not valid. The first error is returned.
    pub fn from_params(params: &RequestParams) -> Result<LocateRequest, InvalidRequest> {
        let locator = params.locator()?;
        let practice = params.get("practice").map(str::parse);
        match (locator, practice) {
            (None, None) => return Err(InvalidRequest::MissingLocation),
            // With a location, the residence can be looked up even if the practice code is invalid.
            (None, Some(Err(error))) => return Err(InvalidRequest::Practice(error)),
            _ => {}
        }
        let query = LocateQuery {
            locator,
            practice,
            as_of: params.as_of()?,
        };
        Ok(LocateRequest {
            query,
            layers: RequestedLayers(params.get("layers").map(str::to_string)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pairs: &[(&str, &str)], expected: Result<(), &str>) {
        let owned = pairs
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let request = RequestParams::new(owned, LOCATE_PARAMS)
            .and_then(|params| LocateRequest::from_params(&params));
        assert_eq!(
            request.as_ref().map(|_| ()).map_err(InvalidRequest::code),
            expected,
            "{pairs:?}"
        );
    }

    #[test]
    fn a_location_or_a_practice_makes_a_request() {
        check(&[("postcode", "la18 4db")], Ok(()));
        check(&[("lon", "-3.27"), ("lat", "54.21")], Ok(()));
        check(&[("easting", "317303"), ("northing", "480077")], Ok(()));
        check(&[("practice", "P81002")], Ok(()));
        check(&[("statistical_area", "e01019311")], Ok(()));
        check(&[("uprn", "000010002345")], Ok(()));
        let layer = Layer::declare("lsoa-of-this-test").expect("an id");
        check(&[(layer.as_str(), "E01019311")], Ok(()));
        check(
            &[
                ("postcode", "LA18 4DB"),
                ("practice", "not a code!"),
                ("layers", "icc,pcn"),
            ],
            Ok(()),
        );
    }

    #[test]
    fn every_error_has_its_code() {
        check(&[], Err("missing_location"));
        check(&[("postcode", " ")], Err("missing"));
        check(&[("practice", "")], Err("missing_practice"));
        check(&[("practice", "?")], Err("invalid_practice_code"));
        check(&[("lon", "-3.27")], Err("incomplete_coordinates"));
        check(&[("postcode", "LA1")], Err("partial_postcode"));
        check(&[("postcode", "LA1O 5DL")], Err("malformed"));
        check(
            &[("postcode", "LA1 1AA"), ("lon", "1"), ("lat", "54")],
            Err("ambiguous_location"),
        );
        check(
            &[("lon", "54.05"), ("lat", "-2.8")],
            Err("coordinates_swapped"),
        );
        check(&[("lon", "317303"), ("lat", "480077")], Err("not_degrees"));
        check(
            &[("easting", "-3.2"), ("northing", "54.1")],
            Err("not_metres"),
        );
        for (first, second) in [("lon", "lat"), ("easting", "northing")] {
            check(&[(first, "0"), (second, "0.0")], Err("coordinates_zero"));
        }
        for number in ["NaN", "inf", "1e400", "", "x"] {
            check(&[("lon", number), ("lat", "54")], Err("not_a_number"));
        }
        for outside in [("lon", "lat", "181"), ("easting", "northing", "9e9")] {
            let (first, second, value) = outside;
            let expected = Err("coordinates_out_of_range");
            check(&[(first, value), (second, "54")], expected);
        }
        check(
            &[("postcode", "LA1 1AA"), ("as_of", "2023-02-29")],
            Err("invalid_date"),
        );
        check(
            &[("postcode", "LA1 1AA"), ("postcode", "LA1 1AA")],
            Err("repeated_parameter"),
        );
        check(&[("pc", "LA1 1AA")], Err("unknown_parameter"));
        check(&[("uprn", " ")], Err("missing_uprn"));
        for text in ["LA1 1AA", "0", "1.00023E+11"] {
            check(&[("uprn", text)], Err("invalid_uprn"));
        }
        for other in [("postcode", "LA1 1AA"), ("statistical_area", "E01019311")] {
            check(&[("uprn", "1"), other], Err("ambiguous_location"));
        }
        check(
            &[("statistical_area", " ")],
            Err("missing_statistical_area"),
        );
        check(
            &[("statistical_area", "LA1 1AA")],
            Err("invalid_statistical_area"),
        );
        let layer = Layer::declare("lsoa-of-this-test").expect("an id").as_str();
        check(&[(layer, "É01019311")], Err("invalid_statistical_area"));
        for other in [(layer, "E01019312"), ("statistical_area", "E01019312")] {
            let code = if other.0 == layer {
                "repeated_parameter"
            } else {
                "ambiguous_location"
            };
            check(&[(layer, "E01019311"), other], Err(code));
        }
        for other in ["postcode", "place"] {
            let pairs = [(layer, "E01019311"), (other, "LA1 1AA")];
            let owned = pairs.map(|(name, value)| (name.to_string(), value.to_string()));
            let request = RequestParams::new(owned, FORM_FIELDS)
                .and_then(|params| LocateRequest::from_params(&params));
            let error = request.map(|_| ()).expect_err("two locations");
            assert_eq!(error.code(), "ambiguous_location");
        }
    }
}
