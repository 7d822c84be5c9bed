//! The operator's basemap: a PMTiles 3 file. The file may be many gigabytes in size, so only the
//! necessary parts are read.
//!
//! The file is opened only once, so a new file with the same name is ignored until a restart. If
//! the file is overwritten in place, the next request for a tile detects the change and fails.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ::pmtiles::{
    AsyncBackend, AsyncPmTilesReader, BackendResponse, Compression, DirEntry, Directory,
    DirectoryCache, Header, PmtError, PmtResult, TileCoord as PmtilesCoord, TileId, TileType,
};
use bytes::Bytes;
use geo::Rect;
use serde_json::Value;

use super::pmtiles::ARCHIVE_ZOOM;
use super::{ContentEncoding, TileCoord};
pub use catchment_data::fs::sha256_hex;

/// The highest zoom that is served. The URL of a tile at a higher zoom could identify a house.
pub const BASEMAP_ZOOM_MAX: u8 = ARCHIVE_ZOOM;

/// The length of the header (PMTiles 3, section 3).
const HEADER_BYTES: usize = 127;
/// The number of bytes at the start of the file that contain the header and the root directory
/// (PMTiles 3, section 4).
const FRONT_BYTES: usize = 16_384;
/// The maximum number of bytes in a single read of a tile or a directory.
const READ_BYTES_MAX: usize = 32 << 20;
/// The maximum total size of cached leaf directories, in bytes.
const LEAF_DIRECTORIES_BYTES_MAX: usize = 32 << 20;
/// The maximum number of characters in an attribution, which is usually a line or two.
const ATTRIBUTION_CHARS_MAX: usize = 300;

/// The reason why a file cannot be used as a basemap.
#[derive(Debug, thiserror::Error)]
pub enum BasemapError {
    /// The file system reported an error.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The magic number is not the magic number of PMTiles.
    #[error("not a PMTiles file; `pmtiles convert` converts MBTiles")]
    NotPmtiles,
    /// The version of the format is not 3.
    #[error("not PMTiles version 3; `pmtiles convert` converts older versions")]
    UnsupportedVersion,
    /// The file is shorter than its header states, perhaps because copying was interrupted.
    #[error("the file is truncated: it has {length} of {expected} bytes")]
    Truncated {
        /// The length of the file, in bytes.
        length: u64,
        /// The length that the header of the file implies, in bytes.
        expected: u64,
    },
    /// The type of the tiles is not supported.
    #[error("its tiles are {0}; PNG, JPEG, WebP and Mapbox Vector Tiles are supported")]
    TileType(&'static str),
    /// There is no HTTP content coding for the compression of the tiles.
    #[error(
        "the compression of its tiles is not supported; gzip, Brotli, Zstandard and none are supported"
    )]
    TileCompression,
    /// The compression of the directories is not supported.
    #[error("the compression of its directories is not supported; gzip and none are supported")]
    DirectoryCompression,
    /// The minimum zoom is higher than [`BASEMAP_ZOOM_MAX`].
    #[error("its tiles start at zoom {0}, but basemaps are shown up to zoom {BASEMAP_ZOOM_MAX}")]
    TooDeep(u8),
    /// The metadata cannot be parsed. The metadata contains the attribution and the vector layers.
    #[error("its metadata is not a JSON object")]
    Metadata,
    /// There is no style for the vector layers.
    #[error(
        "its vector layers ({0}) are not supported; those of Protomaps (earth, water, roads, …) and OpenMapTiles \
         (water, landcover, transportation, …) are"
    )]
    Schema(String),
    /// The file is not valid PMTiles.
    #[error("it cannot be read: {0}")]
    Read(PmtError),
}

/// The format of a basemap's tiles, and the schema of vector tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasemapContent {
    /// PNG images.
    Png,
    /// JPEG images.
    Jpeg,
    /// WebP images.
    Webp,
    /// Vector tiles with the layers of the Protomaps basemap, version 3 or 4.
    Protomaps,
    /// Vector tiles with the layers of OpenMapTiles, version 3.
    OpenMapTiles,
}

impl BasemapContent {
    /// Returns the media type of the tiles.
    pub fn content_type(self) -> &'static str {
        match self {
            BasemapContent::Png => "image/png",
            BasemapContent::Jpeg => "image/jpeg",
            BasemapContent::Webp => "image/webp",
            BasemapContent::Protomaps | BasemapContent::OpenMapTiles => {
                "application/vnd.mapbox-vector-tile"
            }
        }
    }
}

