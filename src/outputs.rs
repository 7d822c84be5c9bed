//! The checks that are made before a command writes or replaces a file or folder.
//!
//! - A symbolic link is not replaced, but its target is.
//! - Without `--force`, a folder is replaced only if it is empty or contains nothing but a dataset,
//!   and a file is never replaced.
//! - A folder that contains an input of the command is never replaced, not even with `--force`.

use std::collections::BTreeSet;
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};

use crate::dataset::MANIFEST;
use crate::fs::resolve_symlinks;

/// The maximum number of files that an error lists; further files that would be deleted are only
/// counted.
const LISTED_FILES_MAX: usize = 3;
/// The number of files at which counting stops. A home folder can contain millions of files.
const COUNTED_FILES_MAX: usize = 10_000;

/// The error for an output that cannot be written. The message states what would be deleted, and
/// what to do instead.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    /// The output exists and needs `--force`.
    #[error("{path} {what}; choose another name, or replace it with --force")]
    NeedsForce {
        /// The path that the user named.
        path: PathBuf,
        /// What would be deleted, as the rest of a sentence.
        what: String,
    },
    /// The output is never replaced.
    #[error("{path} {what}; choose another name")]
    NotReplaceable {
        /// The path that the user named.
        path: PathBuf,
        /// The reason, as the rest of a sentence.
        what: String,
    },
    /// The path cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// The path that the user named.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Checks that a dataset can be written to the folder `path`. Returns `path`, or the target if
/// `path` is a symbolic link.
///
/// `inputs` are the files and folders that the command reads.
///
/// # Errors
/// If an input would be deleted or, without `force`, if anything other than a dataset would be
/// deleted.
pub(crate) fn check_dataset_folder(
    path: &Path,
    inputs: &[PathBuf],
    force: bool,
) -> Result<PathBuf, OutputError> {
    check_path(path, inputs, force, |target, kind| {
        if kind.is_dir() {
            describe_other_files(target, &files_of_dataset(target))
        } else {
            Ok(Some(
                "is a file, not a dataset, and would be deleted".into(),
            ))
        }
    })
}

/// Checks, as [`check_dataset_folder`] does for a dataset, that other output can be written to the
/// folder `path`. An existing dataset is replaced only with `force`.
///
/// # Errors
/// If an input would be deleted or, without `force`, if anything else would be deleted.
pub(crate) fn check_folder(
    path: &Path,
    inputs: &[PathBuf],
    force: bool,
) -> Result<PathBuf, OutputError> {
    check_path(path, inputs, force, |target, kind| {
        if kind.is_dir() {
            describe_other_files(target, &BTreeSet::new())
        } else {
            Ok(Some("is a file that would be deleted".into()))
        }
    })
}

/// Checks that a file can be written to `path`. Returns `path`, or the target if `path` is a
/// symbolic link. A file never replaces a folder, device, pipe or socket.
///
/// # Errors
/// If an input would be deleted or, without `force`, if an existing file would be deleted.
pub(crate) fn check_file(
    path: &Path,
    inputs: &[PathBuf],
    force: bool,
) -> Result<PathBuf, OutputError> {
    let target = check_path(path, inputs, force, |target, kind| {
        Ok(
            (!kind.is_dir()).then(|| match target.metadata().map(|metadata| metadata.len()) {
                Ok(0) => "already exists and is empty".into(),
                Ok(bytes) => {
                    format!("already exists ({bytes} bytes) and would be overwritten")
                }
                Err(_) => "already exists".into(),
            }),
        )
    })?;
    if target.is_dir() {
        Err(OutputError::NotReplaceable {
            path: path.into(),
            what: "is a folder".into(),
        })
    } else {
        Ok(target)
    }
}

