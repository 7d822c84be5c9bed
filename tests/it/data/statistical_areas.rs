//! Tests of answers for the codes of statistical areas: every LSOA of the embedded dataset, for
//! both censuses.

use std::collections::BTreeMap;

use catchment::domain::{Certainty, Layer, LayerKind, LookupStatus, StatisticalAreaLocator};
use catchment::index::{
    AnswerNote, AreaMatch, LayerResult, LocateAnswer, LocateQuery, Locator, PracticeMatch,
    areas_of_layer,
};
use serde_json::Value;

use super::embedded_dataset::{DAY, index};
use crate::support::external_tools::{python, stdout_of};
use crate::support::layer;

const CENSUSES: [&str; 2] = ["lsoa11", "lsoa21"];

fn query(census: &str, code: &str) -> LocateQuery {
    let area = StatisticalAreaLocator {
        layer: Some(layer(census)),
        code: code.parse().expect("a code"),
    };
    LocateQuery {
        locator: Some(Locator::StatisticalArea(area)),
        practice: None,
        as_of: DAY,
    }
}

fn locate(census: &str, code: &str) -> LocateAnswer<'static> {
    index().locate(&query(census, code))
}

fn codes(census: &str) -> impl Iterator<Item = &'static str> {
    index()
        .all_areas(layer(census))
        .map(|area| area.id.as_str())
}

