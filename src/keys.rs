//! Keys: who may ask what needs one. A key is told once, when it is made; the file holds its digest.
//!
//! One SHA-256 is enough for that: slow digests make up for what people can remember, and there is
//! nothing to be guessed in 256 random bits.

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

use crate::outputs;
use crate::rate::Rate;
use crate::stamp::Stamp;

/// What a key may be needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Lists, and the page for them.
    Batch,
    /// Single look-ups.
    Locate,
    /// The directory of postcodes, and those of an area.
    Postcodes,
    /// The directory of practices.
    Practices,
    /// Areas and their boundaries.
    Areas,
    /// OGC API Features.
    Ogc,
    /// Vector tiles.
    Tiles,
    /// Maps that are drawn here.
    Maps,
    /// The pages where people look something up.
    Pages,
}

/// A word that is no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scope is one of batch, locate, postcodes, practices, areas, ogc, tiles, maps, pages")]
pub struct InvalidScope;

impl Scope {
    /// All of them.
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

    /// Its word.
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

    /// What the template of a route belongs to; `None` is open to anybody.
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
            // Health, the documents, the dataset's version, what pages are made of.
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

/// A key as the file holds it; without the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The part of it that is no secret: for logs, and to revoke it.
    pub id: String,
    /// Whose it is.
    pub name: String,
    /// Of the whole key, in hexadecimal.
    sha256: String,
    /// What it opens.
    #[serde(with = "words")]
    pub scopes: Vec<Scope>,
    /// The day on which it was made.
    #[serde(with = "word")]
    pub created: Date,
    /// The first day on which it opens nothing any more.
    #[serde(
        with = "word_or_none",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub expires: Option<Date>,
    /// How often it may ask.
    #[serde(
        with = "word_or_none",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub quota: Option<Rate>,
    /// The day on which it was revoked.
    #[serde(
        with = "word_or_none",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub revoked: Option<Date>,
}

/// What a new key is to be.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Whose it is.
    pub name: String,
    /// What it opens.
    pub scopes: Vec<Scope>,
    /// The first day on which it opens nothing any more.
    pub expires: Option<Date>,
    /// How often it may ask.
    pub quota: Option<Rate>,
}

/// A key as it is told to its holder, once. It has no `Debug`.
pub struct Secret(String);

impl Secret {
    /// To be printed, and nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Why a key opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// It is none of ours.
    #[error("this is not a key of this service")]
    Unknown,
    /// Its day has come.
    #[error("this key has expired")]
    Expired,
    /// It was taken back.
    #[error("this key was revoked")]
    Revoked,
}

/// A file of keys that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// It cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no file of keys.
    #[error("{path}: {reason}")]
    Content {
        /// Which.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// There is no such key.
    #[error("there is no key `{0}`; `catchment keys list` names them")]
    NoSuchKey(String),
    /// The machine gives no random numbers.
    #[error("the machine gives no random numbers: {0}")]
    Random(getrandom::Error),
}

impl KeysError {
    /// Whether the same file may be readable in a moment.
    fn may_pass(&self) -> bool {
        match self {
            KeysError::File { source, .. } => source.kind() != io::ErrorKind::NotFound,
            _ => false,
        }
    }
}

/// What a whole file holds.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    key: Vec<Key>,
}

/// Says whose a key is, and lets scanners of published files find it.
const PREFIX: &str = "catchment";
const ID_BYTES: usize = 4;
const SECRET_BYTES: usize = 32;

const HEADING: &str =
    "# Keys of catchment, by `catchment keys`: digests, which open nothing by themselves.\n\n";

/// Whether it is written as our keys are.
pub(crate) fn looks_like_one(shown: &[u8]) -> bool {
    shown.starts_with(PREFIX.as_bytes())
}

/// The keys of a file.
#[derive(Debug, Default)]
pub struct KeyRing {
    by_id: HashMap<String, (Key, [u8; 32])>,
}

