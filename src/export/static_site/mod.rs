//! The look-up as a folder of static files for any web host. The look-ups run in the browser.
//!
//! ```text
//!  index.json        the dataset, the day, and the groups of postcodes with the hashes of their files
//!  groups/…          the answers of a group of postcodes     ┐
//!  practices/…       the answers of all practice codes       │ compressed with gzip;
//!  everything/…      the answers of all groups, if small     │ named by their hash
//!  boundaries/…      the areas of a layer (TopoJSON)         ┘
//!  widget/…, api/…   the maps and lists that the widget shows, as the service sends them
//!  catchment.js …    the look-up module, the widget, a page, a service worker, an npm package
//!  files.json        every other file with its hash
//! ```
//!
//! An answer is the JSON that the service returns for the same postcode and date. The browser
//! downloads the file of a group of postcodes, so the host learns the group but not the postcode.
//! `groups.rs` describes the size of groups. If the name of a file is the start of its SHA-256, the
//! file never changes. Caches may therefore store it for ever, and a file of another export is
//! never read by mistake. The same dataset and day always give the same bytes.

mod answer_file;
mod answers;
mod groups;
mod maps;
mod page;
mod polynomial;
mod postcode_files;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::ToSpan as _;
use jiff::civil::Date;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::areas::{AreaExportError, AreaFormat, encode_areas};
use answer_file::KeyedAnswers;
use catchment_core::domain::{InvalidOdsCode, Layer, Postcode};
use catchment_core::index::{Index, LocateQuery, Locator};
use catchment_data::fs::sha256_hex;
use postcode_files::GroupFile;

/// The version of the format. `catchment.js` reads only this version.
const FORMAT: u32 = 1;
/// The number of hexadecimal digits of a hash in the name of a file.
const HASH_DIGITS: usize = 32;
/// The maximum size of the file with all answers. If the file would be larger, it is omitted.
const EVERYTHING_BYTES_MAX: usize = 5_000_000;
/// The maximum size of the file with the boundaries of a layer. If the file would be larger, it is
/// omitted.
const BOUNDARIES_BYTES_MAX: usize = 10_000_000;
/// The name of the list of files.
const FILE_LIST: &str = "files.json";
/// The name of the list of changes. Only an export of only the changed files contains this list.
const CHANGE_LIST: &str = "changes.json";

/// A postcode for each status without a location. The last postcode is in a district that does not
/// exist, so no directory contains it.
const WITHOUT_LOCATION: [&str; 5] = ["ZZ99 3VZ", "ZZ99 3WZ", "ZZ99 9ZZ", "GIR 0AA", "ZE9 9ZZ"];

/// The options of a static look-up.
#[derive(Debug, Clone, Copy)]
pub struct StaticSiteOptions {
    /// The first day for which the files contain answers.
    pub day: Date,
    /// Whether the page installs a service worker, so that the page works without a connection
    /// after the first visit.
    pub is_offline: bool,
    /// The number of threads. The number does not affect the files.
    pub threads: NonZeroUsize,
}

/// The files of a static look-up.
pub struct StaticSite {
    files: BTreeMap<String, Vec<u8>>,
    summary: StaticSiteSummary,
}

/// The sizes of a static look-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StaticSiteSummary {
    /// The number of postcodes.
    pub postcodes: usize,
    /// The number of groups of postcodes.
    pub groups: usize,
    /// The number of postcodes in use in the group with the fewest.
    pub smallest_group: usize,
    /// The size of the largest file of a group, in bytes.
    pub largest_group_bytes: usize,
    /// The total size of the files of groups, in bytes.
    pub groups_bytes: usize,
    /// The size of the file with all answers, in bytes, if there is one.
    pub everything_bytes: Option<usize>,
    /// The number of files, not including the list of files.
    pub files: usize,
    /// The total size of these files, in bytes.
    pub bytes: usize,
}

