//! The history of areas, in the format of `data/source/icc_history.csv`:
//! `system,id,name,kind,from,to,successor,relation,source`.

use crate::dataset::TableError;
use crate::dataset::table::Table;
use crate::domain::{Layer, Period, Relation, date_from_iso};

/// A row of the history.
#[derive(Debug, Clone)]
pub(crate) struct ListedArea {
    pub(crate) layer: Layer,
    pub(crate) system: String,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) period: Period,
    pub(crate) fate: Option<Fate>,
    /// The id of the area that this one is a part of.
    pub(crate) part_of: Option<String>,
    pub(crate) source: String,
}

/// The succession of an area that ended.
#[derive(Debug, Clone)]
pub(crate) struct Fate {
    pub(crate) relation: Relation,
    pub(crate) successor: Option<String>,
}

const COLUMNS: &[&str] = &[
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

/// Reads every row, in the order of the file.
pub(crate) fn read(file: &str, bytes: &[u8]) -> Result<Vec<ListedArea>, TableError> {
    Table::open(file, bytes, COLUMNS)?.read(|row| {
        let relation = row.text(7)?;
        let part_of = relation.strip_prefix("part of ").map(str::to_string);
        let fate = match (relation, &part_of) {
            ("", _) | (_, Some(_)) => None,
            (word, None) => Some(Fate {
                relation: Relation::from_word(word)
                    .ok_or_else(|| row.wrong(7, "merged, renamed, split, unknown or part of ID"))?,
                successor: row.optional(6)?.map(str::to_string),
            }),
        };
        Ok(ListedArea {
            layer: row.parse(3)?,
            system: row.filled(0)?.to_string(),
            id: row.filled(1)?.to_string(),
            name: row.filled(2)?.to_string(),
            period: Period {
                from: row.with_optional(4, date_from_iso)?,
                to: row.with_optional(5, date_from_iso)?,
            },
            fate,
            part_of,
            source: row.text(8)?.to_string(),
        })
    })
}
