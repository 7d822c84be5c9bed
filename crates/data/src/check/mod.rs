//! Checks a dataset for errors and suspicious data before it is used.
//!
//! [`check`] receives a dataset in the form in which it was read from its files, and returns
//! [`Finding`]s. The function does not change or repair the dataset. Areas are compared in exact
//! millimetres, and slivers that are thinner than the rounding error of the vertices are ignored.

mod areas;
mod borders;
mod communities;
mod counts;
mod finding;
mod golden_queries;
mod load;
mod postcodes;
mod practices;
mod previous;
mod sources;

pub(crate) use areas::periods_overlap;
pub use finding::{Finding, FindingGeometry, FindingSubject, Severity, findings_geojson};
pub use golden_queries::failing_golden_queries;
pub use load::{LoadFailure, load_index};
pub use previous::{PreviousComparison, compare_with_previous};
pub use sources::{JudgedSource, judge_sources};

use crate::dataset::Dataset;
use catchment_core::domain::Boundary;
use catchment_core::index::Index;

/// Checks a dataset on the dataset's own date (`as_of`). Returns the findings in order of severity
/// (errors first) and then in order of code. Findings with the same code are in the order of the
/// dataset.
pub fn check(dataset: &Dataset) -> Vec<Finding> {
    let mut findings = Vec::new();
    let day = dataset.manifest.as_of;
    areas::check(dataset, day, &mut findings);
    borders::check(dataset, &mut findings);
    practices::check(dataset, day, &mut findings);
    counts::check(dataset, day, &mut findings);
    match Index::build(dataset.clone()) {
        Ok(index) => {
            practices::check_addresses(&index, day, &mut findings);
            postcodes::check(&index, day, &mut findings);
            communities::check(&index, day, &mut findings);
            check_golden_queries(&index, dataset, &mut findings);
        }
        Err(error) => findings.push(Finding::error(
            "contradiction",
            format!("the dataset cannot be served: {error}"),
        )),
    }
    findings.sort_by_key(|finding| (finding.severity, finding.code));
    findings
}

/// Checks the boundaries of a partition against each other. Returns overlaps, gaps, holes and edges
/// that nearly match.
pub(crate) fn check_partition(kind: &str, boundaries: &[Boundary]) -> Vec<Finding> {
    let mut findings = Vec::new();
    borders::check_partition(kind, boundaries, &mut findings);
    findings
}

/// Checks the boundaries of a partition against each other for overlaps only.
pub(crate) fn check_overlaps(kind: &str, boundaries: &[Boundary]) -> Vec<Finding> {
    let mut findings = Vec::new();
    borders::check_overlaps_only(kind, boundaries, &mut findings);
    findings
}

fn check_golden_queries(index: &Index, dataset: &Dataset, findings: &mut Vec<Finding>) {
    let failing = failing_golden_queries(index, dataset.golden_queries.clone());
    findings.extend(failing.iter().map(|query| {
        Finding::error(
            "golden_query_failed",
            format!(
                "golden_queries.csv, line {}: unexpected answer; expected status `{}` with the community `{}` by residence and `{}` by registration",
                query.line, query.status, query.residence, query.registration
            ),
        )
    }));
}
