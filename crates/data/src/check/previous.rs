//! Comparison of a dataset with the previous release: tables that have become much smaller, and
//! postcodes that were located and no longer are.

use super::Finding;
use super::postcodes::first_names;
use crate::dataset::Dataset;
use catchment_core::domain::{LookupStatus, Postcode};
use catchment_core::geodesy;
use catchment_core::index::{Index, IndexError, LocateQuery, Locator};

/// The largest share of the rows of a table that may be missing without a finding.
const FALL_MAX: f64 = 0.02;

/// Compares a dataset with the previous release, each on its own date (`as_of`).
///
/// Returns an error finding for each table that has lost more than 2 % of its rows, and for each
/// postcode that was located and no longer is. A postcode that has been terminated since is not a
/// finding.
///
/// # Errors
/// If a dataset contradicts itself, so that no index can be built.
pub fn compare_with_previous(
    previous: &Dataset,
    current: &Dataset,
) -> Result<Vec<Finding>, IndexError> {
    let mut findings = Vec::new();
    let tables = table_sizes(previous).into_iter().zip(table_sizes(current));
    for ((table, before), (_, now)) in tables {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let (before_f, now_f) = (before as f64, now as f64);
        if now_f < before_f * (1.0 - FALL_MAX) {
            let percent = 100.0 * (before_f - now_f) / before_f;
            let message = format!(
                "{table}: {now} instead of {before} in the previous dataset, a fall of {percent:.1} %"
            );
            findings.push(Finding::error("fewer_rows", message));
        }
    }
    let old = Index::build(previous.clone())?;
    let new = Index::build(current.clone())?;
    let (old_day, new_day) = (previous.manifest.as_of, current.manifest.as_of);
    for entry in old.postcodes() {
        let status = |index: &Index, as_of| {
            let query = LocateQuery {
                locator: Some(Locator::Postcode(entry.postcode)),
                practice: None,
                as_of,
            };
            index.locate(&query).status
        };
        if status(&old, old_day) != LookupStatus::Located {
            continue;
        }
        let now = status(&new, new_day);
        if matches!(now, LookupStatus::Located | LookupStatus::Terminated) {
            continue;
        }
        let message = format!(
            "postcode {} was `located` in the previous dataset and is `{}`",
            entry.postcode,
            now.as_str()
        );
        let finding = Finding::error("postcode_no_longer_located", message);
        findings.push(finding.with_position(entry.position.and_then(geodesy::to_lonlat)));
    }
    Ok(findings)
}

/// Returns the number of rows of each table, in the same order for every dataset.
fn table_sizes(dataset: &Dataset) -> Vec<(String, usize)> {
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
    for layer in catchment_core::domain::Layer::ALL {
        let boundaries = dataset.boundaries.iter().filter(|(of, _)| *of == layer);
        let count = boundaries.map(|(_, boundaries)| boundaries.len()).sum();
        sizes.push((format!("boundaries of {layer}"), count));
    }
    sizes
}

/// Returns a summary of the findings for an error message: each smaller table, and the postcodes.
pub fn previous_summary(findings: &[Finding]) -> String {
    let (tables, postcodes): (Vec<&Finding>, Vec<&Finding>) = findings
        .iter()
        .partition(|finding| finding.code == "fewer_rows");
    let mut lines: Vec<String> = tables
        .iter()
        .map(|finding| finding.message.clone())
        .collect();
    if !postcodes.is_empty() {
        let names: Vec<Postcode> = postcodes
            .iter()
            .filter_map(|finding| {
                finding
                    .message
                    .get("postcode ".len()..)?
                    .split(" was")
                    .next()
            })
            .filter_map(|name| name.parse().ok())
            .collect();
        lines.push(format!(
            "{} postcodes that were located are no longer: {}",
            postcodes.len(),
            first_names(&names)
        ));
    }
    lines.join("\n  ")
}
