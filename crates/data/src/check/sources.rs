//! Finds the sources of a dataset of which a newer edition should have been published.

use jiff::civil::Date;

use catchment_core::domain::{Manifest, SourceEntry, SourceTimeliness};

/// A source, and whether a newer edition should have been published.
#[derive(Debug, Clone)]
pub struct JudgedSource<'m> {
    /// The source.
    pub source: &'m SourceEntry,
    /// Whether a newer edition should have been published.
    pub timeliness: SourceTimeliness,
}

impl JudgedSource<'_> {
    /// Returns whether a newer edition should have been published.
    pub fn is_overdue(&self) -> bool {
        matches!(self.timeliness, SourceTimeliness::Overdue(_))
    }
}

/// Returns every source of a dataset: the most overdue sources first, and the sources whose
/// frequency or date is not known last.
pub fn judge_sources(manifest: &Manifest, today: Date) -> Vec<JudgedSource<'_>> {
    let sources = manifest.sources.iter();
    let mut judged: Vec<JudgedSource<'_>> = sources
        .map(|source| JudgedSource {
            source,
            timeliness: source.timeliness(today),
        })
        .collect();
    judged.sort_by_key(|judged| {
        let is_once = judged.timeliness == SourceTimeliness::Once;
        let days = judged.timeliness.overdue_days();
        (
            days.is_none(),
            std::cmp::Reverse(days),
            !judged.is_overdue(),
            is_once,
        )
    });
    judged
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::dataset::manifest_from_toml;

    #[test]
    fn the_most_overdue_source_is_first_and_unknown_ones_are_last() {
        let text = r#"
            name = "test"
            version = "1"
            title = "Test"
            as_of = "2026-01-01"
            attribution = "example"
            licence = "https://example.org/licence"
            tolerance_m = 100.0
            complete_outcodes = []
            layers = []
            sources = [
                { title = "A page", as_of = "2022-01-05" },
                { title = "Boundaries", as_of = "2011", frequency = "once" },
                { title = "ODS epraccur", as_of = "2026-10" },
                { title = "ODS ePCN", as_of = "2026-08" },
                { title = "ODS ePCN" },
                { title = "Code-Point Open", as_of = "2026-02" },
            ]
            [files]
        "#;
        let manifest = manifest_from_toml(text).expect("a manifest");
        let judged = judge_sources(&manifest, date(2026, 11, 30));
        let found: Vec<_> = judged
            .iter()
            .map(|judged| (&*judged.source.title, judged.timeliness.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("Code-Point Open", "overdue"),
                ("ODS ePCN", "overdue"),
                ("ODS epraccur", "current"),
                ("Boundaries", "once"),
                ("A page", "unknown_frequency"),
                ("ODS ePCN", "undated"),
            ]
        );
    }

    #[test]
    fn a_frequency_is_kept_in_the_manifest_and_checked() {
        let text = crate::dataset::DatasetSource::Embedded
            .manifest()
            .map(|manifest| {
                let mut manifest = manifest;
                manifest.sources[0].frequency =
                    Some(catchment_core::domain::SourceFrequency::Yearly);
                crate::dataset::manifest_to_toml(&manifest)
            });
        let text = text.expect("the embedded dataset");
        assert!(text.contains("frequency = \"yearly\""));
        let manifest = manifest_from_toml(&text).expect("the same manifest");
        assert!(manifest.sources[0].frequency.is_some());
        let error = manifest_from_toml(&text.replace("\"yearly\"", "\"weekly\""));
        let error = error.expect_err("no such frequency").to_string();
        assert!(
            error.contains("frequency `weekly`: must be monthly, quarterly"),
            "{error}"
        );
    }
}
