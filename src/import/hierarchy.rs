//! The NHS hierarchy above practices, in the format of `data/source/hierarchy.csv`:
//! `layer,id,name,parent,from,to,lsoa_selector,note`. A selector is `sub_icb=CODE,…` or
//! `lsoa11nm=DISTRICT,…`. An area without a selector is the union of its children.

use crate::dataset::TableError;
use crate::dataset::table::Table;
use crate::domain::{Layer, Period, date_from_iso};

/// One version of an area of the hierarchy.
#[derive(Debug, Clone)]
pub(crate) struct ListedPart {
    pub(crate) layer: Layer,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) parent: Option<String>,
    pub(crate) period: Period,
    pub(crate) selector: Option<Selector>,
}

/// The selection of the statistical areas that make up an area of the hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selector {
    /// The statistical areas of these sub-ICB locations.
    SubIcb(Vec<String>),
    /// The statistical areas whose name, without its last word, is one of these districts.
    District(Vec<String>),
}

const COLUMNS: &[&str] = &[
    "layer",
    "id",
    "name",
    "parent",
    "from",
    "to",
    "lsoa_selector",
];

/// Reads every row, in the order of the file.
pub(crate) fn read(file: &str, bytes: &[u8]) -> Result<Vec<ListedPart>, TableError> {
    Table::open(file, bytes, COLUMNS)?.read(|row| {
        Ok(ListedPart {
            layer: row.parse(0)?,
            id: row.filled(1)?.to_string(),
            name: row.filled(2)?.to_string(),
            parent: row.optional(3)?.map(str::to_string),
            period: Period {
                from: row.with_optional(4, date_from_iso)?,
                to: row.with_optional(5, date_from_iso)?,
            },
            selector: row.with_optional(6, selector)?,
        })
    })
}

fn selector(text: &str) -> Result<Selector, &'static str> {
    let words = |list: &str| {
        list.split(',')
            .map(|word| word.trim().to_string())
            .collect()
    };
    match text.split_once('=') {
        Some(("sub_icb", list)) => Ok(Selector::SubIcb(words(list))),
        Some(("lsoa11nm", list)) => Ok(Selector::District(words(list))),
        _ => Err("sub_icb=CODE,… or lsoa11nm=DISTRICT,…"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_lists() {
        let districts = vec!["Lancaster".to_string(), "Ribble Valley".to_string()];
        assert_eq!(
            selector("lsoa11nm=Lancaster, Ribble Valley"),
            Ok(Selector::District(districts))
        );
        assert_eq!(
            selector("sub_icb=01K"),
            Ok(Selector::SubIcb(vec!["01K".into()]))
        );
        assert!(selector("01K").is_err());
    }
}
