//! The dates on which answers may change, at which tables of all answers are split into periods.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::Index;
use super::directory::Listing;
use super::layer::LayerIndex;
use super::registry::Registry;
use crate::domain::{Layer, Member, OdsCode, Period, Postcode, Practice};

/// The dates on which answers may change. Between two consecutive dates, an answer that depends
/// only on a postcode, or only on a practice, stays the same, apart from the date that it states.
#[derive(Debug)]
pub struct Changes<'i> {
    index: &'i Index,
    /// The dates of areas, their boundaries, statistical areas and memberships.
    of_areas: BTreeSet<Date>,
}

impl Index {
    /// Returns the dates on which answers may change.
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

    /// Returns the dates on which a layer may change, in order: its areas, their boundaries, their
    /// memberships, and the practices. Dates up to its first data are left out.
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

    /// Returns the codes of organisations that prescribe but have no registered patients, in order.
    pub fn not_gp_practices(&self) -> Vec<OdsCode> {
        self.registry.not_gp_practices()
    }
}

impl Changes<'_> {
    /// Returns the dates for a postcode: those of all areas, of the practices whose area includes
    /// the postcode on any date, and of the postcode itself.
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
            // If the directory gives no statistical area, the one at the position may change when
            // the period of a boundary starts or ends.
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
        // Each practice is an area of this layer, and both are sorted by code.
        debug_assert_eq!(layer.id, Layer::GpPractice);
        add(
            days,
            open(&self.index.registry.practices()[number as usize]),
        );
    }

    /// Returns the dates for a practice code: those of all areas, of the practice and its
    /// successors, and of their memberships.
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

