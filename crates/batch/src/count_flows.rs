//! Counts the flows of an input file, without writing its rows.

use std::io::Read;
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::column_mapping::{ColumnRole, LocationColumns};
use super::columnar::count_rows;
use super::context::BatchContext;
use super::flows::{FlowLayers, FlowPlaces};
use super::input::{BatchInput, InputBody};
use super::input_format::DetectedFormat;
use super::progress::BatchProgress;
use super::run::count_text_rows;
use super::summary::{BatchSummary, BatchTally};
use super::workbook_rows::count_sheet_rows;
use super::{BatchError, BatchRequest, map_exceeded_limit};
use crate::tabular::cell_format::CellFormat;
use crate::tabular::delimiter::Delimiter;
use catchment_core::domain::LayerSet;
use catchment_core::index::Index;

/// Counts the rows of an input file by the place where the patient is registered and the place
/// where the patient lives ([`BatchSummary::flows`]). Reads rows in the same way as
/// [`run`](super::run()), and counts every valid row once.
///
/// # Errors
/// If the input has no practice column or no location, or if reading the input fails.
pub fn count_flows<R: Read + Send>(
    index: &Index,
    input: BatchInput<R>,
    request: &BatchRequest,
    layers: FlowLayers,
    threads: NonZeroUsize,
    progress: &BatchProgress,
) -> Result<BatchSummary, BatchError> {
    check_columns(&input.detected)?;
    // No output is written, so no columns are formatted.
    let request = BatchRequest {
        output_columns: Vec::new(),
        ..request.clone()
    };
    let detected = &input.detected;
    let format = match (&input.body, detected.delimiter) {
        (InputBody::Columnar(_), _) => CellFormat::LengthPrefixed,
        (InputBody::Workbook(_), _) => CellFormat::Csv(Delimiter::COMMA),
        (InputBody::Text(_), Some(delimiter)) => CellFormat::Csv(delimiter),
        (InputBody::Text(_), None) => CellFormat::Json,
    };
    let mut context = BatchContext::new(index, detected, &request, format);
    context.layout.layers = LayerSet::from_iter([layers.registered(), layers.resident()]);
    context.layout.flow_places = Some(Arc::new(FlowPlaces::new(index, layers)));
    let tallies = match input.body {
        InputBody::Text(text) => count_text_rows(&context, *text, threads, progress),
        InputBody::Columnar(columnar) => {
            count_rows(&context, detected, columnar, threads, progress)
        }
        InputBody::Workbook(workbook) => {
            count_sheet_rows(&context, detected, *workbook, &request, threads, progress)
        }
    };
    let tallies = map_exceeded_limit(tallies)?;
    Ok(BatchTally::merge_all(tallies).into_summary(&context))
}

fn check_columns(detected: &DetectedFormat) -> Result<(), BatchError> {
    let mapping = &detected.column_mapping;
    let role = match (mapping.practice, mapping.location) {
        (None, _) => ColumnRole::Practice,
        (Some(_), LocationColumns::None) => ColumnRole::Postcode,
        (Some(_), _) => return Ok(()),
    };
    Err(BatchError::MissingColumn {
        role,
        columns: detected.columns.clone(),
    })
}