/// Resolves the path and checks it. `describe_loss` returns a description of what would be deleted.
fn check_path(
    path: &Path,
    inputs: &[PathBuf],
    force: bool,
    describe_loss: impl FnOnce(&Path, FileType) -> io::Result<Option<String>>,
) -> Result<PathBuf, OutputError> {
    let unreadable = |source| OutputError::Unreadable {
        path: path.into(),
        source,
    };
    let not_replaceable = |what: String| OutputError::NotReplaceable {
        path: path.into(),
        what,
    };
    if path.as_os_str().is_empty() {
        return Err(not_replaceable("is an empty name".into()));
    }
    let target = resolve_symlinks(path).map_err(unreadable)?;
    let kind = match target.symlink_metadata() {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(target),
        Err(error) => return Err(unreadable(error)),
    };
    if !kind.is_dir() && !kind.is_file() {
        return Err(not_replaceable("is a device, a pipe or a socket".into()));
    }
    if let Some(input) = inputs.iter().find(|input| contains_input(input, &target)) {
        let input = input.display();
        return Err(not_replaceable(if kind.is_dir() {
            format!("contains `{input}`, an input of the command that would be deleted")
        } else {
            format!("is `{input}`, an input of the command that would be deleted")
        }));
    }
    match describe_loss(&target, kind).map_err(unreadable)? {
        Some(what) if !force => Err(OutputError::NeedsForce {
            path: path.into(),
            what,
        }),
        _ => Ok(target),
    }
}

/// Returns whether the input, or the file to which it is a symbolic link, is `target` or is inside
/// `target`.
fn contains_input(input: &Path, target: &Path) -> bool {
    let target = target.canonicalize();
    let Ok(target) = target else { return false };
    let parent = input.parent().and_then(|path| {
        if path == Path::new("") {
            Path::new(".").canonicalize().ok()
        } else {
            path.canonicalize().ok()
        }
    });
    // A symbolic link inside the target would be deleted too, wherever it points.
    let named_path = parent
        .zip(input.file_name())
        .map(|(path, name)| path.join(name));
    let resolved = input.canonicalize().ok();
    [named_path, resolved]
        .iter()
        .flatten()
        .any(|path| path.starts_with(&target))
}

/// Describes the files of a folder other than the expected files, as the rest of a sentence.
/// Returns `None` if there are no other files.
fn describe_other_files(folder: &Path, expected: &BTreeSet<String>) -> io::Result<Option<String>> {
    let mut other_files = OtherFiles::default();
    other_files.scan(folder, "", expected)?;
    if other_files.names.is_empty() {
        return Ok(None);
    }
    let more = other_files.count - other_files.names.len();
    let listed = format!("`{}`", other_files.names.join("`, `"));
    let listed = match (more, other_files.count >= COUNTED_FILES_MAX) {
        (0, _) => listed,
        (_, true) => format!("{listed} and thousands more"),
        (more, false) => format!("{listed} and {more} more"),
    };
    let suffix = if expected.is_empty() {
        ""
    } else {
        " in addition to a dataset"
    };
    Ok(Some(format!(
        "contains {listed}{suffix}; its files would be deleted"
    )))
}

/// Returns the relative paths of the files of the dataset in a folder, or an empty set if there is
/// no dataset.
fn files_of_dataset(folder: &Path) -> BTreeSet<String> {
    /// The maximum size of a manifest, which has a line or two for each file.
    const MANIFEST_BYTES_MAX: u64 = 64 << 20;
    let path = folder.join(MANIFEST);
    let is_small_file =
        |metadata: fs::Metadata| metadata.is_file() && metadata.len() <= MANIFEST_BYTES_MAX;
    if !path.metadata().is_ok_and(is_small_file) {
        return BTreeSet::new();
    }
    let manifest = fs::read_to_string(path).ok();
    // The manifest is parsed leniently, to recognise datasets that other versions of this program
    // wrote.
    let manifest = manifest.and_then(|text| text.parse::<toml::Table>().ok());
    let Some(manifest) =
        manifest.filter(|map| map.contains_key("name") && map.contains_key("layers"))
    else {
        return BTreeSet::new();
    };
    let files = manifest.get("files").and_then(toml::Value::as_table);
    let files = files.into_iter().flat_map(toml::Table::keys).cloned();
    files.chain([MANIFEST.to_string()]).collect()
}

