//! The groups to which practices and areas belong.

use std::ops::Range;

use jiff::civil::Date;

use super::layer::LayerIndex;
use super::registry::PracticeRegistry;
use super::{IndexError, periods_overlap};
use crate::domain::{GroupMember, Layer, LayerRole, Membership};

/// Memberships by member.
#[derive(Debug)]
pub(super) struct MembershipIndex {
    /// The entries are sorted by member, then by the group's layer. Entries with the same member
    /// and layer are in the order of the source.
    entries: Vec<MembershipEntry>,
    /// The range of each practice's entries, by the row of the practice.
    by_practice: Vec<Range<usize>>,
    /// The range of each area's entries, by the position of the area's layer in the index, then by
    /// the ordinal of the area.
    by_area: Vec<Vec<Range<usize>>>,
}

#[derive(Debug)]
struct MembershipEntry {
    membership: Membership,
    /// The ordinal of the group; `None` if the source does not specify the group, or the dataset
    /// does not contain the group's layer.
    group_ordinal: Option<u32>,
}

impl MembershipIndex {
    /// Builds the index of memberships.
    ///
    /// # Errors
    /// If a membership refers to an unknown member or group, or if a practice belongs to two areas
    /// of the main layer of communities at the same time.
    pub(super) fn new(
        mut memberships: Vec<Membership>,
        layers: &[LayerIndex],
        registry: &PracticeRegistry,
    ) -> Result<MembershipIndex, IndexError> {
        memberships.sort_by(|a, b| (&a.member, a.layer).cmp(&(&b.member, b.layer)));
        check_communities(&memberships, layers)?;
        let areas = |layer: &LayerIndex| vec![0..0; layer.area_count()];
        let mut index = MembershipIndex {
            entries: Vec::with_capacity(memberships.len()),
            by_practice: vec![0..0; registry.practices().len()],
            by_area: layers.iter().map(areas).collect(),
        };
        for of_member in memberships.chunk_by(|a, b| a.member == b.member) {
            let first = index.entries.len();
            for membership in of_member {
                let group = resolve_group(membership, layers)?;
                index.entries.push(MembershipEntry {
                    membership: membership.clone(),
                    group_ordinal: group,
                });
            }
            let entries = first..index.entries.len();
            match &of_member[0].member {
                GroupMember::Practice(code) => {
                    let row = registry
                        .row(*code)
                        .ok_or_else(|| unknown_member(&of_member[0]))?;
                    index.by_practice[row] = entries;
                }
                GroupMember::Area(layer, id) => {
                    let Some(position) = layers
                        .iter()
                        .position(|layer_index| layer_index.id == *layer)
                    else {
                        continue;
                    };
                    let ordinal = layers[position]
                        .ordinal(id)
                        .ok_or_else(|| unknown_member(&of_member[0]))?;
                    index.by_area[position][ordinal as usize] = entries;
                }
            }
        }
        Ok(index)
    }

    /// Returns every membership, sorted by member.
    pub(super) fn all(&self) -> impl Iterator<Item = &Membership> {
        self.entries.iter().map(|entry| &entry.membership)
    }

    /// Returns the memberships of a member in groups of a layer on a day, in the order of the
    /// source.
    pub(super) fn of_member(
        &self,
        member: &GroupMember,
        layer: Layer,
        day: Date,
    ) -> impl Iterator<Item = &Membership> {
        let key = (member, layer);
        let order =
            |entry: &MembershipEntry| (&entry.membership.member, entry.membership.layer).cmp(&key);
        let first = self.entries.partition_point(|entry| order(entry).is_lt());
        let count = self.entries[first..].partition_point(|entry| order(entry).is_eq());
        let found = self.filtered(first..first + count, layer, day);
        found.map(|(membership, _)| membership)
    }

    /// Returns the memberships of a practice in groups of a layer on a day, with the ordinals of
    /// the groups. The practice is given by its row.
    pub(super) fn of_practice(
        &self,
        row: usize,
        layer: Layer,
        day: Date,
    ) -> impl Iterator<Item = (&Membership, Option<u32>)> {
        self.filtered(self.by_practice[row].clone(), layer, day)
    }

    /// Returns the memberships of a practice in groups of any layer, on all dates. The practice is
    /// given by its row.
    pub(super) fn all_of_practice(&self, row: usize) -> impl Iterator<Item = &Membership> {
        let entries = self.entries[self.by_practice[row].clone()].iter();
        entries.map(|entry| &entry.membership)
    }

