//! Differences in practices and memberships.

use std::collections::{BTreeMap, BTreeSet};

use super::{ChangeKind, DatasetOnDate, layers_of_both, position};
use crate::dataset::columns;
use catchment_core::domain::{GroupMember, Layer, LayerRole, Manifest, OdsCode, Practice};
use catchment_core::index::Index;

/// A practice that was added or removed, or a change of one field of a practice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PracticeChange {
    /// The ODS code of the practice.
    pub code: OdsCode,
    /// The name of the practice in the new dataset, or in the old dataset if the practice was
    /// removed.
    pub name: String,
    /// Whether the practice was added, removed or changed.
    pub change: ChangeKind,
    /// The field that changed. If it is the id of a layer of communities, the community of the
    /// practice's registered patients changed.
    pub field: Option<&'static str>,
    /// The old value.
    pub old: String,
    /// The new value.
    pub new: String,
}

/// A membership that was added or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipChange {
    /// The group's layer.
    pub layer: Layer,
    /// The group, or `None` if the source does not state the group.
    pub group: Option<String>,
    /// The member's layer. For a practice, this is the layer of the practices' areas, if there is
    /// such a layer.
    pub member_layer: Option<Layer>,
    /// The member.
    pub member: String,
    /// Whether the membership was added or removed.
    pub change: ChangeKind,
}

pub(super) fn practices(old: DatasetOnDate<'_>, new: DatasetOnDate<'_>) -> Vec<PracticeChange> {
    let codes: BTreeSet<OdsCode> = [old, new]
        .iter()
        .flat_map(|view| view.index.practices())
        .map(|practice| practice.code)
        .collect();
    let group_layers = group_layers(old.index.manifest(), new.index.manifest());
    let mut changes = Vec::new();
    for code in codes {
        let whole_change = |practice: &Practice, change| PracticeChange {
            code,
            name: practice.name.clone(),
            change,
            field: None,
            old: String::new(),
            new: String::new(),
        };
        match (old.index.practice(code), new.index.practice(code)) {
            (Some(before), None) => changes.push(whole_change(before, ChangeKind::Removed)),
            (None, Some(after)) => changes.push(whole_change(after, ChangeKind::Added)),
            (Some(before), Some(after)) => {
                let before = practice_fields(old, before, &group_layers).into_iter();
                let both = before.zip(practice_fields(new, after, &group_layers));
                let differing = both.filter(|((_, before), (_, after))| before != after);
                changes.extend(differing.map(|((field, before), (_, now))| PracticeChange {
                    code,
                    name: after.name.clone(),
                    change: ChangeKind::Changed,
                    field: Some(field),
                    old: before,
                    new: now,
                }));
            }
            (None, None) => {}
        }
    }
    changes
}