/// The reason why a static look-up cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum StaticSiteError {
    /// The program was built without the pages, and therefore without the scripts.
    #[error(
        "this program was built without its pages (the feature `web`), and so without catchment.js and widget.js"
    )]
    NoScripts,
    /// The dataset contains no data for the day.
    #[error("the dataset has no data for {day}; use a later --as-of")]
    NoData {
        /// The day.
        day: Date,
    },
    /// The id of an area cannot be part of a file name.
    #[error(
        "layer {layer} has an area with the id {id:?}, which cannot be the name of a file: use an id without `/`, `\\` and control characters that does not start with a full stop"
    )]
    UnusableId {
        /// The layer.
        layer: &'static str,
        /// The id.
        id: String,
    },
    /// The boundaries of a layer cannot be encoded.
    #[error(transparent)]
    Boundaries(#[from] AreaExportError),
    /// The folder of the earlier export contains no list of files, or the list cannot be read.
    #[error("{path} is not the list of files of an export with --static: {reason}")]
    NoFileList {
        /// The path of the list.
        path: PathBuf,
        /// The reason why the list cannot be read.
        reason: String,
    },
}

/// The files that differ from the files of an earlier export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaticSiteChanges {
    /// The paths of new and changed files.
    pub changed: Vec<String>,
    /// The paths of files that are no longer needed.
    pub removed: Vec<String>,
}

impl StaticSite {
    /// Generates the files.
    ///
    /// # Errors
    /// If the program was built without the scripts, if the id of an area cannot be part of a file
    /// name, or if the dataset contains no data for the day.
    pub fn build(index: &Index, options: StaticSiteOptions) -> Result<StaticSite, StaticSiteError> {
        let day = options.day;
        if !cfg!(feature = "web") {
            return Err(StaticSiteError::NoScripts);
        }
        if !index
            .layers()
            .any(|layer| index.first_data(layer).is_some_and(|first| first <= day))
        {
            return Err(StaticSiteError::NoData { day });
        }
        let mut files = BTreeMap::new();
        let groups = postcode_files::encode(index, day, options.threads);
        let practices = answer_file::compress(encode_practices(index, day).as_bytes());
        let boundaries = boundaries(index, day)?;
        let everything = everything(&groups);
        let mut add_hashed = |folder: &str, content: Vec<u8>| {
            let hash = hash(&content);
            files.insert(format!("{folder}/{hash}.bin"), content);
            hash
        };
        let sizes = || {
            groups
                .iter()
                .flat_map(|group| &group.contents)
                .map(Vec::len)
        };
        let mut summary = StaticSiteSummary {
            postcodes: groups.iter().map(|group| group.postcodes).sum(),
            groups: groups.len(),
            smallest_group: groups.iter().map(|group| group.live).min().unwrap_or(0),
            largest_group_bytes: sizes().max().unwrap_or(0),
            groups_bytes: sizes().sum(),
            everything_bytes: everything.as_ref().map(Vec::len),
            ..StaticSiteSummary::default()
        };
        let practices = add_hashed("practices", practices);
        let everything = everything.map(|content| add_hashed("everything", content));
        let groups: Vec<Value> = groups
            .into_iter()
            .map(|group| {
                let contents = group.contents.into_iter();
                let hashes = contents.map(|content| add_hashed("groups", content));
                [group.from].into_iter().chain(hashes).collect()
            })
            .collect();
        let boundaries = boundaries.into_iter().map(|(layer, content)| {
            let hash = content.map(|content| add_hashed("boundaries", content));
            (layer.to_string(), hash.into())
        });
        let boundaries: serde_json::Map<String, Value> = boundaries.collect();
        let mut body = index_body(index, day);
        body["boundaries"] = boundaries.into();
        body["smallest_group"] = summary.smallest_group.into();
        body["practices"] = practices.into();
        body["everything"] = everything.into();
        body["groups"] = groups.into();
        body["maps"] = maps::write(index, day, &mut files)?;
        files.insert("index.json".into(), format!("{body}\n").into_bytes());
        page::write(index, &body, options.is_offline, &mut files);
        summary.files = files.len();
        summary.bytes = files.values().map(Vec::len).sum();
        Ok(StaticSite { files, summary })
    }

    /// Returns the sizes.
    pub fn summary(&self) -> StaticSiteSummary {
        self.summary
    }

    /// Compares the files with those in the list of files of an earlier export.
    pub fn changes_since(&self, earlier: &BTreeMap<String, String>) -> StaticSiteChanges {
        let is_changed =
            |(path, content): &(&String, &Vec<u8>)| earlier.get(*path) != Some(&integrity(content));
        let changed = self.files.iter().filter(is_changed);
        let removed = earlier
            .keys()
            .filter(|path| !self.files.contains_key(*path));
        StaticSiteChanges {
            changed: changed.map(|(path, _)| path.clone()).collect(),
            removed: removed.cloned().collect(),
        }
    }

