//! Tests of exports, checks, comparisons and help texts for the county.

use std::fs;

use tempfile::TempDir;

use super::{LAYERS, NEXT, data, expect_own_words, run, source_rows};

#[test]
fn look_ups_and_areas_are_exported() {
    let folder = TempDir::new().expect("a folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (lookup, practices) = (file("lookup.csv"), file("practices.csv"));
    let (areas, tiles) = (file("areas.geojson"), file("areas.pmtiles"));
    let data = data();
    let arguments = [
        "export",
        "--data",
        &data,
        "--lookup",
        &lookup,
        "--practices",
        &practices,
        "--areas",
        &areas,
        "--tiles",
        &tiles,
        "--max-zoom",
        "9",
    ];
    let (status, _, message) = run(&arguments);
    assert_eq!(status, Some(0), "{message}");
    expect_own_words("catchment export", &message);
    let table = fs::read_to_string(&lookup).expect("a table");
    expect_own_words("the look-up table", &table);
    let rows = csv::Reader::from_reader(table.as_bytes())
        .into_records()
        .count();
    assert!(rows >= source_rows("postcodes.csv").len());
    let header = table.lines().next().expect("a header row");
    for column in [
        "neighbourhood_residence_id",
        "ward_group",
        "care_circle",
        "council",
        "msoa11",
    ] {
        assert!(header.contains(&format!("catchment_{column}")), "{header}");
    }
    let areas = fs::read_to_string(&areas).expect("the areas");
    for layer in LAYERS {
        assert!(areas.contains(&format!("\"{layer}\"")), "{layer}");
    }
    assert!(fs::metadata(&tiles).expect("the tiles").len() > 0);
    for name in ["areas.gpkg", "areas.zip", "areas.fgb", "areas.topojson"] {
        let areas = file(name);
        let (status, _, message) = run(&["export", "--data", &data, "--areas", &areas]);
        assert_eq!(status, Some(0), "{name}: {message}");
    }
}

#[test]
fn the_dataset_has_no_errors() {
    let (status, text, _) = run(&["check", &data()]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("0 errors"), "{text}");
    expect_own_words("catchment check", &text);
}

#[test]
fn two_versions_are_compared() {
    let (old, new) = (data(), NEXT.output().display().to_string());
    let folder = TempDir::new().expect("a folder");
    let changes = folder.path().join("changes");
    let output = changes.display().to_string();
    let (status, text, _) = run(&[
        "diff",
        &old,
        &new,
        "--as-of",
        "2026-01-31",
        "--output",
        &output,
    ]);
    assert_eq!(status, Some(1), "{text}");
    expect_own_words("catchment diff", &text);
    let table = |name: &str| fs::read_to_string(changes.join(name)).expect("a table");
    let areas = table("areas.csv");
    assert!(areas.contains("neighbourhood,am-eastholm"), "{areas}");
    assert!(areas.contains("Eastholm and Vale"), "{areas}");
    let coverage = table("coverage.csv");
    let moved = coverage.lines().filter(|line| line.contains("E01990004"));
    assert!(moved.count() >= 2, "{coverage}");
    // Four postcodes are in the statistical area that moved.
    let postcodes = table("postcodes.csv");
    assert_eq!(postcodes.lines().count(), 1 + 4, "{postcodes}");
    for name in ["areas.csv", "coverage.csv", "postcodes.csv", "summary.json"] {
        expect_own_words(name, &table(name));
    }
}

#[test]
fn help_texts_have_no_words_of_the_embedded_dataset() {
    let commands = [
        "serve", "locate", "batch", "build", "check", "diff", "export", "keys",
    ];
    let (_, text, _) = run(&["--help"]);
    expect_own_words("catchment --help", &text);
    for command in commands {
        let (status, text, _) = run(&[command, "--help"]);
        assert_eq!(status, Some(0));
        expect_own_words(command, &text);
    }
}
