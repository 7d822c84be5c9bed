//! The manifest, `dataset.toml`: the dataset's name, version, layers and sources, and the SHA-256
//! of every file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The manifest of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The short name, used in URLs: `lancashire-and-cumbria`.
    pub name: String,
    /// The version of the release: `2025.2`.
    pub version: String,
    /// The title shown to users.
    pub title: String,
    /// The date that the data describe, `YYYY-MM-DD`.
    pub as_of: String,
    /// The attribution, which is shown wherever the data are shown.
    pub attribution: String,
    /// The URL of the data's licence.
    pub licence: String,
    /// The distance in metres from a boundary within which an answer is `near_boundary`.
    pub tolerance_m: f64,
    /// The month, `YYYY-MM`, until which terminated postcodes without a month of termination are
    /// known to have been in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undated_terminations_after: Option<String>,
    /// The outward codes whose postcodes are all in the dataset.
    pub complete_outcodes: Vec<String>,
    /// The statistical areas that layers are defined on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistical_areas: Option<StatisticalAreasEntry>,
    /// The layers of the dataset.
    pub layers: Vec<LayerEntry>,
    /// The published works that the dataset was built from.
    pub sources: Vec<SourceEntry>,
    /// The size and checksum of every other file in the dataset's folder, by its path in that
    /// folder.
    pub files: BTreeMap<String, FileEntry>,
}

/// The statistical areas that layers are defined on, such as LSOAs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatisticalAreasEntry {
    /// The id of the statistical areas: `lsoa11`.
    pub id: String,
    /// The title of the statistical areas, for people.
    pub title: String,
    /// The path of the file with the boundaries of the statistical areas.
    pub boundaries: String,
    /// The snap distance in metres. A position outside every statistical area is assigned to the
    /// nearest statistical area if that area is within this distance. Such positions occur on
    /// coasts with a generalised boundary.
    pub snap_m: f64,
}

/// A layer of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerEntry {
    /// The layer's id: `icc`.
    pub id: String,
    /// The title for people, in the plural.
    pub title: String,
    /// The kind: whether the layer's areas may overlap, and whether they are unions of other areas.
    pub kind: LayerKind,
    /// The first date for which there are data, `YYYY-MM-DD`.
    pub first_data: String,
    /// The provenance of the layer's boundaries.
    pub provenance: String,
    /// The path of the file with the layer's boundaries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boundaries: Option<String>,
    /// Whether the layer's areas are defined as sets of statistical areas.
    #[serde(default)]
    pub on_statistical_areas: bool,
    /// The snap distance in metres. A position outside every area is assigned to the nearest area
    /// if that area is within this distance. Such positions occur on coasts with a generalised
    /// boundary; the snap distance is 0 if the boundary is exact. A layer that is defined on
    /// statistical areas uses the snap distance of the statistical areas instead.
    #[serde(default)]
    pub snap_m: f64,
}

/// The kind of a layer: whether its areas may overlap, and whether they are unions of other areas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerKind {
    /// Areas do not overlap, so every position is in at most one area.
    Partition,
    /// Areas may overlap.
    Overlapping,
    /// An area is the union of its members' areas.
    Membership,
}

/// A published work that the dataset was built from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceEntry {
    /// The title of the work.
    pub title: String,
    /// The date or edition of the work.
    pub vintage: String,
}

/// The size and checksum of a file of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// The SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// The size in bytes.
    pub size_bytes: u64,
}

/// The maximum tolerance and snap distance, in metres. The embedded dataset has a tolerance of 100
/// m and a snap distance of 150 m.
const DISTANCE_MAX_M: f64 = 5_000.0;

impl Manifest {
    /// Checks values that the types do not constrain.
    ///
    /// # Errors
    /// If a value is invalid. The error names the first invalid field and its valid values.
    pub(super) fn validate(&self) -> Result<(), String> {
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

/// Checks that the licence is an HTTP or HTTPS URL, because it becomes a link on pages.
///
/// # Errors
/// If the licence is not such a URL. The error describes a valid licence.
pub(crate) fn check_licence(licence: &str) -> Result<(), String> {
    let scheme_and_rest = licence.split_once("://");
    let has_host = scheme_and_rest.is_some_and(|(scheme, rest)| {
        let is_web = ["http", "https"]
            .iter()
            .any(|text| scheme.eq_ignore_ascii_case(text));
        is_web && rest.starts_with(|first: char| first.is_ascii_alphanumeric())
    });
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    if has_host && licence.bytes().all(is_plain) {
        Ok(())
    } else {
        Err(format!(
            "licence: `{}` is not the URL of a licence; it should begin with https:// or http://",
            licence.escape_debug()
        ))
    }
}

/// Checks a tolerance or a snap distance, in metres.
///
/// # Errors
/// If the distance is out of range. The error names the field and its valid range.
pub(crate) fn check_distance(field: &str, metres: f64) -> Result<(), String> {
    // No range contains NaN.
    if (0.0..=DISTANCE_MAX_M).contains(&metres) {
        Ok(())
    } else {
        Err(format!(
            "{field}: `{metres}` is not a distance in metres from 0 to {DISTANCE_MAX_M}"
        ))
    }
}

impl FileEntry {
    /// Returns the manifest entry for a file with this content.
    pub fn from_content(content: &[u8]) -> FileEntry {
        FileEntry {
            sha256: sha256_hex(content),
            size_bytes: content.len() as u64,
        }
    }
}

/// The start of the last line of a manifest. This line contains the checksum of the lines above it.
const CHECKSUM_PREFIX: &str = "# SHA-256 of the lines above: ";

/// Appends the checksum line to the text of a manifest.
pub(super) fn with_checksum(text: &str) -> String {
    format!("{text}{CHECKSUM_PREFIX}{}\n", sha256_hex(text.as_bytes()))
}

/// Returns the text of a manifest without its checksum line, or `None` if the checksum does not
/// match. A manifest that was written by hand has no such line, and its text is returned without a
/// check.
pub(super) fn verify_checksum(text: &str) -> Option<&str> {
    let Some(index) = text.rfind(CHECKSUM_PREFIX) else {
        return Some(text);
    };
    let (body, checksum_line) = text.split_at(index);
    let is_correct =
        checksum_line.trim_end() == format!("{CHECKSUM_PREFIX}{}", sha256_hex(body.as_bytes()));
    is_correct.then_some(body)
}

/// Returns the SHA-256 of the content in lower-case hexadecimal.
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
    fn a_licence_is_a_web_address() {
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
    fn a_distance_is_between_zero_and_the_maximum() {
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
