//! Tests of the operation of the service: timeouts, load, logs, privacy, reloads and failures.

mod fairness;
mod fault_injection;
mod logs;
mod nginx;
pub(crate) mod no_network;
pub(crate) mod observability;
mod privacy;
mod privacy_markers;
pub(crate) mod releases;
mod shutdown;
mod timeouts;
