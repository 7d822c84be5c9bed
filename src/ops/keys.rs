//! API keys, and the API key file, which contains their digests. A key itself is shown only once,
//! when it is added.
//!
//! One round of SHA-256 is enough: slow password hashes protect secrets that people choose, whereas
//! 256 random bits cannot be guessed.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::fs::{FileVersion, parent_folder, resolve_symlinks, sync_folder};
use crate::ops::rate::Rate;

/// A part of the service that can require an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Batches and the batch page.
    Batch,
    /// Single look-ups.
    Locate,
    /// The postcode directory, and the postcodes of an area.
    Postcodes,
    /// The practice directory.
    Practices,
    /// Areas and their boundaries.
    Areas,
    /// The OGC API.
    Ogc,
    /// Vector tiles.
    Tiles,
    /// Static maps and the data of the widget.
    Maps,
    /// The look-up page, and the pages of groups, comparisons and embedded maps.
    Pages,
}

/// The error for text that is not a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a scope: batch, locate, postcodes, practices, areas, ogc, tiles, maps or pages")]
pub struct InvalidScope;

impl Scope {
    /// All scopes.
    pub const ALL: [Scope; 9] = [
        Scope::Batch,
        Scope::Locate,
        Scope::Postcodes,
        Scope::Practices,
        Scope::Areas,
        Scope::Ogc,
        Scope::Tiles,
        Scope::Maps,
        Scope::Pages,
    ];

