//! The `[facts]` table of a configuration: the files with facts about areas and partnerships.

use std::path::PathBuf;

use serde::Deserialize;

use crate::import::facts::ResidentColumns;

/// The `[facts]` table of a configuration. Unless its comment states otherwise, a file has the
/// columns of the table that is made from it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FactsConfig {
    /// Former names, other spellings and the names of networks: `id,name,kind,source,as_of`.
    pub(super) names: Option<PathBuf>,
    /// The organisations that communities work with.
    pub(super) links: Option<PathBuf>,
    /// The stages in which the teams of a partnership were introduced.
    pub(super) stages: Option<PathBuf>,
    /// Partners, meetings and priorities of Integrated Care Partnerships.
    pub(super) care_partnerships: Option<PathBuf>,
    /// Announcements about areas since the publication of the data.
    pub(super) announcements: Option<PathBuf>,
    /// Councils, before and after reorganisations.
    pub(super) councils: Option<PathBuf>,
    /// The numbers of residents of statistical areas.
    #[serde(default)]
    pub(super) residents: Vec<ResidentsFile>,
}

/// A file with the numbers of residents of statistical areas.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResidentsFile {
    pub(super) file: PathBuf,
    pub(super) columns: ResidentColumns,
}

impl FactsConfig {
    /// Returns the path of each file that is copied unchanged into the dataset, with the path of
    /// the resulting table.
    pub(super) fn copied_tables(&self) -> [(&'static str, Option<&PathBuf>); 5] {
        [
            ("area_links.csv", self.links.as_ref()),
            ("team_stages.csv", self.stages.as_ref()),
            ("care_partnerships.csv", self.care_partnerships.as_ref()),
            ("announcements.csv", self.announcements.as_ref()),
            ("councils.csv", self.councils.as_ref()),
        ]
    }

    /// Returns the path of every file.
    pub(super) fn inputs(&self) -> Vec<&PathBuf> {
        let residents = self.residents.iter().map(|file| &file.file);
        let copied = self.copied_tables().into_iter();
        let copied = copied.filter_map(|(_, path)| path);
        self.names.iter().chain(copied).chain(residents).collect()
    }
}
