//! The options of batches and flows.

use catchment::batch::{BatchRequest, ColumnOverrides, OutputColumn};
use catchment::domain::{date_from_iso, today_in_london};
use catchment::index::Index;
use jiff::civil::Date;
use pyo3::prelude::*;

use crate::errors::error;

/// The columns of the input and the date of the look-ups, as a dictionary.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct InputOptions {
    as_of: Option<String>,
    as_of_column: Option<String>,
    postcode_column: Option<String>,
    practice_column: Option<String>,
    lon_column: Option<String>,
    lat_column: Option<String>,
    easting_column: Option<String>,
    northing_column: Option<String>,
    area_column: Option<String>,
    area_layer: Option<String>,
    registration_only: bool,
    /// The output columns in addition to the default columns, separated by commas.
    columns: String,
}

impl InputOptions {
    /// Returns the request.
    ///
    /// # Errors
    /// If the date, the layer or a column is not valid.
    pub(crate) fn request(&self, index: &Index) -> PyResult<BatchRequest> {
        let mut request = BatchRequest::new(index, day(self.as_of.as_deref())?);
        let overrides = &mut request.column_overrides;
        *overrides = ColumnOverrides {
            postcode: self.postcode_column.clone(),
            practice: self.practice_column.clone(),
            longitude: self.lon_column.clone(),
            latitude: self.lat_column.clone(),
            easting: self.easting_column.clone(),
            northing: self.northing_column.clone(),
            statistical_area: self.area_column.clone(),
            as_of: self.as_of_column.clone(),
            registration_only: self.registration_only,
            ..ColumnOverrides::default()
        };
        let manifest = index.manifest();
        overrides
            .set_statistical_layers(manifest, self.area_layer.as_deref())
            .map_err(|problem| error(format_args!("area_layer: {problem}")))?;
        request.output_columns = OutputColumn::with_defaults(&self.columns, manifest)
            .map_err(|problem| error(format_args!("columns: {problem}")))?;
        Ok(request)
    }
}

/// Parses a date; the default is today in London.
///
/// # Errors
/// If the text is not a date.
pub(crate) fn day(text: Option<&str>) -> PyResult<Date> {
    match text {
        Some(text) => {
            date_from_iso(text).map_err(|problem| error(format_args!("as_of: {problem}")))
        }
        None => Ok(today_in_london()),
    }
}
