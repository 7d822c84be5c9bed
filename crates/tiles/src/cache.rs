//! The cache of one dataset's tiles. The cache is dropped with the dataset.
//!
//! - [`TiledLayer`]s, by layer and revision. A revision lasts from one date on which the layer
//!   changes to the next such date, so there are only a few revisions for any number of dates. The
//!   total size in bytes is limited, and the least recently used layer is evicted.
//! - Tiles of zooms up to [`CACHED_ZOOM_MAX`], each compressed once for every requested encoding.
//!   The total size in bytes is limited. The tiles are in sixteen shards, whose locks are held only
//!   during a look-up and an `Arc` clone. The CLOCK algorithm evicts the oldest tile
//!   that has not been used since the algorithm's hand last passed it.
//!
//! Tiles of higher zooms are built for each request. If the layer is cached, this takes
//! microseconds. Such tiles cover only a few houses, so caching them would record which locations
//! were viewed.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use fast_mvt::MvtResult;
use flate2::Compression;
use flate2::write::GzEncoder;
use geo::Rect;
use jiff::civil::Date;

use super::{AreaOutline, TileArea, TileCoord, TiledLayer, WidgetMap, bounds};
use catchment_core::domain::Layer;
use catchment_core::geometry::bbox;
use catchment_core::index::Index;
use catchment_data::fs::sha256_hex;

/// The highest zoom whose tiles are cached. In the north of England, a tile at this zoom is 1.4 km
/// across. The URL of a tile at a higher zoom may reveal where a person lives, and must not be
/// stored.
pub const CACHED_ZOOM_MAX: u8 = 14;

/// The maximum total size in bytes of one dataset's cached tiles, in all encodings.
const TILES_BYTES_MAX: usize = 128 << 20;
/// The maximum total size in bytes of one dataset's cached layers. 34,753 LSOAs with all zooms take
/// a fifth of this size.
const LAYERS_BYTES_MAX: usize = 512 << 20;
const SHARD_COUNT: usize = 16;

/// A content coding of HTTP (RFC 9110, 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentEncoding {
    /// No compression.
    Identity,
    /// gzip (RFC 1952), which every client supports.
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// Brotli (RFC 7932), whose output is usually the smallest.
    Brotli,
}

impl ContentEncoding {
    /// Every encoding. The last encoding usually has the smallest output.
    pub const ALL: [ContentEncoding; 4] = [
        ContentEncoding::Identity,
        ContentEncoding::Gzip,
        ContentEncoding::Zstd,
        ContentEncoding::Brotli,
    ];

    /// Returns the token used in `Content-Encoding`.
    pub fn as_str(self) -> &'static str {
        match self {
            ContentEncoding::Identity => "identity",
            ContentEncoding::Gzip => "gzip",
            ContentEncoding::Zstd => "zstd",
            ContentEncoding::Brotli => "br",
        }
    }

    /// Compresses bytes that are sent many times.
    ///
    /// 438 kB of tiles of the embedded layers become 320 kB with gzip, 310 kB with Zstandard and
    /// 301 kB with Brotli. With Brotli's highest quality, they become 292 kB, but compression takes
    /// four times as long.
    ///
    /// # Panics
    /// This function never panics, because writing to memory does not fail.
    pub fn encode(self, bytes: &[u8]) -> Vec<u8> {
        self.encode_at(bytes, CompressionLevels::SMALL)
    }

    /// Compresses bytes that are sent once. The result is slightly larger than that of
    /// [`ContentEncoding::encode`], but compression takes a fraction of the time and memory.
    ///
    /// # Panics
    /// This function never panics, because writing to memory does not fail.
    pub fn encode_quickly(self, bytes: &[u8]) -> Vec<u8> {
        self.encode_at(bytes, CompressionLevels::QUICK)
    }

    fn encode_at(self, bytes: &[u8], levels: CompressionLevels) -> Vec<u8> {
        match self {
            ContentEncoding::Identity => bytes.to_vec(),
            ContentEncoding::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::new(levels.gzip));
                encoder
                    .write_all(bytes)
                    .expect("writing to memory succeeds");
                encoder.finish().expect("writing to memory succeeds")
            }
            ContentEncoding::Zstd => {
                zstd::bulk::compress(bytes, levels.zstd).expect("writing to memory succeeds")
            }
            ContentEncoding::Brotli => {
                let mut encoded = Vec::new();
                let parameters = brotli::enc::BrotliEncoderParams {
                    quality: levels.brotli,
                    lgwin: levels.brotli_window_bits,
                    ..Default::default()
                };
                brotli::BrotliCompress(&mut &bytes[..], &mut encoded, &parameters)
                    .expect("writing to memory succeeds");
                encoded
            }
        }
    }
}

