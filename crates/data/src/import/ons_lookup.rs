//! The NHS organisations above practices according to the ONS's look-up from LSOAs to sub-ICB
//! locations, ICBs, NHS England regions and councils, which the method `hierarchy` can read:
//! `LSOA21CD,LSOA21NM,SICBL26CD,SICBL26CDH,SICBL26NM,ICB26CD,ICB26CDH,ICB26NM,NHSER26CD,NHSER26CDH,…`.
//!
//! Columns are matched by name without the year, in any order and case. Columns whose names end in
//! `CDH` contain ODS codes, which are the ids of the areas. The look-up contains no periods, so its
//! areas have the period of the method.

use std::collections::{BTreeMap, BTreeSet};

use super::hierarchy::{HierarchyRecord, LsoaSelector};
use crate::formats::{CsvTable, CsvTableRow, FormatColumns, TableError, TableFormat};
use catchment_core::domain::{OrganisationKind, Period};

/// The names of the columns that are required, without their years.
const COLUMNS: [&str; 5] = ["lsoacd", "sicblcdh", "sicblnm", "icbcdh", "icbnm"];

/// The optional columns with codes. Each has the level to which it belongs and the scheme of its
/// codes.
const CODE_COLUMNS: [(&str, Level, &str); 4] = [
    ("sicblcd", Level::SubIcb, "gss"),
    ("icbcd", Level::Icb, "gss"),
    ("nhsercdh", Level::Icb, REGION_SCHEME),
    ("nhsercd", Level::Icb, "region_gss"),
];

/// The scheme of the ODS codes of NHS England regions, which are the parents of ICBs.
const REGION_SCHEME: &str = "region";
pub(super) const FORMAT: TableFormat = TableFormat {
    title: "ONS look-up from LSOAs to sub-ICB locations and ICBs",
    columns: FormatColumns::Named {
        required: &COLUMNS,
        optional: &[
            "sicblcd", "icbcd", "nhsercdh", "nhsercd", "nhsernm", "lsoanm", "ladcd", "ladnm",
            "objectid",
        ],
        canonical: without_year,
    },
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    SubIcb,
    Icb,
}

/// Returns whether the table is such a look-up, based on its header row.
pub fn is_ons_lookup(bytes: &[u8]) -> bool {
    column_names(bytes).is_some()
}

/// Returns the names of the required columns in the header row, followed by the names of the
/// optional columns. The name of an optional column that is not in the table is blank.
fn column_names(bytes: &[u8]) -> Option<Vec<String>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let header = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next()?;
    let header = std::str::from_utf8(header).ok()?;
    let names: Vec<&str> = header
        .split(',')
        .map(|name| name.trim_matches('"'))
        .collect();
    let find = |column: &str| {
        names
            .iter()
            .find(|name| without_year(name) == column)
            .map(|name| (*name).to_string())
    };
    let mut found: Vec<String> = COLUMNS
        .iter()
        .map(|column| find(column))
        .collect::<Option<_>>()?;
    found.extend(CODE_COLUMNS.map(|(column, ..)| find(column).unwrap_or_default()));
    Some(found)
}

