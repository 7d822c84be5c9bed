//! The history of areas, in the format of `data/source/icc_history.csv`:
//! `system,id,name,kind,from,to,successor,relation,source`, and optionally `ended_by`. If the last
//! day of an area is not known, `ended_by` is the date of a page that no longer lists the area.

use jiff::civil::Date;

use crate::formats::{CsvTable, FormatColumns, TableError, TableFormat, present_name};
use catchment_core::domain::{Layer, LineageRelation, Period, UnknownKeyword, date_from_iso};

/// A row of the file: an area and the period in which it existed.
#[derive(Debug, Clone)]
pub struct AreaHistoryRecord {
    pub(crate) layer: Layer,
    pub(crate) system: String,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) period: Period,
    pub(crate) ended_by: Option<Date>,
    pub(crate) succession: Option<AreaSuccession>,
    /// The id of the area that contains this area.
    pub(crate) part_of: Option<String>,
    pub(crate) source: String,
}

/// How an area ended, and its successor, if any.
#[derive(Debug, Clone)]
pub(crate) struct AreaSuccession {
    pub(crate) relation: LineageRelation,
    pub(crate) successor: Option<String>,
}

const COLUMN_NAMES: &[&str] = &[
    "system",
    "id",
    "name",
    "kind",
    "from",
    "to",
    "successor",
    "relation",
    "source",
];

const OPTIONAL_COLUMN_NAMES: &[&str] = &["ended_by"];

pub(super) const FORMAT: TableFormat = TableFormat {
    title: "history of areas (columns of data/source/icc_history.csv)",
    columns: FormatColumns::Named {
        required: COLUMN_NAMES,
        optional: OPTIONAL_COLUMN_NAMES,
        canonical: present_name,
    },
};

/// Reads every row, in the order of the file.
pub fn read(file: &str, bytes: &[u8]) -> Result<Vec<AreaHistoryRecord>, TableError> {
    CsvTable::open_with_optional(file, bytes, COLUMN_NAMES, OPTIONAL_COLUMN_NAMES)?.read(|row| {
        let relation = row.text(7)?;
        let part_of = relation.strip_prefix("part of ").map(str::to_string);
        let succession = match (relation, &part_of) {
            ("", _) | (_, Some(_)) => None,
            (word, None) => Some(AreaSuccession {
                relation: word.parse().map_err(|_: UnknownKeyword| {
                    row.cell_error(7, "must be merged, renamed, split, unknown or part of ID")
                })?,
                successor: row.optional(6)?.map(str::to_string),
            }),
        };
        Ok(AreaHistoryRecord {
            layer: row.layer(3)?,
            system: row.required(0)?.to_string(),
            id: row.required(1)?.to_string(),
            name: row.required(2)?.to_string(),
            period: Period {
                from: row.parse_optional_with(4, date_from_iso)?,
                to: row.parse_optional_with(5, date_from_iso)?,
            },
            ended_by: row.parse_optional_with(9, date_from_iso)?,
            succession,
            part_of,
            source: row.text(8)?.to_string(),
        })
    })
}
