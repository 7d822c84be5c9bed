//! The format of a published table: its title, and the columns by which it is recognised.

/// A published table.
pub(crate) struct TableFormat {
    /// The publisher and the title, for messages: `NHS ODS epraccur`.
    pub(crate) title: &'static str,
    pub(crate) columns: FormatColumns,
}

/// The columns of a table.
pub(crate) enum FormatColumns {
    /// The names of the columns that the header row must have, and of the columns that it may have.
    /// Names are equal if `canonical` converts them to the same string.
    Named {
        required: &'static [&'static str],
        optional: &'static [&'static str],
        canonical: fn(&str) -> String,
    },
    /// The columns that the header row must have, each with its other names. `known` returns
    /// whether a converted name is another column of the table.
    Aliases {
        required: &'static [&'static [&'static str]],
        known: fn(&str) -> bool,
        canonical: fn(&str) -> String,
    },
    /// The possible numbers of columns of a table that is read by position, because it may have no
    /// header row.
    Positions(&'static [usize]),
}

/// The differences between the first row of a file and a format with a header row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HeaderDifference {
    /// The number of required columns that the row has.
    pub(crate) found: usize,
    /// The required columns that the row lacks, with their other names in parentheses.
    pub(crate) missing: Vec<String>,
    /// The columns of the row that are not in the format.
    pub(crate) unknown: Vec<String>,
}

impl TableFormat {
    /// Compares the first row of a file with the format. Returns `None` if the format has no header
    /// row.
    pub(crate) fn compare(&self, first_row: &[String]) -> Option<HeaderDifference> {
        let canonical = match &self.columns {
            FormatColumns::Positions(_) => return None,
            FormatColumns::Named { canonical, .. } | FormatColumns::Aliases { canonical, .. } => {
                canonical
            }
        };
        let required = self.required();
        let trimmed = first_row
            .iter()
            .map(|name| name.trim_start_matches('\u{feff}').trim());
        let written: Vec<&str> = trimmed.collect();
        let names: Vec<String> = written.iter().map(|name| canonical(name)).collect();
        let has = |column: &str| names.contains(&canonical(column));
        let missing: Vec<String> = required
            .iter()
            .filter(|aliases| !aliases.iter().any(|alias| has(alias)))
            .map(|aliases| with_aliases(aliases))
            .collect();
        let is_required = |name: &str| {
            let mut columns = required.iter().copied().flatten();
            columns.any(|column| canonical(column) == name)
        };
        let is_optional = |name: &str| match &self.columns {
            FormatColumns::Named { optional, .. } => {
                optional.iter().any(|column| canonical(column) == name)
            }
            FormatColumns::Aliases { known, .. } => known(name),
            FormatColumns::Positions(_) => false,
        };
        let unknown = written
            .iter()
            .zip(&names)
            .filter(|(_, name)| !is_required(name) && !is_optional(name));
        Some(HeaderDifference {
            found: required.len() - missing.len(),
            missing,
            unknown: unknown.map(|(name, _)| (*name).to_string()).collect(),
        })
    }

    /// Returns the columns that the header row must have, each with its other names.
    fn required(&self) -> Vec<&'static [&'static str]> {
        match self.columns {
            FormatColumns::Positions(_) => Vec::new(),
            FormatColumns::Named { required, .. } => required.chunks(1).collect(),
            FormatColumns::Aliases { required, .. } => required.to_vec(),
        }
    }
}

/// Formats the names of a column: `` `usertype` (or `usrtypind`) ``.
fn with_aliases(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => format!("`{only}`"),
        [first, others @ ..] => format!("`{first}` (or `{}`)", others.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::present_name;
    use super::*;

    const NAMED: TableFormat = TableFormat {
        title: "a table",
        columns: FormatColumns::Named {
            required: &["code", "name"],
            optional: &["note"],
            canonical: present_name,
        },
    };
    const ALIASES: TableFormat = TableFormat {
        title: "a directory",
        columns: FormatColumns::Aliases {
            required: &[&["pcds", "pcd"], &["usertype", "usrtypind"]],
            known: |name| name == "lat",
            canonical: str::to_lowercase,
        },
    };

    fn compare(format: &TableFormat, header: &str) -> Option<HeaderDifference> {
        let names: Vec<String> = header.split(',').map(str::to_string).collect();
        format.compare(&names)
    }

    #[test]
    fn missing_and_unknown_columns_are_named() {
        for (format, header, found, missing, unknown) in [
            (&NAMED, "name,code,note", 2, &[][..], &[][..]),
            (
                &NAMED,
                "\u{feff}code,Name",
                1,
                &["`name`"][..],
                &["Name"][..],
            ),
            (&ALIASES, "PCD,USRTYPIND,LAT", 2, &[], &[]),
            (
                &ALIASES,
                "pcds,user_type",
                1,
                &["`usertype` (or `usrtypind`)"],
                &["user_type"],
            ),
        ] {
            let difference = compare(format, header).expect("a header row");
            assert_eq!(difference.found, found, "{header}");
            assert_eq!(difference.missing, missing, "{header}");
            assert_eq!(difference.unknown, unknown, "{header}");
        }
    }

    #[test]
    fn tables_without_a_header_row_are_not_compared() {
        let format = TableFormat {
            title: "a report",
            columns: FormatColumns::Positions(&[27]),
        };
        assert_eq!(compare(&format, "code,name"), None);
    }
}