/// The compression level of each encoding.
struct CompressionLevels {
    gzip: u32,
    zstd: i32,
    brotli: i32,
    /// The binary logarithm of the size of Brotli's window in bytes.
    brotli_window_bits: i32,
}

impl CompressionLevels {
    const SMALL: CompressionLevels = CompressionLevels {
        gzip: 9,
        zstd: 19,
        brotli: 9,
        brotli_window_bits: 22,
    };
    const QUICK: CompressionLevels = CompressionLevels {
        gzip: 5,
        zstd: 3,
        brotli: 4,
        // The size is 256 KiB, which is more than the size of any page.
        brotli_window_bits: 18,
    };
}

/// The key of a tile: its layers with their revisions, and its coordinates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TileKey {
    /// The layers of the dataset, in the order in which answers list them and without duplicates.
    layers: Box<[LayerRevision]>,
    coord: TileCoord,
}

impl TileKey {
    /// Returns the key of a tile of layers on a date. Layers that begin at a higher zoom are
    /// omitted.
    pub fn new(index: &Index, layers: &[Layer], day: Date, coord: TileCoord) -> TileKey {
        let has_zoom = |layer: &Layer| coord.z >= super::zoom_min(index, *layer);
        let in_order = index.layers().filter(|layer| layers.contains(layer));
        let in_order = in_order.filter(has_zoom);
        TileKey {
            layers: in_order
                .map(|layer| (layer, index.revision(layer, day)))
                .collect(),
            coord,
        }
    }
}

/// A response body, compressed once for each requested encoding.
#[derive(Debug)]
pub struct EncodedBody {
    digest: String,
    by_encoding: [OnceLock<Bytes>; ContentEncoding::ALL.len()],
}

impl EncodedBody {
    /// Creates a body that has not been compressed yet.
    pub fn new(bytes: Vec<u8>) -> EncodedBody {
        EncodedBody::with_encodings(bytes.into(), [])
    }

    /// Creates a body together with compressed forms of the same bytes.
    pub fn with_encodings<const N: usize>(
        bytes: Bytes,
        encoded: [(ContentEncoding, Bytes); N],
    ) -> EncodedBody {
        let body = EncodedBody {
            digest: digest_of(&bytes),
            by_encoding: Default::default(),
        };
        for (encoding, bytes) in [(ContentEncoding::Identity, bytes)]
            .into_iter()
            .chain(encoded)
        {
            body.by_encoding[encoding as usize].get_or_init(|| bytes);
        }
        body
    }

    /// Returns whether the body has no bytes. A tile without bytes does not intersect any area.
    pub fn is_empty(&self) -> bool {
        self.uncompressed().is_empty()
    }

