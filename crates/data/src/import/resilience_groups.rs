//! Members of community resilience groups, in the format of `data/source/resilience_groups.csv`:
//! `member,group_id,group_name,kind` and, optionally, `as_published,source,as_of`. A blank group
//! means that the source does not state a group for the member.

use jiff::civil::Date;

use crate::formats::{CsvTable, FormatColumns, TableError, TableFormat, present_name};
use catchment_core::domain::date_from_iso;

/// A row of the table.
#[derive(Debug, Clone)]
pub struct GroupMemberRecord {
    /// The id of an ICC or a sub-community.
    pub(crate) member: String,
    pub(crate) group: Option<GroupRecord>,
}

/// The group in a row.
#[derive(Debug, Clone)]
pub(crate) struct GroupRecord {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
    /// The group's name on the member's page, if it differs from the usual name.
    pub(crate) as_published: Option<String>,
    pub(crate) source: String,
    pub(crate) as_of: Option<Date>,
}

const COLUMN_NAMES: &[&str] = &["member", "group_id", "group_name", "kind"];
const OPTIONAL_COLUMN_NAMES: &[&str] = &["as_published", "source", "as_of"];

pub(super) const FORMAT: TableFormat = TableFormat {
    title: "members of groups (columns `member`, `group_id`, `group_name` and `kind`)",
    columns: FormatColumns::Named {
        required: COLUMN_NAMES,
        optional: OPTIONAL_COLUMN_NAMES,
        canonical: present_name,
    },
};

/// Reads every row, in the order of the file.
pub fn read(file: &str, bytes: &[u8]) -> Result<Vec<GroupMemberRecord>, TableError> {
    let table = CsvTable::open_with_optional(file, bytes, COLUMN_NAMES, OPTIONAL_COLUMN_NAMES)?;
    table.read(|row| {
        let group = match row.optional(1)? {
            None => None,
            Some(id) => Some(GroupRecord {
                id: id.to_string(),
                name: row.required(2)?.to_string(),
                kind: row.optional(3)?.map(str::to_string),
                as_published: row.optional(4)?.map(str::to_string),
                source: row.text(5)?.to_string(),
                as_of: row.parse_optional_with(6, date_from_iso)?,
            }),
        };
        Ok(GroupMemberRecord {
            member: row.required(0)?.to_string(),
            group,
        })
    })
}
