//! All tiles of some layers in one file (PMTiles 3), for a CDN or a reader without a server.

use std::io::{self, Cursor, Seek, SeekFrom, Write};

use ::pmtiles::{Compression, PmTilesWriter, PmtResult, TileCoord, TileId, TileType};
use bytes::Bytes;
use jiff::civil::Date;
use serde_json::json;

use super::store::{Encoding, Store, Wanted};
use super::{TileAddress, bounds, vector_layers};
use crate::dataset::manifest::sha256_hex;
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
    write_from(&store, index, layers, day, zoom_max, out)
}

fn write_from(
    store: &Store,
    index: &Index,
    layers: &[Layer],
    day: Date,
    zoom_max: u8,
    out: impl Write + Seek,
) -> Result<Archived, ArchiveError> {
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

/// The most bytes of an archive that is kept to be handed out.
pub const ARCHIVE_BYTES_MAX: usize = 256 << 20;

/// All tiles of a dataset on a day in one file, in memory.
#[derive(Debug)]
pub struct Archive {
    tag: String,
    bytes: Bytes,
}

impl Archive {
    /// Of every layer with ground on the day, zooms 0 to [`ARCHIVE_ZOOM`], by the shapes of a store; `None`
    /// where it would be larger than so many bytes.
    ///
    /// # Errors
    /// When a tile cannot be made.
    pub(super) fn new(
        store: &Store,
        index: &Index,
        layers: &[Layer],
        day: Date,
        bytes_max: usize,
    ) -> Result<Option<Archive>, ArchiveError> {
        let mut out = Capped {
            inner: Cursor::new(Vec::new()),
            bytes_max,
            is_full: false,
        };
        let written = write_from(store, index, layers, day, ARCHIVE_ZOOM, &mut out);
        if out.is_full {
            return Ok(None);
        }
        written?;
        let bytes = out.inner.into_inner();
        let tag = format!("\"{}\"", &sha256_hex(&bytes)[..32]);
        let bytes = bytes.into();
        Ok(Some(Archive { tag, bytes }))
    }

    /// Stands for its bytes: a strong ETag with its quotation marks.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The file.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Memory that takes so much and no more.
struct Capped {
    inner: Cursor<Vec<u8>>,
    bytes_max: usize,
    is_full: bool,
}

impl Write for Capped {
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

impl Seek for Capped {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_an_end() {
        let mut out = Capped {
            inner: Cursor::new(Vec::new()),
            bytes_max: 10,
            is_full: false,
        };
        out.write_all(&[1; 8]).expect("there is room");
        out.seek(SeekFrom::Start(2)).expect("it goes back");
        out.write_all(&[2; 8]).expect("and there is still room");
        assert!(!out.is_full);
        assert!(out.write_all(&[3]).is_err() && out.is_full);
        assert_eq!(out.inner.into_inner(), [1, 1, 2, 2, 2, 2, 2, 2, 2, 2]);
    }
}
