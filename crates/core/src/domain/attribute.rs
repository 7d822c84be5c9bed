use std::collections::BTreeSet;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use super::layer::is_id;
use super::{DataDate, InvalidLayerId, Layer};

/// An attribute of places, such as a decile of deprivation or an urban or rural class.
///
/// An `Attribute` is a handle for the attribute's id, as a [`Layer`] is a handle for the id of a
/// layer. Only datasets, configurations and tests declare attributes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attribute(&'static str);

/// The maximum number of attributes of a process. The attributes of all datasets that the process
/// loads count towards this limit.
const ATTRIBUTES_MAX: usize = 512;

/// The ids of the attributes that have been declared.
static DECLARED: RwLock<BTreeSet<&'static str>> = RwLock::new(BTreeSet::new());

impl Attribute {
    /// Returns the attribute with an id. The id must match the same pattern as the id of a layer.
    /// The id must not come from a request, because the table of ids never shrinks.
    ///
    /// # Errors
    /// If the id is malformed, or if there are too many attributes.
    pub fn declare(id: &str) -> Result<Attribute, InvalidLayerId> {
        if !is_id(id) {
            return Err(InvalidLayerId::Malformed);
        }
        let mut declared = DECLARED.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = declared.get(id) {
            return Ok(Attribute(known));
        }
        if declared.len() >= ATTRIBUTES_MAX {
            return Err(InvalidLayerId::TooMany);
        }
        let id = Box::leak(Box::<str>::from(id));
        declared.insert(id);
        Ok(Attribute(id))
    }

    /// Returns the id, which is used in JSON and files.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attribute({})", self.0)
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// The declaration of an attribute in a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeEntry {
    /// The attribute.
    pub id: Attribute,
    /// The title that is shown to users: `Index of Multiple Deprivation 2019, decile`.
    pub title: String,
    /// What the attribute describes: postcodes, statistical areas or the areas of a layer.
    pub by: AttributeKey,
    /// The date of the source.
    pub data_date: Option<DataDate>,
}

/// What an attribute describes: postcodes, statistical areas or the areas of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeKey {
    /// Postcodes.
    Postcode,
    /// The statistical areas that layers are defined on.
    StatisticalArea,
    /// The areas of a layer.
    Layer(Layer),
}

impl AttributeKey {
    /// The word in files for attributes that describe postcodes.
    pub const POSTCODE: &str = "postcode";
}

/// The values of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeValues {
    /// The attribute.
    pub attribute: Attribute,
    /// Pairs of a postcode, or the id of an area, and its value, in the order of the file.
    pub values: Vec<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_declared_once() {
        let decile = Attribute::declare("imd-decile").expect("an id");
        assert_eq!(Attribute::declare("imd-decile"), Ok(decile));
        assert_eq!(
            format!("{decile:?} {decile}"),
            "Attribute(imd-decile) imd-decile"
        );
        for bad in ["", "IMD", "imd_decile", "9"] {
            assert_eq!(
                Attribute::declare(bad),
                Err(InvalidLayerId::Malformed),
                "{bad}"
            );
        }
    }
}