    /// Returns 32 hexadecimal digits that identify the uncompressed bytes.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    fn uncompressed(&self) -> &Bytes {
        let bytes = self.by_encoding[ContentEncoding::Identity as usize].get();
        bytes.expect("the uncompressed bytes are always present")
    }

    /// Returns the bytes in an encoding, if an earlier request has already compressed the body.
    pub fn encoded_if_cached(&self, encoding: ContentEncoding) -> Option<Bytes> {
        self.by_encoding[encoding as usize].get().cloned()
    }

    /// Returns the bytes in an encoding. The first request for an encoding takes milliseconds,
    /// because the bytes are compressed.
    pub fn encoded(&self, encoding: ContentEncoding) -> Bytes {
        let encoded = self.by_encoding[encoding as usize]
            .get_or_init(|| encoding.encode(self.uncompressed()).into());
        encoded.clone()
    }

    /// Returns an upper bound on the memory used, in bytes. The bytes in an encoding are never much
    /// larger than the uncompressed bytes.
    pub fn size_bytes(&self) -> usize {
        ContentEncoding::ALL.len() * (self.uncompressed().len() + 256)
    }
}

/// Returns the first half of the SHA-256 digest of a body. Half of the digest is enough to
/// distinguish bodies.
fn digest_of(bytes: &[u8]) -> String {
    sha256_hex(bytes)[..32].to_string()
}

/// The cached tiles of a dataset, and the layers from which the tiles are built.
#[derive(Debug)]
pub struct TileCache {
    shards: [Mutex<CacheShard>; SHARD_COUNT],
    hasher: RandomState,
    /// The layers. The least recently used layer is first.
    layers: Mutex<Vec<(LayerRevision, Arc<OnceLock<TiledLayer>>)>>,
    /// The bounding box of each revision of a layer. This map needs no limit, because there is only
    /// one entry for each revision.
    bounds: Mutex<HashMap<LayerRevision, Option<Rect<f64>>>>,
    tiles_bytes_max: usize,
    layers_bytes_max: usize,
}

/// A layer, and its revision ([`Index::revision`]).
pub(super) type LayerRevision = (Layer, usize);

impl Default for TileCache {
    fn default() -> TileCache {
        TileCache::with_limits(TILES_BYTES_MAX, LAYERS_BYTES_MAX)
    }
}

impl TileCache {
    /// Creates a cache with limits on the bytes of tiles and of layers.
    pub fn with_limits(tiles_bytes_max: usize, layers_bytes_max: usize) -> TileCache {
        TileCache {
            shards: Default::default(),
            hasher: RandomState::new(),
            layers: Mutex::default(),
            bounds: Mutex::default(),
            tiles_bytes_max,
            layers_bytes_max,
        }
    }

    /// Returns a tile if it is cached.
    pub fn get(&self, key: &TileKey) -> Option<Arc<EncodedBody>> {
        if key.coord.z > CACHED_ZOOM_MAX {
            return None;
        }
        lock(self.shard(key)).get(key)
    }

    /// Builds a tile and caches it.
    ///
    /// Building a tile takes microseconds to milliseconds. The first tile of a layer, a revision or
    /// a zoom takes up to a second for the largest layers.
    ///
    /// # Errors
    /// If a tile cannot be encoded; see [`TiledLayer::tile`].
    pub fn build(&self, index: &Index, key: &TileKey) -> MvtResult<Arc<EncodedBody>> {
        let mut bytes = Vec::new();
        for &revision in &key.layers {
            // A tile is a sequence of layers, so concatenating several tiles results in a tile with
            // all layers of these tiles.
            let layer = self.layer(index, revision);
            let layer = layer.get_or_init(|| tiled_layer(index, revision, |_| true));
            bytes.extend(layer.tile(key.coord)?.unwrap_or_default());
        }
        let body = Arc::new(EncodedBody::new(bytes));
        if key.coord.z <= CACHED_ZOOM_MAX {
            let limit = self.tiles_bytes_max / SHARD_COUNT;
            lock(self.shard(key)).insert(key.clone(), Arc::clone(&body), limit);
        }
        Ok(body)
    }

    /// Returns a layer on a date as a widget map; see [`TiledLayer::widget_map`].
    pub fn widget_map(
        &self,
        index: &Index,
        layer: Layer,
        day: Date,
        focus: Option<&str>,
    ) -> Option<WidgetMap> {
        let revision = (layer, index.revision(layer, day));
        if let (Some(id), false) = (focus, index.is_partition(layer)) {
            // Only this area is drawn, so it is not necessary to process the other areas, of which
            // there may be thousands.
            return tiled_layer(index, revision, |other| other == id).widget_map(focus);
        }
        let layer = self.layer(index, revision);
        layer
            .get_or_init(|| tiled_layer(index, revision, |_| true))
            .widget_map(focus)
    }

