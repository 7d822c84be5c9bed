//! Recognises a CSV file by its header row or, if it has none, by the values of its first rows.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use jiff::civil::Date;

use super::super::epcn::{self, NetworkTable};
use super::super::onspd::{self, LsoaYear};
use super::super::rows::{CsvRow, CsvRows};
use super::super::{
    ImportError, code_point_open, ebranchs, epraccur, lsoa_codes, nhspd, ods, registrations, succ,
};
use super::formats::{TableKind, closest_format, describe_first_row};
use super::{AreaLevel, FileContent, FileKind, GroupColumns, RecognisedFile};
use crate::plural::count_with_noun;
use catchment_core::domain::SourceDate;

/// The maximum number of rows that are read. Reports of NHS ODS and lists of ICBs have fewer rows.
const ROWS_READ: usize = 20_000;

/// The first rows of a CSV file.
pub(super) struct TableSample {
    rows: Vec<Vec<String>>,
    /// The table that was recognised by the first or the second row, if the table is read by
    /// position.
    positional: Option<TableKind>,
}

impl TableSample {
    /// Reads the first rows of a file.
    ///
    /// # Errors
    /// If the file cannot be read, is empty, or a row has fewer cells than the first.
    pub(super) fn read(file: &str, input: impl Read) -> Result<TableSample, ImportError> {
        let mut reader = CsvRows::new(file, input);
        let mut sample = TableSample {
            rows: Vec::new(),
            positional: None,
        };
        while let Some(row) = reader.next()? {
            if sample.rows.is_empty() {
                sample.positional = report_kind(&row).or_else(|| directory_kind(&row));
            } else if sample.rows.len() == 1 && sample.positional.is_none() {
                // Only the reports of NHS ODS may have a header row.
                sample.positional = report_kind(&row);
            }
            sample.rows.push(row.cells());
            if sample.rows.len() == ROWS_READ {
                break;
            }
        }
        if sample.rows.is_empty() {
            return Err(ImportError::Empty {
                source_name: file.to_string(),
                read: 0,
                first_unused: None,
            });
        }
        Ok(sample)
    }

    fn header(&self) -> &[String] {
        &self.rows[0]
    }

    /// Returns the kind of the file. `today` is the last day that is accepted as the date of an
    /// edition.
    pub(super) fn content(&self, today: Date) -> FileContent {
        let known = |kind| {
            FileContent::Known(RecognisedFile {
                newest: self.newest_date(&kind, today),
                kind,
            })
        };
        let closest = closest_format(self.header());
        if let Some(closest) = &closest
            && closest.is_complete()
        {
            return known(self.kind_of_table(closest.kind));
        }
        if let Some(kind) = self.positional {
            return known(self.kind_of_table(kind));
        }
        if let Some(table) = epcn::kind_of_rows(&self.rows) {
            return known(FileKind::Table(match table {
                NetworkTable::Details => TableKind::NetworkDetails,
                NetworkTable::Partners => TableKind::NetworkPartners,
            }));
        }
        if closest.as_ref().is_some_and(|closest| closest.is_likely()) {
            return FileContent::Unknown(describe_first_row(self.header()));
        }
        match self.list_kind() {
            Ok(kind) => known(kind),
            Err(None) => FileContent::Unknown(describe_first_row(self.header())),
            Err(Some(reason)) => FileContent::Unknown(reason),
        }
    }

    fn kind_of_table(&self, kind: TableKind) -> FileKind {
        match kind {
            TableKind::OnsDirectory => FileKind::OnsDirectory(onspd::lsoa_years(self.header())),
            TableKind::NhsDirectory => FileKind::NhsDirectory(self.lsoa_years_of_values()),
            TableKind::Registrations => {
                let lsoa = registrations::positions(self.header()).map(|[_, lsoa, _]| lsoa);
                let codes = self.rows.iter().skip(1).filter_map(|row| row.get(lsoa?));
                FileKind::Registrations(lsoa_year(codes.map(String::as_str)))
            }
            TableKind::OrganisationLookup => FileKind::OrganisationLookup(self.header().to_vec()),
            other => FileKind::Table(other),
        }
    }

    /// Returns the censuses of the LSOAs in the columns of a directory without a header row.
    fn lsoa_years_of_values(&self) -> Vec<LsoaYear> {
        let mut years = BTreeSet::new();
        for column in 0..self.header().len() {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let numbers = cells.filter_map(|cell| lsoa_codes::england_number(cell));
            let highest = numbers.max().unwrap_or_default();
            if highest > lsoa_codes::ENGLAND_2011_MAX {
                years.insert(1);
            } else if highest > lsoa_codes::ENGLAND_2001_MAX {
                years.insert(0);
            }
        }
        let both = [LsoaYear::Lsoa11, LsoaYear::Lsoa21];
        years.into_iter().map(|index: usize| both[index]).collect()
    }

