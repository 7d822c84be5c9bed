//! Files: atomic writes, checks before a file or folder is replaced, hashing, detection of changes,
//! and paths.

mod atomic_file;
mod file_version;
mod hashing;
mod path;
mod replace;

pub use atomic_file::{FileAccess, create_temp_file, write_atomically, write_temp_file};
pub use file_version::FileVersion;
pub use hashing::{Fingerprint, HashingIo, from_hex, hex, sha256_hex};
pub use path::{parent_folder, resolve_symlinks, sync_folder};
pub use replace::{FolderKind, OutputError, check_output_file, check_output_folder};
