//! Tests of `catchment export --static`. The answers of `catchment.js` in Node must equal the
//! answers of the program. The tests in `tests/browser/static.mjs` test the page and the widget in
//! a browser.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;

use catchment::dataset::{self, DatasetSource};
use catchment::domain::{LonLat, date_from_iso};
use catchment::export::{StaticSite, StaticSiteOptions};
use catchment::geodesy;
use catchment::index::Index;
use serde_json::Value;
use tempfile::TempDir;

use crate::county;
use crate::support::external_tools::{report_skipped, stdout_of};

fn catchment(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catchment"));
    command.arg("export").args(arguments);
    command.output().expect("the program starts")
}

#[track_caller]
fn export(arguments: &[&str]) -> String {
    let output = catchment(arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    errors
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

fn path_of(folder: &TempDir, name: &str) -> String {
    folder
        .path()
        .join(name)
        .to_str()
        .expect("UTF-8")
        .to_string()
}

/// The first date of the files. Several parts of the dataset change after this date.
const DAY: &str = "2025-12-01";

/// A folder that contains the files for the embedded dataset in its subfolder `site`.
static EMBEDDED: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = TempDir::new().expect("a folder");
    export(&["--static", &path_of(&folder, "site"), "--as-of", DAY]);
    folder
});

#[test]
fn every_postcode_has_the_same_answer_as_from_the_program() {
    let site = path_of(&EMBEDDED, "site");
    let mut node = Command::new("node");
    node.args(["tests/static/compare.mjs", &site])
        .arg(env!("CARGO_BIN_EXE_catchment"))
        .arg("data/lancashire-and-cumbria/postcodes.csv")
        .args([DAY, "2026-03-31", "2026-04-01", "2027-09-01"]);
    let compared = stdout_of(&mut node);
    assert!(compared.contains("answers are equal"), "{compared}");

    // Checks the limits that docs/users/static.md states.
    let index = read_json(&EMBEDDED.path().join("site/index.json"));
    assert!(index["smallest_group"].as_u64() >= Some(150));
    for (name, bytes_max) in [("groups", 20_000), ("everything", 5_000_000)] {
        let files = fs::read_dir(EMBEDDED.path().join("site").join(name)).expect("a folder");
        let sizes: Vec<u64> = files
            .map(|file| file.and_then(|file| file.metadata()).expect("a file").len())
            .collect();
        assert!(!sizes.is_empty());
        assert!(
            sizes.iter().all(|bytes| *bytes <= bytes_max),
            "{name}: {sizes:?}"
        );
    }

    let mut node = Command::new("node");
    node.args(["tests/static/damage.mjs", &site, "LA9 4QF", "PR1 1HR"]);
    assert_eq!(stdout_of(&mut node), "damaged files are reported\n");
}

/// The county has different layers from the embedded dataset, and fewer postcodes than the minimum
/// for a group.
#[test]
fn postcodes_of_another_dataset_have_the_same_answers() {
    let folder = TempDir::new().expect("a folder");
    let site = path_of(&folder, "site");
    let county = county::dataset_folder();
    let data = county.to_str().expect("UTF-8");
    export(&["--static", &site, "--data", data, "--as-of", "2024-01-01"]);
    let mut node = Command::new("node");
    node.args(["tests/static/compare.mjs", &site])
        .arg(env!("CARGO_BIN_EXE_catchment"))
        .arg(county.join("postcodes.csv"))
        .args(["2024-01-01", "2025-12-01", "2026-11-01"])
        .env("CATCHMENT_DATA", data);
    let compared = stdout_of(&mut node);
    assert!(compared.contains("answers are equal"), "{compared}");
}

/// Compares 100,000 postcodes of the national dataset of docs/users/national-data.md, if
/// `CATCHMENT_NATIONAL` specifies its folder. Also prints the size of the files.
#[test]
#[ignore = "needs the dataset in the folder CATCHMENT_NATIONAL; tests/check --all runs it"]
fn postcodes_of_the_national_dataset_have_the_same_answers() {
    let Some(national) = env::var_os("CATCHMENT_NATIONAL") else {
        report_skipped("the national dataset: set CATCHMENT_NATIONAL to its folder");
        return;
    };
    let national = Path::new(&national);
    let data = national.to_str().expect("UTF-8");
    let folder = TempDir::new().expect("a folder");
    let site = path_of(&folder, "site");
    println!(
        "{}",
        export(&["--static", &site, "--data", data, "--as-of", DAY])
    );
    let mut node = Command::new("node");
    node.args(["tests/static/compare.mjs", &site])
        .arg(env!("CARGO_BIN_EXE_catchment"))
        .arg(national.join("postcodes.csv"))
        .arg(DAY)
        .envs([("CATCHMENT_DATA", data), ("CATCHMENT_SAMPLE", "100000")]);
    let compared = stdout_of(&mut node);
    assert!(compared.contains("answers are equal"), "{compared}");
}

/// Returns positions in and around the embedded areas, from a generator with a fixed seed.
fn positions(count: u64) -> Vec<[f64; 2]> {
    let mut state = 24_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        #[expect(clippy::cast_precision_loss, reason = "53 bits")]
        let fraction = (state >> 11) as f64 / (1_u64 << 53) as f64;
        fraction
    };
    (0..count)
        .map(|_| [next() * 1.8 - 3.7, next() * 1.6 + 53.5])
        .collect()
}

