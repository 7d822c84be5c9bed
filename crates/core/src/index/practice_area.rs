//! The area and the positions of a practice, which are compared with the places where its patients
//! live.

use jiff::civil::Date;

use super::Index;
use super::directory::PostcodeLookup;
use crate::domain::{BritishGrid, LayerRole, OdsCode, Practice, PracticeStatus};

/// The number of characters at the start of the code of a practice that identify the area in which
/// the code was issued: `P81` in `P81002`.
const ISSUING_AREA_CHARS: usize = 3;

impl Index {
    /// Returns whether the dataset contains an area for a practice on a day. If it does, a place
    /// that is not in that area is known to be outside. Practices that are not active have no area.
    pub fn practice_has_area(&self, code: OdsCode, day: Date) -> bool {
        let is_active = |practice: &Practice| practice.status_on(day) == PracticeStatus::Active;
        if !self.registry.find(code).is_some_and(is_active) {
            return false;
        }
        let mut layers = self.layers.iter();
        let layer = layers.find(|layer| layer.role == LayerRole::PracticeCatchment);
        let Some((layer, ordinal)) =
            layer.and_then(|layer| Some((layer, layer.ordinal(code.as_str())?)))
        else {
            return false;
        };
        let is_own = |assigned: u32| assigned == ordinal;
        day >= layer.first_data
            && (layer.boundary(ordinal, day).is_some()
                || layer.is_assigned(ordinal)
                    && layer
                        .all_assignments()
                        .any(|found| is_own(found.ordinal) && found.period.contains(day)))
    }

    /// Returns the positions where a practice sees patients: the positions of the postcodes of its
    /// premises or, if these are not known, the position of its own postcode. The list is empty if
    /// no position is known.
    pub fn practice_positions(&self, code: OdsCode) -> Vec<BritishGrid> {
        let premises = self.premises(code).iter();
        let positions: Vec<BritishGrid> = premises.map(|site| site.position).collect();
        if !positions.is_empty() {
            return positions;
        }
        let neighbouring = self.neighbouring_practice(code);
        if let Some(position) = neighbouring.and_then(|found| found.position) {
            return vec![position];
        }
        let practice = self.registry.find_anywhere(code);
        let postcode = practice.and_then(|practice| practice.postcode);
        let entry = postcode.map(|postcode| self.lookup_postcode(postcode));
        match entry {
            Some(PostcodeLookup::Entry(entry)) => entry.position.into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Returns whether the code of an unknown practice was issued in the area of the dataset. The
    /// code was issued in the area if the code of a practice in the dataset has the same first
    /// three characters. The result is `None` for codes that start with Y, because they are issued
    /// nationally. The result is also `None` for codes that do not have the form of a practice code
    /// in England or Wales: a letter and five digits.
    pub fn is_practice_code_of_area(&self, code: OdsCode) -> Option<bool> {
        let code = code.parent().unwrap_or(code);
        let text = code.as_str();
        let is_practice = text.len() == 6
            && text.starts_with(|first: char| first.is_ascii_uppercase())
            && text[1..].bytes().all(|byte| byte.is_ascii_digit());
        if !is_practice || text.starts_with('Y') {
            return None;
        }
        let area = &text[..ISSUING_AREA_CHARS];
        let practices = self.practices();
        let first = practices.partition_point(|practice| practice.code.as_str() < area);
        Some(
            practices
                .get(first)
                .is_some_and(|practice| practice.code.as_str().starts_with(area)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_dataset::{DAY, build, code, dataset, index, km, postcode, practice};
    use crate::domain::NeighbouringPractice;

    #[test]
    fn practices_have_an_area_only_while_they_are_active() {
        let index = index();
        let has_area = |text: &str| index.practice_has_area(code(text), DAY);
        assert!(
            has_area("A00001") && has_area("A00003"),
            "assigned, and with a boundary"
        );
        // One practice is closed, one practice has no area, and one practice is not in the dataset.
        assert!(!has_area("A00004") && !has_area("A00006") && !has_area("X99999"));
    }

    #[test]
    fn practices_are_at_their_premises_or_else_at_their_postcode() {
        let mut dataset = dataset();
        let mut elsewhere = practice("A00007");
        elsewhere.postcode = Some(postcode("LA2 1AA"));
        dataset.practices.push(elsewhere);
        dataset.neighbouring_practices = vec![NeighbouringPractice {
            practice: practice("P81006"),
            icb: None,
            position: Some(km(40.0, 1.0)),
        }];
        let index = build(dataset);
        let positions = |text: &str| index.practice_positions(code(text));
        assert_eq!(positions("A00001"), [km(1.0, 1.0), km(4.0, 1.0)]);
        assert_eq!(positions("A00007"), [km(17.0, 2.0)]);
        assert_eq!(positions("P81006"), [km(40.0, 1.0)]);
        assert_eq!(positions("A00006"), []);
        assert_eq!(positions("X99999"), []);
    }

    #[test]
    fn the_first_characters_of_a_code_show_where_it_was_issued() {
        let index = index();
        let is_of_area = |text: &str| index.is_practice_code_of_area(code(text));
        assert_eq!(is_of_area("A00999"), Some(true));
        assert_eq!(is_of_area("A00999001"), Some(true), "a branch");
        assert_eq!(is_of_area("P81002"), Some(false));
        for other in ["Y00999", "RTX", "01K", "A0099X", "1A0099"] {
            assert_eq!(is_of_area(other), None, "{other}");
        }
    }
}