/// Returns the shares of a layer by area id. The id is empty for the share that is in no area.
fn shares(answer: &LocateAnswer<'_>, layer: Layer) -> BTreeMap<String, f64> {
    let areas: &[AreaMatch<'_>] = areas_of_layer(&answer.residence, layer);
    let mut shares = BTreeMap::new();
    for found in areas {
        let of_postcodes = found.shares.as_ref().expect("shares");
        shares.insert(found.area.id.clone(), of_postcodes.share);
        for other in &of_postcodes.others {
            let id = other.area.map(|area| area.id.clone());
            shares.insert(id.unwrap_or_default(), other.share);
        }
    }
    shares
}

#[test]
fn every_lsoa_is_in_the_icc_of_its_row_in_the_source() {
    let mut reader = csv::Reader::from_path("data/source/lsoa11_icc.csv").expect("the table");
    let mut count = 0;
    for row in reader.deserialize::<BTreeMap<String, String>>() {
        let row = row.expect("a row");
        let answer = locate("lsoa11", &row["lsoa11cd"]);
        let iccs = areas_of_layer(&answer.residence, layer("icc")).iter();
        let iccs: Vec<&str> = iccs.map(|found| found.area.id.as_str()).collect();
        let expected: Vec<&str> = [row["icc_id"].as_str()]
            .into_iter()
            .filter(|id| !id.is_empty())
            .collect();
        assert_eq!(iccs, expected, "{}", row["lsoa11cd"]);
        assert_eq!(answer.status, LookupStatus::Located);
        count += 1;
    }
    assert!(count > 400, "{count}");
}

#[test]
fn shares_of_every_lsoa_add_up_to_1() {
    for census in CENSUSES {
        let mut split_count = 0;
        for code in codes(census) {
            let answer = locate(census, code);
            assert!(
                !answer.notes.contains(&AnswerNote::CodeOfOtherLayer),
                "{code}"
            );
            assert!(
                answer.location.is_some() && answer.nearest.is_empty(),
                "{code}"
            );
            for entry in &index().manifest().layers {
                let areas = areas_of_layer(&answer.residence, entry.id);
                if entry.kind != LayerKind::Partition || areas.is_empty() {
                    continue;
                }
                let shares = shares(&answer, entry.id);
                let sum: f64 = shares.values().sum();
                assert!((sum - 1.0).abs() < 1e-9, "{code} {}: {shares:?}", entry.id);
                let is_split = areas[0].certainty() == Some(Certainty::Split);
                assert_eq!(is_split, shares.len() > 1, "{code} {}", entry.id);
                split_count += usize::from(is_split);
            }
        }
        assert!(split_count > 0, "{census}");
    }
}

#[test]
fn every_lsoa_agrees_with_a_computation_from_the_source_files() {
    let Some(mut python) = python("the comparison of LSOAs with their source files") else {
        return;
    };
    let output = stdout_of(
        python
            .arg("tests/oracle/statistical_areas.py")
            .arg("data/source"),
    );
    let expected: Value = serde_json::from_str(&output).expect("JSON");
    let doubtful = expected["doubtful"].as_array().expect("codes");
    assert!(doubtful.len() < 25, "{doubtful:?}");
    let mut differences = Vec::new();
    for (census, other) in [("lsoa11", "lsoa21"), ("lsoa21", "lsoa11")] {
        let by_code = expected[census].as_object().expect("codes");
        assert!(by_code.len() > 700, "{census}");
        let mut known: Vec<&str> = codes(census).collect();
        known.retain(|code| !by_code.contains_key(*code));
        assert_eq!(known, [""; 0], "codes of {census} without a postcode");
        for (code, expected) in by_code {
            let answer = locate(census, code);
            let named = answer.statistical_area.expect("a known code");
            assert_eq!(named.area.layer, layer(census), "{code}");
            if doubtful.iter().any(|doubtful| doubtful == code) {
                continue;
            }
            let counted = named.postcode_count as u64;
            if expected["postcodes"] != counted {
                differences.push(format!(
                    "{code}: {counted} postcodes, not {}",
                    expected["postcodes"]
                ));
            }
            for (key, compared) in [("icc", "icc"), ("other", other)] {
                let mut wanted: BTreeMap<String, f64> = BTreeMap::new();
                for share in expected[key].as_array().expect("shares") {
                    let id = share[0].as_str().unwrap_or_default();
                    wanted.insert(id.into(), share[1].as_f64().expect("a share"));
                }
                // If most postcodes are in no area, the answer contains no area.
                let in_none = wanted.get("").copied().unwrap_or_default();
                if wanted.values().all(|share| *share <= in_none) {
                    wanted.clear();
                }
                let found = shares(&answer, layer(compared));
                let is_equal = found.len() == wanted.len()
                    && found.iter().all(|(id, share)| {
                        wanted
                            .get(id)
                            .is_some_and(|other| (share - other).abs() < 1e-9)
                    });
                if !is_equal {
                    differences.push(format!("{code} {compared}: {found:?}, not {wanted:?}"));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn codes_of_the_other_census_are_answered_by_their_postcodes() {
    // In 2021, E01019105 and E01019103 became E01034068, and E01019213 was split.
    let answer = locate("lsoa11", "E01034068");
    assert!(answer.notes.contains(&AnswerNote::CodeOfOtherLayer));
    let expected = [
        ("E01019103".to_string(), 0.275),
        ("E01019105".into(), 0.725),
    ];
    assert_eq!(shares(&answer, layer("lsoa11")), BTreeMap::from(expected));
    let icc = BTreeMap::from([("nc-keswick-and-solway".to_string(), 1.0)]);
    assert_eq!(shares(&answer, layer("icc")), icc);
    let answer = locate("lsoa21", "E01019213");
    assert!(answer.notes.contains(&AnswerNote::CodeOfOtherLayer));
    assert_eq!(
        answer.statistical_area.expect("known").area.layer,
        layer("lsoa11")
    );
    assert_eq!(shares(&answer, layer("lsoa21")).len(), 3);
    let practices = answer.residence.iter().find_map(|(_, found)| match found {
        LayerResult::Practices(practices) => Some(practices),
        _ => None,
    });
    // The practices of an LSOA of 2011 are the practices of its postcodes.
    let postcode = LocateQuery {
        locator: Some(Locator::Postcode("CA1 3DN".parse().expect("a postcode"))),
        ..query("lsoa11", "E01019213")
    };
    let by_postcode = index().locate(&postcode);
    let found = areas_of_layer(&by_postcode.residence, layer("lsoa11")).first();
    assert_eq!(found.expect("an LSOA").area.id, "E01019213");
    let others = by_postcode
        .residence
        .iter()
        .find_map(|(_, found)| match found {
            LayerResult::Practices(practices) => Some(practices),
            _ => None,
        });
    let codes = |practices: &[PracticeMatch<'_>]| {
        let codes = practices.iter();
        let codes = codes.map(|found| (found.practice.code.to_string(), found.share));
        codes.collect::<Vec<_>>()
    };
    assert_eq!(
        codes(practices.expect("practices")),
        codes(others.expect("practices"))
    );
}
