//! The list of the tables that importers read, and the comparison of a header row with them.

use std::error::Error;

use super::super::{
    ImportError, area_history, code_point_open, districts, ebranchs, epcn, epraccur, hierarchy,
    nhspd, ons_lookup, onspd, postcode_list, practice_list, registration_shares, registrations,
    resilience_groups, source_list, succ, uprns,
};
use crate::dataset::columns;
use crate::formats::{FormatColumns, HeaderDifference, TableError, TableFormat, present_name};

/// A table that an importer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TableKind {
    OnsDirectory,
    NhsDirectory,
    CodePointOpen,
    PostcodeList,
    Epraccur,
    Branches,
    NetworkDetails,
    NetworkPartners,
    Registrations,
    Successions,
    OrganisationLookup,
    PracticeList,
    NeighbouringPractices,
    Premises,
    FormerPremises,
    NetworkPeriods,
    SuccessionList,
    Memberships,
    History,
    Organisations,
    GroupMembers,
    Councils,
    Shares,
    Sources,
    Addresses,
}

const MEMBERSHIPS_FORMAT: TableFormat = TableFormat {
    title: "memberships (columns of a dataset's memberships.csv)",
    columns: FormatColumns::Named {
        required: &columns::MEMBERSHIPS,
        optional: &[],
        canonical: present_name,
    },
};

/// Every table that an importer reads. The columns are those of the importer.
const FORMATS: [(TableKind, &TableFormat); 25] = [
    (TableKind::OnsDirectory, &onspd::FORMAT),
    (TableKind::NhsDirectory, &nhspd::FORMAT),
    (TableKind::CodePointOpen, &code_point_open::FORMAT),
    (TableKind::PostcodeList, &postcode_list::FORMAT),
    (TableKind::Epraccur, &epraccur::FORMAT),
    (TableKind::Branches, &ebranchs::FORMAT),
    (TableKind::NetworkDetails, &epcn::DETAILS_FORMAT),
    (TableKind::NetworkPartners, &epcn::PARTNERS_FORMAT),
    (TableKind::Registrations, &registrations::FORMAT),
    (TableKind::Successions, &succ::FORMAT),
    (TableKind::OrganisationLookup, &ons_lookup::FORMAT),
    (TableKind::PracticeList, &practice_list::PRACTICES_FORMAT),
    (
        TableKind::NeighbouringPractices,
        &practice_list::NEIGHBOURING_FORMAT,
    ),
    (TableKind::Premises, &practice_list::PREMISES_FORMAT),
    (
        TableKind::FormerPremises,
        &practice_list::FORMER_PREMISES_FORMAT,
    ),
    (
        TableKind::NetworkPeriods,
        &practice_list::NETWORK_PERIODS_FORMAT,
    ),
    (
        TableKind::SuccessionList,
        &practice_list::SUCCESSIONS_FORMAT,
    ),
    (TableKind::Memberships, &MEMBERSHIPS_FORMAT),
    (TableKind::History, &area_history::FORMAT),
    (TableKind::Organisations, &hierarchy::FORMAT),
    (TableKind::GroupMembers, &resilience_groups::FORMAT),
    (TableKind::Councils, &districts::FORMAT),
    (TableKind::Shares, &registration_shares::FORMAT),
    (TableKind::Sources, &source_list::FORMAT),
    (TableKind::Addresses, &uprns::FORMAT),
];

impl TableKind {
    /// Returns the publisher and the title of the table.
    pub(crate) fn title(self) -> &'static str {
        let mut formats = FORMATS.iter();
        let found = formats.find(|(kind, _)| *kind == self);
        found.map_or("", |(_, format)| format.title)
    }
}

/// The format whose columns are the most similar to a header row.
pub(super) struct ClosestFormat {
    pub(super) kind: TableKind,
    title: &'static str,
    difference: HeaderDifference,
}

impl ClosestFormat {
    /// Returns whether the header row has every required column.
    pub(super) fn is_complete(&self) -> bool {
        self.difference.missing.is_empty()
    }

