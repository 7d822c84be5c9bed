//! Members of community resilience groups, in the format of `data/source/resilience_groups.csv`:
//! `member,group_id,group_name,kind,as_published,source`. A blank group means that the source does
//! not name one for the member.

use crate::dataset::TableError;
use crate::dataset::table::Table;

/// A row of the table.
#[derive(Debug, Clone)]
pub(crate) struct ListedMember {
    /// The id of an ICC or a sub-community.
    pub(crate) member: String,
    pub(crate) group: Option<ListedGroup>,
}

/// The group of a row.
#[derive(Debug, Clone)]
pub(crate) struct ListedGroup {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
}

const COLUMNS: &[&str] = &["member", "group_id", "group_name", "kind"];

/// Reads every row, in the order of the file.
pub(crate) fn read(file: &str, bytes: &[u8]) -> Result<Vec<ListedMember>, TableError> {
    Table::open(file, bytes, COLUMNS)?.read(|row| {
        let group = match row.optional(1)? {
            None => None,
            Some(id) => Some(ListedGroup {
                id: id.to_string(),
                name: row.filled(2)?.to_string(),
                kind: row.optional(3)?.map(str::to_string),
            }),
        };
        Ok(ListedMember {
            member: row.filled(0)?.to_string(),
            group,
        })
    })
}