    /// Returns the newest date that the file states about its own content.
    fn newest_date(&self, kind: &FileKind, today: Date) -> Option<SourceDate> {
        self.newest_day(kind, today).map(SourceDate::Day)
    }

    fn newest_day(&self, kind: &FileKind, today: Date) -> Option<Date> {
        match kind {
            FileKind::Registrations(_) => {
                let [date, ..] = registrations::positions(self.header())?;
                registrations::parse_extract_date(self.rows.get(1)?.get(date)?)
            }
            FileKind::Table(
                TableKind::Epraccur
                | TableKind::Branches
                | TableKind::Successions
                | TableKind::NetworkDetails
                | TableKind::NetworkPartners,
            ) => {
                let days = self.rows.iter();
                days.filter_map(|row| ods::newest_day(row, today)).max()
            }
            _ => None,
        }
    }

    /// Returns the kind of the file, if it lists the practices or statistical areas of areas, or the
    /// areas of statistical areas.
    ///
    /// # Errors If the file is not such a list. The error states the reason if the file is similar
    /// to such a list.
    fn list_kind(&self) -> Result<FileKind, Option<String>> {
        let columns: Vec<ColumnValues> = (0..self.header().len())
            .map(|column| ColumnValues::read(self, column))
            .collect();
        let find = |level: AreaLevel| {
            columns
                .iter()
                .position(|column| column.level == Some(level))
        };
        let lsoa = find(AreaLevel::Lsoa);
        let finer = [AreaLevel::Lsoa, AreaLevel::Msoa, AreaLevel::Ward].map(find);
        let has_coarser = [AreaLevel::Msoa, AreaLevel::Ward]
            .iter()
            .any(|level| find(*level).is_some());
        let practices = columns.iter().position(|column| column.is_practices);
        let code = practices.or(finer.into_iter().flatten().next());
        let Some(code) = code else {
            return Err(None);
        };
        let group = group_columns(&columns, code);
        // A look-up between statistical areas has no column of other areas.
        let is_change = columns
            .iter()
            .filter(|column| column.level == Some(AreaLevel::Lsoa))
            .count()
            > 1;
        let has_groups = group.as_ref().is_some_and(|group| group.has_telling_name);
        if is_change && practices.is_none() && !has_groups {
            return Ok(FileKind::LsoaChanges);
        }
        if let (Some(lsoa), true, None, false) = (lsoa, has_coarser, practices, has_groups) {
            return Ok(FileKind::AreaLookup {
                lsoa: columns[lsoa].name.clone(),
                levels: [AreaLevel::Msoa, AreaLevel::Ward]
                    .into_iter()
                    .filter_map(|level| Some((level, columns[find(level)?].name.clone())))
                    .collect(),
            });
        }
        let Some(group) = group else {
            return Err(Some(format!(
                "column `{}` has {}, but no column contains the area of each code",
                columns[code].name,
                match practices {
                    Some(_) => "codes of practices",
                    None => "codes of statistical areas",
                }
            )));
        };
        let groups = GroupColumns {
            code: columns[code].name.clone(),
            id: group.id.map(|column| columns[column].name.clone()),
            name: columns[group.name].name.clone(),
            count: columns[group.name].distinct.len(),
            codes: columns[code].distinct.iter().cloned().collect(),
        };
        Ok(match (practices, columns[code].level) {
            (None, Some(level)) => {
                let year = lsoa_year(columns[code].distinct.iter().map(String::as_str));
                FileKind::AreaList(level, year, groups)
            }
            _ => FileKind::PracticeList(groups),
        })
    }
}

/// Returns the report of NHS ODS to which the row belongs.
fn report_kind(row: &CsvRow<'_>) -> Option<TableKind> {
    if ebranchs::is_row(row) {
        Some(TableKind::Branches)
    } else if epraccur::is_row(row) {
        Some(TableKind::Epraccur)
    } else if succ::is_row(row) {
        Some(TableKind::Successions)
    } else {
        None
    }
}

/// Returns the directory without a header row to which the row belongs.
fn directory_kind(row: &CsvRow<'_>) -> Option<TableKind> {
    if code_point_open::is_row(row) {
        Some(TableKind::CodePointOpen)
    } else if nhspd::is_row(row) {
        Some(TableKind::NhsDirectory)
    } else {
        None
    }
}

/// Returns the census of LSOA codes: 2021 if one of the codes was created in that census.
pub(super) fn lsoa_year<'c>(mut codes: impl Iterator<Item = &'c str>) -> LsoaYear {
    match codes.any(lsoa_codes::is_new_in_2021) {
        true => LsoaYear::Lsoa21,
        false => LsoaYear::Lsoa11,
    }
}

