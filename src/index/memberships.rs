//! The groups to which practices and areas belong.

use std::ops::Range;

use jiff::civil::Date;

use super::layer::LayerIndex;
use super::registry::Registry;
use super::{IndexError, overlap};
use crate::domain::{Layer, Member, Membership};

/// Memberships by member.
#[derive(Debug)]
pub(super) struct Memberships {
    /// In order of member, then of the group's layer, then of the source.
    all: Vec<Entry>,
    /// The range of entries of each practice, by row.
    of_practice: Vec<Range<usize>>,
    /// The range of entries of each area, by the position of its layer in the index, then by
    /// ordinal.
    of_area: Vec<Vec<Range<usize>>>,
}

#[derive(Debug)]
struct Entry {
    membership: Membership,
    /// The ordinal of its group; `None` if the source names no group, or the dataset does not have
    /// the group's layer.
    group: Option<u32>,
}

impl Memberships {
    /// Sorts memberships by member.
    ///
    /// # Errors
    /// If a membership refers to an unknown member or group, or if a practice belongs to two
    /// communities at the same time.
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

    /// Returns every membership, in order of member.
    pub(super) fn all(&self) -> impl Iterator<Item = &Membership> {
        self.all.iter().map(|entry| &entry.membership)
    }

    /// Returns the memberships of a member in groups of a layer on a day, in the source's order.
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

    /// Returns the memberships of a practice, given by row, in groups of a layer on a day, with the
    /// ordinals of their groups.
    pub(super) fn of_practice(
        &self,
        row: usize,
        layer: Layer,
        day: Date,
    ) -> impl Iterator<Item = (&Membership, Option<u32>)> {
        self.among(self.of_practice[row].clone(), layer, day)
    }

    /// Returns the memberships of a practice, given by row, in groups of any layer, whatever their
    /// period.
    pub(super) fn ever_of_practice(&self, row: usize) -> impl Iterator<Item = &Membership> {
        let entries = self.all[self.of_practice[row].clone()].iter();
        entries.map(|entry| &entry.membership)
    }

    /// Returns the memberships of an area, given by the position of its layer and its ordinal, in
    /// groups of a layer on a day, with the ordinals of their groups.
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

/// Returns the ordinal of a membership's group.
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

/// Checks that every practice belongs to at most one community at a time.
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

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::Index;
    use super::super::world::{
        DAY, built, code, dataset, from, index, of_area, of_practice, until,
    };
    use super::*;