/// Returns the period from the practice's opening to the day after its closing.
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

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::world::{
        DAY, FIRST_DATA, WIDENED, building, built, closed, code, dataset, entry, from, index, km,
        of_practice, postcode, practice, strip, succession, until,
    };
    use super::*;
    use crate::dataset::Dataset;
    use crate::domain::{Assignment, Extent};

    /// The dates of the ICB's versions and boundaries, and of the assignment of S2 to l.
    const OF_AREAS: [Date; 3] = [FIRST_DATA, date(2024, 1, 1), WIDENED];

    #[track_caller]
    fn check(days: &BTreeSet<Date>, more: &[Date]) {
        let expected: BTreeSet<Date> = OF_AREAS.iter().chain(more).copied().collect();
        assert_eq!(*days, expected);
    }

    /// Returns the dates of a postcode that the test dataset does not have.
    fn of_postcode(dataset: Dataset, text: &str) -> BTreeSet<Date> {
        built(dataset).changes().of_postcode(postcode(text))
    }

    #[test]
    fn of_a_postcode_it_is_those_of_areas_of_itself_and_of_practices_around() {
        let index = index();
        let changes = index.changes();
        let (opened, introduced) = (date(1974, 4, 1), date(1980, 1, 1));
        // A00001, A00002 and A00004 have a share of its statistical area.
        let of_s0 = [introduced, opened, date(2020, 4, 1), date(2026, 4, 1)];
        check(&changes.of_postcode(postcode("LA1 1AA")), &of_s0);
        // The directory gives no statistical area: the one that covers the position, or the
        // nearest.
        check(&changes.of_postcode(postcode("LA1 1AD")), &of_s0);
        check(&changes.of_postcode(postcode("LA1 1AE")), &of_s0);
        // A00003, by its boundary.
        check(
            &changes.of_postcode(postcode("LA2 1AA")),
            &[introduced, opened],
        );
        // No practice covers the position.
        check(&changes.of_postcode(postcode("LA1 1AJ")), &[introduced]);
        // The postcode has no position.
        check(&changes.of_postcode(postcode("LA1 1AH")), &[introduced]);
        check(&changes.of_postcode(postcode("LA1 1ZZ")), &[]);
        let ended = [&of_s0[..], &[date(2020, 1, 1)]].concat();
        check(&changes.of_postcode(postcode("LA1 1AF")), &ended);
    }

    #[test]
    fn a_postcode_may_end_after_the_month_of_which_it_is_known() {
        let mut dataset = dataset();
        dataset.manifest.undated_terminations_after = Some("1999-12".into());
        let mut old = entry("LA1 1AL", None, None);
        old.live = false;
        dataset.postcodes.insert(8, old);
        check(
            &of_postcode(dataset, "LA1 1AL"),
            &[date(1980, 1, 1), date(2000, 1, 1)],
        );
    }

    #[test]
    fn grounds_and_shares_of_practices_count_where_they_are() {
        let mut dated = dataset();
        let (_, grounds) = dated.boundaries.last_mut().expect("layers");
        let mut later = strip("A00006", 25.0, 40.0);
        (later.period, later.extent) = (from(date(2023, 5, 1)), Extent::Outer);
        grounds.push(later);
        let share = dated.assignments.iter_mut();
        let share = share.filter(|it| it.area == "A00001");
        share.for_each(|it: &mut Assignment| it.period = until(date(2023, 6, 1)));
        let index = built(dated);
        let of = |text| index.changes().of_postcode(postcode(text));
        let (opened, introduced) = (date(1974, 4, 1), date(1980, 1, 1));
        check(&of("LA2 1AB"), &[introduced, opened, date(2023, 5, 1)]);
        assert!(of("LA1 1AA").contains(&date(2023, 6, 1)));
        assert!(!of("LA1 1AA").contains(&date(2023, 5, 1)));
        assert!(!of("LA2 1AB").contains(&date(2023, 6, 1)));
    }

    #[test]
    fn of_all_areas_it_is_versions_grounds_statistical_areas_and_memberships() {
        let of_nowhere = |dataset| of_postcode(dataset, "LA9 9ZZ");
        let day = date(2023, 7, 1);
        check(&of_nowhere(dataset()), &[]);
        let mut ground = dataset();
        ground.boundaries[0].1[1].period.to = Some(day);
        check(&of_nowhere(ground), &[day]);
        let mut version = dataset();
        version.areas[2].period = from(day);
        check(&of_nowhere(version), &[day]);
        let mut statistical = dataset();
        statistical.statistical_boundaries[0].period = from(day);
        check(&of_nowhere(statistical), &[day]);
        let mut member = dataset();
        member.memberships[3].period = from(day);
        check(&of_nowhere(member), &[day]);
        let mut of_practice = dataset();
        of_practice.memberships[0].period = from(day);
        check(&of_nowhere(of_practice), &[]);
        let mut first = dataset();
        first.manifest.layers[2].first_data = day.to_string();
        check(&of_nowhere(first), &[day]);
    }

    #[test]
    fn of_a_practice_it_is_those_of_areas_and_of_all_who_took_over() {
        let mut dataset = dataset();
        dataset.memberships[0].period = from(date(2023, 8, 1));
        dataset.practices.push(closed("A00007", date(2010, 3, 31)));
        dataset.successions.push(succession("A00007", "A00004"));
        // A cycle.
        dataset.successions.push(succession("A00001", "A00007"));
        let index = built(dataset);
        let changes = index.changes();
        let opened = date(1974, 4, 1);
        let of_first = [opened, date(2023, 8, 1), date(2020, 4, 1), date(2010, 4, 1)];
        check(&changes.of_practice(code("A00007")), &of_first);
        check(&changes.of_practice(code("A00007001")), &of_first);
        check(&changes.of_practice(code("A00006")), &[opened]);
        check(&changes.of_practice(code("X99999")), &[]);
    }

    #[test]
    fn of_a_layer_it_is_what_its_pages_tell_after_its_first_data() {
        let mut dataset = dataset();
        let (closing, member) = (date(2026, 4, 1), date(2023, 9, 1));
        dataset.memberships[3].period = from(member);
        dataset.memberships[1].period = until(date(2023, 10, 1));
        dataset
            .memberships
            .push(of_practice("A00006", Layer::Icc, Some("k")));
        let mut opened = practice("A00008");
        opened.opened = Some(FIRST_DATA);
        dataset.practices.push(opened);
        dataset.premises.push(building("A00008", 2.0, 2.0));
        dataset.boundaries[1].1[0].period.to = Some(date(2027, 1, 1));
        dataset
            .postcodes
            .push(entry("ZZ99 9ZZ", Some(km(1.0, 1.0)), None));
        let index = built(dataset);
        let days = |layer| -> Vec<Date> { index.days_of_change(layer).into_iter().collect() };
        let of_practices = date(2023, 10, 1);
        assert_eq!(
            days(Layer::Icc),
            [member, of_practices, closing, date(2027, 1, 1)]
        );
        assert_eq!(days(Layer::Icb), [WIDENED, closing]);
        assert_eq!(days(Layer::ResilienceGroup), [member, closing]);
        assert_eq!(days(Layer::SubCommunity), [closing]);
        assert_eq!(days(Layer::GpPractice), [of_practices, closing]);
        assert_eq!(days(Layer::Pcn), []);
        assert!(index.changes().of_areas.iter().all(|day| *day != DAY));
    }

    #[test]
    fn organisations_without_patients_are_told_in_order() {
        assert_eq!(index().not_gp_practices(), [code("Y00001"), code("Y00002")]);
    }
}