    /// Returns the content of the folder: all files or, if `changes` is given, only the changed
    /// files and the list of changes.
    pub fn folder(&self, changes: Option<&StaticSiteChanges>) -> Vec<(&str, Vec<u8>)> {
        let integrities: BTreeMap<&String, String> = self
            .files
            .iter()
            .map(|(path, content)| (path, integrity(content)))
            .collect();
        let list = json!({ "format": FORMAT, "files": integrities });
        let mut folder = vec![(FILE_LIST, pretty(&list))];
        if let Some(changes) = changes {
            let list = json!({ "changed": changes.changed, "removed": changes.removed });
            folder.push((CHANGE_LIST, pretty(&list)));
        }
        let is_included = |path: &String| {
            changes.is_none_or(|changes| changes.changed.binary_search(path).is_ok())
        };
        let files = self.files.iter().filter(|(path, _)| is_included(path));
        folder.extend(files.map(|(path, content)| (path.as_str(), content.clone())));
        folder
    }
}

/// Reads the list of files of an earlier export: the hash of each file by path.
///
/// # Errors
/// If the folder contains no list of files.
pub fn read_file_list(folder: &Path) -> Result<BTreeMap<String, String>, StaticSiteError> {
    let path = folder.join(FILE_LIST);
    let no_list = |reason: String| StaticSiteError::NoFileList {
        path: path.clone(),
        reason,
    };
    let text = fs::read_to_string(&path).map_err(|error| no_list(error.to_string()))?;
    let list: Value = serde_json::from_str(&text).map_err(|error| no_list(error.to_string()))?;
    let files = list.get("files").cloned().unwrap_or_default();
    serde_json::from_value(files).map_err(|_| no_list("it has no object `files`".into()))
}

/// Returns the relative paths of the files of the static look-up in a folder. The result is empty
/// if the folder contains no list of files.
pub fn files_of_static_site(folder: &Path) -> BTreeSet<String> {
    let Ok(files) = read_file_list(folder) else {
        return BTreeSet::new();
    };
    let lists = [FILE_LIST, CHANGE_LIST].map(str::to_string);
    files.into_keys().chain(lists).collect()
}

fn pretty(value: &Value) -> Vec<u8> {
    let text = serde_json::to_string_pretty(value).expect("plain values serialise to JSON");
    (text + "\n").into_bytes()
}

/// Returns the start of the SHA-256 of a file, which is used as its name.
fn hash(content: &[u8]) -> String {
    let mut hash = sha256_hex(content);
    hash.truncate(HASH_DIGITS);
    hash
}

/// Returns the hash of a file as a value of the HTML attribute `integrity`.
fn integrity(content: &[u8]) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(content)))
}

/// Returns the data that `catchment.js` needs for every look-up, except the files of answers.
fn index_body(index: &Index, day: Date) -> Value {
    let manifest = index.manifest();
    let complete: BTreeSet<&str> = manifest
        .complete_outcodes
        .iter()
        .map(String::as_str)
        .collect();
    let listed: BTreeSet<String> = index
        .postcodes()
        .filter(|entry| entry.postcode.special().is_none())
        .map(|entry| entry.postcode.outcode().to_string())
        .collect();
    let incomplete = listed.iter().map(String::as_str);
    let incomplete: Vec<&str> = incomplete
        .filter(|outcode| !complete.contains(outcode))
        .collect();
    let communities = index.community_layers().iter().map(|layer| layer.as_str());
    let outdated_after = manifest
        .newest_source()
        .checked_add(1.year())
        .unwrap_or(Date::MAX);
    json!({
        "format": FORMAT,
        "program": env!("CARGO_PKG_VERSION"),
        "title": manifest.title,
        "dataset": {
            "name": manifest.name,
            "version": manifest.version,
            "attribution": manifest.attribution,
        },
        "digest": index.digest(),
        "day": day.to_string(),
        "outdated_after": outdated_after.to_string(),
        "directory": manifest.directory_edition(),
        "communities": communities.collect::<Vec<_>>(),
        "complete": complete.into_iter().collect::<Vec<_>>().join(" "),
        "incomplete": incomplete.join(" "),
        "without_location": answers_without_location(index, day),
    })
}

