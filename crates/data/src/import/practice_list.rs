//! GP practices, their premises, networks and successions, in the format of the tables in
//! `data/source`, which are compiled from NHS ODS. Dates are in the format `YYYYMMDD`. A close date
//! is the last day on which the practice was open.

use jiff::ToSpan;
use jiff::civil::{Date, date};

use super::dates;
use crate::dataset::cells;
use crate::formats::{CsvTable, FormatColumns, TableError, TableFormat, present_name};
use catchment_core::domain::{
    BritishGrid, FormerPremises, NeighbouringPractice, OdsCode, Period, Practice,
    PracticeSuccession, Premises, PremisesKind, SourceDate, SuccessionEvidence,
};

/// A practice with its community, the name of its network and the position of its main address.
#[derive(Debug, Clone)]
pub struct PracticeRecord {
    pub(crate) practice: Practice,
    pub(crate) community: Option<String>,
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
    "community_id",
    "pcn_code",
    "sub_icb",
    "list_size_2021",
    "pcn_name",
];

/// The columns that were added in 2026.
const PRACTICE_COLUMNS_OPTIONAL: &[&str] =
    &["list_size_2026_04", "status_2026", "ods_as_of", "note"];

pub(super) const PRACTICES_FORMAT: TableFormat = TableFormat {
    title: "table of practices (columns of data/source/practices.csv)",
    columns: FormatColumns::Named {
        required: PRACTICE_COLUMNS,
        optional: PRACTICE_COLUMNS_OPTIONAL,
        canonical: present_name,
    },
};

/// The dates that the names of the columns of list sizes state: the list size of `list_size_2021`
/// is that of the Quality and Outcomes Framework 2020/21.
const LIST_SIZE_2026: Date = date(2026, 4, 1);
const LIST_SIZE_2021: &str = "2021";
/// The date in the name of the column `status_2025_08`.
const NEIGHBOURING_AS_OF: &str = "2025-08";

fn source_date(text: &str) -> SourceDate {
    text.parse().expect("a date")
}

/// Reads every practice, in order of ODS code.
pub fn read_practices(file: &str, bytes: &[u8]) -> Result<Vec<PracticeRecord>, TableError> {
    let columns = (PRACTICE_COLUMNS, PRACTICE_COLUMNS_OPTIONAL);
    let table = CsvTable::open_with_optional(file, bytes, columns.0, columns.1)?;
    let mut rows = table.read(|row| {
        let newest_size: Option<u32> = row.parse_optional(15)?;
        let older_size: Option<u32> = row.parse_optional(13)?;
        let (list_size, list_size_as_of) = match (newest_size, older_size) {
            (Some(size), _) => (Some(size), Some(SourceDate::Day(LIST_SIZE_2026))),
            (None, Some(size)) => (Some(size), Some(source_date(LIST_SIZE_2021))),
            (None, None) => (None, None),
        };
        let practice = Practice {
            code: row.parse(0)?,
            name: row.required(1)?.to_string(),
            address: row.text(2)?.to_string(),
            postcode: row.parse_optional(3)?,
            telephone: row.optional(4)?.map(str::to_string),
            // The newest status in the table.
            status: match row.parse_optional(16)? {
                Some(status) => status,
                None => row.parse(7)?,
            },
            opened: row.parse_optional_with(8, dates::parse_yyyymmdd)?,
            closed: row.parse_optional_with(9, dates::parse_yyyymmdd)?,
            sub_icb: row.optional(12)?.map(str::to_string),
            pcn: row.optional(11)?.map(str::to_string),
            list_size,
            list_size_as_of,
            as_of: row.parse_optional(17)?,
            note: row.optional(18)?.map(str::to_string),
        };
        Ok(PracticeRecord {
            practice,
            community: row.optional(10)?.map(str::to_string),
            pcn_name: row.optional(14)?.map(str::to_string),
            position: cells::position(row, 5)?,
        })
    })?;
    rows.sort_by_key(|row| row.practice.code);
    Ok(rows)
}

const PREMISES_COLUMNS: &[&str] = &["ods_code", "kind", "postcode", "easting", "northing"];
const PREMISES_COLUMNS_OPTIONAL: &[&str] = &["name", "as_of", "source"];

