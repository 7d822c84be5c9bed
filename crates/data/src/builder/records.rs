//! The records of a dataset that is being built.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;

use super::source_report::SourceReport;
use catchment_core::domain::{
    Area, AreaCode, AreaName, GroupMember, Layer, LayerEntry, LineageStep, Membership, ModelShare,
    Period, Provenance, StatisticalAssignment,
};

/// The areas of a dataset that is being built, and the records that refer to them.
#[derive(Default)]
pub(super) struct DatasetRecords {
    areas: Vec<Area>,
    /// For each layer and id, the index in `areas` of the last area with this layer and id.
    area_indices: HashMap<Layer, HashMap<String, usize>>,
    /// The indices in `areas` of the areas that methods made, for the periods of the methods.
    areas_of_methods: HashSet<usize>,
    pub(super) lineage: Vec<LineageStep>,
    pub(super) memberships: Vec<Membership>,
    pub(super) assignments: Vec<StatisticalAssignment>,
    pub(super) names: Vec<AreaName>,
    pub(super) codes: Vec<AreaCode>,
    pub(super) model_shares: Vec<ModelShare>,
    /// The reports of the sources that methods of layers read.
    pub(super) reports: Vec<SourceReport>,
    /// Remarks for the person who runs the build.
    pub(super) remarks: Vec<String>,
}

impl DatasetRecords {
    /// Returns the areas, in the order in which they were added.
    pub(super) fn areas(&self) -> &[Area] {
        &self.areas
    }

    /// Sets the display names of the areas of a layer.
    pub(super) fn set_area_titles(&mut self, entry: &LayerEntry) {
        let areas = self.areas.iter_mut();
        for area in areas.filter(|area| area.layer == entry.id) {
            entry.set_area_title(area);
        }
    }

    pub(super) fn push_area(&mut self, area: Area) {
        let layer_indices = self.area_indices.entry(area.layer).or_default();
        layer_indices.insert(area.id.clone(), self.areas.len());
        self.areas.push(area);
    }

    /// Ends the version of an area that is valid on the day before `date`.
    pub(super) fn end_area(&mut self, layer: Layer, id: &str, date: Date) {
        let day_before = date.yesterday().unwrap_or(date);
        let mut areas = self.areas.iter_mut();
        let found = areas
            .find(|area| area.layer == layer && area.id == id && area.period.contains(day_before));
        if let Some(area) = found {
            area.period.to = Some(date);
        }
    }

    /// Adds an area for the period of a method. If an earlier method made the area, and the name is
    /// the same or the periods overlap, the area is valid in both periods; if the name differs, the
    /// area has a further version with the new name. An area of the history keeps its period.
    pub(super) fn push_method_area(&mut self, area: Area) {
        let indices = self.area_indices.get(&area.layer);
        let index = indices.and_then(|indices| indices.get(&area.id)).copied();
        let Some(index) = index else {
            self.areas_of_methods.insert(self.areas.len());
            self.push_area(area);
            return;
        };
        if !self.areas_of_methods.contains(&index) {
            return;
        }
        let earlier = &mut self.areas[index];
        let ended_before = earlier.period.to.zip(area.period.from);
        let is_later_version = ended_before.is_some_and(|(to, from)| to <= from);
        if is_later_version && earlier.name != area.name {
            self.areas_of_methods.insert(self.areas.len());
            self.push_area(area);
            return;
        }
        let (one, other) = (earlier.period, area.period);
        earlier.period = Period {
            from: one.from.zip(other.from).map(|(one, other)| one.min(other)),
            to: one.to.zip(other.to).map(|(one, other)| one.max(other)),
        };
    }

    /// Returns the last area with this layer and id.
    pub(super) fn area(&self, layer: Layer, id: &str) -> Option<&Area> {
        let index = self.area_indices.get(&layer)?.get(id)?;
        Some(&self.areas[*index])
    }

    pub(super) fn has_area(&self, layer: Layer, id: &str) -> bool {
        self.area(layer, id).is_some()
    }

    /// Returns the assignments of the layer's areas.
    pub(super) fn assignments_of(
        &self,
        layer: Layer,
    ) -> impl Iterator<Item = &StatisticalAssignment> {
        self.assignments
            .iter()
            .filter(move |assignment| assignment.layer == layer)
    }
}

/// Returns the membership of `member` in a larger area, as stated by the source.
pub(super) fn official_membership(
    member: GroupMember,
    (layer, group_id): (Layer, &String),
    period: Period,
) -> Membership {
    Membership {
        member,
        layer,
        group: Some(group_id.clone()),
        period,
        provenance: Provenance::Official,
    }
}

/// Returns the membership of `member` in a larger area, as copied from a published page.
pub(super) fn published_membership(
    member: GroupMember,
    group: (Layer, &String),
    period: Period,
) -> Membership {
    Membership {
        provenance: Provenance::Indicative,
        ..official_membership(member, group, period)
    }
}
