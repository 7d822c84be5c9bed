//! An invented county, none of whose layers has the same id as a layer of the embedded dataset. The
//! tests show that such layers work everywhere without changes to the code, and that their names
//! come from the manifest.

mod answers;
mod configuration;
mod outputs;
mod pages;
mod scale;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use catchment::builder::build;
use catchment::dataset::{self, Dataset, DatasetSource};
use catchment::http::ServerLimits;
use regex::Regex;
use tempfile::TempDir;

use crate::support::server::Server;

/// The folder of the configuration and the sources.
const FOLDER: &str = "tests/county";

/// The ids of the layers, in the order of the configuration.
const LAYERS: [&str; 7] = [
    "neighbourhood",
    "ward-group",
    "care-circle",
    "surgery",
    "neighbour-scheme",
    "council",
    "msoa11",
];

/// A copy of the configuration and the sources, which tests can change and build.
struct CountyCopy(TempDir);

impl CountyCopy {
    fn new() -> CountyCopy {
        let folder = TempDir::new().expect("a folder");
        let source = folder.path().join("source");
        fs::create_dir(&source).expect("a folder");
        let config = Path::new(FOLDER).join("build.toml");
        fs::copy(config, folder.path().join("build.toml")).expect("a copy");
        for entry in fs::read_dir(Path::new(FOLDER).join("source")).expect("a folder") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), source.join(entry.file_name())).expect("a copy");
        }
        CountyCopy(folder)
    }

    fn config(&self) -> PathBuf {
        self.0.path().join("build.toml")
    }

    fn output(&self) -> PathBuf {
        self.0.path().join("ambermere")
    }

    /// Replaces every occurrence of a string in a file.
    #[track_caller]
    fn replace(self, file: &str, from: &str, to: &str) -> CountyCopy {
        let path = self.0.path().join(file);
        let text = fs::read_to_string(&path).expect("a text");
        assert!(text.contains(from), "`{from}` is not in {file}");
        fs::write(path, text.replace(from, to)).expect("a file");
        self
    }

    /// Appends text to a file.
    fn append(self, file: &str, text: &str) -> CountyCopy {
        let path = self.0.path().join(file);
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, before + text).expect("a file");
        self
    }

    #[track_caller]
    fn build(self) -> CountyCopy {
        if let Err(error) = build(&self.config(), None) {
            panic!("{error:#}");
        }
        self
    }

    /// Returns the error of a build that fails.
    #[track_caller]
    fn build_error(&self) -> String {
        let result = build(&self.config(), None);
        format!("{:#}", result.map(|_| ()).expect_err("the build fails"))
    }

    fn dataset(&self) -> Dataset {
        read(&self.output())
    }
}

/// Returns the folder of the county's dataset.
pub(crate) fn dataset_folder() -> PathBuf {
    COUNTY.output()
}

fn read(folder: &Path) -> Dataset {
    dataset::read(&DatasetSource::Folder(folder.to_path_buf())).expect("a dataset")
}

/// The county as built from its sources.
static COUNTY: LazyLock<CountyCopy> = LazyLock::new(|| CountyCopy::new().build());

/// The next version: Ambermere 002B is in another neighbourhood, which has a new name.
static NEXT: LazyLock<CountyCopy> = LazyLock::new(|| {
    CountyCopy::new()
        .replace("build.toml", "version = \"1\"", "version = \"2\"")
        .replace(
            "source/lsoa11_areas.csv",
            "E01990004,Ambermere 002B,am-midvale,Midvale,am-bridge,Bridge",
            "E01990004,Ambermere 002B,am-eastholm,Eastholm,,",
        )
        .replace(
            "source/lsoa11_areas.csv",
            ",Eastholm,",
            ",Eastholm and Vale,",
        )
        .build()
});

static SERVER: LazyLock<Server> =
    LazyLock::new(|| Server::with(COUNTY.dataset(), ServerLimits::default()));

/// Runs the program with the county as its dataset, and returns its exit status, standard output and
/// standard error.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catchment"));
    command.args(arguments);
    let output = command.output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Returns the path of the county's dataset.
fn data() -> String {
    COUNTY.output().display().to_string()
}

/// Words that occur in answers, pages and messages only because of the embedded dataset.
fn foreign_words() -> Regex {
    Regex::new(
        r"\bICCs?\b|\bicc\b|Integrated Care|Integrated Neighbourhood|\bPCNs?\b|\bpcn\b|Primary Care Network|Lancashire|Cumbria|Morecambe|Kendal|kendal|Millom|[Rr]esilience|[Nn]eighbourhood team|gp-practice|[Ss]ub-communit|sub-icb",
    )
    .expect("a regular expression")
}

/// Checks that text contains no words of the embedded dataset.
#[track_caller]
fn expect_own_words(what: &str, text: &str) {
    let found: Vec<&str> = foreign_words()
        .find_iter(text)
        .map(|found| {
            let start = text[..found.start()]
                .char_indices()
                .rev()
                .nth(60)
                .map_or(0, |(index, _)| index);
            &text[start..found.end()]
        })
        .collect();
    assert!(found.is_empty(), "{what}: {found:#?}");
}

/// Reads a source table without the code of the program. Returns its rows, each of which maps
/// column names to cells.
fn source_rows(file: &str) -> Vec<BTreeMap<String, String>> {
    let path = Path::new(FOLDER).join("source").join(file);
    let mut reader = csv::Reader::from_path(path).expect("a table");
    reader
        .deserialize()
        .map(|row| row.expect("a row"))
        .collect()
}
