//! GP practices: records, premises and successors.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;

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
    /// The practice that is responsible for the patients on the requested date, and is open then.
    Resolved(&'i Practice),
    /// The last practice is closed, and it has no known successor or several successors.
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

    /// Returns the practice outside the area of the dataset with a code.
    pub(super) fn find_neighbouring(&self, code: OdsCode) -> Option<&NeighbouringPractice> {
        let by_code = |found: &NeighbouringPractice| found.practice.code;
        let row = self
            .neighbouring
            .binary_search_by_key(&code, by_code)
            .ok()?;
        Some(&self.neighbouring[row])
    }

    /// Returns the practice with a code, in the dataset or outside its area.
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

    /// Returns the row of a practice: its position in order of code.
    pub(super) fn row(&self, code: OdsCode) -> Option<usize> {
        let by_code = |practice: &Practice| practice.code;
        self.practices.binary_search_by_key(&code, by_code).ok()
    }

    /// Returns whether the code is that of an organisation that prescribes but has no registered
    /// patients.
    pub(super) fn is_not_a_gp_practice(&self, code: OdsCode) -> bool {
        self.not_gp_practices.contains(&code)
    }

    /// Returns the codes of organisations that prescribe but have no registered patients, in order.
    pub(super) fn not_gp_practices(&self) -> Vec<OdsCode> {
        let mut codes: Vec<OdsCode> = self.not_gp_practices.iter().copied().collect();
        codes.sort_unstable();
        codes
    }

    /// Returns the practice's premises, the main address first.
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

    /// Returns the active practices with the nearest premises, as described at
    /// `Index::nearest_practices`.
    pub(super) fn nearest(
        &self,
        point: BritishGrid,
        within_m: f64,
        limit: usize,
        day: Date,
    ) -> Vec<(&Practice, &Premises, f64)> {
        let active = self.practices.iter();
        let active = active.filter(|practice| practice.status_on(day) == PracticeStatus::Active);
        let mut near: Vec<_> = active
            .filter_map(|practice| {
                let sites = self.premises(practice.code).iter();
                let measured = sites.map(|site| (practice, site, point.distance_m(site.position)));
                measured.min_by(|a, b| a.2.total_cmp(&b.2))
            })
            .filter(|(_, _, distance_m)| *distance_m <= within_m)
            .collect();
        near.sort_by(|a, b| a.2.total_cmp(&b.2));
        near.truncate(limit);
        near
    }

    /// Returns whether the postcode is that of the practice or of one of its premises.
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

#[cfg(test)]
mod tests {
    use jiff::civil::date;

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
