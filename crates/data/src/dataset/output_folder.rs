//! Checks whether a dataset may be written to a folder.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{BUILD_REPORT, MANIFEST};
use crate::fs::{FolderKind, OutputError};

/// The maximum size of a manifest, which contains one or two lines for each file.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// Checks that a dataset can be written to the folder `path`. Returns `path`, or its target if
/// `path` is a symbolic link.
///
/// `inputs` are the files and folders that the command reads.
///
/// # Errors
/// If an input would be deleted or, without `force`, if anything other than a dataset would be
/// deleted.
pub fn check_output_folder(
    path: &Path,
    inputs: &[PathBuf],
    force: bool,
) -> Result<PathBuf, OutputError> {
    let dataset = FolderKind {
        noun: "a dataset",
        files: files_of_dataset,
    };
    crate::fs::check_output_folder(path, inputs, Some(&dataset), force)
}

/// Returns the relative paths of the files of the dataset in a folder, or an empty set if there is
/// no dataset.
fn files_of_dataset(folder: &Path) -> BTreeSet<String> {
    let path = folder.join(MANIFEST);
    let is_small_file =
        |metadata: fs::Metadata| metadata.is_file() && metadata.len() <= MANIFEST_BYTES_MAX;
    if !path.metadata().is_ok_and(is_small_file) {
        return BTreeSet::new();
    }
    let manifest = fs::read_to_string(path).ok();
    // The manifest is parsed leniently, so that datasets from other versions of this program are
    // recognised.
    let manifest = manifest.and_then(|text| text.parse::<toml::Table>().ok());
    let Some(manifest) =
        manifest.filter(|map| map.contains_key("name") && map.contains_key("layers"))
    else {
        return BTreeSet::new();
    };
    let files = manifest.get("files").and_then(toml::Value::as_table);
    let files = files.into_iter().flat_map(toml::Table::keys).cloned();
    let beside = [MANIFEST, BUILD_REPORT].map(str::to_string);
    files.chain(beside).collect()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// Creates a folder with these files. A path that ends in `/` is a folder.
    fn folder_of(files: &[&str]) -> TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for path in files {
            let full = folder.path().join(path);
            if path.ends_with('/') {
                fs::create_dir_all(full).expect("a folder")
            } else {
                fs::create_dir_all(full.parent().expect("within")).expect("a folder");
                let text = if path.ends_with(MANIFEST) {
                    "name = \"x\"\nlayers = []\n[files]\n\"areas/icc.geojson\" = 1\n\"a.csv\" = 1\n"
                } else {
                    "mine"
                };
                fs::write(full, text).expect("a file");
            }
        }
        folder
    }

    /// Creates a folder with these files, and checks whether a dataset can replace the folder `out`
    /// in it. Returns the error message, or `replaced` if there is no error.
    fn replace_message(files: &[&str], inputs: &[&str], force: bool) -> String {
        let folder = folder_of(files);
        let inputs: Vec<PathBuf> = inputs.iter().map(|text| folder.path().join(text)).collect();
        match check_output_folder(&folder.path().join("out"), &inputs, force) {
            Ok(_) => "replaced".into(),
            Err(error) => {
                let path = format!("{}/", folder.path().display());
                error.to_string().replace(&path, "")
            }
        }
    }

    #[test]
    fn only_datasets_and_empty_folders_are_replaced() {
        const HINT: &str = "choose another name, or replace it with --force";
        let dataset = ["out/dataset.toml", "out/a.csv", "out/areas/icc.geojson"];
        assert_eq!(replace_message(&[], &[], false), "replaced");
        assert_eq!(replace_message(&["out/"], &[], false), "replaced");
        assert_eq!(replace_message(&dataset, &[], false), "replaced");
        // One of the dataset's files is missing.
        assert_eq!(replace_message(&dataset[..2], &[], false), "replaced");
        for (more, lost) in [
            (
                &["out/notes.txt"][..],
                "contains `notes.txt` in addition to a dataset; its files would be deleted",
            ),
            (
                &["out/areas/x.csv"],
                "contains `areas/x.csv` in addition to a dataset; its files would be deleted",
            ),
            (
                &["out/mine/"],
                "contains `mine/` in addition to a dataset; its files would be deleted",
            ),
            (
                &["out/1", "out/2", "out/3", "out/4", "out/5"],
                "contains `1`, `2`, `3` and 2 more in addition to a dataset; its files would be deleted",
            ),
        ] {
            let files = [&dataset[..], more].concat();
            assert_eq!(
                replace_message(&files, &[], false),
                format!("out {lost}; {HINT}")
            );
            assert_eq!(replace_message(&files, &[], true), "replaced");
        }
        for (files, lost) in [
            (
                &["out"][..],
                "is a file, not a dataset, and would be deleted",
            ),
            (
                &["out/a/b.txt"],
                "contains `a/b.txt`; its files would be deleted",
            ),
            (&["out/a/"], "contains `a/`; its files would be deleted"),
            (
                &["out/a.csv"],
                "contains `a.csv`; its files would be deleted",
            ),
        ] {
            assert_eq!(
                replace_message(files, &[], false),
                format!("out {lost}; {HINT}")
            );
            assert_eq!(replace_message(files, &[], true), "replaced");
        }
    }

    #[test]
    fn folders_with_an_input_are_never_replaced() {
        for (input, force) in [
            ("out/dataset.toml", true),
            ("out/a.csv", false),
            ("out", true),
        ] {
            let message =
                replace_message(&["out/dataset.toml", "out/a.csv"], &["other", input], force);
            assert!(
                message.ends_with(
                    "an input of the command that would be deleted; choose another name"
                ),
                "{message}"
            );
        }
        let message = replace_message(&["out/a.csv"], &["out/../other", "outer"], true);
        assert_eq!(message, "replaced");
        assert!(check_output_folder(Path::new(""), &[], true).is_err());
        assert!(check_output_folder(Path::new("/"), &[PathBuf::from("Cargo.toml")], true).is_err());
        assert!(check_output_folder(Path::new("."), &[PathBuf::from("Cargo.toml")], true).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn symbolic_links_are_followed_before_the_check() {
        use std::os::unix::fs::symlink;
        let folder = folder_of(&["mine/thesis.txt", "old/dataset.toml", "sources/a.csv"]);
        let path_to = |name: &str| folder.path().join(name);
        symlink("mine", path_to("link")).expect("a link");
        symlink(path_to("old"), path_to("first")).expect("a link");
        symlink("first", path_to("second")).expect("a link");
        symlink("new", path_to("dangling")).expect("a link");
        symlink("round", path_to("round")).expect("a link");
        symlink("../sources/a.csv", path_to("old/a.csv")).expect("a link");
        assert!(check_output_folder(&path_to("link"), &[], false).is_err());
        let ends = |name: &str| check_output_folder(&path_to(name), &[], false).expect(name);
        assert_eq!(ends("second"), path_to("old"));
        assert_eq!(ends("dangling"), path_to("new"));
        assert!(check_output_folder(&path_to("round"), &[], true).is_err());
        // The input is a link in the folder, or the target of such a link.
        assert!(check_output_folder(&path_to("second"), &[path_to("old/a.csv")], true).is_err());
        assert!(check_output_folder(&path_to("sources"), &[path_to("old/a.csv")], true).is_err());
        assert!(
            check_output_folder(&path_to("mine"), &[path_to("link/thesis.txt")], true).is_err()
        );
    }
}