/// The values of a column of a list.
struct ColumnValues {
    name: String,
    distinct: BTreeSet<String>,
    /// The number of cells that are not blank.
    cells: usize,
    /// The level of the statistical areas, if the cells are their codes.
    level: Option<AreaLevel>,
    /// Whether the cells are codes of GP practices.
    is_practices: bool,
    /// The cells of all rows, in order.
    values: Vec<String>,
}

impl ColumnValues {
    fn read(sample: &TableSample, column: usize) -> ColumnValues {
        let rows = sample.rows.iter().skip(1);
        let values: Vec<String> = rows
            .map(|row| row.get(column).map(|cell| cell.trim().to_string()))
            .map(Option::unwrap_or_default)
            .collect();
        let filled: Vec<&String> = values.iter().filter(|value| !value.is_empty()).collect();
        // A list may have a few other codes, such as `CLOSED`.
        let most = |is_of_shape: &dyn Fn(&str) -> bool| {
            let count = filled.iter().filter(|value| is_of_shape(value)).count();
            count > 0 && count * 10 >= filled.len() * 9
        };
        let level = AreaLevel::ALL
            .into_iter()
            .find(|level| most(&|value| level.has_code(value)));
        ColumnValues {
            name: sample.header()[column].trim().to_string(),
            is_practices: most(&is_practice_code),
            cells: filled.len(),
            distinct: filled.into_iter().cloned().collect(),
            level,
            values,
        }
    }

    /// Returns whether the values are numbers or dates.
    fn is_numeric(&self) -> bool {
        self.distinct.iter().all(|value| {
            let mut characters = value.chars();
            characters.all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '-' | '/' | '%'))
        })
    }
}

/// Returns whether the text has the form of the code of a GP practice: a letter and five digits. The
/// codes of Primary Care Networks begin with `U`.
pub(super) fn is_practice_code(text: &str) -> bool {
    matches!(text.as_bytes(), [b'A'..=b'T' | b'V'..=b'Z', digits @ ..]
        if digits.len() == 5 && digits.iter().all(u8::is_ascii_digit))
}

/// The columns of a list that contain the area of each row.
struct FoundGroup {
    id: Option<usize>,
    name: usize,
    /// Whether the name of the column indicates that the column contains areas.
    has_telling_name: bool,
}

/// Words in the names of columns that contain areas, the most specific first.
const GROUP_WORDS: [&str; 10] = [
    "neighbourhood",
    "community",
    "team",
    "locality",
    "zone",
    "hub",
    "cluster",
    "place",
    "network",
    "group",
];

/// Returns the columns that contain the area of each row. `code` is the column of the practices or
/// statistical areas.
fn group_columns(columns: &[ColumnValues], code: usize) -> Option<FoundGroup> {
    let rank = |name: &str| {
        let name = name.to_lowercase();
        let found = GROUP_WORDS.iter().position(|word| name.contains(word));
        found.unwrap_or(GROUP_WORDS.len())
    };
    let is_candidate = |index: &usize| {
        let column = &columns[*index];
        // A column with a different value in each row contains the names of the listed items, unless
        // its name indicates areas.
        let is_repeated = column.distinct.len() < column.cells;
        *index != code
            && column.level.is_none()
            && !column.is_practices
            && !column.is_numeric()
            && (is_repeated || rank(&column.name) < GROUP_WORDS.len())
    };
    let candidates: Vec<usize> = (0..columns.len()).filter(is_candidate).collect();
    let best = candidates.iter().copied().min_by_key(|index| {
        let column = &columns[*index];
        (
            column.distinct.len() == 1,
            // A column of parts of areas is mostly blank.
            column.cells * 2 < column.values.len(),
            rank(&column.name),
            usize::MAX - column.distinct.len(),
        )
    })?;
    // If another column has one value for each value of this column, one of the columns contains
    // ids and the other contains names.
    let has_words = |index: usize| columns[index].distinct.iter().any(|v| v.contains(' '));
    let twin = candidates
        .into_iter()
        .find(|other| *other != best && is_one_to_one(&columns[best], &columns[*other]));
    let (id, name) = match twin {
        Some(twin) if has_words(best) && !has_words(twin) => (Some(twin), best),
        Some(twin) if has_words(twin) && !has_words(best) => (Some(best), twin),
        _ => (None, best),
    };
    Some(FoundGroup {
        id,
        name,
        has_telling_name: rank(&columns[best].name) < GROUP_WORDS.len(),
    })
}

fn is_one_to_one(one: &ColumnValues, other: &ColumnValues) -> bool {
    let mut pairs: BTreeMap<&str, &str> = BTreeMap::new();
    let mut back: BTreeMap<&str, &str> = BTreeMap::new();
    one.values.iter().zip(&other.values).all(|(one, other)| {
        *pairs.entry(one).or_insert(other) == other && *back.entry(other).or_insert(one) == one
    })
}

