//! GP practices, their premises and successions, in the format of the tables in `data/source`,
//! which are compiled from NHS ODS. Dates are `YYYYMMDD`; a close date is the last day on which the
//! practice was open.

use jiff::ToSpan;
use jiff::civil::Date;

use super::dates;
use crate::dataset::cells;
use crate::formats::{CsvTable, TableError};
use catchment_core::domain::{
    BritishGrid, OdsCode, Practice, PracticeSuccession, Premises, PremisesKind,
};

/// A practice with its ICC, the name of its PCN and the position of its main address.
#[derive(Debug, Clone)]
pub struct PracticeRecord {
    pub(crate) practice: Practice,
    pub(crate) icc: Option<String>,
    pub(crate) pcn_name: Option<String>,
    pub(crate) position: Option<BritishGrid>,
}

const PRACTICE_COLUMNS: &[&str] = &[
    "ods_code",
    "name",
    "address",
    "postcode",
    "telephone",
    "easting",
    "northing",
    "status_dec2023",
    "opened",
    "closed",
    "icc_id",
    "pcn_code",
    "sub_icb",
    "list_size_2021",
    "pcn_name",
];

/// Reads every practice, in order of ODS code.
pub fn read_practices(file: &str, bytes: &[u8]) -> Result<Vec<PracticeRecord>, TableError> {
    let mut rows = CsvTable::open(file, bytes, PRACTICE_COLUMNS)?.read(|row| {
        let practice = Practice {
            code: row.parse(0)?,
            name: row.required(1)?.to_string(),
            address: row.text(2)?.to_string(),
            postcode: row.parse_optional(3)?,
            telephone: row.optional(4)?.map(str::to_string),
            status: row.parse(7)?,
            opened: row.parse_optional_with(8, dates::parse_yyyymmdd)?,
            closed: row.parse_optional_with(9, dates::parse_yyyymmdd)?,
            sub_icb: row.optional(12)?.map(str::to_string),
            pcn: row.optional(11)?.map(str::to_string),
            list_size: row.parse_optional(13)?,
        };
        Ok(PracticeRecord {
            practice,
            icc: row.optional(10)?.map(str::to_string),
            pcn_name: row.optional(14)?.map(str::to_string),
            position: cells::position(row, 5)?,
        })
    })?;
    rows.sort_by_key(|row| row.practice.code);
    Ok(rows)
}

const PREMISES_COLUMNS: &[&str] = &["ods_code", "kind", "postcode", "easting", "northing"];

/// Reads all premises, in order of the practice's ODS code, with the main premises of each practice
/// first. Kinds are `main`, `branch(…)`, `branch(…) of CODE` and `predecessor CODE`. The last two
/// kinds are premises of a practice that the practice took over.
pub fn read_premises(file: &str, bytes: &[u8]) -> Result<Vec<Premises>, TableError> {
    let mut rows = CsvTable::open(file, bytes, PREMISES_COLUMNS)?.read(|row| {
        Ok(Premises {
            practice: row.parse(0)?,
            kind: row.parse_with(1, parse_premises_kind)?,
            postcode: row.parse_optional(2)?,
            position: cells::required_position(row, 3)?,
        })
    })?;
    rows.sort_by_key(|row| (row.practice, row.kind as u8, row.postcode));
    rows.dedup_by_key(|row| (row.practice, row.postcode, row.position));
    Ok(rows)
}

fn parse_premises_kind(words: &str) -> Result<PremisesKind, &'static str> {
    if words == "main" {
        Ok(PremisesKind::Main)
    } else if words.starts_with("predecessor ") || words.contains(" of ") {
        Ok(PremisesKind::Predecessor)
    } else if words.starts_with("branch") {
        Ok(PremisesKind::Branch)
    } else {
        Err("must be main, branch(YEAR), branch(YEAR) of CODE or predecessor CODE")
    }
}

const SUCCESSION_COLUMNS: &[&str] = &["predecessor", "successor", "predecessor_closed"];

/// Reads every succession, in order of predecessor. The first day with the successor is the day
/// after the predecessor's last day.
pub fn read_successions(file: &str, bytes: &[u8]) -> Result<Vec<PracticeSuccession>, TableError> {
    let mut rows = CsvTable::open(file, bytes, SUCCESSION_COLUMNS)?.read(|row| {
        Ok(PracticeSuccession {
            predecessor: row.parse::<OdsCode>(0)?,
            successor: row.parse::<OdsCode>(1)?,
            from: day_after(row.parse_with(2, dates::parse_yyyymmdd)?),
        })
    })?;
    rows.sort_by_key(|row| (row.predecessor, row.successor));
    Ok(rows)
}

fn day_after(day: Date) -> Date {
    day.saturating_add(1.day())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_close_date_is_the_last_day() {
        let read = read_successions(
            "s.csv",
            b"predecessor,successor,predecessor_closed,note\nP81064,P81002,20180630,merged\n",
        )
        .expect("a table");
        assert_eq!(read[0].from, date(2018, 7, 1));
    }

    #[test]
    fn yyyymmdd_dates_are_strict() {
        assert_eq!(dates::parse_yyyymmdd("20240229"), Ok(date(2024, 2, 29)));
        for text in ["20230229", "2023-02-01", "", "2023011", "２０２３"] {
            assert!(dates::parse_yyyymmdd(text).is_err(), "{text}");
        }
    }

    #[test]
    fn premises_kinds_are_parsed() {
        assert_eq!(
            parse_premises_kind("branch(2017)"),
            Ok(PremisesKind::Branch)
        );
        assert_eq!(
            parse_premises_kind("branch(2017) of A82034"),
            Ok(PremisesKind::Predecessor)
        );
        assert_eq!(
            parse_premises_kind("predecessor P81064"),
            Ok(PremisesKind::Predecessor)
        );
        assert!(parse_premises_kind("annexe").is_err());
    }
}