    /// Returns the memberships of an area in groups of a layer on a day, with the ordinals of the
    /// groups. The area is given by the position of its layer and by its ordinal.
    pub(super) fn of_area(
        &self,
        layer_position: usize,
        ordinal: u32,
        layer: Layer,
        day: Date,
    ) -> impl Iterator<Item = (&Membership, Option<u32>)> {
        self.filtered(
            self.by_area[layer_position][ordinal as usize].clone(),
            layer,
            day,
        )
    }

    fn filtered(
        &self,
        entries: Range<usize>,
        layer: Layer,
        day: Date,
    ) -> impl Iterator<Item = (&Membership, Option<u32>)> {
        let entries = self.entries[entries].iter();
        let pairs = entries.map(|entry| (&entry.membership, entry.group_ordinal));
        pairs.filter(move |(membership, _)| {
            membership.layer == layer && membership.period.contains(day)
        })
    }
}

/// Returns the ordinal of a membership's group.
fn resolve_group(
    membership: &Membership,
    layers: &[LayerIndex],
) -> Result<Option<u32>, IndexError> {
    let Some(id) = &membership.group else {
        return Ok(None);
    };
    let Some(layer) = layers.iter().find(|layer| layer.id == membership.layer) else {
        return Ok(None);
    };
    let ordinal = layer
        .ordinal(id)
        .ok_or_else(|| IndexError::UnknownReference {
            what: description(membership),
            id: id.clone(),
        })?;
    Ok(Some(ordinal))
}

fn unknown_member(membership: &Membership) -> IndexError {
    let (what, id) = match &membership.member {
        GroupMember::Practice(code) => (
            "a membership whose member is a practice".into(),
            code.to_string(),
        ),
        GroupMember::Area(layer, id) => (
            format!("a membership whose member is in {layer}"),
            id.clone(),
        ),
    };
    IndexError::UnknownReference { what, id }
}

fn description(membership: &Membership) -> String {
    match &membership.member {
        GroupMember::Practice(code) => format!("the membership whose member is practice `{code}`"),
        GroupMember::Area(layer, id) => format!("the membership whose member is {layer} `{id}`"),
    }
}