#[test]
fn positions_are_in_the_areas_that_cover_them() {
    let folder = TempDir::new().expect("a folder");
    let site = path_of(&EMBEDDED, "site");
    let file = folder.path().join("positions.json");
    let positions = positions(2_000);
    fs::write(&file, serde_json::to_string(&positions).expect("JSON")).expect("a file");
    let mut node = Command::new("node");
    node.args(["tests/static/positions.mjs", &site]).arg(&file);
    let found: Vec<Value> = serde_json::from_str(&stdout_of(&mut node)).expect("JSON");
    assert_eq!(found.len(), positions.len());
    let dataset = dataset::read(&DatasetSource::Embedded).expect("a dataset");
    let index = Index::build(dataset).expect("the dataset is valid");
    let day = date_from_iso(DAY).expect("a date");
    let (mut inside, mut near) = (0, 0);
    for ([lon, lat], found) in positions.iter().zip(&found) {
        if found["approximate"] == true {
            near += 1;
            continue;
        }
        let lonlat = LonLat::new(*lon, *lat).expect("on the Earth");
        let point = geodesy::to_grid(lonlat).expect("on the grid");
        for (layer, areas) in found["areas"].as_object().expect("layers") {
            let mut ids: Vec<&str> = areas
                .as_array()
                .expect("areas")
                .iter()
                .filter_map(|area| area["id"].as_str())
                .collect();
            ids.sort_unstable();
            let layer = index.layers().find(|known| known.as_str() == layer);
            let covering = index.areas_covering(layer.expect("a layer"), point, day);
            let mut expected: Vec<&str> = covering.iter().map(|area| area.id.as_str()).collect();
            expected.sort_unstable();
            assert_eq!(ids, expected, "{lon} {lat}");
            inside += ids.len();
        }
    }
    assert!(inside > 2_000 && near < 20, "{inside} {near}");
}

fn build(index: &Index, threads: usize) -> StaticSite {
    let options = StaticSiteOptions {
        day: date_from_iso(DAY).expect("a date"),
        is_offline: true,
        threads: NonZeroUsize::new(threads).expect("at least one"),
    };
    StaticSite::build(index, options).expect("the files are made")
}

#[test]
fn the_same_dataset_and_day_give_the_same_bytes_and_since_writes_what_changed() {
    let county = county::dataset_folder();
    let dataset = dataset::read(&DatasetSource::Folder(county.clone())).expect("a dataset");
    let index = Index::build(dataset).expect("the dataset is valid");
    let (first, second) = (build(&index, 1), build(&index, 3));
    let content = |site: &StaticSite| -> BTreeMap<String, Vec<u8>> {
        let files = site.folder(None).into_iter();
        files
            .map(|(path, content)| (path.to_string(), content))
            .collect()
    };
    assert!(content(&first) == content(&second));
    assert_eq!(first.summary(), second.summary());

    let county = county.to_str().expect("UTF-8");
    let folder = TempDir::new().expect("a folder");
    let [old, new, changes] = ["old", "new", "changes"].map(|name| path_of(&folder, name));
    let with_data = ["--data", county, "--as-of", DAY];
    export(&[&["--static", &old], &with_data[..]].concat());
    let message = export(&[&["--static", &changes, "--since", &old], &with_data[..]].concat());
    assert!(message.contains("0 of "), "{message}");
    let list = read_json(&folder.path().join("changes/changes.json"));
    assert_eq!(list["changed"], serde_json::json!([]));
    // With a later date, the index changes, and other files may change, but the scripts do not.
    let later = ["--data", county, "--as-of", "2026-06-01"];
    export(&[&["--static", &new], &later[..]].concat());
    export(&[&["--static", &changes, "--since", &old], &later[..]].concat());
    let list = read_json(&folder.path().join("changes/changes.json"));
    let changed: Vec<&str> = list["changed"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(changed.contains(&"index.json"), "{changed:?}");
    assert!(!changed.contains(&"catchment.js"), "{changed:?}");
    for path in &changed {
        let [new, changed] = ["new", "changes"]
            .map(|name| fs::read(folder.path().join(name).join(path)).expect("a file"));
        assert!(new == changed, "{path}");
    }
    // The old folder, updated with the changes, equals the new folder.
    let [new_list, changes_list] =
        ["new", "changes"].map(|name| read_json(&folder.path().join(name).join("files.json")));
    assert_eq!(new_list, changes_list);
}

#[test]
fn folders_with_other_files_are_not_replaced_and_bad_options_are_explained() {
    let folder = TempDir::new().expect("a folder");
    let [mine, site] = ["mine", "site"].map(|name| path_of(&folder, name));
    fs::create_dir(&mine).expect("a folder");
    fs::write(folder.path().join("mine/thesis.txt"), "mine").expect("a file");
    let county = county::dataset_folder();
    let county = county.to_str().expect("UTF-8");
    for (arguments, expected) in [
        (
            vec!["--static", &mine, "--data", county],
            "contains `thesis.txt`",
        ),
        (
            vec!["--static", &site, "--data", county, "--as-of", "1990-01-01"],
            "the dataset has no data for 1990-01-01; use a later --as-of",
        ),
        (
            vec!["--static", &site, "--data", county, "--since", &mine],
            "files.json is not the list of files of an export with --static",
        ),
        (
            vec!["--static", &mine, "--since", &mine, "--force"],
            "an input of the command",
        ),
        (
            vec!["--tiles", "a.pmtiles", "--since", &mine],
            "--static <DIR>",
        ),
    ] {
        let output = catchment(&arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(expected), "{arguments:?}: {errors}");
    }
    assert!(folder.path().join("mine/thesis.txt").exists());
    assert!(!folder.path().join("site").exists());
    // An existing static look-up is replaced even without --force.
    for _ in 0..2 {
        export(&["--static", &site, "--data", county, "--as-of", DAY]);
    }
}
