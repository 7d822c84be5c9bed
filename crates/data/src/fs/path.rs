//! Paths: symbolic links, parent folders, and syncing of folders.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

/// The maximum length of a chain of symbolic links, as on Linux.
const SYMLINKS_MAX: usize = 40;

/// Follows the symbolic links at the end of a path, even if the last link points to a file that
/// does not exist.
pub fn resolve_symlinks(path: &Path) -> io::Result<PathBuf> {
    let mut current = path.to_path_buf();
    for _ in 0..SYMLINKS_MAX {
        match fs::read_link(&current) {
            Ok(link) => current = current.parent().unwrap_or(Path::new("")).join(link),
            Err(_) => return ensure_file_name(&current),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Returns a path that ends in a file name, because the name is needed to replace a folder.
/// Canonicalises a path that does not end in a file name, such as `.`, `..` or `/`.
fn ensure_file_name(path: &Path) -> io::Result<PathBuf> {
    match path.components().next_back() {
        Some(Component::Normal(_)) => Ok(path.to_path_buf()),
        _ => path.canonicalize(),
    }
}

/// Returns the parent folder of a path, or `.` for a file name without a folder.
pub fn parent_folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Syncs a folder, which makes the names in it durable.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}
