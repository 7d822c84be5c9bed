//! Generations: the releases that are loaded, numbered from 1. The current release has the highest
//! number.

use std::ops::RangeInclusive;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::super::App;
use super::super::compat::ClientQuery;
use super::super::conditional::cacheable_response;
use super::area_id::AreaId;
use super::error::MapItError;
use crate::ops::dataset_store::LoadedDatasets;
use crate::wire::json_writer::JsonWriter;
use catchment_core::index::Index;

/// The loaded releases, in order of their numbers.
pub(super) struct Generations {
    datasets: Arc<LoadedDatasets>,
    /// The position of each generation among the datasets.
    positions: Vec<usize>,
}

impl Generations {
    /// Returns the releases that are loaded now.
    pub(super) fn loaded(app: &App) -> Generations {
        let datasets = app.loaded_datasets();
        let mut positions: Vec<usize> = (0..datasets.all().len()).collect();
        // The current dataset is the first. It is the last generation, even if it describes an
        // earlier day than another dataset.
        positions.sort_by_key(|&position| {
            let manifest = datasets.all()[position].manifest();
            (position == 0, manifest.as_of, &manifest.version)
        });
        Generations {
            datasets,
            positions,
        }
    }

    /// Returns the number of generations, which is also the number of the current generation.
    pub(super) fn count(&self) -> usize {
        self.positions.len()
    }

    /// Returns the index of the current generation.
    pub(super) fn current(&self) -> &Index {
        self.datasets.current()
    }

    /// Returns the index of a generation.
    ///
    /// # Panics
    /// If no generation has this number.
    pub(super) fn get(&self, number: usize) -> &Index {
        &self.datasets.all()[self.positions[number - 1]]
    }

    /// Returns the generation that the parameter `generation` selects, by its number or the version
    /// of its dataset. Without the parameter, or with 0, it is the current generation.
    ///
    /// # Errors
    /// If there is no such generation.
    pub(super) fn selected(&self, query: &ClientQuery) -> Result<usize, MapItError> {
        let selected = query.get("generation").filter(|text| *text != "0");
        match selected {
            Some(text) => self.find(text).ok_or_else(|| unknown("generation")),
            None => Ok(self.count()),
        }
    }

    /// Returns the generations from the one that the parameter `min_generation` selects to the one
    /// that `generation` selects. With `-1`, the range begins with the first generation.
    ///
    /// # Errors
    /// If a parameter selects no generation.
    pub(super) fn selected_range(
        &self,
        query: &ClientQuery,
    ) -> Result<RangeInclusive<usize>, MapItError> {
        let last = self.selected(query)?;
        let first = match query.get("min_generation").filter(|text| *text != "0") {
            Some("-1") => 1,
            Some(text) => self.find(text).ok_or_else(|| unknown("min_generation"))?,
            None => last,
        };
        Ok(first..=last)
    }

    fn find(&self, text: &str) -> Option<usize> {
        let has_version = |number: &usize| self.get(*number).manifest().version == text;
        let by_version = || (1..=self.count()).find(has_version);
        let number = text.parse().ok();
        let number = number.filter(|number| (1..=self.count()).contains(number));
        number.or_else(by_version)
    }

    /// Returns the first and the last generation that contain an area.
    pub(super) fn range_of(&self, area: AreaId<'_>) -> Option<(usize, usize)> {
        let contains = |number: &usize| !self.get(*number).versions(area.layer, area.id).is_empty();
        let first = (1..=self.count()).find(contains)?;
        let last = (1..=self.count()).rev().find(contains)?;
        Some((first, last))
    }
}

fn unknown(parameter: &str) -> MapItError {
    MapItError::bad_request(format!(
        "Bad {parameter} specified; /mapit/generations lists the generations"
    ))
}

/// `/mapit/generations`.
pub(in crate::http) async fn list(State(app): State<App>, headers: HeaderMap) -> Response {
    let generations = Generations::loaded(&app);
    let mut json = JsonWriter::new();
    json.raw("{");
    json.comma_separated(1..=generations.count(), |json, number| {
        let manifest = generations.get(number).manifest();
        json.display(number);
        json.raw(":{\"id\":");
        json.value(&number);
        json.raw(",\"active\":true,\"created\":");
        json.display(format_args!("{}T00:00:00Z", manifest.as_of));
        json.raw(",\"description\":");
        json.string(&format!("{} {}", manifest.title, manifest.version));
        json.raw("}");
    });
    json.raw("}");
    cacheable_response(&headers, "application/json", json.into_bytes())
}
