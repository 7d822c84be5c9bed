//! Tables of modelled shares. A share is the proportion of a statistical area's people who are
//! registered with a practice. The columns are `ods_code`, `share` (from 0 to 1), and `lsoa11cd` or
//! `lsoa21cd`, which contains the code of the statistical area.

use std::collections::{BTreeMap, BTreeSet};

use crate::formats::{CsvTable, FormatColumns, TableError, TableFormat, present_name};
use catchment_core::domain::OdsCode;

/// The names of the column with the code of the statistical area.
const AREA_COLUMNS: [&str; 2] = ["lsoa11cd", "lsoa21cd"];

pub(super) const FORMAT: TableFormat = TableFormat {
    title: "table of modelled shares (columns `lsoa11cd` or `lsoa21cd`, `ods_code` and `share`)",
    columns: FormatColumns::Aliases {
        required: &[&AREA_COLUMNS, &["ods_code"], &["share"]],
        known: |_| false,
        canonical: present_name,
    },
};

/// How far the shares of a statistical area may exceed 1 because they are rounded.
const ROUNDING: f64 = 0.005;

/// For each statistical area, in order of code, the shares of its practices.
pub type SharesByArea = BTreeMap<String, Vec<(OdsCode, f64)>>;

/// Reads the shares. The shares of an area may add up to less than 1, because the other people in
/// the area are registered with practices that are not in the table, for example because their
/// share is too small.
///
/// # Errors
/// If a column is missing, a share is not greater than 0 and at most 1, a practice is listed twice
/// for a statistical area, or the shares of a statistical area add up to more than 1. The error
/// states the line.
pub fn read(file: &str, bytes: &[u8]) -> Result<SharesByArea, TableError> {
    let header = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let is_lsoa21 = !String::from_utf8_lossy(header).contains(AREA_COLUMNS[0])
        && String::from_utf8_lossy(header).contains(AREA_COLUMNS[1]);
    let area_column = AREA_COLUMNS[usize::from(is_lsoa21)];
    let mut seen = BTreeSet::new();
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    let mut shares = SharesByArea::new();
    let columns = [area_column, "ods_code", "share"];
    CsvTable::open(file, bytes, &columns)?.read(|row| {
        let area = row.required(0)?.to_string();
        let practice: OdsCode = row.parse(1)?;
        let share: f64 = row.parse_with(2, parse_share)?;
        if !seen.insert((area.clone(), practice)) {
            return Err(row.cell_error(1, "must be listed only once for a statistical area"));
        }
        let sum = sums.entry(area.clone()).or_default();
        *sum += share;
        if *sum > 1.0 + ROUNDING {
            return Err(row.cell_error(
                2,
                "must not make the shares of the statistical area add up to more than 1",
            ));
        }
        shares.entry(area).or_default().push((practice, share));
        Ok(())
    })?;
    for parts in shares.values_mut() {
        parts.sort_by_key(|&(practice, _)| practice);
    }
    Ok(shares)
}

fn parse_share(text: &str) -> Result<f64, &'static str> {
    let share: f64 = text.parse().unwrap_or(f64::NAN);
    if share > 0.0 && share <= 1.0 {
        Ok(share)
    } else {
        Err("must be a share greater than 0 and at most 1, such as 0.25")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_in_order_of_area_and_practice() {
        let table = "lsoa11cd,ods_code,share\nE01000002,A00001,1\nE01000001,A00002,0.25\n\
                     E01000001,A00001,0.5\n";
        let shares = read("shares.csv", table.as_bytes()).expect("shares");
        assert!(shares.keys().eq(["E01000001", "E01000002"]));
        let first: Vec<(String, f64)> = shares["E01000001"]
            .iter()
            .map(|(practice, share)| (practice.to_string(), *share))
            .collect();
        assert_eq!(
            first,
            [("A00001".to_string(), 0.5), ("A00002".to_string(), 0.25)]
        );
        let table = "lsoa21cd,ods_code,share\nE01000002,A00001,1\n";
        assert_eq!(
            read("shares.csv", table.as_bytes()).expect("shares").len(),
            1
        );
    }

    #[test]
    fn invalid_tables_are_rejected_with_the_line() {
        for (rows, expected) in [
            ("E01000001,A00001,0\n", "line 2"),
            ("E01000001,A00001,1.5\n", "line 2"),
            ("E01000001,A00001,NaN\n", "line 2"),
            ("E01000001,A00001,many\n", "line 2"),
            ("E01000001,A00001,0.5\nE01000001,A00001,0.1\n", "only once"),
            (
                "E01000001,A00001,0.6\nE01000001,A00002,0.6\n",
                "more than 1",
            ),
            (",A00001,0.6\n", "line 2"),
        ] {
            let table = format!("lsoa11cd,ods_code,share\n{rows}");
            let error = read("shares.csv", table.as_bytes()).expect_err(rows);
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert!(read("shares.csv", b"code,ods_code,share\n").is_err());
    }
}
