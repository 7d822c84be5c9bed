//! The keys of a running service, and the verification of the key of a request.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::civil::Date;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::file::{ApiKey, KeysError, list};
use catchment_data::fs::{FileVersion, from_hex};

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
        let mut by_id = HashMap::new();
        for key in list(path)? {
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
    /// time for known and unknown ids.
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

    /// Reloads the file if it has changed. Returns whether it has changed.
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

#[cfg(test)]
mod tests {
    use std::fs;

    use jiff::civil::date;

    use super::*;
    use crate::ops::keys::{NewKey, Scope, add, revoke};

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
        // The file changes immediately, but the keys in memory change only after `refresh`.
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
}
