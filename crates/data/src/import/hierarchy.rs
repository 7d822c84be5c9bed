//! The NHS hierarchy above practices, in the format of `data/source/hierarchy.csv`:
//! `layer,id,name,parent,from,to,lsoa_selector` and, optionally, `ons_code,region,region_ons`. A selector is `sub_icb=CODE,…` or
//! `lsoa11nm=DISTRICT,…`. An area without a selector is the union of its children.

use std::collections::BTreeSet;

use crate::formats::{CsvTable, FormatColumns, TableError, TableFormat, present_name};
use catchment_core::domain::{OrganisationKind, Period, date_from_iso};

/// One version of an area of the hierarchy.
#[derive(Debug, Clone)]
pub struct HierarchyRecord {
    /// The kind of organisation, in the column `layer`.
    pub(crate) kind: OrganisationKind,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) parent: Option<String>,
    pub(crate) period: Period,
    pub(crate) selector: Option<LsoaSelector>,
    /// The codes of the area in other schemes, each with its scheme.
    pub(crate) codes: Vec<(&'static str, String)>,
}

/// The selection of the statistical areas that make up an area of the hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LsoaSelector {
    /// The statistical areas of these sub-ICB locations.
    SubIcb(Vec<String>),
    /// The statistical areas whose name, without its last word, is the name of one of these
    /// districts.
    District(Vec<String>),
    /// The statistical areas with these codes.
    Codes(BTreeSet<String>),
}

const COLUMN_NAMES: &[&str] = &[
    "layer",
    "id",
    "name",
    "parent",
    "from",
    "to",
    "lsoa_selector",
];

/// The optional columns with codes, each with the scheme of its codes.
const CODE_COLUMNS: [(&str, &str); 3] = [
    ("ons_code", "gss"),
    ("region", "region"),
    ("region_ons", "region_gss"),
];

pub(super) const FORMAT: TableFormat = TableFormat {
    title: "table of NHS organisations (columns of data/source/hierarchy.csv)",
    columns: FormatColumns::Named {
        required: COLUMN_NAMES,
        optional: &["ons_code", "region", "region_ons"],
        canonical: present_name,
    },
};

/// Reads every row, in the order of the file.
pub fn read(file: &str, bytes: &[u8]) -> Result<Vec<HierarchyRecord>, TableError> {
    let optional = CODE_COLUMNS.map(|(column, _)| column);
    CsvTable::open_with_optional(file, bytes, COLUMN_NAMES, &optional)?.read(|row| {
        let mut codes = Vec::new();
        for (index, (_, scheme)) in CODE_COLUMNS.into_iter().enumerate() {
            let code = row.optional(COLUMN_NAMES.len() + index)?;
            codes.extend(code.map(|code| (scheme, code.to_string())));
        }
        Ok(HierarchyRecord {
            kind: row.parse(0)?,
            id: row.required(1)?.to_string(),
            name: row.required(2)?.to_string(),
            parent: row.optional(3)?.map(str::to_string),
            period: Period {
                from: row.parse_optional_with(4, date_from_iso)?,
                to: row.parse_optional_with(5, date_from_iso)?,
            },
            selector: row.parse_optional_with(6, parse_selector)?,
            codes,
        })
    })
}

fn parse_selector(text: &str) -> Result<LsoaSelector, &'static str> {
    let split_list = |list: &str| {
        list.split(',')
            .map(|word| word.trim().to_string())
            .collect()
    };
    match text.split_once('=') {
        Some(("sub_icb", list)) => Ok(LsoaSelector::SubIcb(split_list(list))),
        Some(("lsoa11nm", list)) => Ok(LsoaSelector::District(split_list(list))),
        _ => Err("must be sub_icb=CODE,… or lsoa11nm=DISTRICT,…"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_comma_separated() {
        let districts = vec!["Lancaster".to_string(), "Ribble Valley".to_string()];
        assert_eq!(
            parse_selector("lsoa11nm=Lancaster, Ribble Valley"),
            Ok(LsoaSelector::District(districts))
        );
        assert_eq!(
            parse_selector("sub_icb=01K"),
            Ok(LsoaSelector::SubIcb(vec!["01K".into()]))
        );
        assert!(parse_selector("01K").is_err());
    }
}