    /// Returns the areas of a layer on a date, simplified for a zoom in the same way as in tiles.
    pub fn outlines(&self, index: &Index, layer: Layer, day: Date, zoom: u8) -> Vec<AreaOutline> {
        let revision = (layer, index.revision(layer, day));
        let layer = self.layer(index, revision);
        let layer = layer.get_or_init(|| tiled_layer(index, revision, |_| true));
        layer.outlines(zoom)
    }

    /// Returns the bounding box of layers on a date (in degrees), or `None` if they have no
    /// geometry.
    pub fn bounds(&self, index: &Index, layers: &[Layer], day: Date) -> Option<Rect<f64>> {
        let of_layer = |&layer: &Layer| {
            let revision = (layer, index.revision(layer, day));
            let mut cached = lock(&self.bounds);
            *cached
                .entry(revision)
                .or_insert_with(|| bounds(index, &[layer], day))
        };
        layers.iter().filter_map(of_layer).reduce(bbox::union)
    }

    /// Estimates the memory used by tiles and by layers, in bytes.
    pub fn size_bytes(&self) -> (usize, usize) {
        let tiles = self.shards.iter().map(|shard| lock(shard).bytes).sum();
        (tiles, layers_size_bytes(&lock(&self.layers)))
    }

    fn shard(&self, key: &TileKey) -> &Mutex<CacheShard> {
        let hash = self.hasher.hash_one(key);
        &self.shards[usize::try_from(hash % SHARD_COUNT as u64).expect("below sixteen")]
    }

    /// Returns the cached entry of a layer's revision, which may not be initialised yet.
    fn layer(&self, index: &Index, revision: LayerRevision) -> Arc<OnceLock<TiledLayer>> {
        let mut layers = lock(&self.layers);
        let position = layers.iter().position(|entry| entry.0 == revision);
        let layer = match position {
            Some(position) => layers.remove(position).1,
            None => Arc::default(),
        };
        // Layers grow when their zooms are prepared, so the limit is checked at each use.
        while !layers.is_empty() && layers_size_bytes(&layers) > self.layers_bytes_max {
            layers.remove(0);
        }
        layers.push((revision, Arc::clone(&layer)));
        debug_assert!(index.layers().any(|layer| layer == revision.0));
        layer
    }
}

fn layers_size_bytes(layers: &[(LayerRevision, Arc<OnceLock<TiledLayer>>)]) -> usize {
    layers
        .iter()
        .filter_map(|entry| entry.1.get())
        .map(TiledLayer::size_bytes)
        .sum()
}

/// Builds a revision of a layer from those areas that have geometry and whose id is included.
fn tiled_layer(
    index: &Index,
    (layer, revision): LayerRevision,
    is_included: impl Fn(&str) -> bool,
) -> TiledLayer {
    let map_areas = index.areas_with_geometry(layer, revision);
    let included = map_areas
        .iter()
        .filter(|area| is_included(&area.boundary.id));
    let areas = included.map(|area| TileArea {
        feature_id: u64::from(area.ordinal) + 1,
        boundary: area.boundary,
        name: &area.title,
        provenance: area.provenance.as_str(),
    });
    TiledLayer::new(layer.as_str(), index.is_partition(layer), areas)
}

/// Locks a mutex even if it is poisoned. Critical sections in this module cannot panic half-way
/// through a change.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A shard, which is one of the parts into which the cached tiles are divided. Each shard has its
/// own lock and its own limit.
#[derive(Debug, Default)]
struct CacheShard {
    tiles: HashMap<TileKey, CacheEntry>,
    /// The keys of the tiles. The oldest key is first.
    order: VecDeque<TileKey>,
    bytes: usize,
}

