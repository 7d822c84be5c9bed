//! Changes of areas on a known day, such as councils or boards that merge:
//! `layer,date,area,successor,name,source`, and optionally `kind`. `date` is the day after the last
//! day of the area, and the first day of its successor. `name` and `kind` are those of the
//! successor.

use jiff::civil::Date;

use crate::formats::{CsvTable, TableError};
use catchment_core::domain::{Layer, date_from_iso};

/// A row of the file: an area that ends, and the area that replaces it.
#[derive(Debug, Clone)]
pub struct AreaChangeRecord {
    pub(crate) line: u64,
    pub(crate) layer: Layer,
    pub(crate) date: Date,
    pub(crate) area: String,
    /// The area that replaces it; `None` if no area replaces it.
    pub(crate) successor: Option<String>,
    /// The name of the successor, which is needed if the successor does not exist before the change.
    pub(crate) name: Option<String>,
    /// The term that the source uses for the successor, if it differs from the term for the layer:
    /// `unitary authority`.
    pub(crate) kind: Option<String>,
    /// The law or the decision that makes the change.
    pub(crate) source: String,
}

const COLUMN_NAMES: &[&str] = &["layer", "date", "area", "successor", "name", "source"];

/// The rows of a file, in order of date, and the name of the file for messages.
#[derive(Debug, Clone, Default)]
pub struct AreaChanges {
    pub(crate) file: String,
    pub(crate) rows: Vec<AreaChangeRecord>,
}

/// Reads every row.
pub fn read(file: &str, bytes: &[u8]) -> Result<AreaChanges, TableError> {
    let table = CsvTable::open_with_optional(file, bytes, COLUMN_NAMES, &["kind"])?;
    let mut rows = table.read(|row| {
        let text = |column| Ok::<_, TableError>(row.optional(column)?.map(str::to_string));
        let area = row.required(2)?.to_string();
        let successor = text(3)?;
        if successor.as_ref() == Some(&area) {
            return Err(row.cell_error(3, "must differ from the area that ends"));
        }
        Ok(AreaChangeRecord {
            line: row.line(),
            layer: row.layer(0)?,
            date: row.parse_with(1, date_from_iso)?,
            area,
            successor,
            name: text(4)?,
            kind: text(COLUMN_NAMES.len())?,
            source: row.required(5)?.to_string(),
        })
    })?;
    rows.sort_by_key(|row| row.date);
    Ok(AreaChanges {
        file: file.to_string(),
        rows,
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn rows_are_in_order_of_date() {
        let text = "layer,date,area,successor,name,source,kind\n\
            icc,2030-04-01,c,,,an order,\n\
            icc,2028-04-01,a,b,Bee,an order,unitary authority\n";
        let rows = read("changes.csv", text.as_bytes()).expect("a table").rows;
        assert_eq!((rows[0].date, rows[0].line), (date(2028, 4, 1), 3));
        assert_eq!(rows[0].successor.as_deref(), Some("b"));
        assert_eq!(rows[0].kind.as_deref(), Some("unitary authority"));
        assert_eq!((&rows[1].successor, &rows[1].name), (&None, &None));
    }

    #[test]
    fn invalid_cells_are_errors_with_line_and_column() {
        for (row, expected) in [
            (
                "icc,April 2028,a,b,Bee,an order",
                "column `date`: `April 2028`",
            ),
            ("icc,2028-04-01,,b,Bee,an order", "column `area`"),
            ("icc,2028-04-01,a,a,Ay,an order", "column `successor`: `a`"),
            ("icc,2028-04-01,a,b,Bee,", "column `source`"),
            (
                "I C C,2028-04-01,a,b,Bee,an order",
                "column `layer`: `I C C`",
            ),
        ] {
            let text = format!("layer,date,area,successor,name,source\n{row}\n");
            let error = read("changes.csv", text.as_bytes()).expect_err(row);
            let error = error.to_string();
            assert!(error.starts_with("changes.csv, line 2, "), "{error}");
            assert!(error.contains(expected), "{error}");
        }
    }
}
