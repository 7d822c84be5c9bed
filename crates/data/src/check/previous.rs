//! Compares a dataset with the previous release to find tables that have become much smaller and
//! postcodes that can no longer be located.

use super::Finding;
use super::postcodes::NAMED_MAX;
use crate::dataset::Dataset;
use crate::plural::first_names;
use catchment_core::domain::{Layer, LayerSet, LookupStatus, Postcode, PostcodeEntry};
use catchment_core::geodesy;
use catchment_core::index::{Index, IndexError, LocateQuery, Locator};

/// The maximum share of the rows of a table that may be missing without a finding.
const FALL_MAX: f64 = 0.02;

/// The tables and postcodes that a dataset lacks in comparison with the previous release.
#[derive(Debug)]
pub struct PreviousComparison {
    /// A sentence about each table that has lost more than 2% of its rows.
    smaller_tables: Vec<String>,
    /// The postcodes that can no longer be located, with their new status. Does not contain
    /// postcodes that have been terminated since the previous release.
    lost_postcodes: Vec<(PostcodeEntry, LookupStatus)>,
}

/// Compares a dataset with the previous release. The data of each dataset are those on the
/// dataset's own date (`as_of`).
///
/// # Errors
/// If the data of one of the datasets are inconsistent, so that no index can be built.
pub fn compare_with_previous(
    previous: &Dataset,
    current: &Dataset,
) -> Result<PreviousComparison, IndexError> {
    let mut smaller_tables = Vec::new();
    let layers = current.manifest.layers_of_both(&previous.manifest);
    let tables = table_sizes(previous, &layers).into_iter();
    let tables = tables.zip(table_sizes(current, &layers));
    for ((table, before), (_, now)) in tables {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let (before_f, now_f) = (before as f64, now as f64);
        if now_f < before_f * (1.0 - FALL_MAX) {
            let percent = 100.0 * (before_f - now_f) / before_f;
            smaller_tables.push(format!(
                "{table}: {now} instead of {before} in the previous dataset, a fall of {percent:.1} %"
            ));
        }
    }
    let old = Index::build(previous.clone())?;
    let new = Index::build(current.clone())?;
    let (old_day, new_day) = (previous.manifest.as_of, current.manifest.as_of);
    let mut lost_postcodes = Vec::new();
    for entry in old.postcodes() {
        let status = |index: &Index, as_of| {
            let query = LocateQuery {
                locator: Some(Locator::Postcode(entry.postcode)),
                practice: None,
                as_of,
            };
            index.locate_with_distances(&query, LayerSet::NONE).status
        };
        if status(&old, old_day) != LookupStatus::Located {
            continue;
        }
        let now = status(&new, new_day);
        if !matches!(now, LookupStatus::Located | LookupStatus::Terminated) {
            lost_postcodes.push((entry, now));
        }
    }
    Ok(PreviousComparison {
        smaller_tables,
        lost_postcodes,
    })
}

impl PreviousComparison {
    /// Returns whether the dataset lacks no rows and no postcodes.
    pub fn is_empty(&self) -> bool {
        self.smaller_tables.is_empty() && self.lost_postcodes.is_empty()
    }

    /// Returns an error finding for each smaller table and for each lost postcode.
    pub fn findings(&self) -> impl Iterator<Item = Finding> {
        let tables = self.smaller_tables.iter();
        let tables = tables.map(|message| Finding::error("fewer_rows", message.clone()));
        let postcodes = self.lost_postcodes.iter().map(|(entry, now)| {
            let message = format!(
                "postcode {} was `located` in the previous dataset and is `{}`",
                entry.postcode,
                now.as_str()
            );
            let finding = Finding::error("postcode_no_longer_located", message);
            finding.with_position(entry.position.and_then(geodesy::to_lonlat))
        });
        tables.chain(postcodes)
    }

    /// Returns a summary for an error message: each smaller table, and the first postcodes.
    pub fn summary(&self) -> String {
        let mut lines = self.smaller_tables.clone();
        if !self.lost_postcodes.is_empty() {
            let postcodes = self.lost_postcodes.iter();
            let postcodes: Vec<Postcode> = postcodes.map(|(entry, _)| entry.postcode).collect();
            lines.push(format!(
                "postcodes that were located in the previous dataset and are no longer located: {} \
                 ({})",
                postcodes.len(),
                first_names(&postcodes, NAMED_MAX)
            ));
        }
        lines.join("\n  ")
    }
}

/// Returns the number of rows of each table, in the same order for every dataset.
fn table_sizes(dataset: &Dataset, layers: &[Layer]) -> Vec<(String, usize)> {
    let mut sizes = vec![
        ("postcodes".to_string(), dataset.postcodes.len()),
        ("areas".into(), dataset.areas.len()),
        ("memberships".into(), dataset.memberships.len()),
        ("assignments".into(), dataset.assignments.len()),
        ("lineage".into(), dataset.lineage.len()),
        ("practices".into(), dataset.practices.len()),
        ("premises".into(), dataset.premises.len()),
        ("practice successions".into(), dataset.successions.len()),
        (
            "boundaries of statistical areas".into(),
            dataset.statistical_boundaries.len(),
        ),
    ];
    for layer in layers {
        let boundaries = dataset.boundaries.iter().filter(|(of, _)| of == layer);
        let count = boundaries.map(|(_, boundaries)| boundaries.len()).sum();
        sizes.push((format!("boundaries of {layer}"), count));
    }
    sizes
}
