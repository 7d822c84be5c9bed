//! What was made of one dataset's tiles, kept while the dataset is loaded.
//!
//! - Shapes of layers, by layer and state. A state is the time between two days on which something changes, so
//!   that any number of days have few states. Bounded in bytes; what was asked for longest ago goes.
//! - Tiles of zooms up to [`KEPT_ZOOM_MAX`], with each encoding that was asked for made once. Bounded in bytes;
//!   in sixteen parts with a lock of their own, held for a look and a copied pointer. What goes is the
//!   oldest that was not asked for since the hand last passed it (CLOCK).
//!
//! Deeper tiles are made anew each time, which takes microseconds of what is kept: one is the size of a
//! few houses, and which ones were looked at is nobody's business.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use fast_mvt::MvtResult;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::civil::Date;

use super::pmtiles::{ARCHIVE_BYTES_MAX, Archive, ArchiveError};
use super::{Outline, Picture, Shapes, TileAddress, TileArea, around, bounds};
use crate::dataset::manifest::sha256_hex;
use crate::domain::Layer;
use crate::index::Index;

/// The deepest tiles that are kept: 1.4 km across in the north of England. The address of a deeper one tells where
/// somebody is, and is not to stay in memory.
pub const KEPT_ZOOM_MAX: u8 = 14;

/// Tiles of one dataset, all their encodings included.
const TILES_BYTES_MAX: usize = 128 << 20;
/// Shapes of one dataset: those of 34,753 LSOAs with all zooms take a fifth of it.
const SHAPES_BYTES_MAX: usize = 512 << 20;
const PARTS: usize = 16;

/// How the bytes of an answer are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As they are.
    Identity,
    /// RFC 1952, which every client reads.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// RFC 7932, the smallest.
    Brotli,
}

impl Encoding {
    /// Every encoding, what is usually smaller later.
    pub const ALL: [Encoding; 4] = [
        Encoding::Identity,
        Encoding::Gzip,
        Encoding::Zstd,
        Encoding::Brotli,
    ];

    /// The word of `Content-Encoding`.
    pub fn as_str(self) -> &'static str {
        match self {
            Encoding::Identity => "identity",
            Encoding::Gzip => "gzip",
            Encoding::Zstd => "zstd",
            Encoding::Brotli => "br",
        }
    }

    /// The bytes in this encoding. Of the embedded layers' tiles, 438 kB, gzip leaves 320 kB, Zstandard 310 kB and
    /// Brotli 301 kB; with its highest quality 292 kB in four times the time.
    ///
    /// # Panics
    /// Never: writing to memory does not fail.
    pub fn encode(self, bytes: &[u8]) -> Vec<u8> {
        self.encode_at(bytes, Levels::SMALL)
    }

    /// The same for bytes that are sent once: a little larger, in a fraction of the time and of the memory.
    ///
    /// # Panics
    /// Never: writing to memory does not fail.
    pub fn encode_quickly(self, bytes: &[u8]) -> Vec<u8> {
        self.encode_at(bytes, Levels::QUICK)
    }

    fn encode_at(self, bytes: &[u8], levels: Levels) -> Vec<u8> {
        match self {
            Encoding::Identity => bytes.to_vec(),
            Encoding::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::new(levels.gzip));
                encoder.write_all(bytes).expect("memory takes it");
                encoder.finish().expect("memory takes it")
            }
            Encoding::Zstd => zstd::bulk::compress(bytes, levels.zstd).expect("memory takes it"),
            Encoding::Brotli => {
                let mut encoded = Vec::new();
                let parameters = brotli::enc::BrotliEncoderParams {
                    quality: levels.brotli,
                    lgwin: levels.brotli_window_bits,
                    ..Default::default()
                };
                brotli::BrotliCompress(&mut &bytes[..], &mut encoded, &parameters)
                    .expect("memory takes it");
                encoded
            }
        }
    }
}

/// How hard each encoding tries.
struct Levels {
    gzip: u32,
    zstd: i32,
    brotli: i32,
    brotli_window_bits: i32,
}

impl Levels {
    const SMALL: Levels = Levels {
        gzip: 9,
        zstd: 19,
        brotli: 9,
        brotli_window_bits: 22,
    };
    const QUICK: Levels = Levels {
        gzip: 5,
        zstd: 3,
        brotli: 4,
        // 256 KiB, which is more than a page has.
        brotli_window_bits: 18,
    };
}

/// Which tile, of which layers in which state.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// In the order of answers, each once.
    layers: Box<[(Layer, usize)]>,
    address: TileAddress,
}

