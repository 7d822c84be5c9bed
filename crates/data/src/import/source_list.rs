//! The published works that a dataset is built from, in the format of `data/source/sources.csv`:
//! `table,columns,publisher,title,as_of,released,licence,attribution`, one row for each table and
//! work, and optionally `frequency`. The columns of a table are separated by semicolons.

use crate::formats::{CsvTable, FormatColumns, TableError, TableFormat, present_name};
use catchment_core::domain::{InvalidDate, SourceDate, SourceEntry, SourceUse};

const COLUMN_NAMES: &[&str] = &[
    "table",
    "columns",
    "publisher",
    "title",
    "as_of",
    "released",
    "licence",
    "attribution",
];

pub(super) const FORMAT: TableFormat = TableFormat {
    title: "list of sources (columns of data/source/sources.csv)",
    columns: FormatColumns::Named {
        required: COLUMN_NAMES,
        optional: &[],
        canonical: present_name,
    },
};

/// The beginning of a cell of `as_of` that refers to a column of the table.
const REFERENCE: &str = "see ";

/// Reads the works, in the order in which the file first lists them. Rows that differ only in the
/// table and columns describe the same work.
pub fn read(file: &str, bytes: &[u8]) -> Result<Vec<SourceEntry>, TableError> {
    let table = CsvTable::open_with_optional(file, bytes, COLUMN_NAMES, &["frequency"])?;
    let rows = table.read(|row| {
        let columns = row.text(1)?.split(';').map(str::trim);
        let used = SourceUse {
            table: row.required(0)?.to_string(),
            columns: columns
                .filter(|column| !column.is_empty())
                .map(str::to_string)
                .collect(),
        };
        let text = |column| Ok::<_, TableError>(row.optional(column)?.map(str::to_string));
        let (as_of, vintage) = row
            .parse_optional_with(4, parse_as_of)?
            .unwrap_or((None, None));
        let work = SourceEntry {
            title: row.required(3)?.to_string(),
            publisher: text(2)?,
            as_of,
            vintage,
            released: row.parse_optional(5)?,
            frequency: row.parse_optional(COLUMN_NAMES.len())?,
            licence: text(6)?,
            attribution: text(7)?,
            tables: Vec::new(),
        };
        Ok((work, used))
    })?;
    let mut works: Vec<(SourceEntry, Vec<SourceUse>)> = Vec::new();
    for (work, used) in rows {
        match works.iter_mut().find(|(known, _)| *known == work) {
            Some((_, tables)) => tables.push(used),
            None => works.push((work, vec![used])),
        }
    }
    let works = works.into_iter();
    Ok(works
        .map(|(work, tables)| SourceEntry { tables, ..work })
        .collect())
}

/// Parses a date, or a reference such as `see as_of` to the column of the table that contains the
/// date of each row. Returns the date or, if there is a reference, a description of the reference.
fn parse_as_of(text: &str) -> Result<(Option<SourceDate>, Option<String>), InvalidDate> {
    match text.strip_prefix(REFERENCE) {
        Some(column) => Ok((
            None,
            Some(format!(
                "each row has its own: column {column} of the table"
            )),
        )),
        None => Ok((Some(text.parse()?), None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catchment_core::domain::SourceFrequency;

    const HEADER: &str =
        "table,columns,publisher,title,as_of,released,licence,attribution,read_from";

    fn read_rows(rows: &str) -> Result<Vec<SourceEntry>, String> {
        let text = format!("{HEADER}\n{rows}\n");
        read("sources.csv", text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_work_is_listed_once_with_all_its_tables() {
        let works = read_rows(
            "a.csv,b; c,Office,Directory,2025-11,,Open,(c) Office,x\n\
             d.csv,,Pages,Facts,see source,,,,y\n\
             e.csv,,Office,Directory,2025-11,,Open,(c) Office,z",
        );
        let works = works.expect("works");
        assert_eq!(works.len(), 2);
        let used = |table: &str, columns: &[&str]| SourceUse {
            table: table.into(),
            columns: columns.iter().map(|column| column.to_string()).collect(),
        };
        assert_eq!(
            works[0].tables,
            [used("a.csv", &["b", "c"]), used("e.csv", &[])]
        );
        assert_eq!(works[0].date_in_words().as_deref(), Some("November 2025"));
        assert_eq!(works[0].attribution.as_deref(), Some("(c) Office"));
        assert_eq!((works[1].as_of, &works[1].licence), (None, &None));
        assert_eq!(
            works[1].date_in_words().as_deref(),
            Some("each row has its own: column source of the table")
        );
    }

    #[test]
    fn a_table_can_declare_how_often_a_work_is_published() {
        let rows = "a.csv,,Office,Directory,2025,,,,x,quarterly\nb.csv,,Office,Map,2025,,,,x,\n";
        let text = format!("{HEADER},frequency\n{rows}");
        let works = read("sources.csv", text.as_bytes()).expect("works");
        let found: Vec<_> = works.iter().map(|work| work.frequency).collect();
        assert_eq!(found, [Some(SourceFrequency::Quarterly), None]);
        let text = text.replace("quarterly", "weekly");
        let error = read("sources.csv", text.as_bytes()).expect_err("a frequency");
        let error = error.to_string();
        assert!(
            error.contains("line 2, column `frequency`: `weekly`"),
            "{error}"
        );
        assert!(
            error.contains("monthly, quarterly, yearly or once"),
            "{error}"
        );
    }

    #[test]
    fn invalid_dates_are_errors_that_name_the_cell() {
        assert_eq!(
            read_rows("a.csv,,Office,Directory,Nov 2025,,,,x").expect_err("not a date"),
            "sources.csv, line 2, column `as_of`: `Nov 2025` is not valid: not a date: expected a \
             date written YYYY-MM-DD, YYYY-MM or YYYY"
        );
        let error = read_rows("a.csv,,Office,,2025,,,,x").expect_err("no title");
        assert!(error.contains("column `title`"), "{error}");
    }
}