/// An open basemap file.
pub struct Basemap {
    reader: AsyncPmTilesReader<PmtilesFile, LeafDirectoryCache>,
    /// The format of the tiles.
    pub content: BasemapContent,
    /// The compression of the tiles.
    pub tile_encoding: ContentEncoding,
    /// The minimum and the maximum zoom of the served tiles.
    pub zooms: (u8, u8),
    /// The bounding box in degrees. `None` if the file does not contain a bounding box.
    pub bounds: Option<Rect<f64>>,
    /// The attribution as plain text; empty if the file does not contain an attribution.
    pub attribution: String,
    /// Hexadecimal digits that identify the file, derived from its first 16 KiB, its metadata and
    /// its length.
    pub edition: String,
}

impl Basemap {
    /// Opens and checks a file. This function starts an async runtime, so callers must not call it
    /// within another async runtime.
    ///
    /// # Errors
    /// If the file cannot be read, or its tiles cannot be drawn.
    pub fn open(path: &Path) -> Result<Basemap, BasemapError> {
        let file = Arc::new(File::open(path)?);
        let length = file.metadata()?.len();
        let front = read_at(&file, 0, FRONT_BYTES)?;
        let header = parse_header(&front, length)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let (reader, metadata) = runtime.block_on(async {
            let reader = AsyncPmTilesReader::try_from_cached_source(
                PmtilesFile(file),
                LeafDirectoryCache::default(),
            )
            .await?;
            let metadata = reader.get_metadata().await?;
            Ok::<_, BasemapError>((reader, metadata))
        })?;
        let parsed: Value = serde_json::from_str(&metadata).map_err(|_| BasemapError::Metadata)?;
        if !parsed.is_object() {
            return Err(BasemapError::Metadata);
        }
        let identity = [&front, metadata.as_bytes(), &length.to_le_bytes()].concat();
        Ok(Basemap {
            reader,
            content: tile_content(header.tile_type, &parsed)?,
            tile_encoding: tile_encoding(header.tile_compression)?,
            zooms: (header.min_zoom, header.max_zoom.min(BASEMAP_ZOOM_MAX)),
            bounds: bounds(&header),
            attribution: plain_text(parsed["attribution"].as_str().unwrap_or_default()),
            edition: sha256_hex(&identity)[..12].to_string(),
        })
    }

    /// Returns a tile with the compression that it has in the file, or `None` if the file does not
    /// contain the tile.
    ///
    /// # Errors
    /// If the file is invalid, or has been overwritten.
    pub async fn tile(&self, coord: TileCoord) -> PmtResult<Option<Bytes>> {
        let coord = PmtilesCoord::new(coord.z, coord.x, coord.y).expect("checked by TileCoord");
        self.reader.get_tile(coord).await
    }

    /// Decompresses a tile, for a client that does not accept its encoding.
    ///
    /// # Errors
    /// If the compression of the tile differs from the compression in the header, or the tile is
    /// too large.
    pub fn decompress(&self, tile: &[u8]) -> io::Result<Vec<u8>> {
        let reader: Box<dyn Read + '_> = match self.tile_encoding {
            ContentEncoding::Identity => Box::new(tile),
            ContentEncoding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(tile)),
            ContentEncoding::Brotli => Box::new(brotli::Decompressor::new(tile, 4_096)),
            ContentEncoding::Zstd => Box::new(zstd::stream::read::Decoder::new(tile)?),
        };
        let mut bytes = Vec::new();
        reader.take(READ_BYTES_MAX as u64).read_to_end(&mut bytes)?;
        if bytes.len() < READ_BYTES_MAX {
            Ok(bytes)
        } else {
            Err(io::ErrorKind::FileTooLarge.into())
        }
    }
}