impl Wanted {
    /// The tile of these layers on a day.
    pub fn new(index: &Index, layers: &[Layer], day: Date, address: TileAddress) -> Wanted {
        let mut layers: Vec<(Layer, usize)> = layers
            .iter()
            .map(|&layer| (layer, index.changes_until(layer, day)))
            .collect();
        layers.sort_unstable();
        layers.dedup();
        Wanted {
            layers: layers.into(),
            address,
        }
    }
}

/// A tile that was made.
#[derive(Debug)]
pub struct Made {
    tag: String,
    forms: [OnceLock<Bytes>; Encoding::ALL.len()],
}

impl Made {
    /// Of these bytes, in no encoding yet.
    pub fn new(bytes: Vec<u8>) -> Made {
        Made::prepared(bytes.into(), [])
    }

    /// Of these bytes, and of the same in encodings.
    pub(crate) fn prepared<const N: usize>(bytes: Bytes, forms: [(Encoding, Bytes); N]) -> Made {
        let made = Made {
            tag: tag_of(&bytes),
            forms: Default::default(),
        };
        for (encoding, form) in [(Encoding::Identity, bytes)].into_iter().chain(forms) {
            made.forms[encoding as usize].get_or_init(|| form);
        }
        made
    }

    /// Whether no area reaches into it.
    pub fn is_empty(&self) -> bool {
        self.plain().is_empty()
    }

    /// Stands for its bytes.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    fn plain(&self) -> &Bytes {
        let plain = self.forms[Encoding::Identity as usize].get();
        plain.expect("it was made with them")
    }

    /// Its bytes in an encoding, if they were asked for before.
    pub fn ready(&self, encoding: Encoding) -> Option<Bytes> {
        self.forms[encoding as usize].get().cloned()
    }

    /// Its bytes in an encoding; the first time takes milliseconds.
    pub fn form(&self, encoding: Encoding) -> Bytes {
        let form =
            self.forms[encoding as usize].get_or_init(|| encoding.encode(self.plain()).into());
        form.clone()
    }

    /// The most bytes that it takes: no encoding is larger than the bytes themselves and a little.
    pub fn size_bytes(&self) -> usize {
        Encoding::ALL.len() * (self.plain().len() + 256)
    }
}

/// Half a SHA-256 tells tiles apart.
fn tag_of(bytes: &[u8]) -> String {
    sha256_hex(bytes)[..32].to_string()
}

/// What was made of a dataset's tiles.
#[derive(Debug)]
pub struct Store {
    tiles: [Mutex<Part>; PARTS],
    hasher: RandomState,
    /// What was asked for last comes last.
    shapes: Mutex<Vec<(State, Arc<OnceLock<Shapes>>)>>,
    /// As many as layers have states.
    bounds: Mutex<BTreeMap<State, Option<[f64; 4]>>>,
    /// The one that was made last; without one where it was too large.
    archive: Mutex<Option<KeptArchive>>,
    tiles_bytes_max: usize,
    shapes_bytes_max: usize,
}

/// A layer, and how often it has changed.
type State = (Layer, usize);

/// Of which states, and what became of it.
type KeptArchive = (Vec<State>, Option<Arc<Archive>>);

impl Default for Store {
    fn default() -> Store {
        Store::with_limits(TILES_BYTES_MAX, SHAPES_BYTES_MAX)
    }
}

impl Store {
    /// A store that keeps at most so many bytes of tiles and of shapes.
    pub fn with_limits(tiles_bytes_max: usize, shapes_bytes_max: usize) -> Store {
        Store {
            tiles: Default::default(),
            hasher: RandomState::new(),
            shapes: Mutex::default(),
            bounds: Mutex::default(),
            archive: Mutex::default(),
            tiles_bytes_max,
            shapes_bytes_max,
        }
    }

    /// The tile, if it is kept.
    pub fn kept(&self, wanted: &Wanted) -> Option<Arc<Made>> {
        if wanted.address.z > KEPT_ZOOM_MAX {
            return None;
        }
        locked(self.part(wanted)).get(wanted)
    }

    /// The tile, made now, and kept. Takes microseconds to milliseconds; the first of a layer, of a state or
    /// of a zoom up to a second of the largest.
    ///
    /// # Errors
    /// As [`Shapes::tile`].
    pub fn make(&self, index: &Index, wanted: &Wanted) -> MvtResult<Arc<Made>> {
        let mut bytes = Vec::new();
        for &state in &wanted.layers {
            // A tile is a list of layers: two tiles one after the other are one with the layers of both.
            let shapes = self.shapes(index, state);
            let shapes = shapes.get_or_init(|| shapes_of(index, state, |_| true));
            bytes.extend(shapes.tile(wanted.address)?.unwrap_or_default());
        }
        let made = Arc::new(Made::new(bytes));
        if wanted.address.z <= KEPT_ZOOM_MAX {
            let limit = self.tiles_bytes_max / PARTS;
            locked(self.part(wanted)).keep(wanted.clone(), Arc::clone(&made), limit);
        }
        Ok(made)
    }

