//! Tests of build options that the embedded dataset does not use.

use std::fs;

use catchment::builder::build;
use catchment::dataset::{DatasetSource, read};

use catchment::index::{Index, LocateQuery, Locator, PostcodeLookup, areas_of_layer};
use jiff::civil::{Date, date};

use crate::data::dataset_validation::SourceCopy;

fn build_index(source_copy: &SourceCopy) -> Index {
    build(&source_copy.config(), None).expect("the build succeeds");
    let dataset = read(&DatasetSource::Folder(source_copy.output())).expect("a dataset");
    Index::build(dataset).expect("the dataset is valid")
}

fn icc_on(index: &Index, day: Date) -> Vec<String> {
    let place = Locator::Postcode("LA18 4DB".parse().expect("a postcode"));
    let query = LocateQuery {
        locator: Some(place),
        practice: None,
        as_of: day,
    };
    let answer = index.locate(&query);
    areas_of_layer(&answer.residence, crate::support::layer("icc"))
        .iter()
        .map(|area_match| area_match.area.id.clone())
        .collect()
}

#[test]
fn future_boundaries_are_selected_by_date() {
    let now = "[[layers.methods]]\nlookup = { file = \"source/lsoa11_icc.csv\", columns = { code = \"lsoa11cd\", area = \"icc_id\", share = \"model_share\", disputed = \"disputed\" } }\n";
    let later = now
        .replace("lookup", "from = \"2027-04-01\"\nlookup")
        .replace(".csv", "_2027.csv");
    let both = now.replace("lookup", "to = \"2027-04-01\"\nlookup") + "\n" + &later;
    let source_copy = SourceCopy::without_golden_queries().replace("build.toml", now, &both);
    let sources = source_copy.config().with_file_name("source");
    let table = fs::read_to_string(sources.join("lsoa11_icc.csv")).expect("the look-up");
    let merged = table.replace(",mb-barrow-and-millom,", ",mb-mid-furness,");
    fs::write(sources.join("lsoa11_icc_2027.csv"), merged).expect("a file");
    let index = build_index(&source_copy);
    let (last, first) = (date(2027, 3, 31), date(2027, 4, 1));
    assert_eq!(icc_on(&index, last), ["mb-barrow-and-millom"]);
    assert_eq!(icc_on(&index, first), ["mb-mid-furness"]);
    assert!(
        index
            .boundary(crate::support::layer("icc"), "mb-barrow-and-millom", last)
            .is_some()
    );
    assert!(
        index
            .boundary(crate::support::layer("icc"), "mb-barrow-and-millom", first)
            .is_none()
    );
    let polygon_count = |day| {
        index
            .boundary(crate::support::layer("icc"), "mb-mid-furness", day)
            .map(|boundary| boundary.lonlat.0.len())
    };
    assert_ne!(polygon_count(last), polygon_count(first));
}

#[test]
fn incomplete_directories_report_no_unknown_postcodes() {
    let missing = "LA18 9ZZ".parse().expect("a postcode");
    let complete = build_index(&SourceCopy::without_golden_queries());
    assert!(matches!(
        complete.lookup_postcode(missing),
        PostcodeLookup::Unknown
    ));
    let sample = SourceCopy::without_golden_queries().replace(
        "build.toml",
        "[postcodes]\n",
        "[postcodes]\ncomplete = false\n",
    );
    assert!(matches!(
        build_index(&sample).lookup_postcode(missing),
        PostcodeLookup::OutsideCoverage
    ));
}

#[test]
fn listed_memberships_override_those_of_the_practice_table() {
    let source_copy = SourceCopy::without_golden_queries().replace(
        "build.toml",
        "history = ",
        "memberships = \"source/memberships.csv\"\nhistory = ",
    );
    let rows = "member_layer,member,layer,group,from,to,provenance\n\
        gp-practice,A82033,icc,mb-barrow-and-millom,,2026-04-01,official\n\
        gp-practice,A82033,icc,mb-kendal,2026-04-01,,official\n";
    fs::write(
        source_copy
            .config()
            .with_file_name("source")
            .join("memberships.csv"),
        rows,
    )
    .expect("a file");
    let index = build_index(&source_copy);
    for (day, icc) in [
        (date(2026, 3, 31), "mb-barrow-and-millom"),
        (date(2026, 4, 1), "mb-kendal"),
    ] {
        let practice = Some("A82033".parse());
        let answer = index.locate(&LocateQuery {
            locator: None,
            practice,
            as_of: day,
        });
        let areas = answer.registration.expect("a registration").areas;
        let found: Vec<&str> = areas_of_layer(&areas, crate::support::layer("icc"))
            .iter()
            .map(|area_match| area_match.area.id.as_str())
            .collect();
        assert_eq!(found, [icc]);
    }
}
