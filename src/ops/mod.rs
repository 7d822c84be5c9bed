//! The parts of a running service other than its interfaces: the loaded datasets, API keys, request
//! rates, the log and the panic hook. This module does not depend on HTTP or on the command line.

pub mod dataset_store;
pub mod keys;
pub(crate) mod log;
pub mod panics;
pub mod rate;