/// Returns the answers for postcodes without a location, by status.
fn answers_without_location(index: &Index, day: Date) -> Value {
    let answers = WITHOUT_LOCATION.map(|text| {
        let postcode: Postcode = text.parse().expect("well-formed");
        let query = LocateQuery {
            locator: Some(Locator::Postcode(postcode)),
            practice: None,
            as_of: day,
        };
        let answer = index.locate(&query);
        (
            answer.status.as_str().to_string(),
            answers::body(index, answer).into(),
        )
    });
    answers
        .into_iter()
        .collect::<serde_json::Map<String, Value>>()
        .into()
}

/// Encodes the answers of all practice codes, and of text that is not a code.
fn encode_practices(index: &Index, day: Date) -> String {
    let changes = index.change_dates();
    let other = [
        ("malformed", Err(InvalidOdsCode::Malformed)),
        ("missing", Err(InvalidOdsCode::Missing)),
        ("unknown", Ok(answers::unknown_code())),
    ];
    let other = other.map(|(key, code)| (key.to_string(), code));
    let codes = index.practice_codes().into_iter();
    let codes = codes.map(|code| (code.to_string(), Ok(code)));
    let keyed = codes.chain(other).map(|(key, code)| KeyedAnswers {
        key,
        is_live: false,
        answers: answers::of_practice(index, &changes, code, day),
    });
    let keyed: Vec<KeyedAnswers> = keyed.collect();
    answer_file::encode("practices", &keyed.iter().collect::<Vec<_>>())
}

/// Returns the content of all groups as one compressed list, if the list is small enough.
fn everything(groups: &[GroupFile]) -> Option<Vec<u8>> {
    let contents = || groups.iter().flat_map(|group| &group.contents);
    let total: usize = contents().map(Vec::len).sum();
    // The compressed list is about as large as the files of the groups together.
    if total > 2 * EVERYTHING_BYTES_MAX {
        return None;
    }
    let decompress = |content: &Vec<u8>| {
        let mut text = String::new();
        let mut gzip = flate2::read::GzDecoder::new(content.as_slice());
        gzip.read_to_string(&mut text)
            .expect("our own gzip is valid");
        text
    };
    let text_of = |group: &GroupFile| {
        let texts: Vec<String> = group.contents.iter().map(decompress).collect();
        format!("[{}]", texts.join(","))
    };
    let texts: Vec<String> = groups.iter().map(text_of).collect();
    let content = answer_file::compress(format!("[{}]", texts.join(",")).as_bytes());
    (content.len() <= EVERYTHING_BYTES_MAX).then_some(content)
}

/// A layer and its compressed file; `None` if the file would be too large.
type LayerFile = (Layer, Option<Vec<u8>>);

/// Returns the boundaries of each layer as compressed TopoJSON.
fn boundaries(index: &Index, day: Date) -> Result<Vec<LayerFile>, StaticSiteError> {
    let has_boundaries = |layer: &Layer| {
        let has_begun = index.first_data(*layer).is_some_and(|first| first <= day);
        has_begun && index.boundaries(*layer, day).next().is_some()
    };
    let encode = |layer: Layer| {
        let areas = encode_areas(index, AreaFormat::TopoJson, &[layer], day)?;
        let content = answer_file::compress(&areas.bytes);
        let is_small = content.len() <= BOUNDARIES_BYTES_MAX;
        Ok((layer, is_small.then_some(content)))
    };
    index.layers().filter(has_boundaries).map(encode).collect()
}

/// Returns whether an id can be part of a file name on every host.
fn is_file_name(id: &str) -> bool {
    let is_usable = |letter: char| !letter.is_control() && !"/\\".contains(letter);
    !id.is_empty() && !id.starts_with('.') && id.chars().all(is_usable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_have_no_separators() {
        for id in ["mb-kendal", "E01019311", "P81002", "a b", "Ynys Môn"] {
            assert!(is_file_name(id), "{id}");
        }
        for id in ["", ".", "..", "a/b", "a\\b", "a\nb"] {
            assert!(!is_file_name(id), "{id}");
        }
    }

    #[test]
    fn hashes_are_those_of_html_and_the_start_of_hexadecimal() {
        // The SHA-256 of empty content.
        assert_eq!(hash(b""), "e3b0c44298fc1c149afbf4c8996fb924");
        assert_eq!(
            integrity(b""),
            "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
    }
}
