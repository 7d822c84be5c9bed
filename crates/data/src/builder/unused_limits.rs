//! The table `[unused_max]` of the configuration, which limits the share of a source that may be
//! lost or doubtful.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The default maximum share of a source's rows, or of the people whom the rows count, that may be
/// lost or doubtful.
const DEFAULT_LIMIT: f64 = 0.005;
/// The key of the limit for sources that have no separate key.
const DEFAULT_KEY: &str = "default";

/// The limits, by the path of the source in the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct UnusedLimits(BTreeMap<String, f64>);

impl UnusedLimits {
    /// Returns the limit of a source, and whether the table contains a key for the source.
    pub(super) fn of(&self, source: &str) -> (f64, bool) {
        match self.0.get(source) {
            Some(limit) => (*limit, true),
            None => (
                self.0.get(DEFAULT_KEY).copied().unwrap_or(DEFAULT_LIMIT),
                false,
            ),
        }
    }

    /// Returns the errors in the limits. `sources` contains the paths of all sources.
    pub(super) fn errors(&self, sources: &[String]) -> Vec<String> {
        let mut errors = Vec::new();
        for (key, limit) in &self.0 {
            if !(0.0..=1.0).contains(limit) {
                errors.push(format!(
                    "[unused_max] `{key}`: `{limit}` is not a share from 0 to 1, such as 0.005"
                ));
            }
            if key != DEFAULT_KEY && !sources.contains(key) {
                errors.push(format!(
                    "[unused_max] `{key}`: the configuration has no such file; write the path as \
                     there, or `default`"
                ));
            }
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_its_own_limit_or_the_default() {
        let limits = |text: &str| toml::from_str::<UnusedLimits>(text).expect("limits");
        assert_eq!(limits("").of("a.csv"), (0.005, false));
        let own = limits("default = 0.01\n\"a.csv\" = 0.2");
        assert_eq!(
            (own.of("a.csv"), own.of("b.csv")),
            ((0.2, true), (0.01, false))
        );
        assert!(own.errors(&["a.csv".into()]).is_empty());
        let errors = limits("\"a.cvs\" = 2.0\ndefault = -0.1").errors(&["a.csv".into()]);
        assert_eq!(errors.len(), 3, "{errors:?}");
    }
}