    /// Returns whether the header row probably belongs to this format, because it has most of the
    /// required columns.
    pub(super) fn is_likely(&self) -> bool {
        /// The minimum number of columns by which a format is recognised.
        const FOUND_MIN: usize = 3;
        let found = self.difference.found;
        found >= FOUND_MIN && found * 10 >= (found + self.difference.missing.len()) * 6
    }

    /// Describes the format and the columns that differ, as a sentence without a full stop.
    pub(super) fn words(&self) -> String {
        /// The maximum number of unknown columns that are listed.
        const UNKNOWN_NAMED_MAX: usize = 8;
        let HeaderDifference {
            missing, unknown, ..
        } = &self.difference;
        let mut parts = Vec::new();
        if missing.is_empty() {
            parts.push("the file has all of its columns".to_string());
        } else {
            parts.push(format!("the file lacks {}", missing.join(", ")));
            let named = unknown.iter().take(UNKNOWN_NAMED_MAX);
            let named: Vec<String> = named.map(|name| format!("`{name}`")).collect();
            let more = match unknown.len().saturating_sub(UNKNOWN_NAMED_MAX) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            if !named.is_empty() {
                parts.push(format!(
                    "and has columns that the format does not know: {}{more}",
                    named.join(", ")
                ));
            }
        }
        format!(
            "the closest known format is {}: {}",
            self.title,
            parts.join(" ")
        )
    }
}

/// Returns the format that has the most columns of the header row; `None` if no format has any of
/// them.
pub(super) fn closest_format(header: &[String]) -> Option<ClosestFormat> {
    let compared = FORMATS.iter().filter_map(|(kind, format)| {
        Some(ClosestFormat {
            kind: *kind,
            title: format.title,
            difference: format.compare(header)?,
        })
    });
    let found = compared.filter(|format| format.difference.found > 0);
    // Of several largest values, `max_by_key` returns the last.
    let mut found: Vec<ClosestFormat> = found.collect();
    found.reverse();
    found.into_iter().max_by_key(|format| {
        let HeaderDifference { found, missing, .. } = &format.difference;
        let share = found * 1000 / (found + missing.len());
        (missing.is_empty(), share, *found)
    })
}

/// Returns the separator of the columns, if the row was not split because its separator is not a
/// comma.
fn other_separator(first_row: &[String]) -> Option<char> {
    let [only] = first_row else { return None };
    let separators = [';', '\t', '|', '¬'];
    separators
        .into_iter()
        .find(|separator| only.contains(*separator))
}

/// Describes a first row that has none of the expected formats: its actual format, or the most
/// similar format.
pub(super) fn describe_first_row(first_row: &[String]) -> String {
    if let Some(separator) = other_separator(first_row) {
        let name = match separator {
            '\t' => "tabs".to_string(),
            other => format!("`{other}`"),
        };
        return format!(
            "the columns seem to be separated by {name}; save the file with commas between the columns"
        );
    }
    if let Some(closest) = closest_format(first_row) {
        return closest.words();
    }
    let by_count = FORMATS.iter().filter(|(_, format)| {
        matches!(format.columns, FormatColumns::Positions(counts) if counts.contains(&first_row.len()))
    });
    let titles: Vec<&str> = by_count.map(|(_, format)| format.title).collect();
    match titles.as_slice() {
        [] => format!(
            "it is not close to any known format: {}",
            row_in_words(first_row)
        ),
        titles => format!(
            "{} {} the same number of columns ({}), but other values: {}",
            titles.join(" and "),
            if titles.len() == 1 { "has" } else { "have" },
            first_row.len(),
            row_in_words(first_row)
        ),
    }
}

/// Formats the first cells of a row.
fn row_in_words(row: &[String]) -> String {
    /// The maximum number of cells, and the maximum number of characters of each cell.
    const CELLS_MAX: usize = 8;
    const CHARACTERS_MAX: usize = 40;
    let cells = row.iter().take(CELLS_MAX).map(|cell| {
        let text: String = cell.chars().take(CHARACTERS_MAX).collect();
        format!("`{text}`")
    });
    let more = if row.len() > CELLS_MAX { ", …" } else { "" };
    format!(
        "its first row is {}{more}",
        cells.collect::<Vec<_>>().join(", ")
    )
}

