//! A map to lie beneath our areas: a PMTiles 3 file of the operator's, gigabytes perhaps, which is read by parts.
//!
//! It is opened once. A file that takes its place under the same name is another one, of which nothing is read; one
//! that is written over where it lies is noticed at the next tile, and refused.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ::pmtiles::{
    AsyncBackend, AsyncPmTilesReader, BackendResponse, Compression, DirEntry, Directory,
    DirectoryCache, Header, PmtError, PmtResult, TileCoord, TileId, TileType,
};
use bytes::Bytes;
use serde_json::Value;

use super::pmtiles::ARCHIVE_ZOOM;
use super::{Encoding, TileAddress};
use crate::dataset::manifest::sha256_hex;

/// The deepest tiles that are handed out: deeper ones would tell of a house by their addresses.
pub const BASEMAP_ZOOM_MAX: u8 = ARCHIVE_ZOOM;

/// What the header takes, and in front of what the directory at the root ends (PMTiles 3, 3 and 4).
const HEADER_BYTES: usize = 127;
const FRONT_BYTES: usize = 16_384;
/// The largest part that is read at once: a tile, or a directory.
const PART_BYTES_MAX: usize = 32 << 20;
/// Directories that are kept beside the one at the root.
const LEAVES_BYTES_MAX: usize = 32 << 20;
/// Attributions are a line or two.
const ATTRIBUTION_LETTERS_MAX: usize = 300;

/// Why a file is no basemap.
#[derive(Debug, thiserror::Error)]
pub enum BasemapError {
    /// The file system's own fault.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It begins with something else.
    #[error("this is no PMTiles file; `pmtiles convert` makes one of MBTiles")]
    NotPmtiles,
    /// There were two versions before.
    #[error("this is PMTiles of another version than 3; `pmtiles convert` makes it of older ones")]
    OtherVersion,
    /// Copying it stopped half-way, perhaps.
    #[error("it is cut off: there are {length} bytes of {expected}")]
    CutOff {
        /// What the file has.
        length: u64,
        /// What its header tells.
        expected: u64,
    },
    /// The format has more than these.
    #[error("its tiles are {0}; PNG, JPEG, WebP and Mapbox Vector Tiles can be drawn")]
    TileType(&'static str),
    /// They would have to be handed out.
    #[error("how its tiles are packed is not known; gzip, Brotli, Zstandard or nothing would do")]
    TileCompression,
    /// They have to be read.
    #[error("its directories are not packed with gzip, as they are usually, nor left as they are")]
    Compression,
    /// The maps stop before its tiles begin.
    #[error("its tiles begin at zoom {0}, and the maps end at {BASEMAP_ZOOM_MAX}")]
    TooDeep(u8),
    /// They say whose it is, and what is on it.
    #[error("its metadata are not a JSON object")]
    Metadata,
    /// There is no style for it.
    #[error(
        "its vector layers are {0}; those of Protomaps (earth, water, roads, …) or OpenMapTiles (water, landcover, \
         transportation, …) can be drawn"
    )]
    Schema(String),
    /// The format's own fault.
    #[error("it cannot be read: {0}")]
    Read(PmtError),
}

/// What is on the tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Pictures.
    Png,
    /// Pictures.
    Jpeg,
    /// Pictures.
    Webp,
    /// Vectors with the layers of the Protomaps basemap, version 3 or 4.
    Protomaps,
    /// Vectors with the layers of OpenMapTiles, version 3.
    OpenMapTiles,
}

impl Content {
    /// Of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Content::Png => "image/png",
            Content::Jpeg => "image/jpeg",
            Content::Webp => "image/webp",
            Content::Protomaps | Content::OpenMapTiles => "application/vnd.mapbox-vector-tile",
        }
    }
}

/// An open file with what is known of it.
pub struct Basemap {
    reader: AsyncPmTilesReader<Parts, Leaves>,
    /// What is on its tiles.
    pub content: Content,
    /// How each tile is packed.
    pub packed: Encoding,
    /// Of its tiles, as far as they are handed out: the least and the most.
    pub zooms: (u8, u8),
    /// West, south, east, north in degrees, where it says so.
    pub bounds: Option<[f64; 4]>,
    /// Whose it is, in plain text; blank where it does not say.
    pub attribution: String,
    /// Stands for the file: digits from its first 16 KiB, its metadata and its length.
    pub edition: String,
}

