//! `dataset.toml`: what a dataset is, what it holds, and the SHA-256 of every file of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The manifest of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Short name, part of URLs: `lancashire-and-cumbria`.
    pub name: String,
    /// Release: `2025.2`.
    pub version: String,
    /// For people.
    pub title: String,
    /// The day that the data stand for, `YYYY-MM-DD`.
    pub as_of: String,
    /// To be shown wherever the data are.
    pub attribution: String,
    /// Licence of the data.
    pub licence: String,
    /// A boundary nearer than this many metres makes an answer `near_boundary`.
    pub tolerance_m: f64,
    /// The last month at whose end a terminated postcode without a month was still in use, `YYYY-MM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undated_terminations_after: Option<String>,
    /// The outward codes of which every postcode is held.
    pub complete_outcodes: Vec<String>,
    /// The statistical areas that layers are defined on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistical_areas: Option<StatisticalAreas>,
    /// What the dataset answers.
    pub layers: Vec<LayerEntry>,
    /// What it was made from.
    pub sources: Vec<Source>,
    /// Every other file of the folder, by its path in it.
    pub files: BTreeMap<String, FileEntry>,
}

/// The statistical areas that layers are defined on, such as LSOAs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatisticalAreas {
    /// What they are: `lsoa11`.
    pub id: String,
    /// For people.
    pub title: String,
    /// Their boundaries.
    pub boundaries: String,
    /// Off a generalised coast, a place this many metres away still belongs to the nearest.
    pub snap_m: f64,
}

/// A layer of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerEntry {
    /// The layer's word: `icc`.
    pub id: String,
    /// For people, in the plural.
    pub title: String,
    /// How its areas lie.
    pub kind: LayerKind,
    /// The first day on which anything is known of it, `YYYY-MM-DD`.
    pub first_data: String,
    /// Where its boundaries come from.
    pub provenance: String,
    /// Its areas' boundaries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boundaries: Option<String>,
    /// Whether its areas are sets of the statistical areas.
    #[serde(default)]
    pub on_statistical_areas: bool,
    /// Off a generalised coast, a place this many metres away still belongs to the nearest area;
    /// 0 where the coast is exact. Layers on statistical areas take those areas' distance.
    #[serde(default)]
    pub snap_m: f64,
}

/// How a layer's areas lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerKind {
    /// Side by side: every place is in at most one.
    Partition,
    /// Over one another.
    Overlapping,
    /// Where its members' areas are; known through them.
    Membership,
}

/// A published work that the data were made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What.
    pub what: String,
    /// Of when.
    pub vintage: String,
}

/// A file of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// Its length.
    pub size_bytes: u64,
}

/// No tolerance and no snap distance is larger, in metres; those in use are 100 and 150.
const DISTANCE_MAX_M: f64 = 5_000.0;

impl Manifest {
    /// Checks what its types do not say.
    ///
    /// # Errors
    /// The field, and what would be right.
    pub(super) fn check(&self) -> Result<(), String> {
        check_licence(&self.licence)?;
        check_distance("tolerance_m", self.tolerance_m)?;
        if let Some(statistical) = &self.statistical_areas {
            check_distance("[statistical_areas] snap_m", statistical.snap_m)?;
        }
        for layer in &self.layers {
            check_distance(&format!("layer `{}`: snap_m", layer.id), layer.snap_m)?;
        }
        Ok(())
    }
}

/// Checks that the licence is an address of the web: it becomes a link on pages.
///
/// # Errors
/// What would be right.
pub(crate) fn check_licence(licence: &str) -> Result<(), String> {
    let scheme_and_rest = licence.split_once("://");
    let has_host = scheme_and_rest.is_some_and(|(scheme, rest)| {
        let is_web = ["http", "https"]
            .iter()
            .any(|it| scheme.eq_ignore_ascii_case(it));
        is_web && rest.starts_with(|first: char| first.is_ascii_alphanumeric())
    });
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    match has_host && licence.bytes().all(is_plain) {
        true => Ok(()),
        false => Err(format!(
            "licence: `{}` is not the address of a licence; it should begin with https:// or http://",
            licence.escape_debug()
        )),
    }
}

/// Checks a tolerance or a snap distance, in metres.
///
/// # Errors
/// The field, and what would be right.
pub(crate) fn check_distance(field: &str, metres: f64) -> Result<(), String> {
    // NaN is in no range.
    match (0.0..=DISTANCE_MAX_M).contains(&metres) {
        true => Ok(()),
        false => Err(format!(
            "{field}: `{metres}` is not a distance in metres from 0 to {DISTANCE_MAX_M}"
        )),
    }
}

impl FileEntry {
    /// The entry of a file with this content.
    pub fn of(content: &[u8]) -> FileEntry {
        FileEntry {
            sha256: sha256_hex(content),
            size_bytes: content.len() as u64,
        }
    }
}

/// Begins the last line of a manifest as it is written: nothing else vouches for the manifest.
const SEAL: &str = "# SHA-256 of the lines above: ";

/// The manifest's text with the line that vouches for it.
pub(super) fn sealed(text: &str) -> String {
    format!("{text}{SEAL}{}\n", sha256_hex(text.as_bytes()))
}

/// The manifest's text, if it is what its last line vouches for; one that was written by hand has no
/// such line.
pub(super) fn unsealed(text: &str) -> Option<&str> {
    let Some(at) = text.rfind(SEAL) else {
        return Some(text);
    };
    let (above, seal) = text.split_at(at);
    let is_right = seal.trim_end() == format!("{SEAL}{}", sha256_hex(above.as_bytes()));
    is_right.then_some(above)
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256_hex(content: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    use std::fmt::Write;
    Sha256::digest(content)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("writing to a String");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_is_an_address_of_the_web() {
        for good in [
            "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
            "HTTP://example.org",
            "https://127.0.0.1/a?b=c#d",
        ] {
            assert_eq!(check_licence(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "none",
            "javascript:alert(1)",
            "JavaScript://example.org/%0aalert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "ftp://example.org",
            "//example.org",
            "https://",
            "https:///x",
            " https://example.org",
            "https://example.org/\"onclick=\"x",
            "https://example.org/<b>",
            "https://example.org/a b",
            "https://example.org/\n",
            "java\nscript://example.org",
        ] {
            let error = check_licence(bad).expect_err(bad);
            assert!(error.starts_with("licence: `"), "{error}");
        }
    }

    #[test]
    fn a_distance_is_finite_not_negative_and_not_absurd() {
        for good in [0.0, -0.0, 0.5, 100.0, 5_000.0] {
            assert_eq!(check_distance("snap_m", good), Ok(()), "{good}");
        }
        for bad in [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -0.001,
            -1.0,
            5_000.1,
            1e300,
        ] {
            let error = check_distance("snap_m", bad).expect_err("absurd");
            assert!(error.starts_with("snap_m: `"), "{error}");
        }
    }
}
