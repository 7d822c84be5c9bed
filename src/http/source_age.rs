//! The limits that an operator sets on the age of sources.

use std::str::FromStr;

use jiff::civil::Date;

use catchment_core::domain::SourceTimeliness;
use catchment_data::check::{JudgedSource, judge_sources};
use catchment_data::dataset::Manifest;

/// A limit on the age of the sources of a dataset: `400` for all of them, `practices=200` for one,
/// or `next-edition`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceAgeMax {
    /// A maximum age.
    Days {
        /// The key of the source: `postcodes`, `practices`, or the id of a layer or of the statistical
        /// areas; `None` for all sources that have no separate limit.
        source: Option<String>,
        /// The maximum age in days.
        days: i32,
    },
    /// A source is too old once its publisher should have published a newer edition, as `catchment
    /// check --sources` reports.
    NextEdition,
}

/// The text of [`SourceAgeMax::NextEdition`].
const NEXT_EDITION: &str = "next-edition";

/// The error for text that is not a limit on the age of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a whole number of days, such as 400, a source with a number of days, such as practices=200, or next-edition"
)]
pub struct InvalidSourceAgeMax;

impl FromStr for SourceAgeMax {
    type Err = InvalidSourceAgeMax;

    fn from_str(text: &str) -> Result<SourceAgeMax, InvalidSourceAgeMax> {
        if text == NEXT_EDITION {
            return Ok(SourceAgeMax::NextEdition);
        }
        let (source, days) = match text.split_once('=') {
            Some((source, days)) => (Some(source), days),
            None => (None, text),
        };
        let is_key = |key: &str| {
            let is_key_byte =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !key.is_empty() && key.bytes().all(is_key_byte)
        };
        let days = days.parse().ok().filter(|days| *days > 0);
        match days {
            Some(days) if source.is_none_or(is_key) => Ok(SourceAgeMax::Days {
                source: source.map(str::to_string),
                days,
            }),
            _ => Err(InvalidSourceAgeMax),
        }
    }
}

/// The limits on the age of sources. If there are no limits, no source is too old.
#[derive(Debug, Clone, Default)]
pub(super) struct SourceAgeLimits(Vec<SourceAgeMax>);

impl SourceAgeLimits {
    pub(super) fn new(limits: Vec<SourceAgeMax>) -> SourceAgeLimits {
        SourceAgeLimits(limits)
    }

    /// Returns the limit for a source in days. If there is a limit for this source, the last such
    /// limit applies. Otherwise, the last limit for all sources applies.
    fn days(&self, key: &str) -> Option<i32> {
        let named = |name: Option<&str>| {
            let mut limits = self.0.iter().rev();
            limits.find_map(|limit| match limit {
                SourceAgeMax::Days { source, days } => (source.as_deref() == name).then_some(*days),
                SourceAgeMax::NextEdition => None,
            })
        };
        named(Some(key)).or_else(|| named(None))
    }

    /// Returns a sentence for each source of the dataset that is too old on a day.
    pub(super) fn too_old(&self, manifest: &Manifest, today: Date) -> Vec<String> {
        let sources = manifest.dated_sources();
        let sentences = sources.filter_map(|source| {
            let as_of = source.date.as_of;
            let (age, limit) = (as_of.age_days(today), self.days(source.key)?);
            (age > limit).then(|| {
                format!(
                    "the source of {} is too old: it is as of {as_of}, {age} days ago, and the \
                     limit is {limit} days",
                    source.key
                )
            })
        });
        let mut sentences: Vec<String> = sentences.collect();
        if self.0.contains(&SourceAgeMax::NextEdition) {
            let judged = judge_sources(manifest, today);
            sentences.extend(judged.iter().filter_map(overdue_sentence));
        }
        sentences
    }
}

fn overdue_sentence(judged: &JudgedSource<'_>) -> Option<String> {
    let SourceTimeliness::Overdue(overdue) = &judged.timeliness else {
        return None;
    };
    let as_of = judged.source.as_of?;
    Some(format!(
        "the source `{}` as of {as_of} is {} days overdue: `{}` should have been published",
        judged.source.title, overdue.days, overdue.newest
    ))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use catchment_data::dataset::DatasetSource;

    #[test]
    fn limits_are_for_all_sources_or_for_one() {
        let limits = ["400", "practices=200", "lsoa11=9000"].map(|text| text.parse());
        let limits: Result<Vec<SourceAgeMax>, _> = limits.into_iter().collect();
        let limits = SourceAgeLimits::new(limits.expect("limits"));
        assert_eq!(limits.days("practices"), Some(200));
        assert_eq!(limits.days("lsoa11"), Some(9_000));
        assert_eq!(limits.days("icc"), Some(400));
        assert_eq!(SourceAgeLimits::default().days("icc"), None);
        let next = "next-edition".parse().map(|limit| vec![limit]);
        let next = SourceAgeLimits::new(next.expect("a limit"));
        assert_eq!(next.days("icc"), None);
        for text in [
            "",
            "next",
            "icc=next-edition",
            "0",
            "-1",
            "1.5",
            "x",
            "=400",
            "Icc=400",
            "icc=",
            "icc=x",
            "a b=1",
        ] {
            assert_eq!(
                text.parse::<SourceAgeMax>(),
                Err(InvalidSourceAgeMax),
                "{text}"
            );
        }
    }
    #[test]
    fn a_source_is_too_old_when_its_next_edition_should_be_out() {
        let manifest = DatasetSource::Embedded.manifest().expect("a manifest");
        let day = date(2026, 11, 30);
        let next = SourceAgeLimits::new(vec![SourceAgeMax::NextEdition]);
        let sentences = next.too_old(&manifest, day);
        let directory = "the source `ONS Postcode Directory` as of 2025-11 is 274 days overdue: `ONS \
                         Postcode Directory, August 2026` should have been published";
        assert!(
            sentences.iter().any(|sentence| sentence == directory),
            "{sentences:#?}"
        );
        assert!(next.too_old(&manifest, date(2011, 1, 1)).is_empty());
        assert!(
            SourceAgeLimits::default()
                .too_old(&manifest, day)
                .is_empty()
        );
    }
}
