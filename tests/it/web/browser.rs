//! Runs the browser tests. The folder `tests/browser/` has a file for each subject.

use std::env;
use std::process::Command;

use tempfile::TempDir;

use crate::mapping::basemap;
use crate::support::external_tools::{report_skipped, stdout_of};

#[test]
fn browser_tests_pass() {
    let Some(browser) = env::var_os("CATCHMENT_BROWSER") else {
        report_skipped(
            "browser tests: run `npm ci` in tests/browser and set CATCHMENT_BROWSER to the path of \
             Chromium",
        );
        return;
    };
    let basemaps = TempDir::new().expect("a folder");
    basemap::write_images(&basemaps.path().join("images.pmtiles"));
    basemap::write_protomaps(&basemaps.path().join("protomaps.pmtiles"));
    basemap::write_openmaptiles(&basemaps.path().join("openmaptiles.pmtiles"));
    let mut node = Command::new("node");
    node.arg("tests/browser/run.mjs")
        .env("CATCHMENT_BROWSER", browser)
        .env("CATCHMENT_BASEMAPS", basemaps.path())
        .env("CATCHMENT_BINARY", env!("CARGO_BIN_EXE_catchment"));
    let output = stdout_of(&mut node);
    assert!(output.contains("ok "), "{output}");
}
