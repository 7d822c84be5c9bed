//! Runs the browser tests. The folder `tests/browser/` contains a file for each subject. This
//! module has a test for each subject, so that the subjects run in parallel.

use std::env;
use std::process::Command;

use tempfile::TempDir;

use crate::mapping::basemap;
use crate::support::external_tools::{report_skipped, stdout_of};

#[test]
fn batch_page() {
    run_subject("batch");
}

#[test]
fn directory_pages() {
    run_subject("directory-pages");
}

#[test]
fn embedding() {
    run_subject("embed");
}

#[test]
fn map() {
    run_subject("map");
}

#[test]
fn pages() {
    run_subject("pages");
}

#[test]
fn static_files() {
    run_subject("static");
}

#[test]
fn widget() {
    run_subject("widget");
}

#[test]
fn each_subject_has_a_test() {
    let tests = include_str!("browser.rs");
    for file in std::fs::read_dir("tests/browser").expect("the folder exists") {
        let name = file.expect("a file").file_name();
        let name = name.to_str().expect("a name");
        if let Some(subject) = name
            .strip_suffix(".mjs")
            .filter(|subject| *subject != "run")
        {
            let call = format!("run_subject(\"{subject}\")");
            assert!(tests.contains(&call), "no test calls {call}");
        }
    }
}

/// Runs the tests in `tests/browser/{subject}.mjs`.
#[track_caller]
fn run_subject(subject: &str) {
    let Some(browser) = env::var_os("CATCHMENT_BROWSER") else {
        report_skipped(
            "browser tests: run `npm ci` in tests/browser and set CATCHMENT_BROWSER to the path of \
             Chromium",
        );
        return;
    };
    let basemaps = TempDir::new().expect("a folder");
    if subject == "map" {
        basemap::write_images(&basemaps.path().join("images.pmtiles"));
        basemap::write_protomaps(&basemaps.path().join("protomaps.pmtiles"));
        basemap::write_openmaptiles(&basemaps.path().join("openmaptiles.pmtiles"));
    }
    let mut node = Command::new("node");
    node.args(["tests/browser/run.mjs", "--no-screenshots", subject])
        .env("CATCHMENT_BROWSER", browser)
        .env("CATCHMENT_BASEMAPS", basemaps.path())
        .env("CATCHMENT_BINARY", env!("CARGO_BIN_EXE_catchment"));
    let output = stdout_of(&mut node);
    assert!(output.contains("ok "), "{output}");
}
