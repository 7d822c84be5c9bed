//! Small keys of areas, for counting answers by area and for caches of answers.

use std::fmt;

use jiff::civil::Date;

use super::Index;
use super::answer::AreaMatch;
use super::layer::LayerIndex;
use crate::domain::{Area, Layer};

/// An area of an index, for use as a key. All versions of an area have the same key. A key is
/// meaningful only for the index whose answer contains the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AreaKey {
    layer: Layer,
    ordinal: u32,
}

/// Prints no fields, because they could reveal where a person lives.
impl fmt::Debug for AreaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AreaKey(…)")
    }
}

impl AreaKey {
    pub(super) fn new(layer: Layer, ordinal: u32) -> AreaKey {
        AreaKey { layer, ordinal }
    }

    /// Returns the layer of the area.
    pub fn layer(self) -> Layer {
        self.layer
    }
}

impl AreaMatch<'_> {
    /// Returns the key of the area.
    pub fn key(&self) -> AreaKey {
        AreaKey::new(self.area.layer, self.ordinal)
    }
}

impl Index {
    /// Returns the area with a key, in the version that is valid on a day or, if there is no such
    /// version, in its last version; `None` if the key is from another index.
    pub fn area_with_key(&self, key: AreaKey, day: Date) -> Option<&Area> {
        let layer = self.layer(key.layer)?;
        if key.ordinal as usize >= layer.area_count() {
            return None;
        }
        layer.version_or_last(key.ordinal, day)
    }

    /// Returns the position of the area with a key among the areas of all layers, in the order of
    /// [`Index::layers`]; `None` if the key is from another index.
    pub fn position_of_key(&self, key: AreaKey) -> Option<u32> {
        let of_layer = self.layers.iter().position(|layer| layer.id == key.layer)?;
        let (before, from) = self.layers.split_at(of_layer);
        if key.ordinal as usize >= from[0].area_count() {
            return None;
        }
        let before: usize = before.iter().map(LayerIndex::area_count).sum();
        u32::try_from(before).ok()?.checked_add(key.ordinal)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_dataset::{DAY, WIDENED, index, km, residence_query};
    use super::super::{Locator, areas_of_layer};
    use super::*;
    use crate::domain::layers;

    #[test]
    fn a_key_leads_to_each_version_of_its_area() {
        let index = index();
        let answer = index.locate(&residence_query(Locator::Grid(km(2.0, 2.0))));
        let [found] = areas_of_layer(&answer.residence, layers::icb()) else {
            panic!("one board")
        };
        let key = found.key();
        assert_eq!(key.layer(), layers::icb());
        let name = |day| index.area_with_key(key, day).map(|area| area.name.as_str());
        let before = WIDENED.yesterday().expect("a day");
        assert_eq!((name(before), name(DAY)), (Some("NORTH"), Some("WIDER")));
        let other = AreaKey { ordinal: 99, ..key };
        assert!(index.area_with_key(other, DAY).is_none());
        assert!(index.position_of_key(other).is_none());
        assert_eq!(format!("{key:?}"), "AreaKey(…)");
    }

    #[test]
    fn positions_of_keys_are_consecutive_across_layers() {
        let index = index();
        let mut positions = Vec::new();
        for layer in &index.layers {
            let keys = (0..).take(layer.area_count());
            let keys = keys.map(|ordinal| AreaKey::new(layer.id, ordinal));
            positions.extend(keys.map(|key| index.position_of_key(key).expect("an area")));
        }
        assert!(positions.len() > 5 && positions.iter().copied().eq((0..).take(positions.len())));
        let unknown = AreaKey::new(layers::pcn(), 0);
        assert!(index.position_of_key(unknown).is_none());
    }
}
