//! GP practices: records, premises and successors.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;

use super::position_grid::{PositionGrid, ring_distance_mm, square_of};
use crate::domain::{
    BritishGrid, FormerPremises, NeighbouringPractice, OdsCode, Postcode, Practice, PracticeStatus,
    PracticeSuccession, Premises,
};

/// Practices by code, with their premises and successors.
#[derive(Debug)]
pub(super) struct PracticeRegistry {
    /// The practices, in order of code.
    practices: Vec<Practice>,
    /// The premises of each practice, by the row of the practice.
    premises: Vec<Vec<Premises>>,
    /// All premises, each as the row of its practice and its place among the practice's premises, in
    /// this order.
    sites: Vec<(usize, usize)>,
    /// The positions of `sites`.
    grid: PositionGrid,
    successors: HashMap<OdsCode, Vec<PracticeSuccession>>,
    /// The buildings that each practice used before.
    former_premises: HashMap<OdsCode, Vec<FormerPremises>>,
    /// Practices outside the area of the dataset, in order of code.
    neighbouring: Vec<NeighbouringPractice>,
    /// Organisations that prescribe but have no registered patients.
    not_gp_practices: HashSet<OdsCode>,
}

/// The result of following the successors of a practice.
#[derive(Debug)]
pub(super) enum SuccessionOutcome<'i> {
    /// The practice that is open on the requested date and responsible for the patients.
    Resolved(&'i Practice),
    /// The last practice is closed. The practice has no known successor, or has several successors.
    NoSuccessor(&'i Practice),
    /// The successors lead back to a practice that was already visited.
    Cycle,
}

impl PracticeRegistry {
    pub(super) fn new(
        mut practices: Vec<Practice>,
        premises: Vec<Premises>,
        successions: Vec<PracticeSuccession>,
        not_gp_practices: Vec<OdsCode>,
    ) -> PracticeRegistry {
        practices.sort_by_key(|practice| practice.code);
        let mut registry = PracticeRegistry {
            premises: vec![Vec::new(); practices.len()],
            practices,
            sites: Vec::new(),
            grid: PositionGrid::new(std::iter::empty()),
            successors: HashMap::new(),
            former_premises: HashMap::new(),
            neighbouring: Vec::new(),
            not_gp_practices: not_gp_practices.into_iter().collect(),
        };
        for site in premises {
            if let Some(row) = registry.row(site.practice) {
                registry.premises[row].push(site);
            }
        }
        registry.sites = (registry.premises.iter().enumerate())
            .flat_map(|(row, sites)| (0..sites.len()).map(move |place| (row, place)))
            .collect();
        let positions = registry.premises.iter().flatten();
        registry.grid = PositionGrid::new(positions.map(|site| Some(site.position)));
        for step in successions {
            registry
                .successors
                .entry(step.predecessor)
                .or_default()
                .push(step);
        }
        registry
    }

    /// Adds the buildings that practices used before, and the practices outside the area of the
    /// dataset. A practice that is in the dataset itself is not a neighbouring practice.
    pub(super) fn with_surroundings(
        mut self,
        former_premises: Vec<FormerPremises>,
        mut neighbouring: Vec<NeighbouringPractice>,
    ) -> PracticeRegistry {
        for site in former_premises {
            let sites = self.former_premises.entry(site.practice).or_default();
            sites.push(site);
        }
        neighbouring.retain(|found| self.row(found.practice.code).is_none());
        neighbouring.sort_by_key(|found| found.practice.code);
        self.neighbouring = neighbouring;
        self
    }

    /// Returns the buildings that the practice used before.
    pub(super) fn former_premises(&self, code: OdsCode) -> &[FormerPremises] {
        self.former_premises.get(&code).map_or(&[], Vec::as_slice)
    }

    /// Returns the practices outside the area of the dataset, in order of code.
    pub(super) fn neighbouring(&self) -> &[NeighbouringPractice] {
        &self.neighbouring
    }

    /// Returns the practice with a code that is outside the area of the dataset.
    pub(super) fn find_neighbouring(&self, code: OdsCode) -> Option<&NeighbouringPractice> {
        let by_code = |found: &NeighbouringPractice| found.practice.code;
        let row = self
            .neighbouring
            .binary_search_by_key(&code, by_code)
            .ok()?;
        Some(&self.neighbouring[row])
    }

    /// Returns the practice with a code, which may be in the dataset or outside its area.
    pub(super) fn find_anywhere(&self, code: OdsCode) -> Option<&Practice> {
        let neighbouring = || Some(&self.find_neighbouring(code)?.practice);
        self.find(code).or_else(neighbouring)
    }

    pub(super) fn practices(&self) -> &[Practice] {
        &self.practices
    }

    pub(super) fn find(&self, code: OdsCode) -> Option<&Practice> {
        Some(&self.practices[self.row(code)?])
    }

    /// Returns the row of a practice, which is its position in order of code.
    pub(super) fn row(&self, code: OdsCode) -> Option<usize> {
        let by_code = |practice: &Practice| practice.code;
        self.practices.binary_search_by_key(&code, by_code).ok()
    }

    /// Returns whether the code is the code of an organisation that prescribes but has no
    /// registered patients.
    pub(super) fn is_not_a_gp_practice(&self, code: OdsCode) -> bool {
        self.not_gp_practices.contains(&code)
    }

    /// Returns the codes of organisations that prescribe but have no registered patients, in order.
    pub(super) fn not_gp_practices(&self) -> Vec<OdsCode> {
        let mut codes: Vec<OdsCode> = self.not_gp_practices.iter().copied().collect();
        codes.sort_unstable();
        codes
    }

    /// Returns the practice's premises. The main address is first.
    pub(super) fn premises(&self, code: OdsCode) -> &[Premises] {
        self.row(code).map_or(&[], |row| &self.premises[row])
    }

    /// Returns the successions by which other practices took over the patients of the practice.
    pub(super) fn successors(&self, code: OdsCode) -> &[PracticeSuccession] {
        self.successors.get(&code).map_or(&[], Vec::as_slice)
    }

    /// Returns the successions by which the practice took over the patients of other practices.
    pub(super) fn predecessors(&self, code: OdsCode) -> Vec<&PracticeSuccession> {
        let mut steps: Vec<&PracticeSuccession> = self
            .successors
            .values()
            .flatten()
            .filter(|step| step.successor == code)
            .collect();
        steps.sort_by_key(|step| (step.from, step.predecessor));
        steps
    }

    /// Returns the nearest premises of a practice and the distance to them in metres. The practice
    /// is given by its row.
    pub(super) fn nearest_premises(
        &self,
        row: usize,
        from: BritishGrid,
    ) -> Option<(&Premises, f64)> {
        let sites = self.premises[row].iter();
        let measured = sites.map(|site| (site, from.distance_m(site.position)));
        measured.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Returns the active practices with the nearest premises, as described in
    /// `Index::nearest_practices`.
    pub(super) fn nearest(
        &self,
        point: BritishGrid,
        within_m: f64,
        limit: usize,
        day: Date,
    ) -> Vec<(&Practice, &Premises, f64)> {
        if limit == 0 {
            return Vec::new();
        }
        // The nearest practices so far, each with its nearest premises, in order of distance and row.
        let mut near: Vec<(f64, usize, usize)> = Vec::with_capacity(limit + 1);
        let centre = square_of(point);
        for ring in 0.. {
            // Distances are rounded, but by much less than a millimetre.
            let beyond_m = to_metres(ring_distance_mm(point, ring) - 1);
            let worst = near.get(limit.wrapping_sub(1));
            if beyond_m > within_m || worst.is_some_and(|worst| beyond_m > worst.0) {
                break;
            }
            for &site in self.grid.rows_of_ring(centre, ring).flatten() {
                let (row, place) = self.sites[site as usize];
                let distance_m = point.distance_m(self.premises[row][place].position);
                if distance_m <= within_m
                    && self.practices[row].status_on(day) == PracticeStatus::Active
                {
                    insert_nearest(&mut near, (distance_m, row, place), limit);
                }
            }
        }
        let near = near.into_iter();
        near.map(|(distance_m, row, place)| {
            (&self.practices[row], &self.premises[row][place], distance_m)
        })
        .collect()
    }

    /// Returns whether the postcode is the postcode of the practice or of one of its premises.
    pub(super) fn is_address(&self, practice: &Practice, postcode: Postcode) -> bool {
        practice.postcode == Some(postcode)
            || self
                .premises(practice.code)
                .iter()
                .any(|site| site.postcode == Some(postcode))
    }

    /// Follows successors to the practice responsible for the patients on the day. Returns the
    /// outcome, and the successions that were followed.
    pub(super) fn follow_successions<'i>(
        &'i self,
        practice: &'i Practice,
        day: Date,
    ) -> (SuccessionOutcome<'i>, Vec<&'i PracticeSuccession>) {
        let mut steps: Vec<&PracticeSuccession> = Vec::new();
        let mut current = practice;
        while current.status_on(day) == PracticeStatus::Closed {
            let [step] = self.successors(current.code) else {
                return (SuccessionOutcome::NoSuccessor(current), steps);
            };
            let Some(next) = self.find_anywhere(step.successor) else {
                steps.push(step);
                return (SuccessionOutcome::NoSuccessor(current), steps);
            };
            let is_visited = next.code == practice.code
                || steps.iter().any(|earlier| earlier.successor == next.code);
            steps.push(step);
            if is_visited {
                return (SuccessionOutcome::Cycle, steps);
            }
            current = next;
        }
        (SuccessionOutcome::Resolved(current), steps)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "distances between squares are far below 2^53 mm"
)]
fn to_metres(distance_mm: i64) -> f64 {
    distance_mm as f64 / 1_000.0
}

/// Adds premises to the nearest practices, which are in order of distance and row, unless `limit`
/// practices, or other premises of the same practice, are nearer.
fn insert_nearest(near: &mut Vec<(f64, usize, usize)>, found: (f64, usize, usize), limit: usize) {
    let order = |a: &(f64, usize, usize), b: &(f64, usize, usize)| {
        a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2)))
    };
    if let Some(own) = near.iter().position(|earlier| earlier.1 == found.1) {
        if order(&near[own], &found).is_le() {
            return;
        }
        near.remove(own);
    }
    let place = near.partition_point(|earlier| order(earlier, &found).is_lt());
    near.insert(place, found);
    near.truncate(limit);
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn code(text: &str) -> OdsCode {
        text.parse().expect("an ODS code")
    }

    fn practice(text: &str, closed: Option<Date>) -> Practice {
        Practice {
            code: code(text),
            name: text.into(),
            address: String::new(),
            postcode: None,
            telephone: None,
            status: if closed.is_some() {
                PracticeStatus::Closed
            } else {
                PracticeStatus::Active
            },
            opened: None,
            closed,
            sub_icb: None,
            pcn: None,
            list_size: None,
            list_size_as_of: None,
            as_of: None,
            note: None,
        }
    }

    fn step(from: &str, to: &str) -> PracticeSuccession {
        PracticeSuccession {
            predecessor: code(from),
            successor: code(to),
            from: date(2020, 4, 1),
            basis: Vec::new(),
            pcn_left: None,
            note: None,
            source: None,
        }
    }

    fn outcome_of(registry: &PracticeRegistry, from: &str, day: Date) -> (Option<String>, usize) {
        let practice = registry.find(code(from)).expect("listed");
        let (outcome, steps) = registry.follow_successions(practice, day);
        let end = match outcome {
            SuccessionOutcome::Resolved(practice) => Some(practice.code.to_string()),
            SuccessionOutcome::NoSuccessor(_) => None,
            SuccessionOutcome::Cycle => Some("cycle".into()),
        };
        (end, steps.len())
    }

    #[test]
    fn nearest_practices_are_active_and_measured_to_their_nearest_premises() {
        use crate::domain::PremisesKind;
        let site = |text: &str, east: i32| Premises {
            practice: code(text),
            kind: PremisesKind::Main,
            postcode: None,
            position: BritishGrid::from_mm(east * 1_000, 0),
            name: None,
            as_of: None,
            source: None,
        };
        let registry = PracticeRegistry::new(
            vec![
                practice("A00001", None),
                practice("A00002", Some(date(2020, 3, 31))),
                practice("A00003", None),
                practice("A00004", None),
                practice("A00005", None),
                practice("A00006", None),
            ],
            vec![
                site("A00006", 36),
                site("A00001", 900),
                site("A00001", 30),
                site("A00002", 10),
                site("A00003", 20),
                site("A00004", 40),
                site("A00004", -30),
            ],
            Vec::new(),
            Vec::new(),
        );
        let here = BritishGrid::from_mm(0, 0);
        let near = |limit, day| -> Vec<(String, f64)> {
            let near = registry.nearest(here, 35.0, limit, day).into_iter();
            near.map(|(practice, _, distance_m)| (practice.code.to_string(), distance_m))
                .collect()
        };
        let expected = [("A00003", 20.0), ("A00001", 30.0), ("A00004", 30.0)];
        let expected = expected.map(|(code, distance_m)| (code.to_string(), distance_m));
        assert_eq!(near(9, date(2021, 1, 1)), expected);
        assert_eq!(near(2, date(2021, 1, 1)), expected[..2]);
        assert_eq!(near(1, date(2020, 3, 31)), [("A00002".to_string(), 10.0)]);
    }

    /// Measures the distance to every premises.
    fn nearest_by_scan(
        registry: &PracticeRegistry,
        point: BritishGrid,
        within_m: f64,
        limit: usize,
        day: Date,
    ) -> Vec<(OdsCode, BritishGrid, f64)> {
        let active = registry.practices.iter();
        let active = active.filter(|practice| practice.status_on(day) == PracticeStatus::Active);
        let mut near: Vec<_> = active
            .filter_map(|practice| {
                let sites = registry
                    .premises(practice.code)
                    .iter()
                    .map(|site| site.position);
                let measured = sites.map(|site| (practice.code, site, point.distance_m(site)));
                measured.min_by(|a, b| a.2.total_cmp(&b.2))
            })
            .filter(|(_, _, distance_m)| *distance_m <= within_m)
            .collect();
        near.sort_by(|a, b| a.2.total_cmp(&b.2));
        near.truncate(limit);
        near
    }

    proptest! {
        #[test]
        fn the_search_by_squares_finds_what_a_scan_of_all_premises_finds(
            // Positions on a coarse lattice, so that many distances are equal.
            sites in prop::collection::vec((0_u32..40, -12_i32..12, -12_i32..12), 0..80),
            // Some points are far outside the squares of the premises.
            point in (-60_000_000_i32..60_000_000, -9_000_000_i32..9_000_000),
            on_lattice in any::<bool>(),
            within_m in prop::sample::select(vec![0.0, 750.0, 5_000.0, 50_000.0]),
            limit in 0_usize..12,
        ) {
            use crate::domain::PremisesKind;
            const STEP_MM: i32 = 750_000;
            let closed = |number: u32| (number.is_multiple_of(5)).then_some(date(2020, 3, 31));
            let practices = (0..40).map(|number| practice(&format!("A{number:05}"), closed(number)));
            let premises = sites.iter().map(|&(number, east, north)| Premises {
                practice: code(&format!("A{number:05}")),
                kind: PremisesKind::Main,
                postcode: None,
                position: BritishGrid::from_mm(east * STEP_MM, north * STEP_MM),
                name: None,
                as_of: None,
                source: None,
            });
            let registry = PracticeRegistry::new(
                practices.collect(),
                premises.collect(),
                Vec::new(),
                Vec::new(),
            );
            let point = match on_lattice {
                true => BritishGrid::from_mm(point.0 % 8 * STEP_MM, point.1 % 8 * STEP_MM),
                false => BritishGrid::from_mm(point.0, point.1),
            };
            let day = date(2021, 1, 1);
            let found = registry.nearest(point, within_m, limit, day).into_iter();
            let found: Vec<_> = found
                .map(|(practice, site, distance_m)| (practice.code, site.position, distance_m))
                .collect();
            prop_assert_eq!(found, nearest_by_scan(&registry, point, within_m, limit, day));
        }
    }

    #[test]
    fn successions_are_followed_to_a_practice_that_is_open() {
        let closed = Some(date(2020, 3, 31));
        let registry = PracticeRegistry::new(
            vec![
                practice("A00003", None),
                practice("A00001", closed),
                practice("A00002", closed),
                practice("A00004", closed),
                practice("A00005", closed),
                practice("A00006", closed),
                practice("A00007", closed),
                practice("A00008", closed),
            ],
            Vec::new(),
            vec![
                step("A00001", "A00002"),
                step("A00002", "A00003"),
                step("A00005", "A00006"),
                step("A00006", "A00005"),
                step("A00007", "A00007"),
                step("A00008", "B99999"),
            ],
            Vec::new(),
        );
        let later = date(2021, 1, 1);
        assert_eq!(
            outcome_of(&registry, "A00001", later),
            (Some("A00003".into()), 2)
        );
        assert_eq!(
            outcome_of(&registry, "A00001", date(2020, 3, 31)),
            (Some("A00001".into()), 0)
        );
        assert_eq!(outcome_of(&registry, "A00004", later), (None, 0));
        assert_eq!(
            outcome_of(&registry, "A00005", later),
            (Some("cycle".into()), 2)
        );
        assert_eq!(
            outcome_of(&registry, "A00007", later),
            (Some("cycle".into()), 1)
        );
        assert_eq!(outcome_of(&registry, "A00008", later), (None, 1));
        let neighbour = |text: &str| NeighbouringPractice {
            practice: practice(text, None),
            icb: Some("QE1".into()),
            position: None,
        };
        let neighbouring = vec![neighbour("B99999"), neighbour("A00003")];
        let registry = registry.with_surroundings(Vec::new(), neighbouring);
        let outside = (Some("B99999".into()), 1);
        assert_eq!(outcome_of(&registry, "A00008", later), outside);
        // A practice in the dataset is not a neighbouring practice.
        assert_eq!(registry.neighbouring().len(), 1);
        assert!(registry.find(code("B99999")).is_none());
    }
}