    /// Returns the name of the scope.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Batch => "batch",
            Scope::Locate => "locate",
            Scope::Postcodes => "postcodes",
            Scope::Practices => "practices",
            Scope::Areas => "areas",
            Scope::Ogc => "ogc",
            Scope::Tiles => "tiles",
            Scope::Maps => "maps",
            Scope::Pages => "pages",
        }
    }

    /// Returns the scope of a route template, or `None` if the route never requires a key.
    pub(crate) fn of_route(template: &str) -> Option<Scope> {
        let noun = template.strip_prefix("/api/v1").unwrap_or(template);
        match noun.trim_start_matches('/').split('/').next()? {
            "batch" => Some(Scope::Batch),
            "locate" => Some(Scope::Locate),
            "postcodes" => Some(Scope::Postcodes),
            "areas" | "practices" | "groups" if template.ends_with("/postcodes") => {
                Some(Scope::Postcodes)
            }
            "practices" => Some(Scope::Practices),
            "areas" => Some(Scope::Areas),
            "ogc" => Some(Scope::Ogc),
            "tiles" => Some(Scope::Tiles),
            "maps" | "widget" => Some(Scope::Maps),
            "" | "groups" | "compare" | "embed" | "put-this-map-on-your-site" => Some(Scope::Pages),
            // Health checks, API documents, the dataset's version and assets never require a key.
            _ => None,
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Scope, InvalidScope> {
        let mut all = Scope::ALL.into_iter();
        all.find(|scope| scope.as_str() == text).ok_or(InvalidScope)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An API key as stored in the API key file, without the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// The public part of the key, which appears in logs and identifies the key when it is revoked.
    pub id: String,
    /// The person or team that uses the key.
    pub name: String,
    /// The SHA-256 digest of the whole key, in hexadecimal.
    sha256: String,
    /// The scopes that the key gives access to.
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
    /// The scopes that the key gives access to.
    pub scopes: Vec<Scope>,
    /// The first date on which the key is no longer valid.
    pub expires: Option<Date>,
    /// The rate limit of the key.
    pub quota: Option<Rate>,
}

/// The secret text of a key. The type does not implement `Debug`.
pub struct KeySecret(String);

impl KeySecret {
    /// Returns the secret, to be printed once and never stored.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The reason why a key is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// The key is not in the API key file.
    #[error("this is not an API key of this service")]
    Unknown,
    /// The key has expired.
    #[error("this API key has expired")]
    Expired,
    /// The key was revoked.
    #[error("this API key was revoked")]
    Revoked,
}

/// An error in an API key file, or in adding or revoking a key.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is not a valid API key file.
    #[error("{path}: {reason}")]
    Invalid {
        /// The path of the file.
        path: PathBuf,
        /// The reason, with its position in the file.
        reason: String,
    },
    /// The file has no key with this id.
    #[error("there is no key `{0}`; list the keys with `catchment keys list`")]
    NoSuchKey(String),
    /// The operating system provides no random numbers.
    #[error("could not get random numbers from the operating system: {0}")]
    Random(getrandom::Error),
}

impl KeysError {
    /// Returns whether reading the same file again may succeed.
    fn is_transient(&self) -> bool {
        match self {
            KeysError::File { source, .. } => source.kind() != io::ErrorKind::NotFound,
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

/// The prefix of every key, by which secret scanners recognise it.
const PREFIX: &str = "catchment";
const ID_BYTES: usize = 4;
const SECRET_BYTES: usize = 32;

const FILE_HEADER: &str = "# API keys of catchment, written by `catchment keys`. Only digests of the keys are stored.\n\n";

/// Returns whether the bytes begin with the prefix of every key.
pub(crate) fn has_key_prefix(bytes: &[u8]) -> bool {
    bytes.starts_with(PREFIX.as_bytes())
}

/// The keys of an API key file.
#[derive(Debug, Default)]
pub struct KeyRing {
    by_id: HashMap<String, (ApiKey, [u8; 32])>,
}

impl KeyRing {
    /// Reads an API key file.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a valid API key file.
    pub fn read(path: &Path) -> Result<KeyRing, KeysError> {
        let content = read(path)?;
        let mut by_id = HashMap::new();
        for key in content.key {
            let invalid = |reason: &str| KeysError::Invalid {
                path: path.to_path_buf(),
                reason: format!("key `{}`: {reason}", key.id),
            };
            let digest = from_hex(&key.sha256)
                .ok_or_else(|| invalid("sha256 must be 64 hexadecimal digits"))?;
            if by_id.contains_key(&key.id) {
                return Err(invalid("another key has the same id; remove one of them"));
            }
            by_id.insert(key.id.clone(), (key, digest));
        }
        Ok(KeyRing { by_id })
    }

    /// Returns the number of keys.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Returns whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Verifies the secret that a client sent, and returns its key. The comparison takes the same
    /// time whether the id is known or not.
    ///
    /// # Errors
    /// If the secret is not a key of this file, or if the key has expired or been revoked.
    /// `Expired` and `Revoked` are returned only for the correct secret.
    pub fn check(&self, secret: &[u8], today: Date) -> Result<&ApiKey, InvalidKey> {
        let digest: [u8; 32] = Sha256::digest(secret).into();
        let id = secret
            .split(|byte| *byte == b'_')
            .nth(1)
            .unwrap_or_default();
        let known = str::from_utf8(id).ok().and_then(|id| self.by_id.get(id));
        let expected = known.map_or(&[0; 32], |(_, digest)| digest);
        let is_same = bool::from(digest.ct_eq(expected));
        let (key, _) = known.filter(|_| is_same).ok_or(InvalidKey::Unknown)?;
        if key.revoked.is_some() {
            return Err(InvalidKey::Revoked);
        }
        match key.expires {
            Some(expires) if expires <= today => Err(InvalidKey::Expired),
            _ => Ok(key),
        }
    }
}

/// The keys of a running service, as of the last valid version of the API key file.
pub struct KeyStore {
    path: PathBuf,
    ring: ArcSwap<KeyRing>,
    file_version: Mutex<Option<FileVersion>>,
}

impl KeyStore {
    /// Reads the API key file.
    ///
    /// # Errors
    /// If [`KeyRing::read`] fails.
    pub fn open(path: &Path) -> Result<KeyStore, KeysError> {
        let file_version = FileVersion::of(path);
        Ok(KeyStore {
            path: path.to_path_buf(),
            ring: ArcSwap::from_pointee(KeyRing::read(path)?),
            file_version: Mutex::new(file_version),
        })
    }

    /// Returns the current keys.
    pub fn ring(&self) -> arc_swap::Guard<Arc<KeyRing>> {
        self.ring.load()
    }

    /// Reloads the file if it has changed, and returns whether it has changed.
    ///
    /// # Errors
    /// If [`KeyRing::read`] fails. The previous keys then stay in use.
    pub fn refresh(&self) -> Result<bool, KeysError> {
        let current = FileVersion::of(&self.path);
        let mut last_read = self
            .file_version
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *last_read == current {
            return Ok(false);
        }
        let read = KeyRing::read(&self.path);
        // After a transient error, such as a lack of file descriptors, the file is read again.
        // Without this retry, a revoked key would stay valid until the next change of the file.
        if !read.as_ref().is_err_and(KeysError::is_transient) {
            *last_read = current;
        }
        self.ring.store(Arc::new(read?));
        Ok(true)
    }
}

/// Adds a key to the API key file, which is created if it does not exist.
///
/// # Errors
/// If the file cannot be read or written. The file is then unchanged.
pub fn add(path: &Path, new_key: NewKey, today: Date) -> Result<(ApiKey, KeySecret), KeysError> {
    // If the path is a symbolic link, the link stays and its target is replaced.
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
        sha256: hex(&Sha256::digest(&secret.0)),
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
    move |source| KeysError::File { path, source }
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
        Err(KeysError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(KeysFile::default())
        }
        read => read,
    }
}

/// Writes the file atomically. Only the owner of the file can read it.
fn write(path: &Path, content: &KeysFile) -> Result<(), KeysError> {
    let text = toml::to_string(content).expect("keys serialise to TOML");
    let write_file = || {
        // `tempfile` creates files with mode 0600.
        let mut file = tempfile::Builder::new()
            .prefix(".catchment-keys-")
            .tempfile_in(parent_folder(path))?;
        file.write_all(FILE_HEADER.as_bytes())?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        sync_folder(parent_folder(path))
    };
    write_file().map_err(file_error(path))
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.len() != 64 || !is_hex {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
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

    const TODAY: Date = date(2026, 11, 22);

    fn new_key(expires: Option<Date>) -> NewKey {
        NewKey {
            name: "call handlers".into(),
            scopes: vec![Scope::Batch, Scope::Ogc],
            expires,
            quota: Some("600/minute".parse().expect("a rate")),
        }
    }

    #[test]
    fn keys_are_valid_until_they_expire_or_are_revoked() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.toml");
        let (key, secret) = add(&path, new_key(Some(date(2027, 1, 1))), TODAY).expect("added");
        let (other, _) = add(&path, new_key(None), TODAY).expect("added");
        let keys = KeyStore::open(&path).expect("readable");
        let check = |text: &str, today| keys.ring().check(text.as_bytes(), today).cloned();
        assert_eq!(check(secret.expose(), TODAY), Ok(key.clone()));
        assert_eq!(check(secret.expose(), date(2026, 12, 31)), Ok(key.clone()));
        assert_eq!(
            check(secret.expose(), date(2027, 1, 1)),
            Err(InvalidKey::Expired)
        );
        // The file changes, and the keys in memory change only after `refresh`.
        revoke(&path, &key.id, TODAY).expect("revoked");
        assert_eq!(check(secret.expose(), TODAY), Ok(key.clone()));
        assert!(keys.refresh().expect("readable"));
        assert!(!keys.refresh().expect("readable"));
        assert_eq!(check(secret.expose(), TODAY), Err(InvalidKey::Revoked));
        let listed = list(&path).expect("readable");
        assert_eq!(listed[0].revoked, Some(TODAY));
        assert_eq!(listed[1], other);
        assert!(matches!(
            revoke(&path, "nothing", TODAY),
            Err(KeysError::NoSuchKey(_))
        ));
    }

    #[test]
    fn only_the_whole_key_is_accepted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.toml");
        let (key, secret) = add(&path, new_key(None), TODAY).expect("added");
        let (second, _) = add(&path, new_key(None), TODAY).expect("added");
        let ring = KeyRing::read(&path).expect("readable");
        let secret = secret.expose();
        let random = secret.rsplit('_').next().expect("a part");
        assert_eq!(random.len(), 64);
        for text in [
            "",
            "_",
            &key.id,
            random,
            &secret[..secret.len() - 1],
            &format!("{secret}0"),
            &format!(" {secret}"),
            &secret.to_uppercase(),
            &secret.replace(&key.id, &second.id),
            &secret.replace(&key.id, "00000000"),
            &format!("catchment_{}_{}", key.id, key.sha256),
            &format!("catchment_{}_{}", key.id, "0".repeat(64)),
        ] {
            assert_eq!(
                ring.check(text.as_bytes(), TODAY),
                Err(InvalidKey::Unknown),
                "{text}"
            );
        }
        assert_eq!(
            ring.check(b"catchment_\xff\xfe_", TODAY),
            Err(InvalidKey::Unknown)
        );
        // The file does not contain the secret, and only its owner can read it.
        let text = fs::read_to_string(&path).expect("readable");
        assert!(!text.contains(random), "{text}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn invalid_files_are_reported_and_the_keys_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.toml");
        let (_, secret) = add(&path, new_key(None), TODAY).expect("added");
        let keys = KeyStore::open(&path).expect("readable");
        let right = fs::read_to_string(&path).expect("readable");
        for (from, to, expected) in [
            ("[[key]]", "[[keys]]", "unknown field `keys`"),
            ("\"batch\"", "\"lists\"", "expected a scope: batch"),
            ("600/minute", "600/week", "such as 6000/minute"),
            (
                "sha256 = \"",
                "sha256 = \"z",
                "sha256 must be 64 hexadecimal digits",
            ),
            ("created = \"2026-11-22\"", "created = \"today\"", "created"),
        ] {
            let wrong = right.replacen(from, to, 1);
            assert_ne!(wrong, right, "{from}");
            fs::write(&path, wrong).expect("written");
            let error = keys.refresh().expect_err("the file is invalid").to_string();
            assert!(error.contains(expected), "{error}");
            assert!(keys.ring().check(secret.expose().as_bytes(), TODAY).is_ok());
        }
        fs::write(&path, format!("{right}{right}")).expect("written");
        let error = keys.refresh().expect_err("the file is invalid").to_string();
        assert!(error.contains("another key has the same id"), "{error}");
        fs::remove_file(&path).expect("removed");
        assert!(keys.refresh().is_err());
        assert!(keys.ring().check(secret.expose().as_bytes(), TODAY).is_ok());
    }

    #[test]
    fn keys_added_concurrently_are_all_stored() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.toml");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| add(&path, new_key(None), TODAY).expect("added"));
            }
        });
        assert_eq!(list(&path).expect("readable").len(), 8);
        let left = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(left, 1, "temporary files remain");
    }
}