    /// A layer on a day as [`Shapes::picture`] draws it.
    pub fn picture(
        &self,
        index: &Index,
        layer: Layer,
        day: Date,
        focus: Option<&str>,
    ) -> Option<Picture> {
        let state = (layer, index.changes_until(layer, day));
        if let (Some(id), false) = (focus, index.is_partition(layer)) {
            // It is drawn alone, so that the others, thousands perhaps, are nothing to it.
            return shapes_of(index, state, |other| other == id).picture(focus);
        }
        let shapes = self.shapes(index, state);
        shapes
            .get_or_init(|| shapes_of(index, state, |_| true))
            .picture(focus)
    }

    /// The areas of a layer on a day as a zoom shows them; of the shapes that tiles are cut from.
    pub fn outlines(&self, index: &Index, layer: Layer, day: Date, zoom: u8) -> Vec<Outline> {
        let state = (layer, index.changes_until(layer, day));
        let shapes = self.shapes(index, state);
        let shapes = shapes.get_or_init(|| shapes_of(index, state, |_| true));
        shapes.outlines(zoom)
    }

    /// West, south, east, north of all areas of the layers on a day, in degrees; `None` without ground.
    pub fn bounds(&self, index: &Index, layers: &[Layer], day: Date) -> Option<[f64; 4]> {
        let of_layer = |&layer: &Layer| {
            let state = (layer, index.changes_until(layer, day));
            let mut kept = locked(&self.bounds);
            *kept
                .entry(state)
                .or_insert_with(|| bounds(index, &[layer], day))
        };
        layers.iter().filter_map(of_layer).reduce(around)
    }

    /// The file of all tiles on a day, if it was made: `Some(None)` where it was too large.
    pub fn kept_archive(&self, index: &Index, day: Date) -> Option<Option<Arc<Archive>>> {
        let kept = locked(&self.archive);
        let (states, archive) = kept.as_ref()?;
        (*states == states_with_ground(index, day)).then(|| archive.clone())
    }

    /// The file of all tiles on a day, made now, and kept in the place of the last one; `None` where it would be
    /// larger than [`ARCHIVE_BYTES_MAX`]. Takes seconds, and minutes of a large dataset.
    ///
    /// # Errors
    /// When a tile cannot be made.
    pub fn make_archive(
        &self,
        index: &Index,
        day: Date,
    ) -> Result<Option<Arc<Archive>>, ArchiveError> {
        let states = states_with_ground(index, day);
        let layers: Vec<Layer> = states.iter().map(|state| state.0).collect();
        let archive = Archive::new(self, index, &layers, day, ARCHIVE_BYTES_MAX)?;
        let archive = archive.map(Arc::new);
        *locked(&self.archive) = Some((states, archive.clone()));
        Ok(archive)
    }

    /// About how many bytes of tiles and of shapes are kept.
    pub fn size_bytes(&self) -> (usize, usize) {
        let tiles = self.tiles.iter().map(|part| locked(part).bytes).sum();
        (tiles, shapes_bytes(&locked(&self.shapes)))
    }

    fn part(&self, wanted: &Wanted) -> &Mutex<Part> {
        let hash = self.hasher.hash_one(wanted);
        &self.tiles[usize::try_from(hash % PARTS as u64).expect("below sixteen")]
    }

    fn shapes(&self, index: &Index, state: State) -> Arc<OnceLock<Shapes>> {
        let mut kept = locked(&self.shapes);
        let found = kept.iter().position(|it| it.0 == state);
        let shapes = match found {
            Some(at) => kept.remove(at).1,
            None => Arc::default(),
        };
        // What was made since the last time counts as well.
        while !kept.is_empty() && shapes_bytes(&kept) > self.shapes_bytes_max {
            kept.remove(0);
        }
        kept.push((state, Arc::clone(&shapes)));
        debug_assert!(index.layers().any(|layer| layer == state.0));
        shapes
    }
}

/// Every layer that has ground on a day, in the state of that day.
fn states_with_ground(index: &Index, day: Date) -> Vec<State> {
    let layers = index.layers();
    let with_ground = layers.filter(|&layer| index.boundaries(layer, day).next().is_some());
    with_ground
        .map(|layer| (layer, index.changes_until(layer, day)))
        .collect()
}

