//! In which order the parts of an answer make up a row.

use super::cells::Encoding;
use super::columns::{Column, DatasetFact};
use crate::domain::{Agreement, Layers};
use crate::index::Index;

/// Our columns, taken apart by what they depend on.
pub(super) struct Layout {
    pub(super) columns: Vec<Column>,
    pub(super) encoding: Encoding,
    pub(super) pieces: Vec<Piece>,
    /// Columns next to each other that depend on the place alone: written in one go.
    pub(super) residence: Vec<Run>,
    /// The same for the practice.
    pub(super) registration: Vec<Run>,
    /// The cell of each agreement.
    pub(super) agreements: Vec<Vec<u8>>,
    /// The layers in which a column needs distances.
    pub(super) measured: Layers,
    /// Whether a malformed postcode's suggestion is wanted.
    pub(super) suggests: bool,
    dataset: [String; 3],
}

/// Columns next to each other, with their names.
pub(super) type Run = Vec<(Column, String)>;

/// A piece of a row.
pub(super) enum Piece {
    /// The run of that number.
    Residence(usize),
    /// The run of that number.
    Registration(usize),
    /// The run of the registration where it leads to a community, or else that of the residence.
    Groups {
        residence: usize,
        registration: usize,
    },
    Agreement,
    Reason,
    Notes,
    /// Cells that are the same in every row.
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

    /// The runs of a part, each cell by `cell`.
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

    /// The names of our columns, for the line with the names.
    pub(super) fn names(&self, out: &mut Vec<u8>) {
        let Encoding::Csv(delimiter) = self.encoding else {
            return;
        };
        for column in &self.columns {
            out.extend_from_slice(delimiter.as_bytes());
            out.extend_from_slice(column.to_string().as_bytes());
        }
    }

    /// The cells of a row that could not be read.
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

    /// The cell with the reasons, those that there are.
    pub(super) fn reason(&self, out: &mut Vec<u8>, reasons: &[&[u8]]) {
        let given = reasons.iter().copied().filter(|reason| !reason.is_empty());
        self.encoding.words(out, "catchment_reason", given);
    }
}
