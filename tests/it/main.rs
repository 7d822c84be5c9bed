//! The tests that need more than one module.

mod cli;
mod dataset;
mod geodesy;
mod http;
mod oracle;
mod pages;
mod places;
mod privacy;
mod reference;
mod refusals;
mod server;
mod tiles;