/// The files of a folder that are not part of a dataset.
#[derive(Default)]
struct OtherFiles {
    names: Vec<String>,
    count: usize,
}

impl OtherFiles {
    fn scan(&mut self, folder: &Path, prefix: &str, expected: &BTreeSet<String>) -> io::Result<()> {
        let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if self.count >= COUNTED_FILES_MAX {
                return Ok(());
            }
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if !entry.file_type()?.is_dir() {
                if !expected.contains(&name) {
                    self.add(name);
                }
                continue;
            }
            let inside = format!("{name}/");
            let has_expected = expected.iter().any(|path| path.starts_with(&inside));
            let before = self.count;
            self.scan(&entry.path(), &inside, expected)?;
            let is_empty = self.count == before;
            if is_empty && !has_expected {
                self.add(inside);
            }
        }
        Ok(())
    }

    fn add(&mut self, name: String) {
        self.count += 1;
        if self.names.len() < LISTED_FILES_MAX {
            self.names.push(name);
        }
    }
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

    /// Creates a folder with these files, checks whether a dataset can replace `out` in that
    /// folder, and returns the error message or `replaced`.
    fn replace_message(files: &[&str], inputs: &[&str], force: bool) -> String {
        let folder = folder_of(files);
        let inputs: Vec<PathBuf> = inputs.iter().map(|text| folder.path().join(text)).collect();
        match check_dataset_folder(&folder.path().join("out"), &inputs, force) {
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
        // A file of the dataset is missing.
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
        assert!(check_dataset_folder(Path::new(""), &[], true).is_err());
        assert!(
            check_dataset_folder(Path::new("/"), &[PathBuf::from("Cargo.toml")], true).is_err()
        );
        assert!(
            check_dataset_folder(Path::new("."), &[PathBuf::from("Cargo.toml")], true).is_err()
        );
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
        assert!(check_dataset_folder(&path_to("link"), &[], false).is_err());
        let ends = |name: &str| check_dataset_folder(&path_to(name), &[], false).expect(name);
        assert_eq!(ends("second"), path_to("old"));
        assert_eq!(ends("dangling"), path_to("new"));
        assert!(check_dataset_folder(&path_to("round"), &[], true).is_err());
        // The input is a link in the folder, or the target of a link in it.
        assert!(check_dataset_folder(&path_to("second"), &[path_to("old/a.csv")], true).is_err());
        assert!(check_dataset_folder(&path_to("sources"), &[path_to("old/a.csv")], true).is_err());
        assert!(
            check_dataset_folder(&path_to("mine"), &[path_to("link/thesis.txt")], true).is_err()
        );
    }

    #[test]
    fn files_need_force_and_never_replace_folders() {
        let folder = folder_of(&["a.csv", "folder/"]);
        let path_to = |name: &str| folder.path().join(name);
        assert_eq!(
            check_file(&path_to("new.csv"), &[], false).expect("new"),
            path_to("new.csv")
        );
        let error = check_file(&path_to("a.csv"), &[], false)
            .expect_err("there")
            .to_string();
        let expected = "a.csv already exists (4 bytes) and would be overwritten; choose another name, or replace it with --force";
        assert!(error.ends_with(expected), "{error}");
        assert!(check_file(&path_to("a.csv"), &[], true).is_ok());
        assert!(check_file(&path_to("a.csv"), &[path_to("a.csv")], true).is_err());
        assert!(check_file(&path_to("folder"), &[], true).is_err());
        assert!(check_folder(&path_to("folder"), &[], false).is_ok());
        assert!(check_folder(folder.path(), &[], false).is_err());
        #[cfg(unix)]
        assert!(check_file(Path::new("/dev/null"), &[], true).is_err());
    }
}
