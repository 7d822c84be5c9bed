//! The limits that an operator sets on the age of sources.

use std::str::FromStr;

use jiff::civil::Date;

use catchment_data::dataset::Manifest;

/// A limit on the age of the sources of a dataset: `400` for all of them, or `practices=200` for
/// one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceAgeMax {
    /// The key of the source: `postcodes`, `practices`, or the id of a layer or of the statistical
    /// areas; `None` for all sources that have no limit of their own.
    source: Option<String>,
    days: i32,
}

/// The error for text that is not a limit on the age of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a whole number of days, such as 400, or a source with a number of days, such as practices=200"
)]
pub struct InvalidSourceAgeMax;

impl FromStr for SourceAgeMax {
    type Err = InvalidSourceAgeMax;

    fn from_str(text: &str) -> Result<SourceAgeMax, InvalidSourceAgeMax> {
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
            Some(days) if source.is_none_or(is_key) => Ok(SourceAgeMax {
                source: source.map(str::to_string),
                days,
            }),
            _ => Err(InvalidSourceAgeMax),
        }
    }
}

/// The limits of all sources. Without limits, no source is too old.
#[derive(Debug, Clone, Default)]
pub(super) struct SourceAgeLimits(Vec<SourceAgeMax>);

impl SourceAgeLimits {
    pub(super) fn new(limits: Vec<SourceAgeMax>) -> SourceAgeLimits {
        SourceAgeLimits(limits)
    }

    /// Returns the limit for a source in days. The last limit that names the source takes
    /// precedence over the last limit for all sources.
    fn days(&self, key: &str) -> Option<i32> {
        let named = |name: Option<&str>| {
            let mut limits = self.0.iter().rev();
            limits.find(|limit| limit.source.as_deref() == name)
        };
        let limit = named(Some(key)).or_else(|| named(None));
        limit.map(|limit| limit.days)
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
        sentences.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_for_all_sources_or_for_one() {
        let limits = ["400", "practices=200", "lsoa11=9000"].map(|text| text.parse());
        let limits: Result<Vec<SourceAgeMax>, _> = limits.into_iter().collect();
        let limits = SourceAgeLimits::new(limits.expect("limits"));
        assert_eq!(limits.days("practices"), Some(200));
        assert_eq!(limits.days("lsoa11"), Some(9_000));
        assert_eq!(limits.days("icc"), Some(400));
        assert_eq!(SourceAgeLimits::default().days("icc"), None);
        for text in [
            "", "0", "-1", "1.5", "x", "=400", "Icc=400", "icc=", "icc=x", "a b=1",
        ] {
            assert_eq!(
                text.parse::<SourceAgeMax>(),
                Err(InvalidSourceAgeMax),
                "{text}"
            );
        }
    }
}
