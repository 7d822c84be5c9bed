//! Files: atomic writes, hashing, detection of changes, and paths.

mod atomic_file;
mod file_version;
mod hashing;
mod path;

pub(crate) use atomic_file::{create_temp_file, write_atomically, write_temp_file};
pub(crate) use file_version::FileVersion;
pub(crate) use hashing::{Fingerprint, HashingIo};
pub(crate) use path::{parent_folder, resolve_symlinks, sync_folder};