/// Checks that every practice belongs to at most one area of the main layer of communities on each
/// day.
fn check_communities(memberships: &[Membership], layers: &[LayerIndex]) -> Result<(), IndexError> {
    let mut communities = layers.iter();
    let Some(main) = communities.find(|layer| layer.role == LayerRole::Community) else {
        return Ok(());
    };
    let by_member = memberships.chunk_by(|a, b| (&a.member, a.layer) == (&b.member, b.layer));
    for memberships in by_member.filter(|memberships| memberships[0].layer == main.id) {
        let GroupMember::Practice(code) = &memberships[0].member else {
            continue;
        };
        for (index, first) in memberships.iter().enumerate() {
            let conflict = memberships[index + 1..].iter().find(|second| {
                second.group != first.group && periods_overlap(second.period, first.period)
            });
            if let Some(second) = conflict {
                return Err(IndexError::ConflictingMemberships {
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
    use super::super::test_dataset::{
        DAY, area_membership, build, code, dataset, from, index, practice_membership, until,
    };
    use super::*;
    use crate::domain::layers;

    fn groups<'m>(memberships: impl Iterator<Item = &'m Membership>) -> Vec<Option<&'m str>> {
        memberships
            .map(|membership| membership.group.as_deref())
            .collect()
    }

    #[test]
    fn memberships_are_filtered_by_member_layer_and_date() {
        let mut dataset = dataset();
        dataset.memberships[0].period = until(date(2024, 1, 1));
        let mut moved = practice_membership("A00001", layers::icc(), Some("l"));
        moved.period = from(date(2024, 1, 1));
        dataset.memberships.push(moved);
        // This membership tests that the order of the source is preserved.
        dataset
            .memberships
            .push(area_membership(layers::icc(), "k", Some("h")));
        // The dataset does not contain the layer of this group.
        let pcn = practice_membership("A00001", layers::pcn(), Some("U1"));
        dataset.memberships.push(pcn);
        dataset
            .memberships
            .push(area_membership(layers::place(), "bay", Some("g")));
        let index = build(dataset);
        let memberships = &index.memberships;
        let of = |member, layer, day| groups(memberships.of_member(&member, layer, day));
        let first = || GroupMember::Practice(code("A00001"));
        assert_eq!(of(first(), layers::icc(), date(2023, 12, 31)), [Some("k")]);
        assert_eq!(of(first(), layers::icc(), DAY), [Some("l")]);
        assert_eq!(of(first(), layers::pcn(), DAY), [Some("U1")]);
        assert_eq!(of(first(), layers::resilience_group(), DAY), []);
        assert_eq!(
            of(GroupMember::Practice(code("A00006")), layers::icc(), DAY),
            []
        );
        let area = |layer, id: &str| GroupMember::Area(layer, id.into());
        let of_group = |member| of(member, layers::resilience_group(), DAY);
        assert_eq!(of_group(area(layers::icc(), "k")), [Some("g"), Some("h")]);
        assert_eq!(of_group(area(layers::icc(), "l")), [None]);
        assert_eq!(of_group(area(layers::place(), "bay")), [Some("g")]);
        assert_eq!(memberships.all().count(), 10);

        let row = index.registry.row(code("A00001")).expect("listed");
        assert_eq!(
            groups(memberships.all_of_practice(row)),
            [Some("k"), Some("l"), Some("U1")]
        );
        let ordinals = |layer| -> Vec<Option<u32>> {
            let of_practice = memberships.of_practice(row, layer, DAY);
            of_practice.map(|value| value.1).collect()
        };
        assert_eq!(ordinals(layers::icc()), [Some(1)]);
        assert_eq!(ordinals(layers::pcn()), [None]);
        let position = index.layers().position(|layer| layer == layers::icc());
        let index = position.expect("in the dataset");
        let ordinals = |ordinal, layer| -> Vec<Option<u32>> {
            let of_area = memberships.of_area(index, ordinal, layer, DAY);
            of_area.map(|value| value.1).collect()
        };
        assert_eq!(ordinals(0, layers::resilience_group()), [Some(0), Some(1)]);
        assert_eq!(ordinals(1, layers::resilience_group()), [None]);
        assert_eq!(ordinals(0, layers::icb()), []);
    }

    #[track_caller]
    fn check(membership: Membership, expected: &str) {
        let mut dataset = dataset();
        dataset.memberships.push(membership);
        let error = Index::build(dataset).expect_err("it is invalid");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn unknown_members_and_groups_are_rejected() {
        check(
            practice_membership("X99999", layers::icc(), Some("k")),
            "a membership whose member is a practice refers to `X99999`, which is not in the dataset",
        );
        check(
            practice_membership("A00006", layers::icc(), Some("z")),
            "the membership whose member is practice `A00006` refers to `z`, which is not in the dataset",
        );
        check(
            area_membership(layers::sub_community(), "z", Some("g")),
            "a membership whose member is in sub-community refers to `z`, which is not in the dataset",
        );
        check(
            area_membership(layers::sub_community(), "n", Some("z")),
            "the membership whose member is sub-community `n` refers to `z`, which is not in the dataset",
        );
    }

    #[test]
    fn a_practice_belongs_to_one_community_at_a_time() {
        let two = "practice `A00001` belongs to `k` and to `l` on the same day";
        check(practice_membership("A00001", layers::icc(), Some("l")), two);
        let mut third = practice_membership("A00001", layers::icc(), Some("l"));
        third.period = from(DAY);
        check(third, two);
        // A practice may be listed twice in the same community, and it may belong to groups of
        // other layers. Memberships of areas are not restricted.
        let mut dataset = dataset();
        dataset.memberships.extend([
            practice_membership("A00001", layers::icc(), Some("k")),
            practice_membership("A00001", layers::resilience_group(), Some("g")),
            practice_membership("A00001", layers::resilience_group(), Some("h")),
            area_membership(layers::icc(), "k", Some("h")),
        ]);
        build(dataset);
    }

    #[test]
    fn all_communities_of_a_practice_are_compared() {
        let mut dataset = dataset();
        dataset.memberships[0].period = until(date(2023, 1, 1));
        for (group, period) in [("l", from(date(2023, 1, 1))), ("k", from(date(2024, 1, 1)))] {
            let mut later = practice_membership("A00001", layers::icc(), Some(group));
            later.period = period;
            dataset.memberships.push(later);
        }
        let error = Index::build(dataset).expect_err("it is invalid");
        assert_eq!(
            error.to_string(),
            "practice `A00001` belongs to `l` and to `k` on the same day"
        );
        assert_eq!(index().memberships.all().count(), 6);
    }
}
