//! The tests that need more than one module.

mod access;
mod archive;
mod batch;
#[path = "../../benches/common/borders.rs"]
mod borders;
mod browser;
mod check;
mod cli;
mod columns;
mod coverage;
mod dataset;
mod diff;
mod export;
mod geodesy;
mod http;
mod lists;
mod ogc;
mod oracle;
mod pages;
mod patients;
mod places;
mod postcodes;
mod privacy;
mod published;
mod real_data;
mod reference;
mod refusals;
mod releases;
mod running;
mod server;
mod settings;
mod stalls;
mod tiles;
mod toy;
mod ways;
mod widget;
