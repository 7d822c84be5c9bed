//! All tiles of some layers in one file (PMTiles 3), for a CDN or a reader without a server.

use std::io::{Seek, Write};

use ::pmtiles::{Compression, PmTilesWriter, PmtResult, TileCoord, TileId, TileType};
use jiff::civil::Date;
use serde_json::json;

use super::store::{Encoding, Store, Wanted};
use super::{TileAddress, bounds, vector_layers};
use crate::domain::Layer;
use crate::index::Index;

/// The zoom to which archives go where nobody says otherwise; readers magnify it. A unit of it is 35 cm in the
/// middle of Great Britain.
pub const ARCHIVE_ZOOM: u8 = 14;

/// Why no archive was written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file could not be written.
    #[error("writing the archive: {0}")]
    Write(#[from] ::pmtiles::PmtError),
    /// A tile could not be made.
    #[error("making a tile: {0}")]
    Tile(#[from] fast_mvt::MvtError),
}

/// What an archive holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archived {
    /// Tiles that are not empty.
    pub tiles: u64,
}

/// Writes the tiles of layers on a day, from zoom 0 to `zoom_max`, gzipped, in the order of the
/// format. They are the service's tiles, byte for byte.
///
/// # Errors
/// When the file cannot be written.
pub fn write(
    index: &Index,
    layers: &[Layer],
    day: Date,
    zoom_max: u8,
    out: impl Write + Seek,
) -> Result<Archived, ArchiveError> {
    // For the shapes: each tile is made once.
    let store = Store::with_limits(0, usize::MAX);
    let mut archive = writer(index, layers, day, zoom_max).create(out)?;
    let mut tiles = 0;
    let mut above: Vec<TileCoord> = Vec::new();
    for z in 0..=zoom_max {
        // What is in a tile is in the one above as well, whose buffer is twice as wide.
        let mut here: Vec<TileCoord> = match z {
            0 => vec![TileCoord::new(0, 0, 0)?],
            _ => below(&above)?,
        };
        here.sort_unstable_by_key(|&coord| TileId::from(coord));
        above.clear();
        for coord in here {
            let Some(address) = TileAddress::new(coord.z(), coord.x(), coord.y()) else {
                continue;
            };
            let made = store.make(index, &Wanted::new(index, layers, day, address))?;
            if !made.is_empty() {
                archive.add_tile(coord, &made.form(Encoding::Gzip))?;
                above.push(coord);
                tiles += 1;
            }
        }
    }
    archive.finalize()?;
    Ok(Archived { tiles })
}

fn writer(index: &Index, layers: &[Layer], day: Date, zoom_max: u8) -> PmTilesWriter {
    let manifest = index.manifest();
    let metadata = json!({
        "name": manifest.name,
        "description": manifest.title,
        "version": manifest.version,
        "as_of": day.to_string(),
        "type": "overlay",
        "attribution": manifest.attribution,
        "vector_layers": vector_layers(index, layers, zoom_max),
    });
    let [west, south, east, north] = bounds(index, layers, day).unwrap_or_default();
    PmTilesWriter::new(TileType::Mvt)
        .precompressed(Compression::Gzip)
        .internal_compression(Compression::Gzip)
        .min_zoom(0)
        .max_zoom(zoom_max)
        .bounds(west, south, east, north)
        .center(f64::midpoint(west, east), f64::midpoint(south, north))
        .center_zoom(zoom_max.min(7))
        .metadata(metadata.to_string())
}

fn below(above: &[TileCoord]) -> PmtResult<Vec<TileCoord>> {
    let four = |coord: &TileCoord| {
        let (z, x, y) = (coord.z() + 1, 2 * coord.x(), 2 * coord.y());
        [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(east, south)| TileCoord::new(z, x + east, y + south))
    };
    above.iter().flat_map(four).collect()
}
