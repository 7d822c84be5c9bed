//! A small dataset of two adjacent communities, which tests can change and damage.

use std::collections::BTreeMap;
use std::path::Path;

use catchment::dataset::{self, Dataset, DatasetSource};
use tempfile::TempDir;

/// A test dataset. Its communities K and L are squares of 10 km by 10 km. L is to the east of K.
#[derive(Clone)]
pub(crate) struct TestDataset {
    pub(crate) manifest: String,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// The boundaries of the communities for `areas/icc.geojson`, in metres on the British National
    /// Grid.
    pub(crate) boundaries: BTreeMap<&'static str, Vec<(f64, f64)>>,
}

const MANIFEST: &str = r#"
name = "toy"
version = "1"
title = "Toy"
as_of = "2025-01-01"
attribution = "nobody"
licence = "https://example.org/licence"
tolerance_m = 100.0
complete_outcodes = ["LA1"]
sources = []

[[layers]]
id = "icc"
title = "ICCs"
kind = "partition"
first_data = "2022-01-05"
provenance = "indicative"
boundaries = "areas/icc.geojson"

[[layers]]
id = "resilience-group"
title = "Groups"
kind = "membership"
first_data = "2022-01-05"
provenance = "indicative"

[files]
"#;

const TABLES: [(&str, &str); 9] = [
    (
        "areas.csv",
        "layer,id,name,kind,system,provenance,from,to\n\
         icc,k,Kay,,toy,indicative,,\n\
         icc,l,Ell,,toy,indicative,,\n\
         resilience-group,g,Gee,,toy,indicative,,\n",
    ),
    (
        "memberships.csv",
        "member_layer,member,layer,group,from,to,provenance\n\
         gp-practice,A00001,icc,k,,,derived\n\
         gp-practice,A00002,icc,l,,,derived\n\
         icc,k,resilience-group,g,,,official\n\
         icc,l,resilience-group,,,,official\n",
    ),
    (
        "practices.csv",
        "ods_code,name,address,postcode,telephone,status,opened,closed,sub_icb,pcn,list_size\n\
         A00001,One,1 The Street,LA1 1AA,,active,1974-04-01,,01K,,20000\n\
         A00002,Two,2 The Street,LA1 1AB,,active,1974-04-01,,01K,,30000\n\
         A00003,Three,3 The Street,LA1 1AB,,closed,1974-04-01,2020-03-31,01K,,\n",
    ),
    (
        "practice_sites.csv",
        "ods_code,kind,postcode,easting,northing\n\
         A00001,main,LA1 1AA,301000,401000\n\
         A00002,main,LA1 1AB,316000,405000\n",
    ),
    (
        "practice_successions.csv",
        "predecessor,successor,from\nA00003,A00002,2020-04-01\n",
    ),
    (
        "postcodes.csv",
        "postcode,easting,northing,positional_quality,status,introduced,terminated,statistical_area,user\n\
         LA1 1AA,301000,401000,10,live,198001,,,\n\
         LA1 1AB,316000,405000,10,live,198001,,,\n\
         LA1 1AD,309800,405000,10,live,198001,,,\n",
    ),
    (
        "golden_queries.csv",
        "postcode,easting,northing,practice,as_of,status,icc_residence,icc_registration\n\
         LA1 1AA,,,A00001,2025-01-01,located,k,k\n",
    ),
    (
        "systems.csv",
        "system,name,page_date,icc_count_stated,icc_sections_on_page,note\n\
         toy,Toy,2022-01-05,2,2,\n",
    ),
    (
        "lineage.csv",
        "layer,predecessor,successor,relation,date,source\nicc,j,k,renamed,,a map\n",
    ),
];

pub(crate) fn square(x: f64, y: f64, side: f64) -> Vec<(f64, f64)> {
    vec![(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
}

impl TestDataset {
    pub(crate) fn new() -> TestDataset {
        let file = |(path, text): (&str, &str)| (path.to_string(), text.as_bytes().to_vec());
        TestDataset {
            manifest: MANIFEST.into(),
            files: TABLES.map(file).into(),
            boundaries: BTreeMap::from([
                ("k", square(300_000.0, 400_000.0, 10_000.0)),
                ("l", square(310_000.0, 400_000.0, 10_000.0)),
            ]),
        }
    }

    /// Replaces the first occurrence of a string in a table.
    #[track_caller]
    pub(crate) fn replace(mut self, path: &str, from: &str, to: &str) -> TestDataset {
        let text = String::from_utf8(self.files[path].clone()).expect("text");
        assert!(text.contains(from), "`{from}` is not in {path}");
        self.files
            .insert(path.into(), text.replacen(from, to, 1).into_bytes());
        self
    }

    /// Appends a line to a table.
    pub(crate) fn add_row(mut self, path: &str, line: &str) -> TestDataset {
        let table = self.files.get_mut(path).expect("a table of the dataset");
        table.extend(format!("{line}\n").bytes());
        self
    }

    /// Adds or replaces a table.
    pub(crate) fn with_table(mut self, path: &str, text: &str) -> TestDataset {
        self.files.insert(path.into(), text.into());
        self
    }

    pub(crate) fn with_boundary(
        mut self,
        id: &'static str,
        vertices: Vec<(f64, f64)>,
    ) -> TestDataset {
        self.boundaries.insert(id, vertices);
        self
    }

    /// Writes the dataset to a folder, with a manifest that contains the checksums of the files.
    pub(crate) fn write(&self, folder: &Path) {
        let manifest = dataset::manifest_from_toml(&self.manifest).expect("a manifest");
        let mut files: Vec<(String, Vec<u8>)> = self.files.clone().into_iter().collect();
        if !self.boundaries.is_empty() {
            files.push(("areas/icc.geojson".into(), self.geojson().into_bytes()));
        }
        dataset::write(folder, manifest, &files).expect("the dataset is written");
    }

    /// Writes the dataset to the folder `toy` in a temporary folder.
    pub(crate) fn write_to_temp_dir(&self) -> TempDir {
        let folder = TempDir::new().expect("a folder");
        self.write(&folder.path().join("toy"));
        folder
    }

    pub(crate) fn dataset(&self) -> Dataset {
        let folder = self.write_to_temp_dir();
        let toy = folder.path().join("toy");
        dataset::read(&DatasetSource::Folder(toy)).expect("the dataset is valid")
    }

    fn geojson(&self) -> String {
        let features: Vec<String> = self.boundaries.iter().map(feature_json).collect();
        let crs = r#"{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::27700"}}"#;
        format!(
            r#"{{"type":"FeatureCollection","crs":{crs},"features":[{}]}}"#,
            features.join(",")
        )
    }
}

fn feature_json((id, vertices): (&&'static str, &Vec<(f64, f64)>)) -> String {
    let closed = vertices.iter().chain(vertices.first());
    let ring: Vec<String> = closed.map(|(x, y)| format!("[{x},{y}]")).collect();
    format!(
        r#"{{"type":"Feature","properties":{{"id":"{id}"}},"geometry":{{"type":"Polygon","coordinates":[[{}]]}}}}"#,
        ring.join(",")
    )
}
