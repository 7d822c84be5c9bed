//! Where a practice's patients live, when no registrations are to be had: a gravity model.
//!
//! The share of a statistical area's people who are registered with a practice is taken to be
//! proportional to
//!
//! ```text
//! list size × exp(−2.5 · d^0.6)
//! ```
//!
//! with `d` the kilometres from the middle of the area's postcodes to the nearest of the practice's
//! buildings. Practices on the other side of water or hills that people do not cross are left out
//! (barriers). Small shares are dropped and the others not scaled up: they say what part of the area's people
//! the practice has.

use std::collections::BTreeMap;

use super::config::{Barrier, Model};
use crate::domain::{BritishGrid, OdsCode};

const DECAY: f64 = 2.5;
const DECAY_EXPONENT: f64 = 0.6;

/// A practice that takes patients.
pub(super) struct ModelPractice {
    pub(super) code: OdsCode,
    pub(super) list_size: u32,
    pub(super) icc: Option<String>,
    /// Not empty.
    pub(super) premises: Vec<BritishGrid>,
}

/// A statistical area whose people register somewhere.
pub(super) struct ModelArea<'a> {
    pub(super) code: &'a str,
    pub(super) name: &'a str,
    pub(super) centre: BritishGrid,
}

/// The practices of each area with their share of its people, to three decimals; in order of area,
/// then of code.
pub(super) fn shares<'a>(
    areas: &[ModelArea<'a>],
    practices: &[ModelPractice],
    model: &Model,
) -> BTreeMap<&'a str, Vec<(OdsCode, f64)>> {
    areas
        .iter()
        .map(|area| (area.code, shares_of(area, practices, model)))
        .collect()
}

fn shares_of(
    area: &ModelArea<'_>,
    practices: &[ModelPractice],
    model: &Model,
) -> Vec<(OdsCode, f64)> {
    let pulls: Vec<(OdsCode, f64)> = practices
        .iter()
        .filter(|practice| {
            !model
                .barriers
                .iter()
                .any(|barrier| keeps_apart(barrier, area, practice))
        })
        .map(|practice| (practice.code, pull(area.centre, practice)))
        .collect();
    let total: f64 = pulls.iter().map(|(_, pull)| pull).sum();
    let mut shares: Vec<(OdsCode, f64)> = pulls
        .into_iter()
        .map(|(code, pull)| (code, (pull / total * 1_000.0).round() / 1_000.0))
        .filter(|&(_, share)| share >= model.share_min)
        .collect();
    shares.sort_by_key(|&(code, _)| code);
    shares
}

fn pull(centre: BritishGrid, practice: &ModelPractice) -> f64 {
    let nearest_km = practice
        .premises
        .iter()
        .map(|&position| centre.distance_m(position) / 1_000.0)
        .fold(f64::INFINITY, f64::min);
    f64::from(practice.list_size) * (-DECAY * nearest_km.powf(DECAY_EXPONENT)).exp()
}

fn keeps_apart(barrier: &Barrier, area: &ModelArea<'_>, practice: &ModelPractice) -> bool {
    let district = area
        .name
        .rsplit_once(' ')
        .map_or(area.name, |(district, _)| district);
    let easting = area.centre.easting_m();
    barrier.districts.iter().any(|name| name == district)
        && barrier.west_of.is_none_or(|limit| easting < limit)
        && barrier.from_easting.is_none_or(|limit| easting >= limit)
        && practice
            .icc
            .as_ref()
            .is_some_and(|icc| barrier.no_practices_of.contains(icc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(easting: f64, northing: f64) -> BritishGrid {
        BritishGrid::from_metres(easting, northing).expect("on the grid")
    }

    fn practice(code: &str, list_size: u32, icc: &str, premises: &[BritishGrid]) -> ModelPractice {
        ModelPractice {
            code: code.parse().expect("an ODS code"),
            list_size,
            icc: Some(icc.into()),
            premises: premises.to_vec(),
        }
    }

    fn model(barriers: Vec<Barrier>) -> Model {
        Model {
            share_min: 0.05,
            within: "icc".into(),
            barriers,
        }
    }

    #[test]
    fn shares_follow_the_formula_and_small_ones_are_dropped_without_scaling() {
        let centre = at(350_000.0, 460_000.0);
        let practices = [
            practice("A00001", 10_000, "k", &[at(351_000.0, 460_000.0)]),
            practice(
                "A00002",
                10_000,
                "k",
                &[at(350_000.0, 462_000.0), at(390_000.0, 460_000.0)],
            ),
            practice("A00003", 100, "k", &[at(350_000.0, 461_000.0)]),
        ];
        let area = ModelArea {
            code: "E1",
            name: "Lancaster 001A",
            centre,
        };
        let (one, two, three) = (
            1e4 * (-2.5_f64).exp(),
            1e4 * (-2.5 * 2.0_f64.powf(0.6)).exp(),
            1e2 * (-2.5_f64).exp(),
        );
        let shares = shares_of(&area, &practices, &model(Vec::new()));
        let expected = [one, two].map(|pull| pull / (one + two + three));
        assert_eq!(shares.len(), 2);
        for ((_, share), expected) in shares.iter().zip(expected) {
            assert!(
                (share - expected).abs() <= 0.000_5,
                "{share} is not {expected}"
            );
        }
    }

    #[test]
    fn a_barrier_keeps_its_districts_from_its_practices() {
        let barrier = Barrier {
            districts: vec!["South Lakeland".into()],
            west_of: Some(335_000.0),
            from_easting: None,
            no_practices_of: vec!["far".into()],
        };
        let practices = [
            practice("A00001", 1_000, "far", &[at(334_000.0, 470_000.0)]),
            practice("A00002", 1_000, "near", &[at(334_000.0, 490_000.0)]),
        ];
        let codes = |name, easting| {
            let area = ModelArea {
                code: "E1",
                name,
                centre: at(easting, 471_000.0),
            };
            shares_of(&area, &practices, &model(vec![barrier.clone()]))
                .into_iter()
                .map(|(code, _)| code.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(codes("South Lakeland 001A", 334_000.0), ["A00002"]);
        assert!(codes("South Lakeland 001A", 335_000.0).contains(&"A00001".to_string()));
        assert!(codes("Lancaster 001A", 334_000.0).contains(&"A00001".to_string()));
    }
}
