//! Compares two datasets on one date, so that a boundary change can be agreed before it is made, or
//! one dataset on two dates ([`compare_dates`]).
//!
//! The comparison covers areas by name and boundary, the statistical areas assigned to them with
//! their shares, practices field by field, memberships, and the answer for each postcode, all in
//! the versions of that date. Only slivers thinner than the rounding of vertices to millimetres are
//! ignored. Lineage, golden queries and the text of the manifest are not compared.

mod areas;
mod between;
mod coverage;
mod output;
mod postcodes;
mod records;

use jiff::civil::Date;

pub use areas::{AreaChange, MovedGround};
pub use between::{Between, MemberMove, StatusChange, between};
pub use coverage::CoverageChange;
pub use output::files;
pub use postcodes::{Answered, PostcodeChange};
pub use records::{MembershipChange, PracticeChange};

use crate::dataset::{Dataset, Manifest};
use crate::index::{Index, IndexError};

/// The kind of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Only the new dataset has it.
    Added,
    /// Only the old dataset has it.
    Removed,
    /// Both datasets have it, with differences.
    Changed,
}

impl Change {
    /// Returns the word for it in files and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Changed => "changed",
        }
    }
}

/// The differences between two datasets on one date.
#[derive(Debug)]
pub struct Difference {
    /// The date of the comparison.
    pub as_of: Date,
    /// Name and version of the old dataset.
    pub old: String,
    /// Name and version of the new one.
    pub new: String,
    /// Differences in areas, in order of layer and id.
    pub areas: Vec<AreaChange>,
    /// The geometries transferred from one area to another, in order of layer and ids.
    pub moved: Vec<MovedGround>,
    /// Differences in assignments, in order of layer, area and statistical area.
    pub coverage: Vec<CoverageChange>,
    /// Differences in practices, in order of code.
    pub practices: Vec<PracticeChange>,
    /// Differences in memberships, in order of layer, group and member.
    pub memberships: Vec<MembershipChange>,
    /// Differences in postcodes and their answers, in order of postcode.
    pub postcodes: Vec<PostcodeChange>,
}

impl Difference {
    /// Returns the empty comparison of a dataset with itself.
    pub fn none(dataset: &Dataset, as_of: Date) -> Difference {
        let name = name(&dataset.manifest);
        Difference {
            as_of,
            old: name.clone(),
            new: name,
            areas: Vec::new(),
            moved: Vec::new(),
            coverage: Vec::new(),
            practices: Vec::new(),
            memberships: Vec::new(),
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
struct Side {
    dataset: Dataset,
    index: Index,
}

/// A dataset on one date.
#[derive(Clone, Copy)]
struct View<'i> {
    index: &'i Index,
    day: Date,
}

impl Side {
    fn on(&self, day: Date) -> View<'_> {
        View {
            index: &self.index,
            day,
        }
    }
}

/// Compares two datasets on the date `as_of`.
///
/// # Errors
/// If a dataset contradicts itself, so that no index can be built.
pub fn diff(old: Dataset, new: Dataset, as_of: Date) -> Result<Difference, IndexError> {
    let side = |dataset: Dataset| {
        let index = Index::build(dataset.clone())?;
        Ok(Side { dataset, index })
    };
    let (old, new) = (side(old)?, side(new)?);
    let (areas, moved) = areas::compare(old.on(as_of), new.on(as_of));
    Ok(Difference {
        as_of,
        old: name(old.index.manifest()),
        new: name(new.index.manifest()),
        areas,
        moved,
        coverage: coverage::compare(&old.dataset.assignments, &new.dataset.assignments, as_of),
        practices: records::practices(old.on(as_of), new.on(as_of)),
        memberships: records::memberships(old.on(as_of), new.on(as_of)),
        postcodes: postcodes::compare(&old.index, &new.index, as_of),
    })
}

fn name(manifest: &Manifest) -> String {
    format!("{} {}", manifest.name, manifest.version)
}
