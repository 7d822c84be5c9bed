//! Tests of tiles, tile archives and static maps.

mod archive;
pub(crate) mod basemap;
mod maps;
mod tile_coverage;
pub(crate) mod tiles;
