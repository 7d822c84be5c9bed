//! PMTiles 3 archives: files that contain all tiles of a set of layers. The archives are for a CDN,
//! or for use without a tile server.

use std::io::{self, Cursor, Seek, SeekFrom, Write};

use ::pmtiles::{
    Compression, PmTilesWriter, PmtResult, TileCoord as PmtilesCoord, TileId, TileType,
};
use bytes::Bytes;
use jiff::civil::Date;
use serde_json::json;

use super::cache::{ContentEncoding, TileCache, TileKey};
use super::{TileCoord, TileRange, bounds, vector_layers, zoom_min, zoom_min_of};
use catchment_core::domain::Layer;
use catchment_core::geometry::bbox;
use catchment_core::index::Index;
pub use catchment_data::fs::sha256_hex;

/// The default maximum zoom of archives. For higher zooms, readers scale up the tiles of this zoom.
/// The units of this zoom are 35 cm in the middle of Great Britain.
pub const ARCHIVE_ZOOM: u8 = 14;

/// The maximum size in bytes of an archive that is cached and served.
pub const ARCHIVE_BYTES_MAX: usize = 256 << 20;

/// The reason why an archive could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file could not be written.
    #[error("writing the archive failed: {0}")]
    Write(#[from] ::pmtiles::PmtError),
    /// A tile could not be encoded.
    #[error("encoding a tile failed: {0}")]
    Tile(#[from] fast_mvt::MvtError),
}

/// The result of writing an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveStats {
    /// The number of tiles that were written. Empty tiles are not written.
    pub tiles: u64,
}

/// Writes the tiles of layers on a date, from zoom 0 to `zoom_max`, to a PMTiles archive.
///
/// The tiles are compressed with gzip and are in the order of their ids (clustered). Each tile is
/// identical, byte for byte, to the tile that the service returns.
///
/// # Errors
/// If the file cannot be written, or a tile cannot be encoded.
pub fn write(
    index: &Index,
    layers: &[Layer],
    day: Date,
    zoom_max: u8,
    out: impl Write + Seek,
) -> Result<ArchiveStats, ArchiveError> {
    // The cache has space for layers but not for tiles, because each tile is built only once.
    let cache = TileCache::with_limits(0, usize::MAX);
    write_from(&cache, index, layers, day, zoom_max, out)
}

fn write_from(
    cache: &TileCache,
    index: &Index,
    layers: &[Layer],
    day: Date,
    zoom_max: u8,
    out: impl Write + Seek,
) -> Result<ArchiveStats, ArchiveError> {
    let mut archive = writer(index, layers, day, zoom_max).create(out)?;
    let mut tiles = 0;
    let mut parents: Vec<PmtilesCoord> = Vec::new();
    let zoom_mins = layers.iter().map(|&layer| zoom_min(index, layer));
    let complete_from = zoom_mins.max().unwrap_or(0);
    let bounds = bounds(index, layers, day);
    for z in 0..=zoom_max {
        // The children of an empty tile are also empty, because the tile's buffer is twice as wide
        // as the buffers of its children.
        let mut coords: Vec<PmtilesCoord> = match z {
            0 => vec![PmtilesCoord::new(0, 0, 0)?],
            _ => children_of(&parents)?,
        };
        coords.sort_unstable_by_key(|&coord| TileId::from(coord));
        parents.clear();
        for pmtiles_coord in coords {
            let (z, x, y) = (pmtiles_coord.z(), pmtiles_coord.x(), pmtiles_coord.y());
            let Some(coord) = TileCoord::new(z, x, y) else {
                continue;
            };
            let body = cache.build(index, &TileKey::new(index, layers, day, coord))?;
            if !body.is_empty() {
                archive.add_tile(pmtiles_coord, &body.encoded(ContentEncoding::Gzip))?;
                tiles += 1;
            }
            // Below the lowest zoom of a layer, a tile may be empty although its children are not
            // empty.
            let is_in_bounds =
                || bounds.is_some_and(|bounds| TileRange::new(z, bounds).contains(x, y));
            if !body.is_empty() || (z < complete_from && is_in_bounds()) {
                parents.push(pmtiles_coord);
            }
        }
    }
    archive.finalize()?;
    Ok(ArchiveStats { tiles })
}

/// All tiles of a dataset on a date as a PMTiles file in memory.
#[derive(Debug)]
pub struct TileArchive {
    etag: String,
    bytes: Bytes,
}

impl TileArchive {
    /// Builds the archive of layers on a date, from zoom 0 to [`ARCHIVE_ZOOM`]; `None` if the
    /// archive would be larger than `bytes_max`.
    ///
    /// # Errors
    /// If a tile cannot be encoded.
    pub(super) fn build(
        cache: &TileCache,
        index: &Index,
        layers: &[Layer],
        day: Date,
        bytes_max: usize,
    ) -> Result<Option<TileArchive>, ArchiveError> {
        let mut out = LimitedBuffer {
            inner: Cursor::new(Vec::new()),
            bytes_max,
            is_full: false,
        };
        let result = write_from(cache, index, layers, day, ARCHIVE_ZOOM, &mut out);
        if out.is_full {
            return Ok(None);
        }
        result?;
        let bytes = out.inner.into_inner();
        let etag = format!("\"{}\"", &sha256_hex(&bytes)[..32]);
        let bytes = bytes.into();
        Ok(Some(TileArchive { etag, bytes }))
    }

    /// Returns the strong `ETag` of the file, with its quotation marks.
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// Returns the contents of the file.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// A writer to memory that fails beyond a limit.
struct LimitedBuffer {
    inner: Cursor<Vec<u8>>,
    bytes_max: usize,
    is_full: bool,
}

impl Write for LimitedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = self.inner.position() + bytes.len() as u64;
        if end > self.bytes_max as u64 {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for LimitedBuffer {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
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
    let bounds = bounds(index, layers, day).map(bbox::to_array);
    let [west, south, east, north] = bounds.unwrap_or_default();
    PmTilesWriter::new(TileType::Mvt)
        .precompressed(Compression::Gzip)
        .internal_compression(Compression::Gzip)
        .min_zoom(zoom_min_of(index, layers).min(zoom_max))
        .max_zoom(zoom_max)
        .bounds(west, south, east, north)
        .center(f64::midpoint(west, east), f64::midpoint(south, north))
        .center_zoom(zoom_max.min(7))
        .metadata(metadata.to_string())
}

/// Returns the children of tiles. The children of a tile are the four tiles of the next zoom that
/// the tile contains.
fn children_of(parents: &[PmtilesCoord]) -> PmtResult<Vec<PmtilesCoord>> {
    let children = |coord: &PmtilesCoord| {
        let (z, x, y) = (coord.z() + 1, 2 * coord.x(), 2 * coord.y());
        [(0, 0), (1, 0), (0, 1), (1, 1)]
            .map(|(east, south)| PmtilesCoord::new(z, x + east, y + south))
    };
    parents.iter().flat_map(children).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limited_buffer_fails_beyond_its_limit() {
        let mut out = LimitedBuffer {
            inner: Cursor::new(Vec::new()),
            bytes_max: 10,
            is_full: false,
        };
        out.write_all(&[1; 8]).expect("8 of 10 bytes");
        out.seek(SeekFrom::Start(2)).expect("seeking back succeeds");
        out.write_all(&[2; 8]).expect("up to the 10th byte");
        assert!(!out.is_full);
        assert!(out.write_all(&[3]).is_err() && out.is_full);
        assert_eq!(out.inner.into_inner(), [1, 1, 2, 2, 2, 2, 2, 2, 2, 2]);
    }
}