/// Parses the header of a file and checks that the file is complete.
fn parse_header(front: &[u8], length: u64) -> Result<Header, BasemapError> {
    let head = &front[..front.len().min(HEADER_BYTES)];
    let header = Header::try_from_bytes(Bytes::copy_from_slice(head));
    let header = header.map_err(|error| match error {
        PmtError::InvalidHeader => BasemapError::Truncated {
            length,
            expected: HEADER_BYTES as u64,
        },
        error => error.into(),
    })?;
    if header.spec_version() != 3 {
        return Err(BasemapError::UnsupportedVersion);
    }
    // The header contains the offsets and lengths of the file's four sections: root directory,
    // metadata, leaf directories and tile data.
    let u64_at = |position: usize| {
        u64::from_le_bytes(
            head[position..position + 8]
                .try_into()
                .expect("eight bytes"),
        )
    };
    let ends =
        [8, 24, 40, 56].map(|position| u64_at(position).saturating_add(u64_at(position + 8)));
    let expected = ends.into_iter().fold(0, u64::max);
    if expected > length {
        return Err(BasemapError::Truncated { length, expected });
    }
    if header.min_zoom > BASEMAP_ZOOM_MAX {
        return Err(BasemapError::TooDeep(header.min_zoom));
    }
    Ok(header)
}

fn tile_content(tile_type: TileType, metadata: &Value) -> Result<BasemapContent, BasemapError> {
    match tile_type {
        TileType::Png => Ok(BasemapContent::Png),
        TileType::Jpeg => Ok(BasemapContent::Jpeg),
        TileType::Webp => Ok(BasemapContent::Webp),
        TileType::Mvt => schema(metadata),
        TileType::Avif => Err(BasemapError::TileType("AVIF")),
        TileType::Mlt => Err(BasemapError::TileType("MapLibre Tiles")),
        TileType::Unknown => Err(BasemapError::TileType("of an unspecified type")),
    }
}

/// Identifies the schema by the layers that its style needs most.
fn schema(metadata: &Value) -> Result<BasemapContent, BasemapError> {
    let layers = metadata["vector_layers"].as_array();
    let ids = layers.into_iter().flatten();
    let ids: Vec<&str> = ids.filter_map(|layer| layer["id"].as_str()).collect();
    let has = |required: [&str; 3]| required.iter().all(|id| ids.contains(id));
    if has(["earth", "water", "roads"]) {
        return Ok(BasemapContent::Protomaps);
    }
    if has(["water", "landcover", "transportation"]) {
        return Ok(BasemapContent::OpenMapTiles);
    }
    let listed = if ids.is_empty() {
        "none listed".into()
    } else {
        ids.join(", ")
    };
    Err(BasemapError::Schema(listed))
}

fn tile_encoding(compression: Compression) -> Result<ContentEncoding, BasemapError> {
    match compression {
        Compression::None => Ok(ContentEncoding::Identity),
        Compression::Gzip => Ok(ContentEncoding::Gzip),
        Compression::Brotli => Ok(ContentEncoding::Brotli),
        Compression::Zstd => Ok(ContentEncoding::Zstd),
        Compression::Unknown => Err(BasemapError::TileCompression),
    }
}

/// Returns the bounding box in the header, or `None` if the box is empty. Some writers set all its
/// values to zero.
fn bounds(header: &Header) -> Option<Rect<f64>> {
    let (west, south) = (header.min_longitude, header.min_latitude);
    let (east, north) = (header.max_longitude, header.max_latitude);
    (west < east && south < north).then(|| Rect::new((west, south), (east, north)))
}

/// Returns the text of HTML without markup. Attributions are usually links.
fn plain_text(markup: &str) -> String {
    const ENTITIES: [(&str, &str); 8] = [
        ("&copy;", "©"),
        ("&#169;", "©"),
        ("&nbsp;", " "),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&lt;", " "),
        ("&gt;", " "),
        ("&amp;", "&"),
    ];
    let mut parts = markup.split('<');
    let first = parts.next().unwrap_or_default();
    // An unterminated tag and all text after it are dropped.
    let others = parts.filter_map(|part| Some(part.split_once('>')?.1));
    let text: String = [first].into_iter().chain(others).collect();
    let text = ENTITIES.iter().fold(text, |text, (entity, character)| {
        text.replace(entity, character)
    });
    let text = text.replace(['<', '>'], " ");
    let words: Vec<&str> = text.split_whitespace().collect();
    words
        .join(" ")
        .chars()
        .take(ATTRIBUTION_CHARS_MAX)
        .collect()
}

