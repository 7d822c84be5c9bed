//! Local authority districts, before and after reorganisations, in the format of
//! `data/source/councils.csv`: `code,name,kind,from,to,successor`, among other columns. `to` is the
//! last day of a district, and `successor` lists the codes of its successors, separated by `;`.

use crate::formats::{CsvTable, FormatColumns, TableError, TableFormat, present_name};
use catchment_core::domain::{GssCode, Period, date_from_iso};

/// A row of the file: a district and the period in which it existed.
#[derive(Debug, Clone)]
pub struct DistrictRecord {
    pub(crate) code: String,
    pub(crate) name: String,
    /// The kind of district in the source, such as `unitary authority`.
    pub(crate) kind: Option<String>,
    pub(crate) period: Period,
    pub(crate) successors: Vec<String>,
}

const COLUMN_NAMES: &[&str] = &["code", "name", "kind", "from", "to", "successor"];

pub(super) const FORMAT: TableFormat = TableFormat {
    title: "councils (columns of data/source/councils.csv)",
    columns: FormatColumns::Named {
        required: COLUMN_NAMES,
        optional: &[],
        canonical: present_name,
    },
};

/// Reads every row, in the order of the file.
pub fn read(file: &str, bytes: &[u8]) -> Result<Vec<DistrictRecord>, TableError> {
    CsvTable::open(file, bytes, COLUMN_NAMES)?.read(|row| {
        let last_day = row.parse_optional_with(4, date_from_iso)?;
        let successors = row.text(5)?.split(';').map(str::trim);
        let successors = successors.filter(|code| !code.is_empty());
        Ok(DistrictRecord {
            code: row.parse::<GssCode>(0)?.to_string(),
            name: row.required(1)?.to_string(),
            kind: row.optional(2)?.map(str::to_string),
            period: Period {
                from: row.parse_optional_with(3, date_from_iso)?,
                to: last_day.map(|last| last.tomorrow().unwrap_or(last)),
            },
            successors: successors.map(str::to_string).collect(),
        })
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_last_day_of_a_district_is_inclusive() {
        let text = "code,name,kind,county_code,from,to,successor\n\
            E07000029,Copeland,district,E10000006,,2023-03-31,E06000063\n\
            E10000006,Cumbria,county,,,2023-03-31,E06000063; E06000064\n";
        let rows = read("councils.csv", text.as_bytes()).expect("a table");
        let until = Period {
            from: None,
            to: Some(date(2023, 4, 1)),
        };
        assert_eq!((&*rows[0].name, rows[0].period), ("Copeland", until));
        assert_eq!(rows[1].successors, ["E06000063", "E06000064"]);
    }

    #[test]
    fn codes_that_are_not_gss_codes_are_errors_with_line_and_column() {
        let text = "code,name,kind,from,to,successor\nCopeland,Copeland,district,,,\n";
        let error = read("councils.csv", text.as_bytes()).expect_err("not a code");
        let error = error.to_string();
        assert!(
            error.starts_with("councils.csv, line 2, column `code`"),
            "{error}"
        );
        assert!(error.contains("must be a GSS code"), "{error}");
    }
}
