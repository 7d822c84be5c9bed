//! Compares a layer of one dataset on two dates.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{
    AreaChange, ChangeKind, DatasetOnDate, MembershipChange, TransferredGeometry, areas, records,
};
use catchment_core::domain::{Layer, OdsCode, PracticeStatus};
use catchment_core::index::Index;

/// The differences in a layer between two dates.
#[derive(Debug)]
pub struct DateComparison {
    /// Areas of the layer that were created, ended, or changed their name or boundary, in order of
    /// id.
    pub areas: Vec<AreaChange>,
    /// The geometries transferred from one area to another, in order of area ids.
    pub transferred: Vec<TransferredGeometry>,
    /// The practices, of any area, that opened, closed or became dormant, in order of code.
    pub practices: Vec<PracticeStatusChange>,
    /// Changes in the members of the layer's areas, and in the groups to which these areas belong,
    /// in order of the group's layer and the member.
    pub members: Vec<MembershipMove>,
}

/// A change in the status of a practice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PracticeStatusChange {
    /// The ODS code of the practice.
    pub code: OdsCode,
    /// The status on the earlier date.
    pub old: PracticeStatus,
    /// The status on the later date.
    pub new: PracticeStatus,
}

/// A change in the groups that a member belongs to, within one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipMove {
    /// The groups' layer.
    pub layer: Layer,
    /// The member's layer, or `None` for a practice.
    pub member_layer: Option<Layer>,
    /// The member.
    pub member: String,
    /// The groups that the member left. `None` means that the source did not state the group.
    pub left: Vec<Option<String>>,
    /// The groups that the member joined. `None` means that the source does not state the group.
    pub joined: Vec<Option<String>>,
}

impl DateComparison {
    /// Returns whether there are no differences.
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty() && self.practices.is_empty() && self.members.is_empty()
    }
}

/// Compares a layer on two dates of the same dataset.
pub fn compare_dates(index: &Index, layer: Layer, from: Date, to: Date) -> DateComparison {
    let on_date = |day| DatasetOnDate { index, day };
    let (areas, transferred) = areas::compare_layer(on_date(from), on_date(to), layer);
    let mut memberships = records::memberships(on_date(from), on_date(to));
    memberships.retain(|change| change.layer == layer || change.member_layer == Some(layer));
    DateComparison {
        areas,
        transferred,
        practices: status_changes(index, from, to),
        members: membership_moves(index, memberships),
    }
}

fn status_changes(index: &Index, from: Date, to: Date) -> Vec<PracticeStatusChange> {
    let practices = index.practices().iter();
    let changes = practices.map(|practice| PracticeStatusChange {
        code: practice.code,
        old: practice.status_on(from),
        new: practice.status_on(to),
    });
    changes.filter(|change| change.old != change.new).collect()
}

fn membership_moves(index: &Index, changes: Vec<MembershipChange>) -> Vec<MembershipMove> {
    let layers: Vec<Layer> = index.layers().collect();
    let mut moves: BTreeMap<(usize, usize, String), MembershipMove> = BTreeMap::new();
    for change in changes {
        let positions = records::positions(&layers, &change);
        let key = (positions.0, positions.1, change.member.clone());
        let member = moves.entry(key).or_insert_with(|| MembershipMove {
            layer: change.layer,
            member_layer: change.member_layer,
            member: change.member,
            left: Vec::new(),
            joined: Vec::new(),
        });
        match change.change {
            ChangeKind::Removed => member.left.push(change.group),
            ChangeKind::Added | ChangeKind::Changed => member.joined.push(change.group),
        }
    }
    moves.into_values().collect()
}
