//! Which groups practices and areas are members of.

use std::ops::Range;

use jiff::civil::Date;

use super::layer::LayerIndex;
use super::registry::Registry;
use super::{IndexError, overlap};
use crate::domain::{Layer, Member, Membership};

/// Memberships, by member.
#[derive(Debug)]
pub(super) struct Memberships {
    /// In order of member, then of the kind of group, then as the source has them.
    all: Vec<Entry>,
    /// The entries of each practice, by its row.
    of_practice: Vec<Range<usize>>,
    /// The entries of each area, by its layer's place, then its number.
    of_area: Vec<Vec<Range<usize>>>,
}

#[derive(Debug)]
struct Entry {
    membership: Membership,
    /// The number of its group, where the source names one of a layer that the dataset holds.
    group: Option<u32>,
}

impl Memberships {
    /// # Errors
    /// When one names a member or a group that is nowhere described, or a practice is in two
    /// communities at a time.
    pub(super) fn new(
        mut memberships: Vec<Membership>,
        layers: &[LayerIndex],
        registry: &Registry,
    ) -> Result<Memberships, IndexError> {
        memberships.sort_by(|a, b| (&a.member, a.layer).cmp(&(&b.member, b.layer)));
        check_homes(&memberships)?;
        let areas = |layer: &LayerIndex| vec![0..0; layer.count()];
        let mut sorted = Memberships {
            all: Vec::with_capacity(memberships.len()),
            of_practice: vec![0..0; registry.practices().len()],
            of_area: layers.iter().map(areas).collect(),
        };
        for same in memberships.chunk_by(|a, b| a.member == b.member) {
            let first = sorted.all.len();
            for membership in same {
                let group = group_of(membership, layers)?;
                sorted.all.push(Entry {
                    membership: membership.clone(),
                    group,
                });
            }
            let entries = first..sorted.all.len();
            match &same[0].member {
                Member::Practice(code) => {
                    let row = registry.row(*code).ok_or_else(|| no_member(&same[0]))?;
                    sorted.of_practice[row] = entries;
                }
                Member::Area(layer, id) => {
                    let Some(at) = layers.iter().position(|held| held.id == *layer) else {
                        continue;
                    };
                    let number = layers[at].number(id).ok_or_else(|| no_member(&same[0]))?;
                    sorted.of_area[at][number as usize] = entries;
                }
            }
        }
        Ok(sorted)
    }

    /// All of them, in order of member.
    pub(super) fn all(&self) -> impl Iterator<Item = &Membership> {
        self.all.iter().map(|entry| &entry.membership)
    }

    /// The memberships of a member in groups of a kind on a day, in the source's order.
    pub(super) fn of(
        &self,
        member: &Member,
        layer: Layer,
        day: Date,
    ) -> impl Iterator<Item = &Membership> {
        let key = (member, layer);
        let order = |entry: &Entry| (&entry.membership.member, entry.membership.layer).cmp(&key);
        let first = self.all.partition_point(|entry| order(entry).is_lt());
        let count = self.all[first..].partition_point(|entry| order(entry).is_eq());
        let found = self.among(first..first + count, layer, day);
        found.map(|(membership, _)| membership)
    }

    /// The memberships of a practice, by its row, in groups of a kind on a day, and the number of
    /// each one's group.
    pub(super) fn of_practice(
        &self,
        row: usize,
        layer: Layer,
        day: Date,
    ) -> impl Iterator<Item = (&Membership, Option<u32>)> {
        self.among(self.of_practice[row].clone(), layer, day)
    }

    /// The memberships of a practice, by its row, in any group at any time.
    pub(super) fn ever_of_practice(&self, row: usize) -> impl Iterator<Item = &Membership> {
        let entries = self.all[self.of_practice[row].clone()].iter();
        entries.map(|entry| &entry.membership)
    }

    /// The memberships of an area, by its layer's place and its number, likewise.
    pub(super) fn of_area(
        &self,
        at: usize,
        number: u32,
        layer: Layer,
        day: Date,
    ) -> impl Iterator<Item = (&Membership, Option<u32>)> {
        self.among(self.of_area[at][number as usize].clone(), layer, day)
    }

    fn among(
        &self,
        entries: Range<usize>,
        layer: Layer,
        day: Date,
    ) -> impl Iterator<Item = (&Membership, Option<u32>)> {
        let entries = self.all[entries].iter();
        let told = entries.map(|entry| (&entry.membership, entry.group));
        told.filter(move |(it, _)| it.layer == layer && it.period.contains(day))
    }
}

/// The number of a membership's group.
fn group_of(membership: &Membership, layers: &[LayerIndex]) -> Result<Option<u32>, IndexError> {
    let Some(id) = &membership.group else {
        return Ok(None);
    };
    let Some(layer) = layers.iter().find(|layer| layer.id == membership.layer) else {
        return Ok(None);
    };
    let number = layer.number(id).ok_or_else(|| IndexError::NotThere {
        what: named(membership),
        id: id.clone(),
    })?;
    Ok(Some(number))
}

fn no_member(membership: &Membership) -> IndexError {
    IndexError::NotThere {
        what: named(membership),
        id: "its member".into(),
    }
}

fn named(membership: &Membership) -> String {
    match &membership.member {
        Member::Practice(code) => format!("the membership of practice `{code}`"),
        Member::Area(layer, id) => format!("the membership of {layer} `{id}`"),
    }
}

/// A practice is in one community at a time.
fn check_homes(memberships: &[Membership]) -> Result<(), IndexError> {
    let of_one = memberships.chunk_by(|a, b| (&a.member, a.layer) == (&b.member, b.layer));
    for memberships in of_one.filter(|it| it[0].layer == Layer::Icc) {
        let Member::Practice(code) = &memberships[0].member else {
            continue;
        };
        for (at, first) in memberships.iter().enumerate() {
            let clash = memberships[at + 1..]
                .iter()
                .find(|second| second.group != first.group && overlap(second.period, first.period));
            if let Some(second) = clash {
                return Err(IndexError::TwoHomes {
                    practice: code.to_string(),
                    first: first.group.clone().unwrap_or_default(),
                    second: second.group.clone().unwrap_or_default(),
                });
            }
        }
    }
    Ok(())
}