impl KeyRing {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is no file of keys.
    pub fn read(path: &Path) -> Result<KeyRing, KeysError> {
        let content = read(path)?;
        let mut by_id = HashMap::new();
        for key in content.key {
            let faulty = |reason: &str| KeysError::Content {
                path: path.to_path_buf(),
                reason: format!("key `{}`: {reason}", key.id),
            };
            let digest = from_hex(&key.sha256)
                .ok_or_else(|| faulty("sha256 is not 64 hexadecimal digits"))?;
            if by_id.contains_key(&key.id) {
                return Err(faulty("its id stands twice"));
            }
            by_id.insert(key.id.clone(), (key, digest));
        }
        Ok(KeyRing { by_id })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The key that somebody shows. Whether its id is known makes no difference to the time it takes.
    ///
    /// # Errors
    /// When it is none of ours, or not any more; the latter is told to its holder alone.
    pub fn check(&self, shown: &[u8], today: Date) -> Result<&Key, InvalidKey> {
        let digest: [u8; 32] = Sha256::digest(shown).into();
        let id = shown.split(|byte| *byte == b'_').nth(1).unwrap_or_default();
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

/// The keys of a running service: as the file was when it was last right.
pub struct Keys {
    path: PathBuf,
    ring: ArcSwap<KeyRing>,
    seen: Mutex<Option<Stamp>>,
}

impl Keys {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// As [`KeyRing::read`].
    pub fn open(path: &Path) -> Result<Keys, KeysError> {
        let seen = Stamp::of(path);
        Ok(Keys {
            path: path.to_path_buf(),
            ring: ArcSwap::from_pointee(KeyRing::read(path)?),
            seen: Mutex::new(seen),
        })
    }

    /// As they are now.
    pub fn ring(&self) -> arc_swap::Guard<Arc<KeyRing>> {
        self.ring.load()
    }

    /// Reads the file again if it is another one; whether it was. A faulty one changes nothing.
    ///
    /// # Errors
    /// As [`KeyRing::read`].
    pub fn refresh(&self) -> Result<bool, KeysError> {
        let now = Stamp::of(&self.path);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return Ok(false);
        }
        let read = KeyRing::read(&self.path);
        // A revoked key must not go on because there was no file descriptor for a moment: what could
        // not be read is read again.
        if !read.as_ref().is_err_and(KeysError::may_pass) {
            *seen = now;
        }
        self.ring.store(Arc::new(read?));
        Ok(true)
    }
}

/// Adds a key to the file, which is made where there is none.
///
/// # Errors
/// When the file cannot be read or written; it is then as it was.
pub fn add(path: &Path, wanted: NewKey, today: Date) -> Result<(Key, Secret), KeysError> {
    // A symbolic link stays; the file that it points to is replaced.
    let path = &outputs::resolve(path).map_err(failed(path))?;
    let _turn = turn(path)?;
    let mut content = read_or_none(path)?;
    let id = loop {
        let id = random_hex::<ID_BYTES>()?;
        if content.key.iter().all(|key| key.id != id) {
            break id;
        }
    };
    let secret = Secret(format!("{PREFIX}_{id}_{}", random_hex::<SECRET_BYTES>()?));
    let key = Key {
        id,
        name: wanted.name,
        sha256: hex(&Sha256::digest(&secret.0)),
        scopes: wanted.scopes,
        created: today,
        expires: wanted.expires,
        quota: wanted.quota,
        revoked: None,
    };
    content.key.push(key.clone());
    write(path, &content)?;
    Ok((key, secret))
}

/// The keys of a file, in the order in which they were made.
///
/// # Errors
/// When it cannot be read, or is no file of keys.
pub fn list(path: &Path) -> Result<Vec<Key>, KeysError> {
    Ok(read(path)?.key)
}

/// Takes a key back; one that was taken back before stays so.
///
/// # Errors
/// When there is no such key, or the file cannot be read or written; it is then as it was.
pub fn revoke(path: &Path, id: &str, today: Date) -> Result<Key, KeysError> {
    let path = &outputs::resolve(path).map_err(failed(path))?;
    let _turn = turn(path)?;
    let mut content = read(path)?;
    let key = content.key.iter_mut().find(|key| key.id == id);
    let key = key.ok_or_else(|| KeysError::NoSuchKey(id.into()))?;
    key.revoked.get_or_insert(today);
    let revoked = key.clone();
    write(path, &content)?;
    Ok(revoked)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> KeysError {
    let path = path.to_path_buf();
    move |source| KeysError::File { path, source }
}

fn read(path: &Path) -> Result<Content, KeysError> {
    let text = fs::read_to_string(path).map_err(failed(path))?;
    toml::from_str(&text).map_err(|error| KeysError::Content {
        path: path.to_path_buf(),
        reason: error.to_string().trim_end().into(),
    })
}

fn read_or_none(path: &Path) -> Result<Content, KeysError> {
    match read(path) {
        Err(KeysError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(Content::default())
        }
        read => read,
    }
}

/// Writes the file whole or not at all, for the owner alone to read.
fn write(path: &Path, content: &Content) -> Result<(), KeysError> {
    let text = toml::to_string(content).expect("a list of plain values");
    let written = || {
        // Made readable for its owner alone.
        let mut file = tempfile::Builder::new()
            .prefix(".catchment-keys-")
            .tempfile_in(folder_of(path))?;
        file.write_all(HEADING.as_bytes())?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        sync_folder(path)
    };
    written().map_err(failed(path))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Held while the file is changed: another change waits its turn.
#[cfg(unix)]
fn turn(path: &Path) -> Result<File, KeysError> {
    let folder = folder_of(path);
    let turn = File::open(folder).map_err(failed(folder))?;
    turn.lock().map_err(failed(folder))?;
    Ok(turn)
}

#[cfg(not(unix))]
fn turn(_path: &Path) -> Result<(), KeysError> {
    Ok(())
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
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
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// A value as the text that it is written and read as.
mod word {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<T: Display, S: Serializer>(it: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(it)
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

    pub(super) fn serialize<T, S>(it: &Option<T>, to: S) -> Result<S::Ok, S::Error>
    where
        T: Display,
        S: Serializer,
    {
        match it {
            Some(it) => to.collect_str(it),
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

    fn wanted(expires: Option<Date>) -> NewKey {
        NewKey {
            name: "call handlers".into(),
            scopes: vec![Scope::Batch, Scope::Ogc],
            expires,
            quota: Some("600/minute".parse().expect("a rate")),
        }
    }

    #[test]
    fn a_key_opens_until_its_day_and_until_it_is_revoked() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.toml");
        let (key, secret) = add(&path, wanted(Some(date(2027, 1, 1))), TODAY).expect("added");
        let (other, _) = add(&path, wanted(None), TODAY).expect("added");
        let keys = Keys::open(&path).expect("readable");
        let check = |shown: &str, today| keys.ring().check(shown.as_bytes(), today).cloned();
        assert_eq!(check(secret.expose(), TODAY), Ok(key.clone()));
        assert_eq!(check(secret.expose(), date(2026, 12, 31)), Ok(key.clone()));
        assert_eq!(
            check(secret.expose(), date(2027, 1, 1)),
            Err(InvalidKey::Expired)
        );
        // The file is another one.
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
    fn what_is_not_the_whole_key_opens_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.toml");
        let (key, secret) = add(&path, wanted(None), TODAY).expect("added");
        let (second, _) = add(&path, wanted(None), TODAY).expect("added");
        let ring = KeyRing::read(&path).expect("readable");
        let secret = secret.expose();
        let random = secret.rsplit('_').next().expect("a part");
        assert_eq!(random.len(), 64);
        for shown in [
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
                ring.check(shown.as_bytes(), TODAY),
                Err(InvalidKey::Unknown),
                "{shown}"
            );
        }
        assert_eq!(
            ring.check(b"catchment_\xff\xfe_", TODAY),
            Err(InvalidKey::Unknown)
        );
        // The file does not hold it, and is its owner's alone.
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
    fn a_faulty_file_says_what_is_wrong_and_leaves_the_keys_as_they_were() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.toml");
        let (_, secret) = add(&path, wanted(None), TODAY).expect("added");
        let keys = Keys::open(&path).expect("readable");
        let right = fs::read_to_string(&path).expect("readable");
        for (from, to, expected) in [
            ("[[key]]", "[[keys]]", "unknown field `keys`"),
            ("\"batch\"", "\"lists\"", "a scope is one of batch"),
            ("600/minute", "600/week", "such as 6000/minute"),
            (
                "sha256 = \"",
                "sha256 = \"z",
                "sha256 is not 64 hexadecimal digits",
            ),
            ("created = \"2026-11-22\"", "created = \"today\"", "created"),
        ] {
            let wrong = right.replacen(from, to, 1);
            assert_ne!(wrong, right, "{from}");
            fs::write(&path, wrong).expect("written");
            let error = keys.refresh().expect_err("it is faulty").to_string();
            assert!(error.contains(expected), "{error}");
            assert!(keys.ring().check(secret.expose().as_bytes(), TODAY).is_ok());
        }
        fs::write(&path, format!("{right}{right}")).expect("written");
        let error = keys.refresh().expect_err("it is faulty").to_string();
        assert!(error.contains("its id stands twice"), "{error}");
        fs::remove_file(&path).expect("removed");
        assert!(keys.refresh().is_err());
        assert!(keys.ring().check(secret.expose().as_bytes(), TODAY).is_ok());
    }

    #[test]
    fn keys_that_are_added_at_the_same_time_are_all_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.toml");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| add(&path, wanted(None), TODAY).expect("added"));
            }
        });
        assert_eq!(list(&path).expect("readable").len(), 8);
        let left = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(left, 1, "temporary files stay");
    }
}
