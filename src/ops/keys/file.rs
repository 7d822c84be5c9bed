//! The API key file, which contains the digests of the keys. Functions in this module add, list and
//! revoke keys.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::scope::Scope;
use crate::ops::rate::Rate;
use catchment_data::fs::{
    FileAccess, hex, parent_folder, resolve_symlinks, sha256_hex, write_atomically,
};

/// An API key as stored in the API key file, without the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// The public part of the key, which appears in logs and identifies the key when it is revoked.
    pub id: String,
    /// The person or team that uses the key.
    pub name: String,
    /// The SHA-256 digest of the whole key, in hexadecimal.
    pub(super) sha256: String,
    /// The scopes to which the key gives access.
    #[serde(with = "words")]
    pub scopes: Vec<Scope>,
    /// The date on which the key was added.
    #[serde(with = "word")]
    pub created: Date,
    /// The first date on which the key is no longer valid.
    #[serde(
        with = "word_or_none",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub expires: Option<Date>,
    /// The rate limit of the key.
    #[serde(
        with = "word_or_none",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub quota: Option<Rate>,
    /// The date on which the key was revoked.
    #[serde(
        with = "word_or_none",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub revoked: Option<Date>,
}

/// The properties of a key to add.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The person or team that uses the key.
    pub name: String,
    /// The scopes to which the key gives access.
    pub scopes: Vec<Scope>,
    /// The first date on which the key is no longer valid.
    pub expires: Option<Date>,
    /// The rate limit of the key.
    pub quota: Option<Rate>,
}

/// The secret text of a key. The type does not implement `Debug`.
pub struct KeySecret(String);

impl KeySecret {
    /// Returns the secret. The caller must print it only once and never store it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// An error in an API key file, or in adding or revoking a key.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read or written.
    #[error("{path}: {cause}")]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// The file is not a valid API key file.
    #[error("{path}: {reason}")]
    Invalid {
        /// The path of the file.
        path: PathBuf,
        /// The reason, with the position of the error in the file.
        reason: String,
    },
    /// The file contains no key with this id.
    #[error("there is no key `{0}`; list the keys with `catchment keys list`")]
    NoSuchKey(String),
    /// The operating system provides no random numbers.
    #[error("could not get random numbers from the operating system: {0}")]
    Random(getrandom::Error),
}

impl KeysError {
    /// Returns whether reading the same file again may succeed.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            KeysError::File { cause, .. } => cause.kind() != io::ErrorKind::NotFound,
            _ => false,
        }
    }
}

/// The content of an API key file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    #[serde(default)]
    key: Vec<ApiKey>,
}

/// The prefix of every key, by which secret scanners recognise keys.
const PREFIX: &str = "catchment";
const ID_BYTES: usize = 4;
const SECRET_BYTES: usize = 32;

const FILE_HEADER: &str = "# API keys of catchment, written by `catchment keys`. Only digests of the keys are stored.\n\n";

/// Returns whether the bytes begin with the prefix of every key.
pub(crate) fn has_key_prefix(bytes: &[u8]) -> bool {
    bytes.starts_with(PREFIX.as_bytes())
}

/// Adds a key to the API key file, which is created if it does not exist.
///
/// # Errors
/// If the file cannot be read or written. The file is then unchanged.
pub fn add(path: &Path, new_key: NewKey, today: Date) -> Result<(ApiKey, KeySecret), KeysError> {
    // If the path is a symbolic link, the target of the link is replaced, not the link itself.
    let path = &resolve_symlinks(path).map_err(file_error(path))?;
    let _lock = lock_folder(path)?;
    let mut content = read_or_default(path)?;
    let id = loop {
        let id = random_hex::<ID_BYTES>()?;
        if content.key.iter().all(|key| key.id != id) {
            break id;
        }
    };
    let secret = KeySecret(format!("{PREFIX}_{id}_{}", random_hex::<SECRET_BYTES>()?));
    let key = ApiKey {
        id,
        name: new_key.name,
        sha256: sha256_hex(secret.0.as_bytes()),
        scopes: new_key.scopes,
        created: today,
        expires: new_key.expires,
        quota: new_key.quota,
        revoked: None,
    };
    content.key.push(key.clone());
    write(path, &content)?;
    Ok((key, secret))
}

