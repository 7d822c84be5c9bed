//! Checks before a command writes or replaces a file or folder.
//!
//! - The target of a symbolic link is replaced, and the link remains.
//! - Without `--force`, a folder is replaced only if it is empty or contains only files of an
//!   expected kind, such as a dataset, and a file is never replaced.
//! - A folder that contains an input of the command is never replaced, not even with `--force`.

use std::collections::BTreeSet;
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};

use super::path::resolve_symlinks;
use crate::plural::count_with_noun;

/// The maximum number of files that would be deleted and are listed in an error. Further files are
/// only counted.
const LISTED_FILES_MAX: usize = 3;
/// The maximum number of files that are counted. A home folder can contain millions of files.
const COUNTED_FILES_MAX: usize = 10_000;

/// The error for an output that cannot be written. The message states what would be deleted, and
/// what to do instead.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The output exists and is replaced only with `--force`.
    #[error("{path} {what}; choose another name, or replace it with --force")]
    NeedsForce {
        /// The path that the user specified.
        path: PathBuf,
        /// A description, as the rest of a sentence, of what would be deleted.
        what: String,
    },
    /// The output is not replaced, even with `--force`.
    #[error("{path} {what}; choose another name")]
    NotReplaceable {
        /// The path that the user specified.
        path: PathBuf,
        /// The reason, in the form of the rest of a sentence.
        what: String,
    },
    /// The path cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// The path that the user specified.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// A kind of folder that is replaced without `--force`.
pub struct FolderKind {
    /// The noun for messages, with its article, such as `a dataset`.
    pub noun: &'static str,
    /// Returns the relative paths of the files of this kind in a folder.
    pub files: fn(&Path) -> BTreeSet<String>,
}

/// Checks that output can be written to the folder `path`. Returns `path`, or the target if `path`
/// is a symbolic link.
///
/// `inputs` are the files and folders that the command reads. A folder that contains only files of
/// the kind `replaceable` is replaced without `force`.
///
/// # Errors
/// If an input would be deleted or, without `force`, if anything other than files of the kind
/// `replaceable` would be deleted.
pub fn check_output_folder(
    path: &Path,
    inputs: &[PathBuf],
    replaceable: Option<&FolderKind>,
    force: bool,
) -> Result<PathBuf, OutputError> {
    check_path(path, inputs, force, |target, file_type| {
        if file_type.is_dir() {
            describe_other_files(target, replaceable)
        } else {
            Ok(Some(match replaceable {
                Some(FolderKind { noun, .. }) => {
                    format!("is a file, not {noun}, and would be deleted")
                }
                None => "is a file that would be deleted".into(),
            }))
        }
    })
}

/// Checks that a file can be written to `path`. Returns `path`, or the target if `path` is a
/// symbolic link. A file never replaces a folder, device, pipe or socket.
///
/// # Errors
/// If an input would be deleted or, without `force`, if an existing file would be deleted.
pub fn check_output_file(
    path: &Path,
    inputs: &[PathBuf],
    force: bool,
) -> Result<PathBuf, OutputError> {
    let target = check_path(path, inputs, force, |target, kind| {
        Ok(
            (!kind.is_dir()).then(|| match target.metadata().map(|metadata| metadata.len()) {
                Ok(0) => "already exists and is empty".into(),
                Ok(bytes) => {
                    let size = count_with_noun(bytes, "byte", "bytes");
                    format!("already exists ({size}) and would be overwritten")
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
    // A symbolic link inside the target would also be deleted, regardless of its own target.
    let named_path = parent
        .zip(input.file_name())
        .map(|(path, name)| path.join(name));
    let resolved = input.canonicalize().ok();
    [named_path, resolved]
        .iter()
        .flatten()
        .any(|path| path.starts_with(&target))
}

/// Describes the files of a folder that are not of the kind `replaceable`, in the form of the rest
/// of a sentence. Returns `None` if there are no such files.
fn describe_other_files(
    folder: &Path,
    replaceable: Option<&FolderKind>,
) -> io::Result<Option<String>> {
    let expected = replaceable.map_or_else(BTreeSet::new, |kind| (kind.files)(folder));
    let mut other_files = OtherFiles::default();
    other_files.scan(folder, "", &expected)?;
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
    let suffix = match replaceable {
        Some(kind) if !expected.is_empty() => format!(" in addition to {}", kind.noun),
        _ => String::new(),
    };
    Ok(Some(format!(
        "contains {listed}{suffix}; its files would be deleted"
    )))
}

/// The files of a folder that are not of the expected kind.
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
    use super::*;

    #[test]
    fn files_need_force_and_never_replace_folders() {
        let folder = tempfile::tempdir().expect("a folder");
        let path_to = |name: &str| folder.path().join(name);
        fs::create_dir(path_to("folder")).expect("a folder");
        fs::write(path_to("a.csv"), "mine").expect("a file");
        assert_eq!(
            check_output_file(&path_to("new.csv"), &[], false).expect("new"),
            path_to("new.csv")
        );
        let error = check_output_file(&path_to("a.csv"), &[], false)
            .expect_err("there")
            .to_string();
        let expected = "a.csv already exists (4 bytes) and would be overwritten; choose another name, or replace it with --force";
        assert!(error.ends_with(expected), "{error}");
        assert!(check_output_file(&path_to("a.csv"), &[], true).is_ok());
        assert!(check_output_file(&path_to("a.csv"), &[path_to("a.csv")], true).is_err());
        assert!(check_output_file(&path_to("folder"), &[], true).is_err());
        assert!(check_output_folder(&path_to("folder"), &[], None, false).is_ok());
        assert!(check_output_folder(folder.path(), &[], None, false).is_err());
        #[cfg(unix)]
        assert!(check_output_file(Path::new("/dev/null"), &[], true).is_err());
    }
}