/// Returns the name of a column in lower case, without its year: `sicblcdh` for `SICBL26CDH`.
fn without_year(name: &str) -> String {
    let letters = name.chars().filter(|letter| !letter.is_ascii_digit());
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

/// An organisation in the look-up.
struct Organisation {
    name: String,
    parent: Option<String>,
    codes: Vec<(&'static str, String)>,
}

/// A row of the look-up: an LSOA with its sub-ICB location and its ICB.
struct LookupRow {
    lsoa: String,
    sub_icb: String,
    icb: String,
}

/// Reads the sub-ICB locations, in order of code, followed by the ICBs. All of these areas have the
/// period `period`.
///
/// # Errors
/// If the table is not a look-up of this kind, an LSOA is listed twice, or two rows have different
/// names, codes or parents for an organisation.
pub fn read(file: &str, bytes: &[u8], period: Period) -> Result<Vec<HierarchyRecord>, TableError> {
    let names = column_names(bytes).unwrap_or_else(|| COLUMNS.map(str::to_string).to_vec());
    let (required, optional) = names.split_at(COLUMNS.len());
    let required: Vec<&str> = required.iter().map(String::as_str).collect();
    let optional: Vec<&str> = optional.iter().map(String::as_str).collect();
    let mut sub_icbs: BTreeMap<String, Organisation> = BTreeMap::new();
    let mut icbs: BTreeMap<String, Organisation> = BTreeMap::new();
    let mut lsoas: BTreeSet<String> = BTreeSet::new();
    let rows = CsvTable::open_with_optional(file, bytes, &required, &optional)?.read(|row| {
        let found = LookupRow {
            lsoa: row.required(0)?.to_string(),
            sub_icb: row.required(1)?.to_string(),
            icb: row.required(3)?.to_string(),
        };
        if !lsoas.insert(found.lsoa.clone()) {
            return Err(row.cell_error(0, "must be listed only once"));
        }
        let sub_icb = Organisation {
            name: row.required(2)?.to_string(),
            parent: Some(found.icb.clone()),
            codes: codes_of(row, &optional, Level::SubIcb)?,
        };
        add(&mut sub_icbs, &found.sub_icb, sub_icb, row, 1)?;
        let codes = codes_of(row, &optional, Level::Icb)?;
        let region = codes.iter().find(|(scheme, _)| *scheme == REGION_SCHEME);
        let icb = Organisation {
            name: row.required(4)?.to_string(),
            parent: region.map(|(_, code)| code.clone()),
            codes,
        };
        add(&mut icbs, &found.icb, icb, row, 3)?;
        Ok(found)
    })?;
    let mut codes_by_sub_icb: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let codes = codes_by_sub_icb.entry(row.sub_icb).or_default();
        codes.insert(row.lsoa);
    }
    let record = |kind, (id, organisation): (String, Organisation)| HierarchyRecord {
        kind,
        selector: codes_by_sub_icb
            .get(&id)
            .filter(|_| kind == OrganisationKind::SubIcbLocation)
            .map(|codes| LsoaSelector::Codes(codes.clone())),
        id,
        name: organisation.name,
        parent: organisation.parent,
        period,
        codes: organisation.codes,
    };
    let sub_icbs = sub_icbs
        .into_iter()
        .map(|found| record(OrganisationKind::SubIcbLocation, found));
    let icbs = icbs
        .into_iter()
        .map(|found| record(OrganisationKind::IntegratedCareBoard, found));
    Ok(sub_icbs.chain(icbs).collect())
}

fn codes_of(
    row: &CsvTableRow<'_>,
    optional: &[&str],
    level: Level,
) -> Result<Vec<(&'static str, String)>, TableError> {
    let mut codes = Vec::new();
    for (index, (_, of_level, scheme)) in CODE_COLUMNS.into_iter().enumerate() {
        if of_level == level && !optional[index].is_empty() {
            let code = row.optional(COLUMNS.len() + index)?;
            codes.extend(code.map(|code| (scheme, code.to_string())));
        }
    }
    Ok(codes)
}

/// Adds an organisation, unless an earlier row contains it.
fn add(
    organisations: &mut BTreeMap<String, Organisation>,
    id: &str,
    organisation: Organisation,
    row: &CsvTableRow<'_>,
    column: usize,
) -> Result<(), TableError> {
    match organisations.get(id) {
        None => {
            organisations.insert(id.to_string(), organisation);
            Ok(())
        }
        Some(earlier)
            if earlier.name == organisation.name
                && earlier.parent == organisation.parent
                && earlier.codes == organisation.codes =>
        {
            Ok(())
        }
        Some(earlier) => Err(row.cell_error(
            column,
            format!(
                "must have the same name, codes and ICB in every row; an earlier row has the name \
                 `{}`",
                earlier.name
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "LSOA21CD,LSOA21NM,SICBL26CD,SICBL26CDH,SICBL26NM,ICB26CD,ICB26CDH,\
        ICB26NM,NHSER26CD,NHSER26CDH,NHSER26NM,LAD26CD,LAD26NM,ObjectId";
    const BAY: &str = "E38000228,01K,Bay - 01K,E54000048,QE1,North Shore,E40000014,Y62,North";

    fn row(lsoa: &str, areas: &str) -> String {
        format!("{lsoa},A name,{areas},E07000121,Lancaster,1\r\n")
    }

    #[test]
    fn organisations_have_their_codes_parents_and_lsoas() {
        let other = BAY.replace("E38000228,01K,Bay - 01K", "E38000014,00Q,Moors - 00Q");
        let rows = row("E01000002", BAY) + &row("E01000001", BAY) + &row("E01000003", &other);
        for header in [HEADER.to_string(), HEADER.to_lowercase()] {
            let text = format!("\u{feff}{header}\r\n{rows}");
            assert!(is_ons_lookup(text.as_bytes()));
            let found = read("l.csv", text.as_bytes(), Period::default()).expect("a look-up");
            let ids: Vec<(OrganisationKind, &str)> =
                found.iter().map(|row| (row.kind, &*row.id)).collect();
            assert_eq!(
                ids,
                [
                    (OrganisationKind::SubIcbLocation, "00Q"),
                    (OrganisationKind::SubIcbLocation, "01K"),
                    (OrganisationKind::IntegratedCareBoard, "QE1")
                ]
            );
            assert_eq!(found[1].parent.as_deref(), Some("QE1"));
            assert_eq!(found[2].parent.as_deref(), Some("Y62"));
            assert_eq!(found[1].codes, [("gss", "E38000228".to_string())]);
            let codes = ["E01000001", "E01000002"].map(str::to_string);
            assert_eq!(found[1].selector, Some(LsoaSelector::Codes(codes.into())));
            assert_eq!(
                (&*found[2].name, &found[2].selector),
                ("North Shore", &None)
            );
            let schemes: Vec<&str> = found[2].codes.iter().map(|(scheme, _)| *scheme).collect();
            assert_eq!(schemes, ["gss", "region", "region_gss"]);
        }
    }

    #[test]
    fn contradictions_are_errors_with_their_line() {
        for (second, words) in [
            (
                row("E01000001", BAY),
                "line 3, column `LSOA21CD`: `E01000001`",
            ),
            (
                row("E01000002", &BAY.replace("Bay - 01K", "Bay")),
                "line 3, column `SICBL26CDH`: `01K`",
            ),
            (
                row("E01000002", &BAY.replace("QE1", "QHM")),
                "line 3, column `SICBL26CDH`: `01K`",
            ),
            (
                row("E01000002", &BAY.replace("Y62", "Y63")),
                "line 3, column `ICB26CDH`: `QE1`",
            ),
        ] {
            let text = format!("{HEADER}\r\n{}{second}", row("E01000001", BAY));
            let error = read("l.csv", text.as_bytes(), Period::default()).expect_err("twice");
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn other_tables_are_not_look_ups() {
        let without_icbs = HEADER.replace("ICB26CDH,", "");
        for text in [
            "",
            "layer,id,name,parent,from,to,lsoa_selector\n",
            &without_icbs,
        ] {
            assert!(!is_ons_lookup(text.as_bytes()), "{text}");
        }
    }
}
