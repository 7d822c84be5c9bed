//! What a running service has besides its interfaces: the loaded datasets, API keys, request rates,
//! the log and the panic hook. Nothing in this module depends on HTTP or on the command line.

pub mod dataset_store;
pub mod keys;
pub(crate) mod log;
pub mod panics;
pub mod rate;