/// Describes the number of areas and rows of a list.
pub(super) fn list_in_words(groups: &GroupColumns, rows: &str) -> String {
    format!(
        "{} of {} ({} in column `{}`)",
        rows,
        count_with_noun(groups.count, "area", "areas"),
        groups.codes.len(),
        groups.code
    )
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn content(text: &str) -> FileContent {
        let sample = TableSample::read("a.csv", text.as_bytes()).expect("rows");
        sample.content(date(2026, 11, 30))
    }

    fn kind(text: &str) -> FileKind {
        match content(text) {
            FileContent::Known(file) => file.kind,
            other => panic!("{other:?}"),
        }
    }

    fn columns(kind: FileKind) -> (String, Option<String>, String, usize) {
        match kind {
            FileKind::PracticeList(found) | FileKind::AreaList(_, _, found) => {
                (found.code, found.id, found.name, found.count)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lists_are_recognised_by_their_codes_and_the_column_of_their_areas() {
        for (text, code, id, name, count) in [
            (
                "PCode,Practice Name,PCN,CCG\nP81008,York Street,East,Lancs\nP81035,Colne Road,East,Lancs\nP81036,Other,West,Lancs\n",
                "PCode",
                None,
                "PCN",
                2,
            ),
            (
                "Name,GP,Team ID,Neighbourhood team\nA,A99001,t1,North Bank\nB,A99002,t2,South Bank\n",
                "GP",
                Some("Team ID"),
                "Neighbourhood team",
                2,
            ),
            (
                "lsoa11cd,sub_icb,icc_id,icc,sub_community_id\nE01019078,01H,nc-m,M and C,\nE01019079,01H,nc-m,M and C,\nE01019081,01H,nc-e,E and F,\nE01019080,01K,mb-b,B and M,mb-x\n",
                "lsoa11cd",
                Some("icc_id"),
                "icc",
                3,
            ),
            (
                "MSOA code,Neighbourhood\nE02007001,North Bank\nE02007002,South Bank\n",
                "MSOA code",
                None,
                "Neighbourhood",
                2,
            ),
            (
                "WD24CD,WD24NM,Locality\nE05009999,A Ward,North\nE05010000,B Ward,North\n",
                "WD24CD",
                None,
                "Locality",
                1,
            ),
        ] {
            let expected = (
                code.to_string(),
                id.map(str::to_string),
                name.to_string(),
                count,
            );
            assert_eq!(columns(kind(text)), expected, "{text}");
        }
    }

    #[test]
    fn look_ups_between_statistical_areas_are_no_lists() {
        let change = "lsoa11cd,lsoa11nm,change,lsoa21cd,msoa11cd\nE01012571,A,U,E01012571,E02002621\nE01012572,B,U,E01012572,E02002621\n";
        assert_eq!(kind(change), FileKind::LsoaChanges);
        let lookup = "LSOA21CD,LSOA21NM,MSOA21CD,MSOA21NM\nE01012571,A,E02002621,X\nE01012572,B,E02002621,X\n";
        let expected = FileKind::AreaLookup {
            lsoa: "LSOA21CD".into(),
            levels: vec![(AreaLevel::Msoa, "MSOA21CD".into())],
        };
        assert_eq!(kind(lookup), expected);
    }

    #[test]
    fn tables_without_areas_or_codes_are_unknown() {
        for (text, expected) in [
            (
                "code,people\nE01012571,1500\nE01012572,1400\n",
                "column `code` has codes of statistical areas, but no column contains the area of \
                 each code",
            ),
            (
                "PCN Code,PCN\nU12345,East\nU12346,East\n",
                "the closest known format is NHS ODS epcncorepartnerdetails",
            ),
            (
                "E01012571\nE01012572\n",
                "column `E01012571` has codes of statistical areas, but no column contains",
            ),
        ] {
            match content(text) {
                FileContent::Unknown(reason) => assert!(reason.contains(expected), "{reason}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn dates_in_reports_are_those_of_their_content() {
        let partners = "A99001,,01A,,U12345,,,,20190701,20250331,\nA99002,,01A,,U12345,,,,20260401,20991231,\n";
        let FileContent::Known(file) = content(partners) else {
            panic!("not known");
        };
        assert_eq!(file.kind, FileKind::Table(TableKind::NetworkPartners));
        let newest = file.newest.map(|date| date.to_string());
        assert_eq!(newest.as_deref(), Some("2026-04-01"));
    }

    #[test]
    fn codes_of_practices_have_a_letter_and_five_digits() {
        for (text, expected) in [
            ("A99001", true),
            ("Y02733", true),
            ("U12345", false),
            ("a99001", false),
            ("A9900", false),
            ("A99001001", false),
            ("LSOA21", false),
        ] {
            assert_eq!(is_practice_code(text), expected, "{text}");
        }
    }
}
