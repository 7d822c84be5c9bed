//! The layout of an output row, which specifies the cells in order and the part of the answer from
//! which each cell comes.

use std::sync::Arc;

use super::columns::{ComparisonFact, DatasetFact, OutputColumn, PracticeAreaFact};
use super::counted_areas::CountedLayer;
use super::flows::FlowPlaces;
use super::practice_area::PlaceNeeds;
use crate::tabular::cell_format::CellFormat;
use catchment_core::domain::{Agreement, Layer, LayerRole, LayerSet, Manifest};
use catchment_core::index::Index;

/// The output columns, grouped by the part of the answer on which they depend.
pub(super) struct OutputLayout {
    pub(super) columns: Vec<OutputColumn>,
    pub(super) format: CellFormat,
    pub(super) segments: Vec<RowSegment>,
    /// Runs of adjacent columns that depend only on the residence. Each run is written with one
    /// copy.
    pub(super) residence_runs: Vec<ColumnRun>,
    /// Runs of adjacent columns that depend only on the registration.
    pub(super) registration_runs: Vec<ColumnRun>,
    /// The encoded cell for each agreement, in the order of [`Agreement::ALL`].
    pub(super) agreement_cells: Vec<Vec<u8>>,
    /// The layers to look up by residence.
    pub(super) layers: LayerSet,
    /// The layers for which a column needs distances.
    pub(super) distance_layers: LayerSet,
    /// The main layer of communities.
    pub(super) main_community: Option<Layer>,
    /// The layer of groups.
    pub(super) group_layer: Option<Layer>,
    /// The layers whose areas the summary counts.
    pub(super) counted_layers: Vec<CountedLayer>,
    /// The data that the columns about the location and the practice require from the residence and
    /// the registration.
    pub(super) place_needs: PlaceNeeds,
    /// Whether rows are compared with the answers of a previous run.
    pub(super) is_compared: bool,
    /// Whether the suggestion for a malformed postcode is among the columns.
    pub(super) has_suggestion: bool,
    /// The places between which flows are counted, or `None` if no flows are counted.
    pub(super) flow_places: Option<Arc<FlowPlaces>>,
    dataset_facts: [String; 4],
}

/// Adjacent columns, with their names.
pub(super) type ColumnRun = Vec<(OutputColumn, String)>;

/// A segment of an output row.
pub(super) enum RowSegment {
    /// The residence run with this index.
    Residence(usize),
    /// The registration run with this index.
    Registration(usize),
    /// The registration run if the practice belongs to a community; otherwise, the residence run.
    Groups {
        residence: usize,
        registration: usize,
    },
    Agreement,
    Reason,
    Notes,
    /// The location in relation to the practice, with the name of the column.
    PracticeArea(PracticeAreaFact, String),
    /// A comparison with the answer of a previous run, with the name of the column.
    Comparison(ComparisonFact, String),
    /// A cell that is the same in every row.
    Constant(Vec<u8>),
}

pub(super) const BAD_ROW: &str = "bad_row";

/// Returns the source date of each part of a dataset: `postcodes 2025-11; icc 2022-01-05`.
fn data_as_of(manifest: &Manifest) -> String {
    let dates = manifest.dated_sources();
    let dates = dates.map(|source| format!("{} {}", source.key, source.date.as_of));
    dates.collect::<Vec<_>>().join("; ")
}

/// Returns the layers to look up by residence: all layers except layers of statistical areas for
/// which there is no column. An attribute may belong to the areas of any layer.
fn looked_up_layers(manifest: &Manifest, columns: &[OutputColumn]) -> LayerSet {
    let is_attribute = |column: &OutputColumn| matches!(column, OutputColumn::Attribute(..));
    if columns.iter().any(is_attribute) {
        return LayerSet::ALL;
    }
    let named: LayerSet = columns
        .iter()
        .filter_map(OutputColumn::residence_layer)
        .collect();
    let needed = manifest
        .layers
        .iter()
        .filter(|entry| entry.role != LayerRole::Statistical || named.contains(entry.id));
    needed.map(|entry| entry.id).collect()
}

impl OutputLayout {
    pub(super) fn new(
        columns: Vec<OutputColumn>,
        format: CellFormat,
        index: &Index,
    ) -> OutputLayout {
        let manifest = index.manifest();
        let mut layout = OutputLayout {
            format,
            segments: Vec::new(),
            residence_runs: Vec::new(),
            registration_runs: Vec::new(),
            agreement_cells: Vec::new(),
            main_community: manifest.main_community_layer(),
            group_layer: manifest.group_layer(),
            counted_layers: CountedLayer::of_manifest(manifest),
            place_needs: PlaceNeeds::default(),
            is_compared: columns
                .iter()
                .any(|column| matches!(column, OutputColumn::Comparison(..))),
            flow_places: None,
            has_suggestion: columns
                .iter()
                .any(|column| column.to_string().ends_with("suggestion")),
            layers: looked_up_layers(manifest, &columns),
            distance_layers: columns
                .iter()
                .filter_map(OutputColumn::distance_layer)
                .collect(),
            dataset_facts: [
                manifest.name.clone(),
                manifest.version.clone(),
                index.digest().to_string(),
                data_as_of(manifest),
            ],
            columns,
        };
        for agreement in Agreement::ALL {
            let mut cell = Vec::new();
            let name = OutputColumn::Agreement.to_string();
            format.write_text(&mut cell, &name, agreement.as_str());
            layout.agreement_cells.push(cell);
        }
        for column in layout.columns.clone() {
            layout.add_column(column);
        }
        layout
    }