pub(super) const PREMISES_FORMAT: TableFormat = TableFormat {
    title: "premises of practices (columns of data/source/practice_sites.csv)",
    columns: FormatColumns::Named {
        required: PREMISES_COLUMNS,
        optional: PREMISES_COLUMNS_OPTIONAL,
        canonical: present_name,
    },
};

/// Reads all premises, in order of the practice's ODS code, with the main premises of each practice
/// first. Kinds are `main`, `branch(…)`, `branch(…) of CODE` and `predecessor CODE`. The last two
/// kinds are premises of another practice, which this practice took over.
pub fn read_premises(file: &str, bytes: &[u8]) -> Result<Vec<Premises>, TableError> {
    let columns = (PREMISES_COLUMNS, PREMISES_COLUMNS_OPTIONAL);
    let table = CsvTable::open_with_optional(file, bytes, columns.0, columns.1)?;
    let mut rows = table.read(|row| {
        Ok(Premises {
            practice: row.parse(0)?,
            kind: row.parse_with(1, parse_premises_kind)?,
            postcode: row.parse_optional(2)?,
            position: cells::required_position(row, 3)?,
            name: row.optional(5)?.map(str::to_string),
            as_of: row.parse_optional(6)?,
            source: row.optional(7)?.map(str::to_string),
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

const FORMER_PREMISES_COLUMNS: &[&str] = &[
    "ods_code", "postcode", "name", "held_as", "reason", "source",
];

pub(super) const FORMER_PREMISES_FORMAT: TableFormat = TableFormat {
    title: "former premises of practices (columns of data/source/practice_sites_former.csv)",
    columns: FormatColumns::Named {
        required: FORMER_PREMISES_COLUMNS,
        optional: &[],
        canonical: present_name,
    },
};

/// Reads every building that a practice used before, in order of the practice's ODS code.
pub fn read_former_premises(file: &str, bytes: &[u8]) -> Result<Vec<FormerPremises>, TableError> {
    let mut rows = CsvTable::open(file, bytes, FORMER_PREMISES_COLUMNS)?.read(|row| {
        Ok(FormerPremises {
            practice: row.parse(0)?,
            postcode: row.parse_optional(1)?,
            name: row.required(2)?.to_string(),
            held_as: row.text(3)?.to_string(),
            reason: row.text(4)?.to_string(),
            source: row.text(5)?.to_string(),
        })
    })?;
    rows.sort_by_key(|row| (row.practice, row.postcode));
    Ok(rows)
}

const NEIGHBOURING_COLUMNS: &[&str] = &[
    "ods_code",
    "name",
    "postcode",
    "sub_icb",
    "icb",
    "status_2025_08",
    "closed",
    "registered_2026_04",
    "easting",
    "northing",
];

pub(super) const NEIGHBOURING_FORMAT: TableFormat = TableFormat {
    title: "practices around the area (columns of data/source/practices_neighbouring.csv)",
    columns: FormatColumns::Named {
        required: NEIGHBOURING_COLUMNS,
        optional: &[],
        canonical: present_name,
    },
};

/// Reads every practice around the area of the dataset, in order of ODS code.
pub fn read_neighbouring(
    file: &str,
    bytes: &[u8],
) -> Result<Vec<NeighbouringPractice>, TableError> {
    let mut rows = CsvTable::open(file, bytes, NEIGHBOURING_COLUMNS)?.read(|row| {
        let list_size: Option<u32> = row.parse_optional(7)?;
        Ok(NeighbouringPractice {
            practice: Practice {
                code: row.parse(0)?,
                name: row.required(1)?.to_string(),
                address: String::new(),
                postcode: row.parse_optional(2)?,
                telephone: None,
                status: row.parse(5)?,
                opened: None,
                closed: row.parse_optional_with(6, dates::parse_yyyymmdd)?,
                sub_icb: row.optional(3)?.map(str::to_string),
                pcn: None,
                list_size,
                list_size_as_of: list_size.map(|_| SourceDate::Day(LIST_SIZE_2026)),
                as_of: Some(source_date(NEIGHBOURING_AS_OF)),
                note: None,
            },
            icb: row.optional(4)?.map(str::to_string),
            position: cells::position(row, 8)?,
        })
    })?;
    rows.sort_by_key(|row| row.practice.code);
    Ok(rows)
}

/// A period in which a practice belonged to a Primary Care Network.
#[derive(Debug, Clone)]
pub struct NetworkPeriod {
    pub(crate) practice: OdsCode,
    pub(crate) pcn: String,
    pub(crate) pcn_name: String,
    pub(crate) period: Period,
    /// The community of the network, if communities consist of the practices of networks.
    pub(crate) community: Option<String>,
}

const NETWORK_COLUMNS: &[&str] = &[
    "ods_code",
    "pcn_code",
    "pcn_name",
    "from",
    "to",
    "community_id",
];

pub(super) const NETWORK_PERIODS_FORMAT: TableFormat = TableFormat {
    title: "periods of practices in networks (columns of data/source/pcn_membership.csv)",
    columns: FormatColumns::Named {
        required: NETWORK_COLUMNS,
        optional: &[],
        canonical: present_name,
    },
};

/// Reads every period of a practice in a network, in order of ODS code and first day. The column
/// `to` contains the last day.
pub fn read_network_periods(file: &str, bytes: &[u8]) -> Result<Vec<NetworkPeriod>, TableError> {
    let mut rows = CsvTable::open(file, bytes, NETWORK_COLUMNS)?.read(|row| {
        let period = Period {
            from: row.parse_optional_with(3, dates::parse_yyyymmdd)?,
            to: row
                .parse_optional_with(4, dates::parse_yyyymmdd)?
                .map(day_after),
        };
        match (period.from, period.to) {
            (Some(from), Some(to)) if to <= from => Err(row.cell_error(
                4,
                "must be the last day of the period, which cannot be before its first day",
            )),
            _ => Ok(NetworkPeriod {
                practice: row.parse(0)?,
                pcn: row.required(1)?.to_string(),
                pcn_name: row.required(2)?.to_string(),
                period,
                community: row.optional(5)?.map(str::to_string),
            }),
        }
    })?;
    rows.sort_by_key(|row| (row.practice, row.period.from));
    Ok(rows)
}

const SUCCESSION_COLUMNS: &[&str] = &["predecessor", "successor", "predecessor_closed"];
const SUCCESSION_COLUMNS_OPTIONAL: &[&str] = &["basis", "pcn_left", "note", "source"];

pub(super) const SUCCESSIONS_FORMAT: TableFormat = TableFormat {
    title: "successions of practices (columns of data/source/practice_successions.csv)",
    columns: FormatColumns::Named {
        required: SUCCESSION_COLUMNS,
        optional: SUCCESSION_COLUMNS_OPTIONAL,
        canonical: present_name,
    },
};

/// Reads every succession, in order of predecessor. The first day with the successor is the day
/// after the predecessor's last day.
pub fn read_successions(file: &str, bytes: &[u8]) -> Result<Vec<PracticeSuccession>, TableError> {
    let columns = (SUCCESSION_COLUMNS, SUCCESSION_COLUMNS_OPTIONAL);
    let table = CsvTable::open_with_optional(file, bytes, columns.0, columns.1)?;
    let mut rows = table.read(|row| {
        Ok(PracticeSuccession {
            predecessor: row.parse::<OdsCode>(0)?,
            successor: row.parse::<OdsCode>(1)?,
            from: day_after(row.parse_with(2, dates::parse_yyyymmdd)?),
            basis: row.parse_with(3, parse_basis)?,
            pcn_left: row.parse_optional_with(4, dates::parse_yyyymmdd)?,
            note: row.optional(5)?.map(str::to_string),
            source: row.optional(6)?.map(str::to_string),
        })
    })?;
    rows.sort_by_key(|row| (row.predecessor, row.successor));
    Ok(rows)
}

/// Parses the basis of a succession, which consists of words separated by semicolons.
fn parse_basis(text: &str) -> Result<Vec<SuccessionEvidence>, &'static str> {
    let words = text.split(';').map(str::trim);
    let words = words.filter(|word| !word.is_empty());
    words
        .map(|word| match word {
            "page" => Ok(SuccessionEvidence::Page),
            "page (in part)" => Ok(SuccessionEvidence::PageInPart),
            "list transfer" => Ok(SuccessionEvidence::ListTransfer),
            "ODS branch list" => Ok(SuccessionEvidence::OdsBranchList),
            "place" => Ok(SuccessionEvidence::Place),
            _ => Err(
                "must be page, page (in part), list transfer, ODS branch list or place, separated \
                 by semicolons",
            ),
        })
        .collect()
}

fn day_after(day: Date) -> Date {
    day.saturating_add(1.day())
}

#[cfg(test)]
mod tests {
    use super::*;
    use catchment_core::domain::PracticeStatus;

    #[test]
    fn a_close_date_is_the_last_day() {
        let read = read_successions(
            "s.csv",
            b"predecessor,successor,predecessor_closed,note\nP81064,P81002,20180630,merged\n",
        )
        .expect("a table");
        assert_eq!(read[0].from, date(2018, 7, 1));
        assert!(read[0].basis.is_empty());
        assert_eq!(read[0].note.as_deref(), Some("merged"));
    }

    #[test]
    fn the_basis_of_a_succession_is_read() {
        let read = |basis: &str| {
            let table = format!(
                "predecessor,successor,predecessor_closed,note,basis,pcn_left,source\n\
                 A82019,A82015,20250430,,{basis},20240401,a page\n"
            );
            read_successions("s.csv", table.as_bytes()).map(|rows| rows[0].clone())
        };
        let step = read("page; list transfer").expect("a table");
        let (page, list) = (SuccessionEvidence::Page, SuccessionEvidence::ListTransfer);
        assert_eq!(step.basis, [page, list]);
        assert_eq!(step.pcn_left, Some(date(2024, 4, 1)));
        assert!(!step.is_by_place_alone());
        assert!(read("place").expect("a table").is_by_place_alone());
        assert!(read("rumour").is_err());
    }

    #[test]
    fn the_newest_status_and_list_size_are_used_with_their_dates() {
        let header = "ods_code,name,address,postcode,telephone,easting,northing,status_dec2023,\
             opened,closed,icc_id,pcn_code,pcn_name,sub_icb,list_size_2021";
        let old = "A82077,Liverpool House,,,,,,dormant,,20241031,,,,01K,5234";
        let old_table = format!("{header}\n{old}\n");
        let rows = read_practices("p.csv", old_table.as_bytes()).expect("a table");
        let practice = &rows[0].practice;
        assert_eq!(practice.status, PracticeStatus::Dormant);
        assert_eq!(practice.list_size_as_of, Some(source_date("2021")));
        assert_eq!(practice.as_of, None);
        let table = format!(
            "{header},list_size_2026_04,status_2026,ods_as_of,note\n{old},12,closed,2026-04,why\n"
        );
        let rows = read_practices("p.csv", table.as_bytes()).expect("a table");
        let practice = &rows[0].practice;
        assert_eq!(practice.status, PracticeStatus::Closed);
        assert_eq!(practice.list_size, Some(12));
        assert_eq!(practice.list_size_as_of, Some(source_date("2026-04-01")));
        assert_eq!(practice.as_of, Some(source_date("2026-04")));
        assert_eq!(practice.note.as_deref(), Some("why"));
    }

    #[test]
    fn the_last_day_of_a_network_period_is_included() {
        let read = |from: &str, to: &str| {
            let table = format!(
                "ods_code,pcn_code,pcn_name,sub_icb,from,to,to_source,icc_id\n\
                 A82018,U66688,Carlisle PCN,01H,{from},{to},ePCN,nc-carlisle-network\n"
            );
            read_network_periods("n.csv", table.as_bytes()).map(|rows| rows[0].period)
        };
        let period = read("20191001", "20240331").expect("a table");
        assert_eq!(period.to, Some(date(2024, 4, 1)));
        assert_eq!(read("20191001", "").expect("a table").to, None);
        assert!(read("20191001", "20190930").is_err());
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
