//! Members of community resilience groups, in the format of `data/source/resilience_groups.csv`:
//! `member,group_id,group_name,kind,as_published,source`. A blank group means that the source does
//! not name a group for the member.

use crate::formats::{CsvTable, TableError};

/// A row of the table.
#[derive(Debug, Clone)]
pub struct GroupMemberRecord {
    /// The id of an ICC or a sub-community.
    pub(crate) member: String,
    pub(crate) group: Option<GroupRecord>,
}

/// The group that a row names.
#[derive(Debug, Clone)]
pub(crate) struct GroupRecord {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
}

const COLUMN_NAMES: &[&str] = &["member", "group_id", "group_name", "kind"];

/// Reads every row, in the order of the file.
pub fn read(file: &str, bytes: &[u8]) -> Result<Vec<GroupMemberRecord>, TableError> {
    CsvTable::open(file, bytes, COLUMN_NAMES)?.read(|row| {
        let group = match row.optional(1)? {
            None => None,
            Some(id) => Some(GroupRecord {
                id: id.to_string(),
                name: row.required(2)?.to_string(),
                kind: row.optional(3)?.map(str::to_string),
            }),
        };
        Ok(GroupMemberRecord {
            member: row.required(0)?.to_string(),
            group,
        })
    })
}
