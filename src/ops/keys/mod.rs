//! API keys, and the API key file, which contains digests of the keys. The key itself is shown only
//! once, when it is added.
//!
//! One round of SHA-256 is enough: slow password hashes protect secrets that people choose, but a
//! key consists of 256 random bits, which cannot be guessed.

mod file;
mod ring;
mod scope;

pub(crate) use file::has_key_prefix;
pub use file::{ApiKey, KeySecret, KeysError, NewKey, add, list, revoke};
pub use ring::{InvalidKey, KeyRing, KeyStore};
pub use scope::{InvalidScope, Scope};
