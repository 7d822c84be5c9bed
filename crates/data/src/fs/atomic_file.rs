//! Files that are written atomically. A file has its final name only when it is complete.

use std::io::{self, Write};
use std::path::Path;

use super::path::{parent_folder, resolve_symlinks, sync_folder};

/// The users who can read and write a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileAccess {
    /// All users whom the umask of the process allows.
    Umask,
    /// Only the owner of the file (mode 0600).
    OwnerOnly,
}

/// Writes a file atomically. If `path` is a symbolic link, its target is replaced, and the link
/// remains.
pub fn write_atomically(path: &Path, content: &[u8], access: FileAccess) -> io::Result<()> {
    let path = &resolve_symlinks(path)?;
    write_temp_file(path, content, access)?.persist(path)?;
    sync_folder(parent_folder(path))
}

/// Writes and syncs a temporary file in the folder of `path`.
pub fn write_temp_file(
    path: &Path,
    content: &[u8],
    access: FileAccess,
) -> io::Result<tempfile::NamedTempFile> {
    let mut file = create_temp_file(parent_folder(path), access)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Creates a file with a random name in the folder. The file is deleted when the value is dropped.
pub fn create_temp_file(folder: &Path, access: FileAccess) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".catchment-");
    // By default, `tempfile` creates files that only their owner can read.
    #[cfg(unix)]
    if access == FileAccess::Umask {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}
