//! Tests of configurations of layers: those that cause the build to fail, and the example in the
//! documentation.

use catchment::index::{Index, LocateQuery, Locator, areas_of_layer};
use jiff::civil::date;

use super::CountyCopy;
use crate::support::layer;

#[test]
fn errors_of_layers_are_reported_at_once_and_by_name() {
    let county = CountyCopy::new()
        .replace(
            "build.toml",
            "parent = \"neighbourhood\"",
            "parent = \"council\"",
        )
        .replace(
            "build.toml",
            "id = \"council\"",
            "parent = \"msoa11\"\nid = \"council\"",
        )
        .replace(
            "build.toml",
            "id = \"msoa11\"",
            "parent = \"council\"\nid = \"msoa11\"",
        )
        .replace("build.toml", "id = \"care-circle\"", "id = \"surgery\"")
        .replace(
            "build.toml",
            "id = \"neighbour-scheme\"",
            "members_from = \"village\"\nid = \"neighbour-scheme\"",
        )
        .replace(
            "build.toml",
            "kind = \"membership\"",
            "kind = \"partition\"",
        );
    let error = county.build_error();
    for expected in [
        "layer `surgery` is listed twice",
        "layer `ward-group`: the role `part` needs a parent with the role `community`: \
         neighbourhood",
        "the parents of the layers `council`, `msoa11` form a cycle",
        "layer `neighbour-scheme`: members_from `village` is not another layer of the dataset",
        "layer `neighbour-scheme`: the role is `group` and the kind `partition`",
    ] {
        assert!(error.contains(expected), "{expected} is not in {error}");
    }
    assert!(!county.output().exists());
}

#[test]
fn ids_that_are_not_allowed_are_reported_at_once() {
    let county = CountyCopy::new()
        .replace("build.toml", "id = \"council\"", "id = \"Council\"")
        .replace("build.toml", "id = \"msoa11\"", "id = \"11msoa\"")
        .replace("build.toml", "role = \"part\"", "role = \"piece\"");
    let error = county.build_error();
    for expected in [
        "layer `Council`",
        "layer `11msoa`",
        "use at most 32 lower-case letters, digits and hyphens, with a letter first",
        "must be community, part, practice-catchment, group, network, administrative or statistical",
    ] {
        assert!(error.contains(expected), "{expected} is not in {error}");
    }
}

#[test]
fn layers_need_a_role_and_a_name() {
    let county = CountyCopy::new()
        .replace("build.toml", "role = \"statistical\"\n", "")
        .replace("build.toml", "singular = \"Council\"\n", "");
    let error = county.build_error();
    for expected in [
        "layer `msoa11`: role is missing: one of community, part,",
        "layer `council`: singular is missing: the name of one area of the layer",
    ] {
        assert!(error.contains(expected), "{expected} is not in {error}");
    }
}

#[test]
fn the_documented_example_adds_a_layer() {
    let document = include_str!("../../../docs/operators/layers.md");
    let block = |start: &str| -> &str {
        let (_, rest) = document.split_once(start).expect("the block");
        rest.split_once("```").expect("its end").0
    };
    let county = CountyCopy::new()
        .append("source/primary_care_zones.csv", block("```csv\n"))
        .append("build.toml", &format!("\n{}", block("```toml\n")))
        .build();
    let dataset = county.dataset();
    let index = Index::build(dataset).expect("the dataset is valid");
    let zone = layer("care-zone");
    let entry = index.manifest().layer(zone).expect("the layer");
    assert_eq!(entry.singular, "Care zone");
    let located = index.locate(&LocateQuery {
        locator: Some(Locator::Postcode("LE88 1AA".parse().expect("a postcode"))),
        practice: None,
        as_of: date(2026, 1, 31),
    });
    let areas = areas_of_layer(&located.residence, zone);
    let names: Vec<&str> = areas.iter().map(|found| found.area.name.as_str()).collect();
    assert_eq!(names, ["Riverside"]);
}
