//! Tests of the commands' output files and of a build's sources. They check which existing files
//! may be overwritten, and which sources are rejected.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::data::dataset_validation::SourceCopy;
use crate::data::embedded_dataset::read_files;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_catchment"));
    program.current_dir(folder).args(arguments);
    program.output().expect("the program runs")
}

#[track_caller]
fn check_rejected(folder: &Path, arguments: &[&str], words: &str) {
    let before = read_files(folder);
    let output = run(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?} {errors}");
    assert!(errors.contains(words), "{arguments:?} {errors}");
    assert!(read_files(folder) == before, "{arguments:?} changed a file");
}

#[test]
fn build_replaces_only_a_dataset_without_force() {
    let source_copy = SourceCopy::without_golden_queries();
    let config = source_copy.config();
    let config = config.to_str().expect("text");
    let folder = TempDir::new().expect("a folder");
    let path_of = |name: &str| folder.path().join(name);
    fs::create_dir(path_of("mine")).expect("a folder");
    fs::write(path_of("mine/thesis.txt"), "x").expect("a file");
    fs::write(path_of("file.txt"), "x").expect("a file");
    check_rejected(
        folder.path(),
        &["build", config, "-o", "mine"],
        "`thesis.txt`; its files would be deleted",
    );
    check_rejected(
        folder.path(),
        &["build", config, "-o", "file.txt"],
        "is a file, not a dataset",
    );
    let build = |arguments: &[&str]| {
        let output = run(
            folder.path(),
            &[&["build", config, "-o"], arguments].concat(),
        );
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?} {errors}");
    };
    build(&["new"]);
    let built = read_files(&path_of("new"));
    build(&["new"]);
    assert!(read_files(&path_of("new")) == built);
    fs::write(path_of("new/notes.txt"), "x").expect("a file");
    check_rejected(
        folder.path(),
        &["build", config, "-o", "new"],
        "`notes.txt` in addition to a dataset",
    );
    build(&["new", "--force"]);
    build(&["file.txt", "--force"]);
    build(&["mine", "--force"]);
    assert!(
        ["new", "file.txt", "mine"]
            .iter()
            .all(|text| read_files(&path_of(text)) == built)
    );
    let names = fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(names, 3, "the folder contains other files");
}

#[test]
fn build_never_replaces_its_own_inputs() {
    for output in ["", ".", "..", "source", "source/../source"] {
        let source_copy = SourceCopy::without_golden_queries();
        let config = source_copy.config();
        let text = fs::read_to_string(&config).expect("a configuration");
        let lines = text.lines().map(|line| {
            if line.starts_with("output = ") {
                format!("output = {output:?}\n")
            } else {
                format!("{line}\n")
            }
        });
        fs::write(&config, lines.collect::<String>()).expect("a configuration");
        let folder = config.parent().expect("a folder");
        let config = config.to_str().expect("text");
        for force in [&[][..], &["--force"]] {
            let arguments = [&["build", config], force].concat();
            check_rejected(
                folder,
                &arguments,
                "an input of the command that would be deleted",
            );
        }
    }
}