fn shapes_bytes(kept: &[(State, Arc<OnceLock<Shapes>>)]) -> usize {
    kept.iter()
        .filter_map(|it| it.1.get())
        .map(Shapes::size_bytes)
        .sum()
}

/// Those areas of a layer that are meant and have ground, in a state of it.
fn shapes_of(index: &Index, (layer, changes): State, is_meant: impl Fn(&str) -> bool) -> Shapes {
    let shown = index.shown(layer, changes);
    let meant = shown.iter().filter(|it| is_meant(&it.boundary.id));
    let areas = meant.map(|it| TileArea {
        number: u64::from(it.number) + 1,
        boundary: it.boundary,
        name: &it.title,
        provenance: it.provenance.as_str(),
    });
    Shapes::new(layer.as_str(), index.is_partition(layer), areas)
}

/// A poisoned lock is as good: nothing is done under one that a panic leaves half done.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A sixteenth of the tiles.
#[derive(Debug, Default)]
struct Part {
    tiles: HashMap<Wanted, Kept>,
    /// Oldest first.
    order: VecDeque<Wanted>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    made: Arc<Made>,
    size_bytes: usize,
    /// Whether it was asked for since the hand last passed it.
    is_used: AtomicBool,
}

impl Part {
    fn get(&self, wanted: &Wanted) -> Option<Arc<Made>> {
        let kept = self.tiles.get(wanted)?;
        kept.is_used.store(true, Ordering::Relaxed);
        Some(Arc::clone(&kept.made))
    }

    fn keep(&mut self, wanted: Wanted, made: Arc<Made>, limit: usize) {
        let size_bytes = made.size_bytes() + wanted.layers.len() * 32 + 256;
        if size_bytes > limit || self.tiles.contains_key(&wanted) {
            return;
        }
        while self.bytes + size_bytes > limit {
            self.let_one_go();
        }
        self.bytes += size_bytes;
        self.order.push_back(wanted.clone());
        let is_used = AtomicBool::new(false);
        self.tiles.insert(
            wanted,
            Kept {
                made,
                size_bytes,
                is_used,
            },
        );
    }

    fn let_one_go(&mut self) {
        while let Some(oldest) = self.order.pop_front() {
            let was_used = |kept: &Kept| kept.is_used.swap(false, Ordering::Relaxed);
            if self.tiles.get(&oldest).is_some_and(was_used) {
                self.order.push_back(oldest);
            } else if let Some(kept) = self.tiles.remove(&oldest) {
                self.bytes -= kept.size_bytes;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(x: u32) -> Wanted {
        Wanted {
            layers: Box::new([(Layer::Icc, 0)]),
            address: TileAddress::new(12, x, 0).expect("it exists"),
        }
    }

    #[test]
    fn what_is_asked_for_again_outlives_what_is_not() {
        let mut part = Part::default();
        let limit = 10 * 1_024 * 8;
        for x in 0..1_000 {
            part.keep(wanted(x), Arc::new(Made::new(vec![0; 1_024])), limit);
            assert!(part.bytes <= limit);
            assert!(part.get(&wanted(0)).is_some(), "{x}");
        }
        assert!(part.get(&wanted(999)).is_some());
        assert!(part.get(&wanted(500)).is_none());
        assert_eq!(part.order.len(), part.tiles.len());
        let kept: usize = part.tiles.values().map(|kept| kept.size_bytes).sum();
        assert_eq!(part.bytes, kept);
    }

    #[test]
    fn what_is_larger_than_its_part_is_not_kept() {
        let mut part = Part::default();
        part.keep(wanted(0), Arc::new(Made::new(vec![0; 10_000])), 20_000);
        assert!(part.get(&wanted(0)).is_none() && part.bytes == 0);
    }

    #[test]
    fn every_encoding_is_read_by_another_reader() {
        use std::io::Read as _;
        let bytes: Vec<u8> = (0..50_000_u32)
            .map(|at| (at * at / 977).to_le_bytes()[0])
            .collect();
        let made = Made::new(bytes.clone());
        assert!(made.ready(Encoding::Gzip).is_none());
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(&made.form(Encoding::Gzip)[..])
            .read_to_end(&mut read)
            .expect("gzip");
        assert_eq!(read, bytes);
        let zstd = zstd::bulk::decompress(&made.form(Encoding::Zstd), 1 << 20).expect("zstd");
        assert_eq!(zstd, bytes);
        let mut read = Vec::new();
        brotli::BrotliDecompress(&mut &made.form(Encoding::Brotli)[..], &mut read).expect("br");
        assert_eq!(read, bytes);
        assert!(made.ready(Encoding::Gzip).is_some());
    }
}