    fn groups<'m>(memberships: impl Iterator<Item = &'m Membership>) -> Vec<Option<&'m str>> {
        memberships.map(|it| it.group.as_deref()).collect()
    }

    #[test]
    fn a_member_is_found_with_its_groups_of_a_kind_on_a_day() {
        let mut dataset = dataset();
        dataset.memberships[0].period = until(date(2024, 1, 1));
        let mut moved = of_practice("A00001", Layer::Icc, Some("l"));
        moved.period = from(date(2024, 1, 1));
        dataset.memberships.push(moved);
        // The source's order is preserved.
        dataset
            .memberships
            .push(of_area(Layer::Icc, "k", Some("h")));
        // In a layer that the dataset does not have.
        let pcn = of_practice("A00001", Layer::Pcn, Some("U1"));
        dataset.memberships.push(pcn);
        dataset
            .memberships
            .push(of_area(Layer::Place, "bay", Some("g")));
        let index = built(dataset);
        let memberships = &index.memberships;
        let of = |member, layer, day| groups(memberships.of(&member, layer, day));
        let first = || Member::Practice(code("A00001"));
        assert_eq!(of(first(), Layer::Icc, date(2023, 12, 31)), [Some("k")]);
        assert_eq!(of(first(), Layer::Icc, DAY), [Some("l")]);
        assert_eq!(of(first(), Layer::Pcn, DAY), [Some("U1")]);
        assert_eq!(of(first(), Layer::ResilienceGroup, DAY), []);
        assert_eq!(of(Member::Practice(code("A00006")), Layer::Icc, DAY), []);
        let area = |layer, id: &str| Member::Area(layer, id.into());
        let of_group = |member| of(member, Layer::ResilienceGroup, DAY);
        assert_eq!(of_group(area(Layer::Icc, "k")), [Some("g"), Some("h")]);
        assert_eq!(of_group(area(Layer::Icc, "l")), [None]);
        assert_eq!(of_group(area(Layer::Place, "bay")), [Some("g")]);
        assert_eq!(memberships.all().count(), 10);

        let row = index.registry.row(code("A00001")).expect("listed");
        assert_eq!(
            groups(memberships.ever_of_practice(row)),
            [Some("k"), Some("l"), Some("U1")]
        );
        let numbers = |layer| -> Vec<Option<u32>> {
            let of_practice = memberships.of_practice(row, layer, DAY);
            of_practice.map(|it| it.1).collect()
        };
        assert_eq!(numbers(Layer::Icc), [Some(1)]);
        assert_eq!(numbers(Layer::Pcn), [None]);
        let at = index.layers().position(|it| it == Layer::Icc);
        let at = at.expect("in the dataset");
        let numbers = |number, layer| -> Vec<Option<u32>> {
            let of_area = memberships.of_area(at, number, layer, DAY);
            of_area.map(|it| it.1).collect()
        };
        assert_eq!(numbers(0, Layer::ResilienceGroup), [Some(0), Some(1)]);
        assert_eq!(numbers(1, Layer::ResilienceGroup), [None]);
        assert_eq!(numbers(0, Layer::Icb), []);
    }

    #[track_caller]
    fn check(membership: Membership, expected: &str) {
        let mut dataset = dataset();
        dataset.memberships.push(membership);
        let told = Index::build(dataset).expect_err("it is invalid");
        assert_eq!(told.to_string(), expected);
    }

    #[test]
    fn members_and_groups_must_be_there() {
        check(
            of_practice("X99999", Layer::Icc, Some("k")),
            "the membership of practice `X99999` refers to `its member`, which is not in the dataset",
        );
        check(
            of_practice("A00006", Layer::Icc, Some("z")),
            "the membership of practice `A00006` refers to `z`, which is not in the dataset",
        );
        check(
            of_area(Layer::SubCommunity, "z", Some("g")),
            "the membership of sub-community `z` refers to `its member`, which is not in the dataset",
        );
        check(
            of_area(Layer::SubCommunity, "n", Some("z")),
            "the membership of sub-community `n` refers to `z`, which is not in the dataset",
        );
    }

    #[test]
    fn a_practice_has_one_community_at_a_time() {
        let two = "practice `A00001` belongs to `k` and to `l` on the same day";
        check(of_practice("A00001", Layer::Icc, Some("l")), two);
        let mut third = of_practice("A00001", Layer::Icc, Some("l"));
        third.period = from(DAY);
        check(third, two);
        // The same community twice, groups of other layers, and groups of areas are valid.
        let mut dataset = dataset();
        dataset.memberships.extend([
            of_practice("A00001", Layer::Icc, Some("k")),
            of_practice("A00001", Layer::ResilienceGroup, Some("g")),
            of_practice("A00001", Layer::ResilienceGroup, Some("h")),
            of_area(Layer::Icc, "k", Some("h")),
        ]);
        built(dataset);
    }

    #[test]
    fn each_community_of_a_practice_is_held_against_each_other() {
        let mut dataset = dataset();
        dataset.memberships[0].period = until(date(2023, 1, 1));
        for (group, period) in [("l", from(date(2023, 1, 1))), ("k", from(date(2024, 1, 1)))] {
            let mut later = of_practice("A00001", Layer::Icc, Some(group));
            later.period = period;
            dataset.memberships.push(later);
        }
        let told = Index::build(dataset).expect_err("it is invalid");
        assert_eq!(
            told.to_string(),
            "practice `A00001` belongs to `l` and to `k` on the same day"
        );
        assert_eq!(index().memberships.all().count(), 6);
    }
}