#[cfg(unix)]
#[test]
fn symbolic_links_are_preserved_and_their_targets_replaced() {
    use std::os::unix::fs::symlink;
    let source_copy = SourceCopy::without_golden_queries();
    let config = source_copy.config();
    let config = config.to_str().expect("text");
    let folder = TempDir::new().expect("a folder");
    let path_of = |name: &str| folder.path().join(name);
    for name in ["there", "elsewhere"] {
        fs::create_dir(path_of(name)).expect("a folder");
    }
    symlink("there/dataset", path_of("link")).expect("a link");
    for _ in 0..2 {
        let output = run(folder.path(), &["build", config, "-o", "link"]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(
            fs::read_link(path_of("link")).expect("a link"),
            Path::new("there/dataset")
        );
        assert!(path_of("there/dataset/dataset.toml").is_file());
    }
    fs::write(path_of("list.csv"), "postcode\nLA1 1PN\n").expect("a file");
    fs::write(path_of("elsewhere/old.csv"), "old").expect("a file");
    symlink("elsewhere/old.csv", path_of("out.csv")).expect("a link");
    check_rejected(
        folder.path(),
        &["batch", "list.csv", "-o", "out.csv"],
        "--force",
    );
    let output = run(
        folder.path(),
        &["batch", "list.csv", "-o", "out.csv", "--force", "-q"],
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(path_of("out.csv").is_symlink());
    let answered = fs::read_to_string(path_of("elsewhere/old.csv")).expect("answers");
    assert!(answered.starts_with("postcode,"), "{answered}");
    assert!(path_of("elsewhere/old.csv.manifest.json").is_file());
    fs::write(path_of("elsewhere/keys.toml"), "").expect("a file");
    symlink("elsewhere/keys.toml", path_of("keys.toml")).expect("a link");
    let add = ["keys", "add", "--keys", "keys.toml", "--name", "x"];
    assert!(run(folder.path(), &add).status.success());
    assert!(path_of("keys.toml").is_symlink());
    let keys = fs::read_to_string(path_of("elsewhere/keys.toml")).expect("keys");
    assert!(keys.contains("[[key]]"), "{keys}");
}

#[test]
fn commands_do_not_overwrite_files_without_force() {
    let folder = TempDir::new().expect("a folder");
    let path_of = |name: &str| folder.path().join(name);
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/data/lancashire-and-cumbria");
    for name in ["a.json", "a.csv", "a.gpkg", "list.csv"] {
        fs::write(path_of(name), "postcode\nLA1 1PN\n").expect("a file");
    }
    fs::create_dir(path_of("changes")).expect("a folder");
    fs::write(path_of("changes/notes.txt"), "x").expect("a file");
    for arguments in [
        &["check", data, "--findings", "a.json"][..],
        &["batch", "list.csv", "-o", "a.csv"],
        &["batch", "list.csv", "--summary", "a.json"],
        &["export", "--areas", "a.gpkg"],
        &["export", "--lookup", "a.csv"],
    ] {
        check_rejected(
            folder.path(),
            arguments,
            "would be overwritten; choose another name, or replace it with --force",
        );
    }
    let diff = ["diff", data, data, "--output", "changes"];
    check_rejected(
        folder.path(),
        &diff,
        "contains `notes.txt`; its files would be deleted",
    );
    let forced = run(folder.path(), &[&diff[..], &["--force"]].concat());
    assert!(
        forced.status.success(),
        "{}",
        String::from_utf8_lossy(&forced.stderr)
    );
    assert!(path_of("changes/summary.json").is_file() && !path_of("changes/notes.txt").exists());
    let forced = run(
        folder.path(),
        &["check", data, "--findings", "a.json", "--force"],
    );
    assert!(
        forced.status.success(),
        "{}",
        String::from_utf8_lossy(&forced.stderr)
    );
    // A comparison never overwrites one of its datasets.
    for (name, content) in read_files(Path::new(data)) {
        let path = path_of("dataset").join(name);
        fs::create_dir_all(path.parent().expect("within")).expect("a folder");
        fs::write(path, content).expect("a file");
    }
    let diff = ["diff", "dataset", data, "--output", "dataset"];
    check_rejected(folder.path(), &diff, "an input of the command");
    check_rejected(
        folder.path(),
        &[&diff[..], &["--force"]].concat(),
        "an input of the command",
    );
}

#[cfg(unix)]
#[test]
fn pipes_as_sources_are_rejected_without_blocking() {
    let source_copy = SourceCopy::without_golden_queries();
    let source = source_copy.config().with_file_name("source");
    for name in ["postcodes.csv", "lsoa11_icc.csv", "lsoa11_bsc.geojson"] {
        let path = source.join(name);
        let original = fs::read(&path).expect("a source");
        fs::remove_file(&path).expect("a source");
        let created = Command::new("mkfifo").arg(&path).status();
        assert!(created.expect("mkfifo runs").success());
        let refused = catchment::builder::build(&source_copy.config(), None).expect_err("a pipe");
        let refused = format!("{refused:#}");
        assert!(
            refused.contains(name) && refused.contains("it is a pipe"),
            "{refused}"
        );
        fs::remove_file(&path).expect("a pipe");
        fs::write(&path, original).expect("a source");
    }
}

#[test]
fn invalid_distances_and_licence_urls_are_rejected_by_name() {
    for (from, to, words) in [
        (
            "tolerance_m = 100",
            "tolerance_m = nan",
            "tolerance_m: `NaN` is not a distance",
        ),
        (
            "tolerance_m = 100",
            "tolerance_m = -1.0",
            "tolerance_m: `-1` is not a distance",
        ),
        (
            "tolerance_m = 100",
            "tolerance_m = 1e9",
            "tolerance_m: `1000000000` is not a distance",
        ),
        (
            "snap_m = 150",
            "snap_m = inf",
            "[statistical_areas] snap_m: `inf` is not a distance",
        ),
        (
            "licence = \"https://",
            "licence = \"javascript://",
            "licence: `javascript://",
        ),
    ] {
        let source_copy = SourceCopy::without_golden_queries().replace("build.toml", from, to);
        let refused = catchment::builder::build(&source_copy.config(), None).expect_err(to);
        let refused = format!("{refused:#}");
        assert!(refused.contains(words), "{refused}");
        assert!(refused.contains("build.toml"), "{refused}");
    }
}