impl Basemap {
    /// Opens a file and checks it. Not from within an async runtime: it has one of its own.
    ///
    /// # Errors
    /// When it cannot be read, or not be drawn.
    pub fn open(path: &Path) -> Result<Basemap, BasemapError> {
        let file = Arc::new(File::open(path)?);
        let length = file.metadata()?.len();
        let front = read_at(&file, 0, FRONT_BYTES)?;
        let header = checked_header(&front, length)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let (reader, metadata) = runtime.block_on(async {
            let reader =
                AsyncPmTilesReader::try_from_cached_source(Parts(file), Leaves::default()).await?;
            let metadata = reader.get_metadata().await?;
            Ok::<_, BasemapError>((reader, metadata))
        })?;
        let told: Value = serde_json::from_str(&metadata).map_err(|_| BasemapError::Metadata)?;
        if !told.is_object() {
            return Err(BasemapError::Metadata);
        }
        let identity = [&front, metadata.as_bytes(), &length.to_le_bytes()].concat();
        Ok(Basemap {
            reader,
            content: content(header.tile_type, &told)?,
            packed: packed(header.tile_compression)?,
            zooms: (header.min_zoom, header.max_zoom.min(BASEMAP_ZOOM_MAX)),
            bounds: bounds(&header),
            attribution: plain_text(told["attribution"].as_str().unwrap_or_default()),
            edition: sha256_hex(&identity)[..12].to_string(),
        })
    }

    /// A tile as it is packed in the file; `None` where the file has none.
    ///
    /// # Errors
    /// When the file is broken, or is written over.
    pub async fn tile(&self, address: TileAddress) -> PmtResult<Option<Bytes>> {
        let coord = TileCoord::new(address.z, address.x, address.y).expect("it is checked");
        self.reader.get_tile(coord).await
    }

    /// A tile that was packed, for a client that does not unpack.
    ///
    /// # Errors
    /// When it is not packed as the file says, or is too large.
    pub fn unpacked(&self, tile: &[u8]) -> io::Result<Vec<u8>> {
        let reader: Box<dyn Read + '_> = match self.packed {
            Encoding::Identity => Box::new(tile),
            Encoding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(tile)),
            Encoding::Brotli => Box::new(brotli::Decompressor::new(tile, 4_096)),
            Encoding::Zstd => Box::new(zstd::stream::read::Decoder::new(tile)?),
        };
        let mut bytes = Vec::new();
        reader.take(PART_BYTES_MAX as u64).read_to_end(&mut bytes)?;
        match bytes.len() < PART_BYTES_MAX {
            true => Ok(bytes),
            false => Err(io::ErrorKind::FileTooLarge.into()),
        }
    }
}

/// The header of a file of so many bytes, all of which are there.
fn checked_header(front: &[u8], length: u64) -> Result<Header, BasemapError> {
    let head = &front[..front.len().min(HEADER_BYTES)];
    let header = Header::try_from_bytes(Bytes::copy_from_slice(head));
    let header = header.map_err(|error| match error {
        PmtError::InvalidHeader => BasemapError::CutOff {
            length,
            expected: HEADER_BYTES as u64,
        },
        error => error.into(),
    })?;
    if header.spec_version() != 3 {
        return Err(BasemapError::OtherVersion);
    }
    // Where its four parts begin, and how long each is.
    let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
    let ends = [8, 24, 40, 56].map(|at| number(at).saturating_add(number(at + 8)));
    let expected = ends.into_iter().fold(0, u64::max);
    if expected > length {
        return Err(BasemapError::CutOff { length, expected });
    }
    if header.min_zoom > BASEMAP_ZOOM_MAX {
        return Err(BasemapError::TooDeep(header.min_zoom));
    }
    Ok(header)
}

fn content(tiles: TileType, metadata: &Value) -> Result<Content, BasemapError> {
    match tiles {
        TileType::Png => Ok(Content::Png),
        TileType::Jpeg => Ok(Content::Jpeg),
        TileType::Webp => Ok(Content::Webp),
        TileType::Mvt => schema(metadata),
        TileType::Avif => Err(BasemapError::TileType("AVIF")),
        TileType::Mlt => Err(BasemapError::TileType("MapLibre Tiles")),
        TileType::Unknown => Err(BasemapError::TileType("of a kind that it does not tell")),
    }
}

/// By the layers without which there would be nothing to see.
fn schema(metadata: &Value) -> Result<Content, BasemapError> {
    let layers = metadata["vector_layers"].as_array();
    let ids = layers.into_iter().flatten();
    let ids: Vec<&str> = ids.filter_map(|layer| layer["id"].as_str()).collect();
    let has = |wanted: [&str; 3]| wanted.iter().all(|id| ids.contains(id));
    if has(["earth", "water", "roads"]) {
        return Ok(Content::Protomaps);
    }
    if has(["water", "landcover", "transportation"]) {
        return Ok(Content::OpenMapTiles);
    }
    let found = match ids.is_empty() {
        true => "not named".into(),
        false => ids.join(", "),
    };
    Err(BasemapError::Schema(found))
}

