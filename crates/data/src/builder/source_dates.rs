//! Checks the dates of the sources of layers and directories. Each must be the date of a published
//! work from which the dataset is built.

use anyhow::{Result, bail};

use super::config::BuildConfig;
use crate::dataset::SourceEntry;

/// Checks that the date of each layer and directory is the date of a work, or the month or year of
/// a work. Does nothing if the works have no dates.
///
/// # Errors
/// If the date of a layer or directory is not the date of any work.
pub(super) fn check_dates(config: &BuildConfig, works: &[SourceEntry]) -> Result<()> {
    let mut dates: Vec<_> = works.iter().filter_map(|work| work.as_of).collect();
    dates.sort_unstable();
    dates.dedup();
    for (table, keys) in config.data_dates() {
        let Some(as_of) = keys.as_of.filter(|_| !dates.is_empty()) else {
            continue;
        };
        if !dates.iter().any(|date| as_of.includes(*date)) {
            let known: Vec<String> = dates.iter().map(ToString::to_string).collect();
            bail!(
                "{table}: data_as_of `{as_of}` is not the date of any source; the sources have the \
                 dates {}",
                known.join(", ")
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::test_sources::build_config;
    use super::*;

    #[test]
    fn a_date_is_the_date_of_a_source() {
        let mut config = build_config();
        let mut works = [SourceEntry {
            as_of: Some("2025-11-30".parse().expect("a date")),
            ..SourceEntry::default()
        }];
        for (date, is_known) in [("2025", true), ("2025-11", true), ("2025-12", false)] {
            config.postcodes.data_as_of = Some(date.parse().expect("a date"));
            assert_eq!(check_dates(&config, &works).is_ok(), is_known, "{date}");
        }
        let error = check_dates(&config, &works).expect_err("another date");
        assert_eq!(
            error.to_string(),
            "[postcodes]: data_as_of `2025-12` is not the date of any source; the sources have the \
             dates 2025-11-30"
        );
        works[0].as_of = None;
        assert!(check_dates(&config, &works).is_ok());
    }
}
