//! What differs between two days of one dataset, in a layer.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{AreaChange, Change, MembershipChange, MovedGround, View, areas, records};
use crate::domain::{Layer, OdsCode, PracticeStatus};
use crate::index::Index;

/// What differs between two days.
#[derive(Debug)]
pub struct Between {
    /// Areas of the layer that began, ended, or have another name or ground, in order of id.
    pub areas: Vec<AreaChange>,
    /// The ground that went from one area to another, in order of ids.
    pub moved: Vec<MovedGround>,
    /// Practices, of whatever area, that opened, closed or became dormant, in order of code.
    pub practices: Vec<StatusChange>,
    /// Members of the layer's areas, and its areas as members of others, in order of the group's layer and
    /// the member.
    pub members: Vec<MemberMove>,
}

/// A practice whose status is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    /// Its ODS code.
    pub code: OdsCode,
    /// What it was doing.
    pub old: PracticeStatus,
    /// What it does.
    pub new: PracticeStatus,
}

/// A member that is in other groups of a layer than it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberMove {
    /// The groups' layer.
    pub layer: Layer,
    /// The member's layer.
    pub member_layer: Layer,
    /// The member.
    pub member: String,
    /// The groups that it left; `None` is that the source named none.
    pub left: Vec<Option<String>>,
    /// The groups that it joined; `None` is that the source names none.
    pub joined: Vec<Option<String>>,
}

impl Between {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty() && self.practices.is_empty() && self.members.is_empty()
    }
}

/// What differs in a layer between one day and another of the same dataset.
pub fn between(index: &Index, layer: Layer, from: Date, to: Date) -> Between {
    let on = |day| View { index, day };
    let (areas, moved) = areas::compare_layer(on(from), on(to), layer);
    let mut memberships = records::memberships(on(from), on(to));
    memberships.retain(|it| it.layer == layer || it.member_layer == layer);
    Between {
        areas,
        moved,
        practices: status_changes(index, from, to),
        members: moves(memberships),
    }
}

fn status_changes(index: &Index, from: Date, to: Date) -> Vec<StatusChange> {
    let practices = index.practices().iter();
    let changes = practices.map(|practice| StatusChange {
        code: practice.code,
        old: practice.status_on(from),
        new: practice.status_on(to),
    });
    changes.filter(|it| it.old != it.new).collect()
}

fn moves(changes: Vec<MembershipChange>) -> Vec<MemberMove> {
    let mut moves: BTreeMap<(Layer, Layer, String), MemberMove> = BTreeMap::new();
    for it in changes {
        let key = (it.layer, it.member_layer, it.member.clone());
        let member = moves.entry(key).or_insert_with(|| MemberMove {
            layer: it.layer,
            member_layer: it.member_layer,
            member: it.member,
            left: Vec::new(),
            joined: Vec::new(),
        });
        match it.change {
            Change::Removed => member.left.push(it.group),
            Change::Added | Change::Changed => member.joined.push(it.group),
        }
    }
    moves.into_values().collect()
}
