//! The dataset that is compiled into the program, so that the program runs from any folder.

/// Embeds files of `data/lancashire-and-cumbria/`, each with its path in this folder.
macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_bytes!(concat!("../../../../data/lancashire-and-cumbria/", $path)))),*]
    };
}

const FILES: &[(&str, &[u8])] = files![
    "announcements.csv",
    "area_codes.csv",
    "area_links.csv",
    "area_names.csv",
    "areas.csv",
    "areas/council.geojson",
    "areas/gp-practice.geojson",
    "areas/icb.geojson",
    "areas/icc.geojson",
    "areas/lsoa11.geojson",
    "areas/lsoa21.geojson",
    "areas/neighbourhood-team.geojson",
    "areas/pcn.geojson",
    "areas/place.geojson",
    "areas/resilience-group.geojson",
    "areas/sub-community.geojson",
    "areas/sub-icb.geojson",
    "assignments.csv",
    "care_partnerships.csv",
    "councils.csv",
    "dataset.toml",
    "golden_queries.csv",
    "lineage.csv",
    "memberships.csv",
    "model_shares.csv",
    "postcodes.csv",
    "practice_sites.csv",
    "practice_sites_former.csv",
    "practice_successions.csv",
    "practices.csv",
    "practices_neighbouring.csv",
    "residents.csv",
    "systems.csv",
    "team_stages.csv",
];

pub(super) fn file(path: &str) -> Option<&'static [u8]> {
    FILES
        .iter()
        .find(|(name, _)| *name == path)
        .map(|(_, bytes)| *bytes)
}

#[cfg(test)]
mod tests {
    use crate::dataset::{DatasetSource, read};

    #[test]
    fn the_embedded_dataset_has_every_file_of_its_manifest() {
        let dataset = read(&DatasetSource::Embedded).expect("every file is as in the manifest");
        assert_eq!(dataset.manifest.files.len() + 1, super::FILES.len());
    }
}
