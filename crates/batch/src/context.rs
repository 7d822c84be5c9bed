//! The state that all threads of a batch share.

use std::sync::Arc;

use jiff::civil::Date;

use super::BatchRequest;
use super::column_mapping::{ColumnMapping, LocationColumns};
use super::days::DayIds;
use super::flows::{FlowLayers, FlowPlaces};
use super::input_format::DetectedFormat;
use super::layout::OutputLayout;
use super::previous_answers::PreviousAnswers;
use super::registration_cache::SharedRegistrations;
use super::residence_cache::SharedResidences;
use crate::tabular::cell_format::CellFormat;
use catchment_core::index::Index;

/// The state that all worker threads share.
pub(super) struct BatchContext<'i> {
    pub(super) index: &'i Index,
    pub(super) layout: OutputLayout,
    pub(super) column_mapping: ColumnMapping,
    /// The names of the columns that the look-up reads, in the order of [`ColumnMapping::columns`].
    pub(super) read_names: Vec<String>,
    /// The number of fields in each row.
    pub(super) field_count: usize,
    pub(super) excel_safe: bool,
    pub(super) has_single_quotes: bool,
    /// The as-of date of rows without an as-of date.
    pub(super) as_of: Date,
    /// The answers of a previous run, with which rows are compared.
    pub(super) previous: Option<Arc<PreviousAnswers>>,
    pub(super) day_ids: DayIds,
    pub(super) residences: SharedResidences,
    pub(super) registrations: SharedRegistrations,
}

impl<'i> BatchContext<'i> {
    pub(super) fn new(
        index: &'i Index,
        detected: &DetectedFormat,
        request: &BatchRequest,
        cell_format: CellFormat,
    ) -> BatchContext<'i> {
        let read_columns = detected.column_mapping.columns().into_iter();
        let name = |(_, column): (_, usize)| detected.columns[column].clone();
        let mut layout = OutputLayout::new(request.output_columns.clone(), cell_format, index);
        if has_flows(&detected.column_mapping) {
            let layers = FlowLayers::of_communities(index);
            layout.flow_places = layers.map(|layers| Arc::new(FlowPlaces::new(index, layers)));
        }
        BatchContext {
            index,
            layout,
            column_mapping: detected.column_mapping,
            read_names: read_columns.map(name).collect(),
            field_count: detected.columns.len(),
            excel_safe: request.excel_safe,
            has_single_quotes: detected.has_single_quotes,
            as_of: request.as_of,
            previous: request.previous.clone(),
            day_ids: DayIds::new(request.as_of),
            residences: SharedResidences::new(index.postcodes().len()),
            registrations: SharedRegistrations::new(),
        }
    }
}

/// Returns whether the input contains both the practice and the residence of patients.
pub(super) fn has_flows(mapping: &ColumnMapping) -> bool {
    mapping.practice.is_some() && mapping.location != LocationColumns::None
}