#[derive(Debug)]
struct CacheEntry {
    body: Arc<EncodedBody>,
    size_bytes: usize,
    /// Whether the tile has been used since the hand of the CLOCK algorithm last passed it.
    is_used: AtomicBool,
}

impl CacheShard {
    fn get(&self, key: &TileKey) -> Option<Arc<EncodedBody>> {
        let entry = self.tiles.get(key)?;
        entry.is_used.store(true, Ordering::Relaxed);
        Some(Arc::clone(&entry.body))
    }

    fn insert(&mut self, key: TileKey, body: Arc<EncodedBody>, limit: usize) {
        let size_bytes = body.size_bytes() + key.layers.len() * 32 + 256;
        if size_bytes > limit || self.tiles.contains_key(&key) {
            return;
        }
        while self.bytes + size_bytes > limit {
            self.evict();
        }
        self.bytes += size_bytes;
        self.order.push_back(key.clone());
        let is_used = AtomicBool::new(false);
        self.tiles.insert(
            key,
            CacheEntry {
                body,
                size_bytes,
                is_used,
            },
        );
    }

    fn evict(&mut self) {
        while let Some(oldest) = self.order.pop_front() {
            let was_used = |entry: &CacheEntry| entry.is_used.swap(false, Ordering::Relaxed);
            if self.tiles.get(&oldest).is_some_and(was_used) {
                self.order.push_back(oldest);
            } else if let Some(entry) = self.tiles.remove(&oldest) {
                self.bytes -= entry.size_bytes;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(x: u32) -> TileKey {
        TileKey {
            layers: Box::new([(Layer::declare("icc").expect("an id"), 0)]),
            coord: TileCoord::new(12, x, 0).expect("it exists"),
        }
    }

    #[test]
    fn tiles_that_are_used_outlive_those_that_are_not() {
        let mut shard = CacheShard::default();
        let limit = 10 * 1_024 * 8;
        for x in 0..1_000 {
            shard.insert(key(x), Arc::new(EncodedBody::new(vec![0; 1_024])), limit);
            assert!(shard.bytes <= limit);
            assert!(shard.get(&key(0)).is_some(), "{x}");
        }
        assert!(shard.get(&key(999)).is_some());
        assert!(shard.get(&key(500)).is_none());
        assert_eq!(shard.order.len(), shard.tiles.len());
        let cached: usize = shard.tiles.values().map(|entry| entry.size_bytes).sum();
        assert_eq!(shard.bytes, cached);
    }

    #[test]
    fn a_tile_larger_than_its_shard_is_not_cached() {
        let mut shard = CacheShard::default();
        shard.insert(key(0), Arc::new(EncodedBody::new(vec![0; 10_000])), 20_000);
        assert!(shard.get(&key(0)).is_none() && shard.bytes == 0);
    }

    #[test]
    fn every_encoding_decompresses_to_the_same_bytes() {
        use std::io::Read as _;
        let bytes: Vec<u8> = (0..50_000_u32)
            .map(|index| (index * index / 977).to_le_bytes()[0])
            .collect();
        let body = EncodedBody::new(bytes.clone());
        assert!(body.encoded_if_cached(ContentEncoding::Gzip).is_none());
        let mut decompressed = Vec::new();
        flate2::read::GzDecoder::new(&body.encoded(ContentEncoding::Gzip)[..])
            .read_to_end(&mut decompressed)
            .expect("gzip");
        assert_eq!(decompressed, bytes);
        let zstd =
            zstd::bulk::decompress(&body.encoded(ContentEncoding::Zstd), 1 << 20).expect("zstd");
        assert_eq!(zstd, bytes);
        let mut decompressed = Vec::new();
        brotli::BrotliDecompress(
            &mut &body.encoded(ContentEncoding::Brotli)[..],
            &mut decompressed,
        )
        .expect("br");
        assert_eq!(decompressed, bytes);
        assert!(body.encoded_if_cached(ContentEncoding::Gzip).is_some());
    }
}