    fn add_column(&mut self, column: OutputColumn) {
        let column_and_name = (column, column.to_string());
        let segment = match column {
            OutputColumn::Status
            | OutputColumn::ResidenceReason
            | OutputColumn::Residence(..)
            | OutputColumn::Location(_)
            | OutputColumn::Premises(..)
            | OutputColumn::Attribute(..)
            | OutputColumn::Community(..) => {
                if let Some(RowSegment::Residence(index)) = self.segments.last() {
                    return self.residence_runs[*index].push(column_and_name);
                }
                self.residence_runs.push(vec![column_and_name]);
                RowSegment::Residence(self.residence_runs.len() - 1)
            }
            OutputColumn::Registration(..)
            | OutputColumn::Practice(_)
            | OutputColumn::RegistrationReason => {
                if let Some(RowSegment::Registration(index)) = self.segments.last() {
                    return self.registration_runs[*index].push(column_and_name);
                }
                self.registration_runs.push(vec![column_and_name]);
                RowSegment::Registration(self.registration_runs.len() - 1)
            }
            OutputColumn::Groups(..) | OutputColumn::GroupsReason => {
                self.residence_runs.push(vec![column_and_name.clone()]);
                self.registration_runs.push(vec![column_and_name]);
                RowSegment::Groups {
                    residence: self.residence_runs.len() - 1,
                    registration: self.registration_runs.len() - 1,
                }
            }
            OutputColumn::Agreement => RowSegment::Agreement,
            OutputColumn::Reason => RowSegment::Reason,
            OutputColumn::Notes => RowSegment::Notes,
            OutputColumn::PracticeArea(fact) => {
                self.place_needs.add(fact);
                RowSegment::PracticeArea(fact, column.to_string())
            }
            OutputColumn::Comparison(_, fact) => RowSegment::Comparison(fact, column.to_string()),
            OutputColumn::Dataset(fact) => {
                let mut cell = Vec::new();
                self.write_dataset_cell(&mut cell, column, fact);
                RowSegment::Constant(cell)
            }
        };
        self.segments.push(segment);
    }

    fn write_dataset_cell(&self, out: &mut Vec<u8>, column: OutputColumn, fact: DatasetFact) {
        let [name, version, digest, data_as_of] = &self.dataset_facts;
        let text = match fact {
            DatasetFact::Name => name,
            DatasetFact::Version => version,
            DatasetFact::Digest => digest,
            DatasetFact::DataAsOf => data_as_of,
        };
        self.format.write_text(out, &column.to_string(), text);
    }

    /// Returns the encoded runs of one part of an answer. `write_column` writes each cell.
    pub(super) fn write_runs(
        &self,
        runs: &[ColumnRun],
        mut write_column: impl FnMut(&mut Vec<u8>, OutputColumn, &str),
    ) -> Vec<Vec<u8>> {
        let mut written = Vec::with_capacity(runs.len());
        for run in runs {
            let mut text = Vec::new();
            for (column, name) in run {
                write_column(&mut text, *column, name);
            }
            written.push(text);
        }
        written
    }

    /// Writes the names of the output columns to the header row.
    pub(super) fn write_header(&self, out: &mut Vec<u8>) {
        let CellFormat::Csv(delimiter) = self.format else {
            return;
        };
        for column in &self.columns {
            out.extend_from_slice(delimiter.as_bytes());
            out.extend_from_slice(column.to_string().as_bytes());
        }
    }

    /// Writes the output cells of a bad row.
    pub(super) fn write_bad_row(&self, out: &mut Vec<u8>, reason: &str) {
        for &column in &self.columns {
            let name = column.to_string();
            match column {
                OutputColumn::Status
                | OutputColumn::ResidenceReason
                | OutputColumn::RegistrationReason => self.format.write_text(out, &name, BAD_ROW),
                OutputColumn::Reason => self.format.write_text(out, &name, reason),
                OutputColumn::Dataset(fact) => self.write_dataset_cell(out, column, fact),
                _ => self.format.write_null(out, &name),
            }
        }
    }

    /// Writes a cell with all reasons that are not empty.
    pub(super) fn write_reasons(&self, out: &mut Vec<u8>, reasons: &[&[u8]]) {
        let present = reasons.iter().copied().filter(|reason| !reason.is_empty());
        self.format.write_words(out, "catchment_reason", present);
    }
}
