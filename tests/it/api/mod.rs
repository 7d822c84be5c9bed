//! The API over HTTP: look-ups, practices, areas, OGC API, keys and links.

mod access;
mod archive_http;
mod communities;
mod examples;
mod http;
mod mapit;
mod metadata;
pub(crate) mod ogc;
mod ogc_tiles;
mod postcode_search;
mod postcodes_io;
mod public_url;
mod statistical_areas;
