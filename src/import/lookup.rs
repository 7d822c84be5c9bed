//! A look-up from statistical areas to areas: any CSV table with a column of codes and a column of
//! area ids.

use serde::Deserialize;

use crate::dataset::TableError;
use crate::dataset::table::Table;

/// Which columns of a look-up to read, and which of its rows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Columns {
    /// The statistical area's code.
    pub(crate) code: String,
    /// The area's id. A blank one leaves the row out.
    pub(crate) area: String,
    /// The area's name.
    pub(crate) name: Option<String>,
    /// A column, and what it should say for the row to count.
    pub(crate) only: Option<(String, Vec<String>)>,
}

/// A statistical area lies in an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) code: String,
    pub(crate) area: String,
    /// The area's name, where the look-up has it.
    pub(crate) name: Option<String>,
}

/// The rows of the look-up that count, in its order.
pub(crate) fn read(file: &str, bytes: &[u8], columns: &Columns) -> Result<Vec<Entry>, TableError> {
    // A column that is not asked for is stood in for by the code.
    let (only, allowed) = match &columns.only {
        Some((column, allowed)) => (column, Some(allowed)),
        None => (&columns.code, None),
    };
    let name = columns.name.as_ref().unwrap_or(&columns.code);
    let names = [&columns.code, &columns.area, only, name].map(String::as_str);
    let rows = Table::open(file, bytes, &names)?.read(|row| {
        let counts = match allowed {
            Some(allowed) => allowed
                .iter()
                .any(|word| row.text(2).is_ok_and(|text| text == word)),
            None => true,
        };
        let Some(area) = row.optional(1)?.filter(|_| counts) else {
            return Ok(None);
        };
        Ok(Some(Entry {
            code: row.filled(0)?.to_string(),
            area: area.to_string(),
            name: columns
                .name
                .as_ref()
                .map(|_| row.text(3).map(str::to_string))
                .transpose()?,
        }))
    })?;
    Ok(rows.into_iter().flatten().collect())
}
