//! The layout of an output row: which cells come from which part of the answer, in order.

use super::cells::Encoding;
use super::columns::{Column, DatasetFact};
use crate::domain::{Agreement, Layers};
use crate::index::Index;

/// The output columns, grouped by what they depend on.
pub(super) struct Layout {
    pub(super) columns: Vec<Column>,
    pub(super) encoding: Encoding,
    pub(super) pieces: Vec<Piece>,
    /// Runs of adjacent columns that depend only on the residence. Each run is written with one
    /// copy.
    pub(super) residence: Vec<Run>,
    /// The same for the registration.
    pub(super) registration: Vec<Run>,
    /// The cell for each agreement, in the order of [`AGREEMENTS`].
    pub(super) agreements: Vec<Vec<u8>>,
    /// The layers for which a column needs distances.
    pub(super) measured: Layers,
    /// Whether the suggestion for a malformed postcode is among the columns.
    pub(super) suggests: bool,
    dataset: [String; 3],
}

/// Adjacent columns, with their names.
pub(super) type Run = Vec<(Column, String)>;

/// A segment of an output row.
pub(super) enum Piece {
    /// The residence run with this index.
    Residence(usize),
    /// The registration run with this index.
    Registration(usize),
    /// The registration run if the practice belongs to a community, otherwise the residence run.
    Groups {
        residence: usize,
        registration: usize,
    },
    Agreement,
    Reason,
    Notes,
    /// A cell that is the same in every row.
    Constant(Vec<u8>),
}

pub(super) const AGREEMENTS: [Agreement; 5] = [
    Agreement::Agree,
    Agreement::Differ,
    Agreement::RegistrationOnly,
    Agreement::ResidenceOnly,
    Agreement::Neither,
];

pub(super) const BAD_ROW: &str = "bad_row";

impl Layout {
    pub(super) fn new(columns: Vec<Column>, encoding: Encoding, index: &Index) -> Layout {
        let manifest = index.manifest();
        let mut layout = Layout {
            encoding,
            pieces: Vec::new(),
            residence: Vec::new(),
            registration: Vec::new(),
            agreements: Vec::new(),
            suggests: columns
                .iter()
                .any(|column| column.to_string().ends_with("suggestion")),
            measured: columns.iter().filter_map(Column::measures).collect(),
            dataset: [
                manifest.name.clone(),
                manifest.version.clone(),
                index.digest().to_string(),
            ],
            columns,
        };
        for agreement in AGREEMENTS {
            let mut cell = Vec::new();
            let name = Column::Agreement.to_string();
            encoding.text(&mut cell, &name, agreement.as_str());
            layout.agreements.push(cell);
        }
        for column in layout.columns.clone() {
            layout.add(column);
        }
        layout
    }

    fn add(&mut self, column: Column) {
        let named = (column, column.to_string());
        let piece = match column {
            Column::Status | Column::Residence(..) | Column::Place(_) | Column::Community(_) => {
                if let Some(Piece::Residence(at)) = self.pieces.last() {
                    return self.residence[*at].push(named);
                }
                self.residence.push(vec![named]);
                Piece::Residence(self.residence.len() - 1)
            }
            Column::Registration(..) | Column::Practice(_) => {
                if let Some(Piece::Registration(at)) = self.pieces.last() {
                    return self.registration[*at].push(named);
                }
                self.registration.push(vec![named]);
                Piece::Registration(self.registration.len() - 1)
            }
            Column::Groups(_) => {
                self.residence.push(vec![named.clone()]);
                self.registration.push(vec![named]);
                Piece::Groups {
                    residence: self.residence.len() - 1,
                    registration: self.registration.len() - 1,
                }
            }
            Column::Agreement => Piece::Agreement,
            Column::Reason => Piece::Reason,
            Column::Notes => Piece::Notes,
            Column::Dataset(fact) => {
                let mut cell = Vec::new();
                self.dataset_cell(&mut cell, column, fact);
                Piece::Constant(cell)
            }
        };
        self.pieces.push(piece);
    }

    fn dataset_cell(&self, out: &mut Vec<u8>, column: Column, fact: DatasetFact) {
        let [name, version, digest] = &self.dataset;
        let text = match fact {
            DatasetFact::Name => name,
            DatasetFact::Version => version,
            DatasetFact::Digest => digest,
        };
        self.encoding.text(out, &column.to_string(), text);
    }

    /// Writes the runs of a part; `write_column` writes each cell.
    pub(super) fn runs(
        &self,
        runs: &[Run],
        mut cell: impl FnMut(&mut Vec<u8>, Column, &str),
    ) -> Vec<Vec<u8>> {
        let mut written = Vec::with_capacity(runs.len());
        for run in runs {
            let mut text = Vec::new();
            for (column, name) in run {
                cell(&mut text, *column, name);
            }
            written.push(text);
        }
        written
    }

    /// Writes the names of the output columns to the header row.
    pub(super) fn names(&self, out: &mut Vec<u8>) {
        let Encoding::Csv(delimiter) = self.encoding else {
            return;
        };
        for column in &self.columns {
            out.extend_from_slice(delimiter.as_bytes());
            out.extend_from_slice(column.to_string().as_bytes());
        }
    }

    /// Writes the output cells of a bad row.
    pub(super) fn bad_row(&self, out: &mut Vec<u8>, reason: &str) {
        for &column in &self.columns {
            let name = column.to_string();
            match column {
                Column::Status => self.encoding.text(out, &name, BAD_ROW),
                Column::Reason => self.encoding.text(out, &name, reason),
                Column::Dataset(fact) => self.dataset_cell(out, column, fact),
                _ => self.encoding.none(out, &name),
            }
        }
    }

    /// Writes the cell with the reasons, ignoring empty ones.
    pub(super) fn reason(&self, out: &mut Vec<u8>, reasons: &[&[u8]]) {
        let given = reasons.iter().copied().filter(|reason| !reason.is_empty());
        self.encoding.words(out, "catchment_reason", given);
    }
}
