//! The dates on which answers may change. Tables of all answers are split into periods at these
//! dates.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::Index;
use super::directory::PostcodeLookup;
use super::layer::LayerIndex;
use super::registry::PracticeRegistry;
use crate::domain::{GroupMember, Layer, LayerRole, OdsCode, Period, Postcode, Practice};

/// The dates on which answers may change. Between two consecutive dates, an answer that depends
/// only on a postcode or only on a practice does not change, except for the date that it states.
#[derive(Debug)]
pub struct ChangeDates<'i> {
    index: &'i Index,
    /// The dates of areas, their boundaries, statistical areas and memberships.
    area_dates: BTreeSet<Date>,
}

impl Index {
    /// Returns the dates on which answers may change.
    pub fn change_dates(&self) -> ChangeDates<'_> {
        let mut area_dates = BTreeSet::new();
        add_periods(
            &mut area_dates,
            self.statistical_areas
                .boundary_index
                .boundaries()
                .iter()
                .map(|boundary| boundary.period),
        );
        for layer in &self.layers {
            area_dates.insert(layer.first_data);
            area_dates.insert(layer.first_memberships);
            if layer.role != LayerRole::PracticeCatchment {
                add_periods(
                    &mut area_dates,
                    layer.versions().iter().map(|area| area.period),
                );
                add_periods(
                    &mut area_dates,
                    layer
                        .boundary_index
                        .boundaries()
                        .iter()
                        .map(|boundary| boundary.period),
                );
                add_periods(
                    &mut area_dates,
                    layer.all_assignments().map(|assignment| assignment.period),
                );
            }
        }
        let memberships = self.memberships.all();
        let area_memberships =
            memberships.filter(|membership| matches!(membership.member, GroupMember::Area(..)));
        add_periods(
            &mut area_dates,
            area_memberships.map(|membership| membership.period),
        );
        ChangeDates {
            index: self,
            area_dates,
        }
    }

    /// Returns the dates on which a layer may change, in order: the dates of its areas, of their
    /// boundaries and memberships, and of the practices. Dates up to and including the first date
    /// for which the layer has data are omitted.
    pub fn change_dates_of_layer(&self, layer: Layer) -> BTreeSet<Date> {
        let mut days = BTreeSet::new();
        let Some(layer_index) = self.layer(layer) else {
            return days;
        };
        add_periods(
            &mut days,
            layer_index.versions().iter().map(|area| area.period),
        );
        let boundaries = layer_index.boundary_index.boundaries().iter();
        add_periods(&mut days, boundaries.map(|boundary| boundary.period));
        let memberships = self.memberships.all();
        let is_of_layer = |member: &GroupMember| match member {
            GroupMember::Practice(_) => layer_index.role == LayerRole::PracticeCatchment,
            GroupMember::Area(of, _) => *of == layer,
        };
        let of_layer = memberships
            .filter(|membership| membership.layer == layer || is_of_layer(&membership.member));
        add_periods(&mut days, of_layer.map(|membership| membership.period));
        add_periods(&mut days, self.registry.practices().iter().map(open_period));
        days.retain(|day| *day > layer_index.first_data);
        days
    }

    /// Returns the codes of organisations that prescribe but have no registered patients, in order.
    pub fn not_gp_practices(&self) -> Vec<OdsCode> {
        self.registry.not_gp_practices()
    }
}

impl ChangeDates<'_> {
    /// Returns the dates for a postcode: the dates of all areas, of the practices whose area
    /// includes the postcode on any date, and of the postcode itself.
    pub fn for_postcode(&self, postcode: Postcode) -> BTreeSet<Date> {
        let mut days = self.area_dates.clone();
        let PostcodeLookup::Entry(entry) = self.index.lookup_postcode(postcode) else {
            return days;
        };
        days.extend(entry.change_days(self.index.manifest.undated_terminations_after));
        let Some(position) = entry.position else {
            return days;
        };
        let statistical = &self.index.statistical_areas;
        let layers = self.index.layers.iter();
        for layer in layers.filter(|index| index.role == LayerRole::PracticeCatchment) {
            // If the directory assigns no statistical area, the statistical area at the position
            // may change when the period of a boundary starts or ends.
            let statistical_areas = match entry.statistical_area {
                Some(row) => vec![row.get()],
                None => statistical
                    .boundary_index
                    .near_on_any_date(position, statistical.snap_m),
            };
            for row in statistical_areas {
                for assignment in layer.all_assignments_of(row) {
                    add_period(&mut days, assignment.period);
                    self.add_practice(&mut days, layer, assignment.ordinal);
                }
            }
            for index in layer
                .boundary_index
                .near_on_any_date(position, layer.snap_m)
            {
                add_period(&mut days, layer.boundary_index.boundary(index).period);
                self.add_practice(&mut days, layer, layer.area_of(index));
            }
        }
        days
    }

    fn add_practice(&self, days: &mut BTreeSet<Date>, layer: &LayerIndex, ordinal: u32) {
        // Each practice is an area of this layer, and both are sorted by code.
        debug_assert_eq!(layer.role, LayerRole::PracticeCatchment);
        add_period(
            days,
            open_period(&self.index.registry.practices()[ordinal as usize]),
        );
    }

    /// Returns the dates for a practice code: the dates of all areas, of the practice and its
    /// successors, and of the memberships of these practices.
    pub fn for_practice(&self, code: OdsCode) -> BTreeSet<Date> {
        let mut days = self.area_dates.clone();
        let registry: &PracticeRegistry = &self.index.registry;
        let mut pending: Vec<OdsCode> = [Some(code), code.parent()].into_iter().flatten().collect();
        let mut visited = BTreeSet::new();
        while let Some(code) = pending.pop() {
            let found = registry.find_anywhere(code);
            let Some(practice) = found.filter(|_| visited.insert(code)) else {
                continue;
            };
            add_period(&mut days, open_period(practice));
            // A practice outside the area of the dataset has no row and no memberships.
            if let Some(row) = registry.row(code) {
                let memberships = self.index.memberships.all_of_practice(row);
                add_periods(&mut days, memberships.map(|membership| membership.period));
            }
            pending.extend(registry.successors(code).iter().map(|step| step.successor));
        }
        days
    }
}