/// Describes the file of an error, if the error is about a first row that does not have the expected
/// format: the actual format of the file, or the most similar format.
pub(crate) fn explain<'e>(
    mut errors: impl Iterator<Item = &'e (dyn Error + 'static)>,
) -> Option<String> {
    errors.find_map(|error| {
        let first_row = match (
            error.downcast_ref::<ImportError>(),
            error.downcast_ref::<TableError>(),
        ) {
            (
                Some(
                    ImportError::MissingColumn { header: row, .. }
                    | ImportError::UnknownTable { first_row: row, .. },
                ),
                _,
            )
            | (_, Some(TableError::MissingColumn { header: row, .. })) => row,
            _ => return None,
        };
        Some(describe_first_row(first_row))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Vec<String> {
        text.split(',').map(str::to_string).collect()
    }

    #[test]
    fn every_kind_has_a_format_with_a_title() {
        for (index, (kind, format)) in FORMATS.iter().enumerate() {
            assert!(!format.title.is_empty());
            assert_eq!(kind.title(), format.title);
            assert!(FORMATS[..index].iter().all(|(other, _)| other != kind));
        }
    }

    #[test]
    fn the_closest_format_is_named_with_the_columns_that_differ() {
        for (header, expected) in [
            (
                "PUBLICATION,EXTRACT_DATE,PRACTICE,PRACTICE_NAME,LSOA_CODE,SEX,NUMBER_OF_PATIENTS",
                "the closest known format is NHS England, Patients Registered at a GP Practice, by \
                 LSOA: the file lacks `practice_code` and has columns that the format does not know: \
                 `PRACTICE`",
            ),
            (
                "pcd7,pcds,dointr,doterm,user,east1m,north1m,gridind,ctry25cd,lsoa21cd,sicbl24cd",
                "the closest known format is ONS Postcode Directory or National Statistics Postcode \
                 Lookup: the file lacks `usertype` (or `usrtypind`) and has columns that the format \
                 does not know: `user`",
            ),
            (
                "PCN Code,PCN Name,Current Sub ICB Loc Code,Open Date",
                "the closest known format is NHS ODS epcn (sheet `PCNDetails`): the file lacks \
                 `Close Date`",
            ),
            (
                "UPRN,X_COORDINATE,Y_COORDINATE,LATITUDE,LONGITUDE",
                "the closest known format is National Statistics UPRN Lookup, or OS Open UPRN with \
                 a column of postcodes: the file lacks `pcds` (or `postcode`)",
            ),
            (
                "ods_code;name;postcode",
                "the columns seem to be separated by `;`; save the file with commas between the \
                 columns",
            ),
            (
                "a,b,c,d,e",
                "NHS ODS succ has the same number of columns (5), but other values: its first row \
                 is `a`, `b`, `c`, `d`, `e`",
            ),
            (
                "a,b",
                "it is not close to any known format: its first row is `a`, `b`",
            ),
            (
                "predecessor,successor,predecessor_closed",
                "the closest known format is successions of practices (columns of \
                 data/source/practice_successions.csv): the file has all of its columns",
            ),
        ] {
            assert_eq!(describe_first_row(&row(header)), expected);
        }
    }

    #[test]
    fn errors_about_a_first_row_are_explained() {
        let error = ImportError::UnknownTable {
            file: "a.csv".into(),
            line: 1,
            expected: "expected 27 columns".into(),
            first_row: row("a,b"),
        };
        let error: &(dyn Error + 'static) = &error;
        assert!(explain([error].into_iter()).is_some());
        let other: &(dyn Error + 'static) = &ImportError::Refused {
            file: "a.csv".into(),
            reason: "it is old".into(),
        };
        assert_eq!(explain([other].into_iter()), None);
    }
}