fn practice_fields(
    DatasetOnDate { index, day }: DatasetOnDate<'_>,
    practice: &Practice,
    group_layers: &[Layer],
) -> Vec<(&'static str, String)> {
    fn text(value: Option<impl ToString>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let member = GroupMember::Practice(practice.code);
    let group = |layer| {
        let groups = index.memberships_of(&member, layer, day);
        let mut ids: Vec<&str> = groups
            .filter_map(|membership| membership.group.as_deref())
            .collect();
        ids.sort_unstable();
        ids.join(" ")
    };
    let mut premises: Vec<String> = index
        .premises(practice.code)
        .iter()
        .map(|site| {
            let (easting, northing) = (site.position.easting_m(), site.position.northing_m());
            let name = site.name.as_deref().unwrap_or_default();
            let text = format!("{} {easting} {northing} {name}", site.kind.as_str());
            text.trim_end().to_string()
        })
        .collect();
    premises.sort();
    let mut fields = vec![
        ("name", practice.name.clone()),
        ("address", practice.address.clone()),
        ("postcode", text(practice.postcode)),
        ("telephone", text(practice.telephone.as_ref())),
        ("status", practice.status_on(day).as_str().to_string()),
        ("opened", text(practice.opened)),
        ("closed", text(practice.closed)),
        ("sub_icb", text(practice.sub_icb.as_ref())),
        ("pcn", text(practice.pcn.as_ref())),
        ("list_size", text(practice.list_size)),
        ("list_size_as_of", text(practice.list_size_as_of)),
        ("premises", premises.join("; ")),
        ("successors", successors(index, practice)),
    ];
    let groups = group_layers
        .iter()
        .map(|layer| (layer.as_str(), group(*layer)));
    fields.extend(groups);
    fields
}

/// Returns the layers of communities and their parts whose members are stated by the sources.
fn group_layers(old: &Manifest, new: &Manifest) -> Vec<Layer> {
    let is_named = |manifest: &Manifest, layer: Layer| {
        manifest.layer(layer).is_some_and(|entry| {
            matches!(entry.role, LayerRole::Community | LayerRole::Part)
                && entry.members_from.is_none()
        })
    };
    let mut layers = new.layers_of_both(old);
    layers.retain(|layer| is_named(new, *layer) || is_named(old, *layer));
    layers
}

fn successors(index: &Index, practice: &Practice) -> String {
    let steps = index.successors(practice.code).iter();
    let mut steps: Vec<String> = steps
        .map(|step| format!("{} from {}", step.successor, step.from))
        .collect();
    steps.sort();
    steps.join("; ")
}

pub(super) fn memberships(old: DatasetOnDate<'_>, new: DatasetOnDate<'_>) -> Vec<MembershipChange> {
    let (before, after) = (memberships_on(old), memberships_on(new));
    let practice_layer = |dataset: DatasetOnDate<'_>| dataset.index.manifest().practice_layer();
    let practice_layer = practice_layer(new).or_else(|| practice_layer(old));
    let removed = before.iter().filter(|(key, _)| !after.contains_key(key));
    let added = after.iter().filter(|(key, _)| !before.contains_key(key));
    let mut changes: Vec<MembershipChange> = removed
        .map(|(_, member)| membership_change(member, ChangeKind::Removed, practice_layer))
        .chain(
            added.map(|(_, member)| membership_change(member, ChangeKind::Added, practice_layer)),
        )
        .collect();
    let layers = layers_of_both(old, new);
    changes.sort_by_cached_key(|change| {
        let (layer, member_layer) = positions(&layers, change);
        let (group, member) = (change.group.clone(), change.member.clone());
        (layer, group, member_layer, member, change.change)
    });
    changes
}

/// Returns the positions of the layers of a group and its member.
pub(super) fn positions(layers: &[Layer], change: &MembershipChange) -> (usize, usize) {
    let member_position = change
        .member_layer
        .map_or(layers.len(), |layer| position(layers, layer));
    (position(layers, change.layer), member_position)
}

impl MembershipChange {
    /// Returns the member's layer, in the form used in `memberships.csv`.
    pub fn member_layer_id(&self) -> &'static str {
        columns::practice_member(self.member_layer)
    }
}

type MembershipKey<'s> = (&'s GroupMember, Layer, &'s Option<String>);

fn memberships_on(
    DatasetOnDate { index, day }: DatasetOnDate<'_>,
) -> BTreeMap<MembershipKey<'_>, MembershipKey<'_>> {
    index
        .memberships()
        .filter(|membership| membership.period.contains(day))
        .map(|membership| (&membership.member, membership.layer, &membership.group))
        .map(|key| (key, key))
        .collect()
}

fn membership_change(
    (member, layer, group): &MembershipKey<'_>,
    change: ChangeKind,
    practice_layer: Option<Layer>,
) -> MembershipChange {
    let (member_layer, member) = match member {
        GroupMember::Practice(code) => (practice_layer, code.to_string()),
        GroupMember::Area(layer, id) => (Some(*layer), id.clone()),
    };
    MembershipChange {
        layer: *layer,
        group: (*group).clone(),
        member_layer,
        member,
        change,
    }
}