/// Returns the keys of an API key file in the order in which they were added.
///
/// # Errors
/// If the file cannot be read, or is not a valid API key file.
pub fn list(path: &Path) -> Result<Vec<ApiKey>, KeysError> {
    Ok(read(path)?.key)
}

/// Revokes a key. If the key is already revoked, its revocation date does not change.
///
/// # Errors
/// If there is no such key, or if the file cannot be read or written. The file is then unchanged.
pub fn revoke(path: &Path, id: &str, today: Date) -> Result<ApiKey, KeysError> {
    let path = &resolve_symlinks(path).map_err(file_error(path))?;
    let _lock = lock_folder(path)?;
    let mut content = read(path)?;
    let key = content.key.iter_mut().find(|key| key.id == id);
    let key = key.ok_or_else(|| KeysError::NoSuchKey(id.into()))?;
    key.revoked.get_or_insert(today);
    let revoked = key.clone();
    write(path, &content)?;
    Ok(revoked)
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> KeysError {
    let path = path.to_path_buf();
    move |cause| KeysError::File { path, cause }
}

fn read(path: &Path) -> Result<KeysFile, KeysError> {
    let text = fs::read_to_string(path).map_err(file_error(path))?;
    toml::from_str(&text).map_err(|error| KeysError::Invalid {
        path: path.to_path_buf(),
        reason: error.to_string().trim_end().into(),
    })
}

fn read_or_default(path: &Path) -> Result<KeysFile, KeysError> {
    match read(path) {
        Err(KeysError::File { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
            Ok(KeysFile::default())
        }
        read => read,
    }
}

/// Writes the file atomically. Only the owner of the file can read it.
fn write(path: &Path, content: &KeysFile) -> Result<(), KeysError> {
    let keys = toml::to_string(content).expect("keys serialise to TOML");
    let text = format!("{FILE_HEADER}{keys}");
    write_atomically(path, text.as_bytes(), FileAccess::OwnerOnly).map_err(file_error(path))
}

/// Locks the folder of the file, so that at most one process changes the file at the same time.
#[cfg(unix)]
fn lock_folder(path: &Path) -> Result<File, KeysError> {
    let folder = parent_folder(path);
    let lock = File::open(folder).map_err(file_error(folder))?;
    lock.lock().map_err(file_error(folder))?;
    Ok(lock)
}

#[cfg(not(unix))]
fn lock_folder(_path: &Path) -> Result<(), KeysError> {
    Ok(())
}

fn random_hex<const N: usize>() -> Result<String, KeysError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(KeysError::Random)?;
    Ok(hex(&bytes))
}

/// Serialises a value as its `Display` text.
mod word {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

mod word_or_none {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Deserializer;
    use serde::ser::Serializer;

    pub(super) fn serialize<T, S>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error>
    where
        T: Display,
        S: Serializer,
    {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        super::word::deserialize(from).map(Some)
    }
}

mod words {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<T, S>(all: &[T], to: S) -> Result<S::Ok, S::Error>
    where
        T: Display,
        S: Serializer,
    {
        to.collect_seq(all.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let words = Vec::<String>::deserialize(from)?;
        let words = words.iter().map(|word| word.parse());
        words.collect::<Result<_, _>>().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn new_key() -> NewKey {
        NewKey {
            name: "call handlers".into(),
            scopes: vec![Scope::Batch],
            expires: None,
            quota: None,
        }
    }

    #[test]
    fn keys_added_concurrently_are_all_stored() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.toml");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| add(&path, new_key(), date(2026, 11, 22)).expect("added"));
            }
        });
        assert_eq!(list(&path).expect("readable").len(), 8);
        let left = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(left, 1, "temporary files remain");
    }
}
