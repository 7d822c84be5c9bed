//! Compares two datasets on one date ([`diff`]), so that a boundary change can be agreed before it is
//! made, or one dataset on two dates: all of it ([`diff_dates`]) or a layer ([`compare_dates`]).
//!
//! A comparison of datasets covers the names and boundaries of areas, the
//! statistical areas assigned to them with their shares, every field of the practices, memberships,
//! and the answer for each postcode; [`compare_dates`] covers fewer of these. Only slivers that are
//! thinner than the rounding error of the vertices, which are in whole millimetres, are ignored.
//! Lineage, golden queries and the text of the manifest are not compared.

mod areas;
mod coverage;
mod date_comparison;
mod output;
mod postcodes;
mod records;

use jiff::civil::Date;

pub use areas::{AreaChange, TransferredGeometry};
pub use coverage::CoverageChange;
pub use date_comparison::{DateComparison, MembershipMove, PracticeStatusChange, compare_dates};
pub use output::files;
pub use postcodes::{PostcodeAnswer, PostcodeChange};
pub use records::{MembershipChange, PracticeChange};

use crate::dataset::{Dataset, Manifest};
use catchment_core::domain::Layer;
use catchment_core::index::{Index, IndexError};

/// The kind of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// Only the new dataset contains the item.
    Added,
    /// Only the old dataset contains the item.
    Removed,
    /// Both datasets contain the item, with differences.
    Changed,
}

impl ChangeKind {
    /// Returns the value used in files and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Added => "added",
            ChangeKind::Removed => "removed",
            ChangeKind::Changed => "changed",
        }
    }
}

/// The differences between two datasets on one date, or in one dataset between two dates.
#[derive(Debug)]
pub struct DatasetDifference {
    /// The date on which the new dataset is compared.
    pub as_of: Date,
    /// The date on which the old dataset is compared: an earlier date, if both are one dataset, and
    /// otherwise the same date.
    pub old_as_of: Date,
    /// The name and version of the old dataset.
    pub old: String,
    /// The name and version of the new dataset.
    pub new: String,
    /// Differences in areas, in order of layer and id.
    pub areas: Vec<AreaChange>,
    /// The geometries transferred from one area to another, in order of layer and area ids.
    pub transferred: Vec<TransferredGeometry>,
    /// Differences in assignments, in order of layer, area and statistical area.
    pub coverage: Vec<CoverageChange>,
    /// Differences in practices, in order of code.
    pub practices: Vec<PracticeChange>,
    /// Differences in memberships, in order of layer, group and member.
    pub memberships: Vec<MembershipChange>,
    /// The layers whose answers for postcodes are compared.
    pub compared_layers: Vec<Layer>,
    /// Differences in postcodes and their answers, in order of postcode.
    pub postcodes: Vec<PostcodeChange>,
}

impl DatasetDifference {
    /// Returns the empty comparison of a dataset with itself.
    pub fn empty(dataset: &Dataset, as_of: Date) -> DatasetDifference {
        let name = name_and_version(&dataset.manifest);
        DatasetDifference {
            as_of,
            old_as_of: as_of,
            old: name.clone(),
            new: name,
            areas: Vec::new(),
            transferred: Vec::new(),
            coverage: Vec::new(),
            practices: Vec::new(),
            memberships: Vec::new(),
            compared_layers: Vec::new(),
            postcodes: Vec::new(),
        }
    }

    /// Returns whether there are no differences.
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty()
            && self.coverage.is_empty()
            && self.practices.is_empty()
            && self.memberships.is_empty()
            && self.postcodes.is_empty()
    }
}

/// A dataset and its index.
struct DatasetSide {
    dataset: Dataset,
    index: Index,
}

/// The index of a dataset, and the date on which the dataset is compared.
#[derive(Clone, Copy)]
struct DatasetOnDate<'i> {
    index: &'i Index,
    day: Date,
}

impl DatasetSide {
    fn on_date(&self, day: Date) -> DatasetOnDate<'_> {
        DatasetOnDate {
            index: &self.index,
            day,
        }
    }
}

/// Compares two datasets on the date `as_of`.
///
/// # Errors
/// If the data of one of the datasets are inconsistent, so that no index can be built.
pub fn diff(old: Dataset, new: Dataset, as_of: Date) -> Result<DatasetDifference, IndexError> {
    let side = |dataset: Dataset| {
        let index = Index::build(dataset.clone())?;
        Ok(DatasetSide { dataset, index })
    };
    let (old, new) = (side(old)?, side(new)?);
    let compared_layers = postcodes::compared_layers(&old.index, &new.index);
    Ok(compare((&old, as_of), (&new, as_of), |_| compared_layers))
}

/// Compares a dataset on the date `from` with itself on the later date `to`. The answers for postcodes
/// are compared in the layers whose areas change.
///
/// # Errors
/// If the dataset contradicts itself, so that no index can be built.
pub fn diff_dates(dataset: Dataset, from: Date, to: Date) -> Result<DatasetDifference, IndexError> {
    let index = Index::build(dataset.clone())?;
    let side = DatasetSide { dataset, index };
    Ok(compare((&side, from), (&side, to), |areas| {
        let has_change = |layer: &Layer| areas.iter().any(|change| change.layer == *layer);
        side.index.layers().filter(has_change).collect()
    }))
}

/// Compares two datasets, each on its date. `compared_layers` returns the layers in which the answers
/// for postcodes are compared, given the areas that changed.
fn compare(
    (old, old_as_of): (&DatasetSide, Date),
    (new, as_of): (&DatasetSide, Date),
    compared_layers: impl FnOnce(&[AreaChange]) -> Vec<Layer>,
) -> DatasetDifference {
    let (before, after) = (old.on_date(old_as_of), new.on_date(as_of));
    let (areas, transferred) = areas::compare(before, after);
    let compared_layers = compared_layers(&areas);
    DatasetDifference {
        as_of,
        old_as_of,
        old: name_and_version(old.index.manifest()),
        new: name_and_version(new.index.manifest()),
        areas,
        transferred,
        coverage: coverage::compare(
            (&old.dataset.assignments, old_as_of),
            (&new.dataset.assignments, as_of),
            &layers_of_both(before, after),
        ),
        practices: records::practices(before, after),
        memberships: records::memberships(before, after),
        postcodes: postcodes::compare(before, after, &compared_layers),
        compared_layers,
    }
}

/// Returns the layers of the new dataset in their order, followed by the layers that are only in
/// the old dataset.
fn layers_of_both(old: DatasetOnDate<'_>, new: DatasetOnDate<'_>) -> Vec<Layer> {
    new.index.manifest().layers_of_both(old.index.manifest())
}

/// Returns the position of a layer in `layers`, by which differences are sorted.
fn position(layers: &[Layer], layer: Layer) -> usize {
    let found = layers.iter().position(|other| *other == layer);
    found.unwrap_or(layers.len())
}

fn name_and_version(manifest: &Manifest) -> String {
    format!("{} {}", manifest.name, manifest.version)
}
