//! On which days an answer may change: where the line of time is cut for a table of all answers.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::Index;
use super::directory::Listing;
use super::layer::LayerIndex;
use super::registry::Registry;
use crate::domain::{Layer, Member, OdsCode, Period, Postcode, Practice};

/// The days on which answers may change. Between two of them an answer that depends on a postcode
/// alone, or on a practice alone, stays as it is (but for the day that it tells).
#[derive(Debug)]
pub struct Changes<'i> {
    index: &'i Index,
    /// Of areas, their boundaries and statistical areas, and their memberships.
    of_areas: BTreeSet<Date>,
}

impl Index {
    /// On which days answers may change.
    pub fn changes(&self) -> Changes<'_> {
        let mut of_areas = BTreeSet::new();
        add_all(
            &mut of_areas,
            self.statistical
                .spatial
                .boundaries()
                .iter()
                .map(|it| it.period),
        );
        for layer in &self.layers {
            of_areas.insert(layer.first_data);
            if layer.id != Layer::GpPractice {
                add_all(&mut of_areas, layer.versions().iter().map(|it| it.period));
                add_all(
                    &mut of_areas,
                    layer.spatial.boundaries().iter().map(|it| it.period),
                );
                add_all(&mut of_areas, layer.all_assigned().map(|it| it.period));
            }
        }
        let memberships = self.memberships.all();
        let of_area = memberships.filter(|it| matches!(it.member, Member::Area(..)));
        add_all(&mut of_areas, of_area.map(|it| it.period));
        Changes {
            index: self,
            of_areas,
        }
    }

    /// The days, in order, on which something may change of a layer: its areas and their boundaries, who is
    /// a member of them, and the practices. Days before its first data are left out.
    pub fn days_of_change(&self, layer: Layer) -> BTreeSet<Date> {
        let mut days = BTreeSet::new();
        let Some(held) = self.layer(layer) else {
            return days;
        };
        add_all(&mut days, held.versions().iter().map(|it| it.period));
        let boundaries = held.spatial.boundaries().iter();
        add_all(&mut days, boundaries.map(|it| it.period));
        let memberships = self.memberships.all();
        let is_of = |member: &Member| match member {
            Member::Practice(_) => layer == Layer::GpPractice,
            Member::Area(of, _) => *of == layer,
        };
        let of_layer = memberships.filter(|it| it.layer == layer || is_of(&it.member));
        add_all(&mut days, of_layer.map(|it| it.period));
        add_all(&mut days, self.registry.practices().iter().map(open));
        days.retain(|day| *day > held.first_data);
        days
    }

    /// The codes of organisations that prescribe and have no registered patients, in order.
    pub fn not_gp_practices(&self) -> Vec<OdsCode> {
        self.registry.not_gp_practices()
    }
}

impl Changes<'_> {
    /// Those of a postcode, in order: of all areas, of the practices whose area ever includes it, and
    /// of itself.
    pub fn of_postcode(&self, postcode: Postcode) -> BTreeSet<Date> {
        let mut days = self.of_areas.clone();
        let Listing::Entry(entry) = self.index.postcode(postcode) else {
            return days;
        };
        add(
            &mut days,
            entry.period(self.index.undated_terminations_after),
        );
        let Some(position) = entry.position else {
            return days;
        };
        let statistical = &self.index.statistical;
        let practices = self.index.layers.iter();
        for layer in practices.filter(|it| it.id == Layer::GpPractice) {
            // The home of a place that the directory does not give may change with a boundary's period.
            let homes = match entry.statistical_area {
                Some(row) => vec![row],
                None => statistical.spatial.ever_near(position, statistical.snap_m),
            };
            for row in homes {
                for assigned in layer.ever_assigned(row) {
                    add(&mut days, assigned.period);
                    self.add_practice(&mut days, layer, assigned.area);
                }
            }
            for at in layer.spatial.ever_near(position, layer.snap_m) {
                add(&mut days, layer.spatial.boundary(at).period);
                self.add_practice(&mut days, layer, layer.area_of(at));
            }
        }
        days
    }

    fn add_practice(&self, days: &mut BTreeSet<Date>, layer: &LayerIndex, number: u32) {
        // Every practice is an area of this layer, and both are in order of code.
        debug_assert_eq!(layer.id, Layer::GpPractice);
        add(
            days,
            open(&self.index.registry.practices()[number as usize]),
        );
    }

    /// Those of a practice's code, in order: of all areas, of the practice and those that took over
    /// from it, and of their memberships.
    pub fn of_practice(&self, code: OdsCode) -> BTreeSet<Date> {
        let mut days = self.of_areas.clone();
        let registry: &Registry = &self.index.registry;
        let mut to_see: Vec<OdsCode> = [Some(code), code.parent()].into_iter().flatten().collect();
        let mut seen = BTreeSet::new();
        while let Some(code) = to_see.pop() {
            let Some(practice) = registry.find(code).filter(|_| seen.insert(code)) else {
                continue;
            };
            add(&mut days, open(practice));
            let row = registry.row(code).expect("it was found");
            add_all(
                &mut days,
                self.index
                    .memberships
                    .ever_of_practice(row)
                    .map(|it| it.period),
            );
            to_see.extend(registry.successors(code).iter().map(|step| step.successor));
        }
        days
    }
}

/// From its opening to the day after its closing.
fn open(practice: &Practice) -> Period {
    Period {
        from: practice.opened,
        to: practice
            .closed
            .map(|closed| closed.tomorrow().unwrap_or(closed)),
    }
}

fn add(days: &mut BTreeSet<Date>, period: Period) {
    days.extend(period.from);
    days.extend(period.to);
}

fn add_all(days: &mut BTreeSet<Date>, periods: impl Iterator<Item = Period>) {
    periods.for_each(|period| add(days, period));
}
