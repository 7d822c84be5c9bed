//! The files of the project, for tests that read its code and documents.

use std::fs;
use std::path::PathBuf;

/// Returns the files in `folder` and its subfolders whose names end with one of `extensions`,
/// without generated files, snapshots and fuzz seeds.
pub(crate) fn project_files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder);
        for entry in entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a folder entry").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            if path.is_dir() {
                if !["target", "node_modules", "snapshots", "seeds"].contains(&name.as_ref()) {
                    folders.push(path);
                }
            } else if extensions.iter().any(|extension| name.ends_with(extension)) {
                found.push(path);
            }
        }
    }
    found
}
