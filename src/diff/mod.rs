//! What changes between two datasets on a day: so that a boundary change can be agreed before it
//! happens. And [`between()`] two days of one dataset: what has changed since.
//!
//! Compared are areas by name and ground, the statistical areas that lie in them with their shares,
//! practices field by field, memberships, and what is answered for each postcode, in their versions
//! of that day. Nothing is rounded away but slivers thinner than the rounding of vertices to
//! millimetres. Lineage, canaries and the manifest's words are not compared.

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

/// What became of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Only the new dataset has it.
    Added,
    /// Only the old dataset has it.
    Removed,
    /// Both have it, and not alike.
    Changed,
}

impl Change {
    /// The word in files and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Changed => "changed",
        }
    }
}

/// What differs between two datasets.
#[derive(Debug)]
pub struct Difference {
    /// The day that was compared.
    pub as_of: Date,
    /// Name and version of the old dataset.
    pub old: String,
    /// Name and version of the new one.
    pub new: String,
    /// In order of layer and id.
    pub areas: Vec<AreaChange>,
    /// The ground that went from one area to another, in order of layer and ids.
    pub moved: Vec<MovedGround>,
    /// In order of layer, area and statistical area.
    pub coverage: Vec<CoverageChange>,
    /// In order of code.
    pub practices: Vec<PracticeChange>,
    /// In order of layer, group and member.
    pub memberships: Vec<MembershipChange>,
    /// In order of postcode.
    pub postcodes: Vec<PostcodeChange>,
}

impl Difference {
    /// That of a dataset to itself.
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

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty()
            && self.coverage.is_empty()
            && self.practices.is_empty()
            && self.memberships.is_empty()
            && self.postcodes.is_empty()
    }
}

/// A dataset and what it answers.
struct Side {
    dataset: Dataset,
    index: Index,
}

/// A dataset as it is on a day.
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

/// What differs on the day.
///
/// # Errors
/// When a dataset contradicts itself and has no answers.
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