fn packed(compression: Compression) -> Result<Encoding, BasemapError> {
    match compression {
        Compression::None => Ok(Encoding::Identity),
        Compression::Gzip => Ok(Encoding::Gzip),
        Compression::Brotli => Ok(Encoding::Brotli),
        Compression::Zstd => Ok(Encoding::Zstd),
        Compression::Unknown => Err(BasemapError::TileCompression),
    }
}

/// Some writers leave them at nought.
fn bounds(header: &Header) -> Option<[f64; 4]> {
    let (west, south) = (header.min_longitude, header.min_latitude);
    let (east, north) = (header.max_longitude, header.max_latitude);
    (west < east && south < north).then_some([west, south, east, north])
}

/// What markup says, without the markup: attributions are usually links.
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
    // Of a tag that does not end nothing is left.
    let others = parts.filter_map(|part| Some(part.split_once('>')?.1));
    let text: String = [first].into_iter().chain(others).collect();
    let text = ENTITIES
        .iter()
        .fold(text, |text, (entity, letter)| text.replace(entity, letter));
    let text = text.replace(['<', '>'], " ");
    let words: Vec<&str> = text.split_whitespace().collect();
    words
        .join(" ")
        .chars()
        .take(ATTRIBUTION_LETTERS_MAX)
        .collect()
}

impl From<PmtError> for BasemapError {
    fn from(error: PmtError) -> BasemapError {
        match error {
            PmtError::InvalidMagicNumber => BasemapError::NotPmtiles,
            PmtError::UnsupportedPmTilesVersion => BasemapError::OtherVersion,
            PmtError::InvalidTileType => {
                BasemapError::TileType("of a kind that the format does not know")
            }
            PmtError::InvalidCompression => BasemapError::TileCompression,
            PmtError::UnsupportedCompression(_) => BasemapError::Compression,
            PmtError::InvalidMetadata | PmtError::InvalidMetadataUtf8Encoding(_) => {
                BasemapError::Metadata
            }
            PmtError::Reading(error) => BasemapError::Io(error),
            error => BasemapError::Read(error),
        }
    }
}

/// The file, read where it lies, on threads that may wait for the disk.
struct Parts(Arc<File>);

impl AsyncBackend for Parts {
    /// With what the reader holds against what it read first: another length or time is another file.
    async fn read(&self, offset: u64, length: usize) -> PmtResult<BackendResponse> {
        if length > PART_BYTES_MAX {
            return Err(PmtError::InvalidEntry);
        }
        let file = Arc::clone(&self.0);
        let read = move || {
            let bytes = read_at(&file, offset, length)?;
            let now = file.metadata()?;
            let version = format!("{} {:?}", now.len(), now.modified()?);
            Ok::<_, io::Error>(BackendResponse::new_with_version(bytes.into(), version))
        };
        let read = tokio::task::spawn_blocking(read).await;
        Ok(read.map_err(io::Error::other)??)
    }
}

/// So many bytes, or those up to the end.
fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    #[cfg(unix)]
    use std::os::unix::fs::FileExt;
    #[cfg(windows)]
    use std::os::windows::fs::FileExt;
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        let at = offset + filled as u64;
        #[cfg(unix)]
        let read = file.read_at(&mut bytes[filled..], at);
        #[cfg(windows)]
        let read = file.seek_read(&mut bytes[filled..], at);
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

/// Directories that were read, by where they are; the oldest go.
#[derive(Default)]
struct Leaves(Mutex<VecDeque<(u64, Directory)>>);

impl Leaves {
    /// What a directory says of a tile, if it is kept.
    fn find(&self, offset: u64, tile: TileId) -> Option<Option<DirEntry>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, directory) = kept.iter().find(|it| it.0 == offset)?;
        Some(directory.find_tile_id(tile).copied())
    }

    fn keep(&self, offset: u64, directory: Directory) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.iter().any(|it| it.0 == offset) {
            return;
        }
        kept.push_back((offset, directory));
        let size = |it: &(u64, Directory)| it.1.get_approx_byte_size();
        while kept.iter().map(size).sum::<usize>() > LEAVES_BYTES_MAX {
            kept.pop_front();
        }
    }
}

impl DirectoryCache for Leaves {
    async fn get_dir_entry_or_insert(
        &self,
        offset: u64,
        tile: TileId,
        read: impl Future<Output = PmtResult<Directory>> + Send,
    ) -> PmtResult<Option<DirEntry>> {
        if let Some(found) = self.find(offset, tile) {
            return Ok(found);
        }
        let directory = read.await?;
        let found = directory.find_tile_id(tile).copied();
        self.keep(offset, directory);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribution_is_told_without_its_markup() {
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
        assert_eq!(
            plain_text(&"a".repeat(9_999)).len(),
            ATTRIBUTION_LETTERS_MAX
        );
    }
}