impl From<PmtError> for BasemapError {
    fn from(error: PmtError) -> BasemapError {
        match error {
            PmtError::InvalidMagicNumber => BasemapError::NotPmtiles,
            PmtError::UnsupportedPmTilesVersion => BasemapError::UnsupportedVersion,
            PmtError::InvalidTileType => BasemapError::TileType("of an unknown type"),
            PmtError::InvalidCompression => BasemapError::TileCompression,
            PmtError::UnsupportedCompression(_) => BasemapError::DirectoryCompression,
            PmtError::InvalidMetadata | PmtError::InvalidMetadataUtf8Encoding(_) => {
                BasemapError::Metadata
            }
            PmtError::Reading(error) => BasemapError::Io(error),
            error => BasemapError::Read(error),
        }
    }
}

/// The open file. The file is read on threads that may block.
struct PmtilesFile(Arc<File>);

impl AsyncBackend for PmtilesFile {
    /// Reads a part of the file. The version consists of the file's length and modification time.
    /// If the version changes, the reader fails.
    async fn read(&self, offset: u64, length: usize) -> PmtResult<BackendResponse> {
        if length > READ_BYTES_MAX {
            return Err(PmtError::InvalidEntry);
        }
        let file = Arc::clone(&self.0);
        let read = move || {
            let bytes = read_at(&file, offset, length)?;
            let metadata = file.metadata()?;
            let version = format!("{} {:?}", metadata.len(), metadata.modified()?);
            Ok::<_, io::Error>(BackendResponse::new_with_version(bytes.into(), version))
        };
        let read = tokio::task::spawn_blocking(read).await;
        Ok(read.map_err(io::Error::other)??)
    }
}

/// Reads `length` bytes, or fewer at the end of the file.
fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    #[cfg(unix)]
    use std::os::unix::fs::FileExt;
    #[cfg(windows)]
    use std::os::windows::fs::FileExt;
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        let position = offset + filled as u64;
        #[cfg(unix)]
        let read = file.read_at(&mut bytes[filled..], position);
        #[cfg(windows)]
        let read = file.seek_read(&mut bytes[filled..], position);
        match read {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// A cache of leaf directories by their offset in the file. The oldest directory is evicted first.
#[derive(Default)]
struct LeafDirectoryCache(Mutex<VecDeque<(u64, Directory)>>);

impl LeafDirectoryCache {
    /// Returns the entry of a tile in a directory if the directory is cached. The result is
    /// `Some(None)` if the cached directory does not contain the tile.
    fn find(&self, offset: u64, tile: TileId) -> Option<Option<DirEntry>> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, directory) = cached.iter().find(|entry| entry.0 == offset)?;
        Some(directory.find_tile_id(tile).copied())
    }

    fn insert(&self, offset: u64, directory: Directory) {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.iter().any(|entry| entry.0 == offset) {
            return;
        }
        cached.push_back((offset, directory));
        let size_bytes = |entry: &(u64, Directory)| entry.1.get_approx_byte_size();
        while cached.iter().map(size_bytes).sum::<usize>() > LEAF_DIRECTORIES_BYTES_MAX {
            cached.pop_front();
        }
    }
}

impl DirectoryCache for LeafDirectoryCache {
    async fn get_dir_entry_or_insert(
        &self,
        offset: u64,
        tile: TileId,
        read: impl Future<Output = PmtResult<Directory>> + Send,
    ) -> PmtResult<Option<DirEntry>> {
        if let Some(entry) = self.find(offset, tile) {
            return Ok(entry);
        }
        let directory = read.await?;
        let entry = directory.find_tile_id(tile).copied();
        self.insert(offset, directory);
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributions_are_stripped_of_markup() {
        let check = |markup: &str, expected: &str| assert_eq!(plain_text(markup), expected);
        check("Ordnance Survey", "Ordnance Survey");
        check(
            "<a href=\"https://www.openstreetmap.org/copyright\" target=\"_blank\">&copy; OpenStreetMap contributors</a>",
            "© OpenStreetMap contributors",
        );
        check("A &amp; B<br>\n  C", "A & B C");
        check("<img src=x onerror=alert(1)>A", "A");
        check(
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "script alert(1) /script",
        );
        check("&amp;lt;b&amp;gt;", "&lt;b&gt;");
        check("A <b", "A");
        check("a > b", "a b");
        check("", "");
        assert_eq!(plain_text(&"a".repeat(9_999)).len(), ATTRIBUTION_CHARS_MAX);
    }
}
