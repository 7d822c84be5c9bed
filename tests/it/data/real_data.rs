//! Tests with published files that cannot be redistributed. `CATCHMENT_REAL_DATA` specifies the
//! folder of these files.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use catchment::builder::build;
use catchment::dataset::{DatasetSource, read};

const REGISTRATIONS: &str = "gp-reg-pat-prac-lsoa-pennine-2020-04.csv";

/// Returns the folder that `CATCHMENT_REAL_DATA` specifies. If the variable is not set, writes
/// directly to standard error that the test is skipped, because the test harness hides the captured
/// output of tests that pass.
fn real_data(what: &str) -> Option<PathBuf> {
    let named = std::env::var_os("CATCHMENT_REAL_DATA").filter(|name| !name.is_empty());
    let folder = named.map(PathBuf::from);
    if folder.is_none() {
        let note =
            format!("SKIPPED {what}: set CATCHMENT_REAL_DATA to the folder of published files\n");
        std::io::stderr()
            .write_all(note.as_bytes())
            .expect("standard error");
    }
    folder
}

/// Returns the PCN of each LSOA in a dataset.
fn pcns(folder: &Path) -> BTreeMap<Arc<str>, Arc<str>> {
    let dataset = read(&DatasetSource::Folder(folder.into())).expect("a dataset");
    let assignments = dataset
        .assignments
        .into_iter()
        .filter(|assignment| assignment.layer == crate::support::layer("pcn"));
    assignments
        .map(|assignment| (assignment.statistical_area, assignment.area))
        .collect()
}

#[test]
fn modelled_pcn_is_the_dominant_one_in_nine_of_ten_lsoas() {
    let Some(real) = real_data("the model against the registrations of April 2020") else {
        return;
    };
    let scratch = tempfile::tempdir().expect("a folder");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/source");
    let config = format!(
        r#"
name = "registered"
version = "1"
title = "By registrations"
as_of = "2024-10-31"
attribution = "none"
licence = "https://example.org/licence"
tolerance_m = 100
output = "registered"
sources = []

[postcodes]
directories = [{{ format = "postcode-list", file = {postcodes:?} }}]

[statistical_areas]
id = "lsoa11"
title = "LSOAs"
boundaries = {boundaries:?}
code = "LSOA11CD"
name = "LSOA11NM"
sub_icb = "SICBL"
snap_m = 150

[practices]
directories = [{{ format = "practice-list", file = {practices:?} }}]
successions = [{{ format = "succession-list", file = {successions:?} }}]

# Patients of practices near the edge of the area live outside it.
[unused_max]
{registrations:?} = 0.01

[[shares]]
name = "registered"
sub_icb = ["01A", "00Q"]
registrations = {registrations:?}

[[layers]]
id = "pcn"
title = "PCNs"
kind = "partition"
first_data = "2020-04-01"
provenance = "derived"

[[layers.methods]]
plurality = {{ shares = "registered", by = "network", sub_icb = ["01A", "00Q"] }}
"#,
        postcodes = source.join("postcodes.csv"),
        boundaries = source.join("lsoa11_bsc.geojson"),
        practices = source.join("practices.csv"),
        successions = source.join("practice_successions.csv"),
        registrations = real.join(REGISTRATIONS),
    );
    let path = scratch.path().join("build.toml");
    fs::write(&path, config).expect("a configuration");
    build(&path, None).expect("the build succeeds");
    let registered = pcns(&scratch.path().join("registered"));
    let modelled = pcns(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/lancashire-and-cumbria"));
    let right = registered
        .iter()
        .filter(|(lsoa, pcn)| modelled.get(*lsoa) == Some(pcn))
        .count();
    let note = format!(
        "the model names the correct dominant PCN in {right} of {} LSOAs\n",
        registered.len()
    );
    std::io::stderr()
        .write_all(note.as_bytes())
        .expect("standard error");
    assert_eq!(registered.len(), 335);
    assert!(right * 10 >= registered.len() * 9, "{note}");
}
