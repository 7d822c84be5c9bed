use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{PoisonError, RwLock};

/// A layer: a named set of areas that look-ups can return.
///
/// A `Layer` is a handle for the layer's id. Copying or comparing a `Layer` costs as much as
/// copying or comparing a pointer. The process has a table of ids, and [`Layer::declare`] adds ids
/// to this table. Only datasets, configurations and tests declare layers. Requests search the
/// layers in the manifest of the dataset, so a request never adds an id to the table.
///
/// The order of handles is the order of their ids. Answers list layers in the order of the manifest
/// instead.
#[derive(Clone, Copy)]
pub struct Layer(&'static LayerName);

/// An entry of the table of layers.
struct LayerName {
    id: String,
    /// The position in the table, which is less than [`LAYERS_MAX`].
    number: usize,
}

/// The maximum number of layers of a process. The layers of all datasets that the process loads
/// count towards this limit.
const LAYERS_MAX: usize = 512;

/// The maximum length of a layer's id.
const ID_LENGTH_MAX: usize = 32;

/// The layers that have been declared, by id.
static DECLARED: RwLock<BTreeMap<&'static str, Layer>> = RwLock::new(BTreeMap::new());

/// The error for text that cannot be declared as the id of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLayerId {
    /// The text is not an id.
    #[error(
        "not the id of a layer: use at most 32 lower-case letters, digits and hyphens, with a letter first"
    )]
    Malformed,
    /// The process has the maximum number of layers.
    #[error("a process can load at most {max} different layers", max = LAYERS_MAX)]
    TooMany,
}

impl Layer {
    /// Returns the layer with an id, and adds new ids to the table of layers. The id must not come
    /// from a request, because the table never shrinks; see [`Layer::find`].
    ///
    /// # Errors
    /// If the id is malformed, or if there are too many layers.
    pub fn declare(id: &str) -> Result<Layer, InvalidLayerId> {
        if !is_id(id) {
            return Err(InvalidLayerId::Malformed);
        }
        if let Some(layer) = Layer::find(id) {
            return Ok(layer);
        }
        let mut declared = DECLARED.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have declared the layer between the two locks.
        if let Some(layer) = declared.get(id) {
            return Ok(*layer);
        }
        let number = declared.len();
        if number >= LAYERS_MAX {
            return Err(InvalidLayerId::TooMany);
        }
        let name = Box::leak(Box::new(LayerName {
            id: id.into(),
            number,
        }));
        let layer = Layer(name);
        declared.insert(layer.as_str(), layer);
        Ok(layer)
    }

    /// Returns the layer with an id; `None` if no dataset of the process has declared it.
    pub fn find(id: &str) -> Option<Layer> {
        let declared = DECLARED.read().unwrap_or_else(PoisonError::into_inner);
        declared.get(id).copied()
    }

    /// Returns the id, which is used in URLs, JSON and files.
    pub fn as_str(self) -> &'static str {
        &self.0.id
    }
}

/// Returns whether the text matches `[a-z][a-z0-9-]{0,31}`.
pub(super) fn is_id(text: &str) -> bool {
    let is_of_id = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= ID_LENGTH_MAX
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(is_of_id)
}

/// Each id has one entry in the table, so two layers are equal if their entries are the same.
impl PartialEq for Layer {
    fn eq(&self, other: &Layer) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Layer {}

impl Hash for Layer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.number.hash(state);
    }
}

impl Ord for Layer {
    fn cmp(&self, other: &Layer) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for Layer {
    fn partial_cmp(&self, other: &Layer) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layer({})", self.as_str())
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A set of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerSet([u64; LAYERS_MAX / 64]);

impl LayerSet {
    /// The set of all layers, including those that are declared later.
    pub const ALL: LayerSet = LayerSet([u64::MAX; LAYERS_MAX / 64]);

    /// The empty set.
    pub const NONE: LayerSet = LayerSet([0; LAYERS_MAX / 64]);

    /// Returns whether the set contains the layer.
    pub fn contains(self, layer: Layer) -> bool {
        let number = layer.0.number;
        self.0[number / 64] & (1 << (number % 64)) != 0
    }
}

impl FromIterator<Layer> for LayerSet {
    fn from_iter<T: IntoIterator<Item = Layer>>(layers: T) -> LayerSet {
        let mut set = LayerSet::NONE;
        for layer in layers {
            let number = layer.0.number;
            set.0[number / 64] |= 1 << (number % 64);
        }
        set
    }
}

/// The layers of the embedded dataset, for unit tests.
#[cfg(test)]
pub(crate) mod layers {
    use super::Layer;

    pub(crate) fn named(id: &str) -> Layer {
        Layer::declare(id).expect("the id of a layer")
    }

    macro_rules! layers {
        ($($name:ident = $id:literal,)*) => {
            $(pub(crate) fn $name() -> Layer {
                named($id)
            })*
        };
    }

    layers! {
        icc = "icc",
        sub_community = "sub-community",
        neighbourhood_team = "neighbourhood-team",
        gp_practice = "gp-practice",
        resilience_group = "resilience-group",
        pcn = "pcn",
        place = "place",
        icb = "icb",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_declared_once_and_found() {
        let icc = layers::icc();
        assert_eq!(Layer::declare("icc"), Ok(icc));
        assert_eq!(Layer::find("icc"), Some(icc));
        assert_eq!(Layer::find("never-declared"), None);
        assert_ne!(icc, layers::pcn());
        assert_eq!(icc.as_str(), "icc");
        assert_eq!(format!("{icc:>5}"), "  icc");
        assert_eq!(format!("{icc:?}"), "Layer(icc)");
        assert!(layers::icb() < icc);
    }

    #[test]
    fn ids_are_short_words_in_lower_case() {
        let longest = "a".repeat(ID_LENGTH_MAX);
        for good in ["a", "lsoa21", "ward-group", "x-", &longest] {
            assert_eq!(Layer::declare(good).map(Layer::as_str), Ok(good));
        }
        let too_long = "a".repeat(ID_LENGTH_MAX + 1);
        for bad in [
            "", "A", "1a", "-a", "a b", "a_b", "a/b", "é", "icc\n", &too_long,
        ] {
            let declared = Layer::declare(bad);
            assert_eq!(declared, Err(InvalidLayerId::Malformed), "{bad}");
        }
    }

    #[test]
    fn sets_contain_their_layers() {
        // More than 64 layers do not fit into one word of the set.
        let all: Vec<Layer> = (0..130)
            .map(|number| layers::named(&format!("set-{number}")))
            .collect();
        let even: LayerSet = all.iter().copied().step_by(2).collect();
        for (index, layer) in all.iter().enumerate() {
            assert!(LayerSet::ALL.contains(*layer));
            assert_eq!(even.contains(*layer), index % 2 == 0, "{layer}");
        }
        let twice = [all[7], all[3], all[7]];
        assert_eq!(
            LayerSet::from_iter(twice),
            LayerSet::from_iter([all[3], all[7]])
        );
    }
}
