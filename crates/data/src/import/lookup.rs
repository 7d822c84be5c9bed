//! Look-up tables, which assign statistical areas to areas. Any CSV table with a column of codes
//! and a column of area ids can be a look-up table.

use serde::Deserialize;

use crate::dataset::facts;
use crate::formats::{CsvTable, TableError};

/// The columns to read from a look-up table, and the rows to include.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupColumns {
    /// The column with the code of the statistical area.
    pub code: String,
    /// The column with the id of the area; without it, the ids are made from the names. Rows in
    /// which this column is blank are skipped.
    pub area: Option<String>,
    /// The column with the name of the area.
    pub name: Option<String>,
    /// The column with the share of the statistical area's people that a model assigns to the area.
    pub share: Option<String>,
    /// The column with the other areas, and their shares, if the assignment is disputed: `mb-bay
    /// 0.44; mb-lancaster 0.38`. This column requires the column `share`.
    pub disputed: Option<String>,
    /// A column and its accepted values. Rows with any other value in this column are skipped.
    pub only: Option<(String, Vec<String>)>,
}

/// The assignment of a statistical area to an area.
#[derive(Debug, Clone, PartialEq)]
pub struct LookupEntry {
    pub(crate) code: String,
    pub(crate) area: String,
    /// The name of the area, if the table has a column with names.
    pub(crate) name: Option<String>,
    /// The share of the statistical area's people who belong to the area according to a model, if
    /// the table has a column with shares.
    pub(crate) model_share: Option<f64>,
    /// The other areas with their shares, if the assignment is disputed.
    pub(crate) disputed: Vec<(String, f64)>,
}

/// The included rows of a look-up table, in the order of the file, and the numbers of other rows.
#[derive(Debug, Clone, PartialEq)]
pub struct LookupTable {
    pub(crate) entries: Vec<LookupEntry>,
    /// The number of rows without an area.
    pub(crate) without_area: u64,
    /// The number of rows that [`LookupColumns::only`] excludes.
    pub(crate) excluded: u64,
}

impl LookupColumns {
    /// Returns an error if the columns specify neither the id nor the name of the area.
    pub(crate) fn error(&self) -> Option<String> {
        let has_area = self.area.is_some() || self.name.is_some();
        (!has_area).then(|| {
            "`columns` needs `area`, the column with the id of the area, or `name`, from which the \
             ids are made"
                .to_string()
        })
    }
}

/// Reads the rows. Without a column of ids, the id of an area is its name. Spaces around codes, ids and names are removed.
pub fn read(file: &str, bytes: &[u8], columns: &LookupColumns) -> Result<LookupTable, TableError> {
    let (mut without_area, mut excluded) = (0, 0);
    // If an optional column is not configured, the code column is read in its place, and the value
    // is ignored.
    let (only, allowed) = match &columns.only {
        Some((column, allowed)) => (column, Some(allowed)),
        None => (&columns.code, None),
    };
    let name = columns.name.as_ref().unwrap_or(&columns.code);
    let share = columns.share.as_ref().unwrap_or(&columns.code);
    let disputed = columns.disputed.as_ref().unwrap_or(&columns.code);
    let area = columns.area.as_ref().unwrap_or(name);
    let names = [&columns.code, area, only, name, share, disputed].map(String::as_str);
    let rows = CsvTable::open(file, bytes, &names)?.read(|row| {
        let is_included = match allowed {
            Some(allowed) => allowed
                .iter()
                .any(|word| row.text(2).is_ok_and(|text| text == word)),
            None => true,
        };
        if !is_included {
            excluded += 1;
            return Ok(None);
        }
        let area = row.text(1)?.trim();
        if area.is_empty() {
            without_area += 1;
            return Ok(None);
        }
        Ok(Some(LookupEntry {
            code: row.required(0)?.trim().to_string(),
            area: area.to_string(),
            name: columns
                .name
                .as_ref()
                .map(|_| row.text(3).map(|name| name.trim().to_string()))
                .transpose()?,
            model_share: match columns.share {
                Some(_) => row.parse_optional_with(4, facts::share)?,
                None => None,
            },
            disputed: match columns.disputed {
                Some(_) => row.parse_with(5, facts::areas_with_shares)?,
                None => Vec::new(),
            },
        }))
    })?;
    Ok(LookupTable {
        entries: rows.into_iter().flatten().collect(),
        without_area,
        excluded,
    })
}