/// Returns the period from the day on which the practice opened to the day after it closed.
fn open_period(practice: &Practice) -> Period {
    Period {
        from: practice.opened,
        to: practice
            .closed
            .map(|closed| closed.tomorrow().unwrap_or(closed)),
    }
}

fn add_period(days: &mut BTreeSet<Date>, period: Period) {
    days.extend(period.from);
    days.extend(period.to);
}

fn add_periods(days: &mut BTreeSet<Date>, periods: impl Iterator<Item = Period>) {
    periods.for_each(|period| add_period(days, period));
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::test_dataset::{
        DAY, FIRST_DATA, WIDENED, build, closed_practice, code, dataset, entry, from, index, km,
        main_premises, postcode, practice, practice_membership, strip, succession, until,
    };
    use super::*;
    use crate::domain::Dataset;
    use crate::domain::layers;
    use crate::domain::{CatchmentKind, DirectoryStatus, StatisticalAssignment};

    /// The dates of the ICB's versions and boundaries, and of the assignment of S2 to l.
    const AREA_DATES: [Date; 3] = [FIRST_DATA, date(2024, 1, 1), WIDENED];

    #[track_caller]
    fn check(days: &BTreeSet<Date>, additional: &[Date]) {
        let expected: BTreeSet<Date> = AREA_DATES.iter().chain(additional).copied().collect();
        assert_eq!(*days, expected);
    }

    /// Returns the dates of a postcode in a modified test dataset.
    fn dates_of_postcode(dataset: Dataset, text: &str) -> BTreeSet<Date> {
        build(dataset).change_dates().for_postcode(postcode(text))
    }

    #[test]
    fn postcode_dates_include_areas_the_postcode_and_covering_practices() {
        let index = index();
        let changes = index.change_dates();
        let (opened, introduced) = (date(1974, 4, 1), date(1980, 1, 1));
        // A00001, A00002 and A00004 have a share of the postcode's statistical area.
        let of_s0 = [introduced, opened, date(2020, 4, 1), date(2026, 4, 1)];
        check(&changes.for_postcode(postcode("LA1 1AA")), &of_s0);
        // The directory assigns no statistical area, so the statistical area that covers the
        // position is used or, if the position is not covered, the nearest statistical area.
        check(&changes.for_postcode(postcode("LA1 1AD")), &of_s0);
        check(&changes.for_postcode(postcode("LA1 1AE")), &of_s0);
        // The boundary of A00003 covers the position.
        check(
            &changes.for_postcode(postcode("LA2 1AA")),
            &[introduced, opened],
        );
        // No practice covers the position.
        check(&changes.for_postcode(postcode("LA1 1AJ")), &[introduced]);
        // The postcode has no position.
        check(&changes.for_postcode(postcode("LA1 1AH")), &[introduced]);
        check(&changes.for_postcode(postcode("LA1 1ZZ")), &[]);
        let ended = [&of_s0[..], &[date(2020, 1, 1)]].concat();
        check(&changes.for_postcode(postcode("LA1 1AF")), &ended);
    }

    #[test]
    fn undated_terminations_end_after_the_configured_month() {
        let mut dataset = dataset();
        dataset.manifest.undated_terminations_after = Some("1999-12".parse().expect("a month"));
        let mut old = entry("LA1 1AL", None, None);
        old.status = DirectoryStatus::Terminated;
        dataset.postcodes.insert(8, old);
        check(
            &dates_of_postcode(dataset, "LA1 1AL"),
            &[date(1980, 1, 1), date(2000, 1, 1)],
        );
    }

    #[test]
    fn practice_boundaries_and_shares_count_only_where_they_apply() {
        let mut dated = dataset();
        let (_, boundaries) = dated.boundaries.last_mut().expect("layers");
        let mut later = strip("A00006", 25.0, 40.0);
        (later.period, later.catchment_kind) = (from(date(2023, 5, 1)), CatchmentKind::Outer);
        boundaries.push(later);
        let share = dated.assignments.iter_mut();
        let share = share.filter(|assignment| *assignment.area == *"A00001");
        share.for_each(|assignment: &mut StatisticalAssignment| {
            assignment.period = until(date(2023, 6, 1))
        });
        let index = build(dated);
        let of = |text| index.change_dates().for_postcode(postcode(text));
        let (opened, introduced) = (date(1974, 4, 1), date(1980, 1, 1));
        check(&of("LA2 1AB"), &[introduced, opened, date(2023, 5, 1)]);
        assert!(of("LA1 1AA").contains(&date(2023, 6, 1)));
        assert!(!of("LA1 1AA").contains(&date(2023, 5, 1)));
        assert!(!of("LA2 1AB").contains(&date(2023, 6, 1)));
    }

    #[test]
    fn area_dates_include_versions_boundaries_statistical_areas_and_memberships() {
        let dates_of_unlisted = |dataset| dates_of_postcode(dataset, "LA9 9ZZ");
        let day = date(2023, 7, 1);
        check(&dates_of_unlisted(dataset()), &[]);
        let mut boundary = dataset();
        boundary.boundaries[0].1[1].period.to = Some(day);
        check(&dates_of_unlisted(boundary), &[day]);
        let mut version = dataset();
        version.areas[2].period = from(day);
        check(&dates_of_unlisted(version), &[day]);
        let mut statistical = dataset();
        statistical.statistical_boundaries[0].period = from(day);
        check(&dates_of_unlisted(statistical), &[day]);
        let mut member = dataset();
        member.memberships[3].period = from(day);
        check(&dates_of_unlisted(member), &[day]);
        let mut of_practice = dataset();
        of_practice.memberships[0].period = from(day);
        check(&dates_of_unlisted(of_practice), &[]);
        let mut first = dataset();
        first.manifest.layers[2].first_data = day;
        check(&dates_of_unlisted(first), &[day]);
    }

    #[test]
    fn practice_dates_include_areas_and_all_successors() {
        let mut dataset = dataset();
        dataset.memberships[0].period = from(date(2023, 8, 1));
        dataset
            .practices
            .push(closed_practice("A00007", date(2010, 3, 31)));
        dataset.successions.push(succession("A00007", "A00004"));
        // The successions form a cycle.
        dataset.successions.push(succession("A00001", "A00007"));
        let index = build(dataset);
        let changes = index.change_dates();
        let opened = date(1974, 4, 1);
        let of_first = [opened, date(2023, 8, 1), date(2020, 4, 1), date(2010, 4, 1)];
        check(&changes.for_practice(code("A00007")), &of_first);
        check(&changes.for_practice(code("A00007001")), &of_first);
        check(&changes.for_practice(code("A00006")), &[opened]);
        check(&changes.for_practice(code("X99999")), &[]);
    }

    #[test]
    fn layer_dates_start_after_its_first_data() {
        let mut dataset = dataset();
        let (closing, member) = (date(2026, 4, 1), date(2023, 9, 1));
        dataset.memberships[3].period = from(member);
        dataset.memberships[1].period = until(date(2023, 10, 1));
        dataset
            .memberships
            .push(practice_membership("A00006", layers::icc(), Some("k")));
        let mut opened = practice("A00008");
        opened.opened = Some(FIRST_DATA);
        dataset.practices.push(opened);
        dataset.premises.push(main_premises("A00008", 2.0, 2.0));
        dataset.boundaries[1].1[0].period.to = Some(date(2027, 1, 1));
        dataset
            .postcodes
            .push(entry("ZZ99 9ZZ", Some(km(1.0, 1.0)), None));
        let index = build(dataset);
        let days =
            |layer| -> Vec<Date> { index.change_dates_of_layer(layer).into_iter().collect() };
        let of_practices = date(2023, 10, 1);
        assert_eq!(
            days(layers::icc()),
            [member, of_practices, closing, date(2027, 1, 1)]
        );
        assert_eq!(days(layers::icb()), [WIDENED, closing]);
        assert_eq!(days(layers::resilience_group()), [member, closing]);
        assert_eq!(days(layers::sub_community()), [closing]);
        assert_eq!(days(layers::gp_practice()), [of_practices, closing]);
        assert_eq!(days(layers::pcn()), []);
        assert!(
            index
                .change_dates()
                .area_dates
                .iter()
                .all(|day| *day != DAY)
        );
    }

    #[test]
    fn organisations_without_patients_are_sorted() {
        assert_eq!(index().not_gp_practices(), [code("Y00001"), code("Y00002")]);
    }
}
