//! Changes of areas and practices after a day that the dataset already has.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::Index;
use super::layer::LayerIndex;
use crate::domain::{Area, Layer, LayerRole, LineageStep, Practice};

/// What happens to an area on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UpcomingChangeKind {
    /// The area begins.
    Begins,
    /// The area ends.
    Ends,
    /// The area has another name from that day.
    Renamed,
    /// The area has another boundary from that day.
    Redrawn,
}

impl UpcomingChangeKind {
    /// Returns the value used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            UpcomingChangeKind::Begins => "begins",
            UpcomingChangeKind::Ends => "ends",
            UpcomingChangeKind::Renamed => "renamed",
            UpcomingChangeKind::Redrawn => "redrawn",
        }
    }
}

/// A change of an area.
#[derive(Debug, Clone)]
pub struct UpcomingChange<'i> {
    /// The first day after the change.
    pub date: Date,
    /// The layer of the area.
    pub layer: Layer,
    /// What happens.
    pub kind: UpcomingChangeKind,
    /// The area: the version that is valid after the change, or the last version of an area that
    /// ends.
    pub area: &'i Area,
    /// The version before the change, of an area that has another name.
    pub previous: Option<&'i Area>,
    /// The steps in the history of areas by which this area ends.
    pub successors: Vec<&'i LineageStep>,
    /// The steps in the history of areas by which this area follows others.
    pub predecessors: Vec<&'i LineageStep>,
}

/// A practice that opens or closes.
#[derive(Debug, Clone, Copy)]
pub struct UpcomingPractice<'i> {
    /// The first day on which the practice is open, or no longer open.
    pub date: Date,
    /// The practice.
    pub practice: &'i Practice,
    /// Whether the practice opens.
    pub opens: bool,
}

