//! The cached archive of a dataset.

use std::sync::{Arc, Mutex};

use jiff::civil::Date;

use super::cache::{LayerRevision, TileCache, lock};
use super::pmtiles::{ARCHIVE_BYTES_MAX, ArchiveError, TileArchive};
use catchment_core::domain::Layer;
use catchment_core::index::Index;

/// The archive of a dataset that was built last.
#[derive(Debug, Default)]
pub struct ArchiveCache {
    last: Mutex<Option<CachedArchive>>,
}

/// The layers of an archive with their revisions, and the archive. The archive is `None` if it was
/// too large.
type CachedArchive = (Vec<LayerRevision>, Option<Arc<TileArchive>>);

impl ArchiveCache {
    /// Returns the archive of all tiles on a date if it is cached. The result is `Some(None)` if
    /// the archive was too large.
    pub fn get(&self, index: &Index, day: Date) -> Option<Option<Arc<TileArchive>>> {
        let cached = lock(&self.last);
        let (revisions, archive) = cached.as_ref()?;
        (*revisions == revisions_with_geometry(index, day)).then(|| archive.clone())
    }

    /// Builds the archive of all tiles on a date and caches it instead of the previous archive.
    ///
    /// Returns `None` if the archive would be larger than [`ARCHIVE_BYTES_MAX`]. Building takes
    /// seconds, or minutes for a large dataset.
    ///
    /// # Errors
    /// If a tile cannot be encoded.
    pub fn build(
        &self,
        tiles: &TileCache,
        index: &Index,
        day: Date,
    ) -> Result<Option<Arc<TileArchive>>, ArchiveError> {
        let revisions = revisions_with_geometry(index, day);
        let layers: Vec<Layer> = revisions.iter().map(|revision| revision.0).collect();
        let archive = TileArchive::build(tiles, index, &layers, day, ARCHIVE_BYTES_MAX)?;
        let archive = archive.map(Arc::new);
        *lock(&self.last) = Some((revisions, archive.clone()));
        Ok(archive)
    }
}

/// Returns every layer that has geometry on a date, with its revision on that date.
fn revisions_with_geometry(index: &Index, day: Date) -> Vec<LayerRevision> {
    let layers = index.layers();
    let with_geometry = layers.filter(|&layer| index.boundaries(layer, day).next().is_some());
    with_geometry
        .map(|layer| (layer, index.revision(layer, day)))
        .collect()
}