impl Index {
    /// Returns the changes of areas after a day, in order of date, layer, kind and id. The areas of
    /// practices are left out.
    pub fn upcoming_changes(&self, day: Date) -> Vec<UpcomingChange<'_>> {
        let layers = self.layers.iter();
        let layers = layers.filter(|layer| layer.role != LayerRole::PracticeCatchment);
        let mut changes: Vec<UpcomingChange<'_>> = layers
            .flat_map(|layer| {
                let mut of_layer = self.version_changes(layer, day);
                of_layer.extend(self.redrawn_areas(layer, day));
                of_layer
            })
            .collect();
        let position = |layer: Layer| self.layers.iter().position(|other| other.id == layer);
        changes.sort_by_cached_key(|change| {
            let id = change.area.id.clone();
            (change.date, position(change.layer), change.kind, id)
        });
        changes
    }

    /// Returns the practices that open or close after a day, in order of date and code.
    pub fn upcoming_practices(&self, day: Date) -> Vec<UpcomingPractice<'_>> {
        let practices = self.practices().iter();
        let mut found: Vec<UpcomingPractice<'_>> = practices
            .flat_map(|practice| {
                let closed = practice.closed;
                let closes = closed.map(|closed| closed.tomorrow().unwrap_or(closed));
                let dates = [(practice.opened, true), (closes, false)];
                dates.into_iter().filter_map(move |(date, opens)| {
                    let date = date.filter(|date| *date > day)?;
                    Some(UpcomingPractice {
                        date,
                        practice,
                        opens,
                    })
                })
            })
            .collect();
        found.sort_by_key(|change| (change.date, change.practice.code));
        found
    }

    fn version_changes<'i>(&'i self, layer: &'i LayerIndex, day: Date) -> Vec<UpcomingChange<'i>> {
        let mut changes = Vec::new();
        for area in layer.versions() {
            if let Some(from) = area.period.from.filter(|from| *from > day) {
                let before = from.yesterday().ok();
                let previous = before.and_then(|before| layer.area(&area.id, before));
                match previous {
                    None => {
                        changes.push(self.change(layer, from, UpcomingChangeKind::Begins, area));
                    }
                    Some(previous) if previous.name != area.name => {
                        changes.push(UpcomingChange {
                            previous: Some(previous),
                            ..self.change(layer, from, UpcomingChangeKind::Renamed, area)
                        });
                    }
                    Some(_) => {}
                }
            }
            if let Some(to) = area.period.to.filter(|to| *to > day)
                && layer.area(&area.id, to).is_none()
            {
                changes.push(self.change(layer, to, UpcomingChangeKind::Ends, area));
            }
        }
        changes
    }

    /// Returns a change for each area that has another boundary from a later day.
    fn redrawn_areas<'i>(&'i self, layer: &'i LayerIndex, day: Date) -> Vec<UpcomingChange<'i>> {
        let mut seen: BTreeSet<(&str, Date)> = BTreeSet::new();
        let mut changes = Vec::new();
        for boundary in layer.boundary_index.boundaries() {
            let Some(from) = boundary.period.from.filter(|from| *from > day) else {
                continue;
            };
            let Some(before) = from.yesterday().ok() else {
                continue;
            };
            let Some(ordinal) = layer.ordinal(&boundary.id) else {
                continue;
            };
            let versions = (layer.version(ordinal, from), layer.version(ordinal, before));
            let (Some(area), Some(_)) = versions else {
                continue;
            };
            let earlier = layer.boundaries_of(ordinal).iter();
            let mut earlier = earlier.map(|index| layer.boundary_index.boundary(*index));
            let is_the_same = earlier.any(|other| {
                other.period.contains(before)
                    && other.catchment_kind == boundary.catchment_kind
                    && other.grid == boundary.grid
            });
            if !is_the_same && seen.insert((&boundary.id, from)) {
                changes.push(self.change(layer, from, UpcomingChangeKind::Redrawn, area));
            }
        }
        changes
    }

    fn change<'i>(
        &'i self,
        layer: &LayerIndex,
        date: Date,
        kind: UpcomingChangeKind,
        area: &'i Area,
    ) -> UpcomingChange<'i> {
        let steps = self.lineage().iter();
        let steps = steps.filter(|step| step.layer == layer.id && step.date == Some(date));
        let ends = kind == UpcomingChangeKind::Ends;
        let of_area = |step: &&LineageStep| step.predecessor == area.id;
        let to_area = |step: &&LineageStep| step.successor.as_ref() == Some(&area.id);
        UpcomingChange {
            date,
            layer: layer.id,
            kind,
            area,
            previous: None,
            successors: steps.clone().filter(|step| ends && of_area(step)).collect(),
            predecessors: steps.filter(|step| !ends && to_area(step)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::test_dataset::{
        DAY, area, build, closed_practice, dataset, from, index, practice, strip, until,
    };
    use super::*;
    use crate::domain::{LineageRelation, layers};

    fn words(index: &Index, day: Date) -> Vec<String> {
        let changes = index.upcoming_changes(day);
        let text = |change: &UpcomingChange<'_>| {
            let steps = change.successors.len() + change.predecessors.len();
            let (date, layer, kind) = (change.date, change.layer, change.kind.as_str());
            format!("{date} {layer} {} {kind}, {steps} steps", change.area.id)
        };
        changes.iter().map(text).collect()
    }

    #[test]
    fn areas_that_begin_end_or_change_are_listed_in_order() {
        let mut dataset = dataset();
        let change = date(2028, 4, 1);
        let icc = layers::icc();
        // `k` ends, and `u` replaces it; `l` is renamed and redrawn.
        let (_, boundaries) = dataset
            .boundaries
            .iter_mut()
            .find(|(layer, _)| *layer == icc)
            .expect("a layer");
        boundaries.retain(|boundary| boundary.id != "l");
        let mut before = strip("l", 10.0, 20.0);
        before.period = until(change);
        let mut after = strip("l", 10.0, 15.0);
        after.period = from(change);
        boundaries.extend([before, after]);
        dataset
            .assignments
            .retain(|assignment| *assignment.area != *"l");
        for existing in &mut dataset.areas {
            if existing.layer == icc && (existing.id == "k" || existing.id == "l") {
                existing.period.to = Some(change);
            }
        }
        let mut renamed = area(icc, "l");
        (renamed.name, renamed.period) = ("Elle".into(), from(change));
        let mut new = area(icc, "u");
        new.period = from(change);
        dataset.areas.extend([renamed, new]);
        dataset.areas.sort_by(|one, other| {
            let key = |area: &Area| (area.id.clone(), area.period.from);
            key(one).cmp(&key(other))
        });
        dataset.lineage.push(LineageStep {
            layer: icc,
            predecessor: "k".into(),
            successor: Some("u".into()),
            relation: LineageRelation::Renamed,
            date: Some(change),
            source: "an order".into(),
        });
        let index = build(dataset);
        let expected = [
            "2028-04-01 icc u begins, 1 steps",
            "2028-04-01 icc k ends, 1 steps",
            "2028-04-01 icc l renamed, 0 steps",
            "2028-04-01 icc l redrawn, 0 steps",
        ];
        let found = words(&index, date(2028, 3, 31));
        assert_eq!(found, expected);
        let renamed = index.upcoming_changes(date(2028, 3, 31));
        assert_eq!(renamed[2].previous.map(|area| area.id.as_str()), Some("l"));
        // A change is not upcoming on its own day.
        assert!(words(&index, change).is_empty());
    }

    #[test]
    fn practices_that_open_or_close_are_listed() {
        let mut dataset = dataset();
        dataset
            .practices
            .push(closed_practice("A00007", date(2027, 3, 31)));
        let mut opening = practice("A00008");
        opening.opened = Some(date(2027, 1, 1));
        dataset.practices.push(opening);
        let index = build(dataset);
        let found = index.upcoming_practices(date(2026, 12, 1));
        let found: Vec<_> = found
            .iter()
            .map(|change| (change.practice.code.to_string(), change.date, change.opens))
            .collect();
        assert_eq!(
            found,
            [
                ("A00008".to_string(), date(2027, 1, 1), true),
                ("A00007".to_string(), date(2027, 4, 1), false),
            ]
        );
    }

    #[test]
    fn a_dataset_without_later_dates_has_no_upcoming_changes() {
        let index = index();
        assert!(index.upcoming_changes(date(2100, 1, 1)).is_empty());
        assert!(index.upcoming_practices(date(2100, 1, 1)).is_empty());
        assert!(DAY < date(2100, 1, 1));
    }
}
