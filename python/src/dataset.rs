//! A dataset in which Python code looks up places and rows.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use arrow_array::ffi_stream::RecordBatchStreamReader;
use arrow_array::{RecordBatch, RecordBatchIterator};
use arrow_pyarrow::PyArrowType;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use catchment::batch::flows::{FlowLayers, PublishedFlows, UnsuitableFlowLayer};
use catchment::batch::{
    AnsweredBatches, BatchInput, BatchProgress, BatchRequest, ColumnRole, answer_record_batches,
    count_flows,
};
use catchment::dataset::{self, DatasetSource};
use catchment::domain::{Layer, SuppressionRule};
use catchment::export::{AreaFormat, encode_areas};
use catchment::index::Index;
use catchment::json;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::{batch_error, error, lookup_error};
use crate::options::{InputOptions, day};
use crate::table::AnsweredTable;

/// A dataset in memory. It never changes, and threads can share it.
#[pyclass(frozen, module = "catchment._native")]
pub(crate) struct Dataset {
    index: Index,
}

#[pymethods]
impl Dataset {
    /// Reads the dataset in a folder, or the dataset inside the package.
    #[new]
    #[pyo3(signature = (folder = None))]
    fn new(py: Python<'_>, folder: Option<PathBuf>) -> PyResult<Dataset> {
        let name = match &folder {
            Some(folder) => folder.display().to_string(),
            None => "the dataset in the package".to_string(),
        };
        let source = folder.map_or(DatasetSource::Embedded, DatasetSource::Folder);
        py.detach(|| {
            let loading = |problem: &dyn std::error::Error| {
                let mut text = format!("loading {name}: {problem}");
                let mut cause = problem.source();
                while let Some(problem) = cause {
                    text.push_str(&format!(": {problem}"));
                    cause = problem.source();
                }
                error(text)
            };
            let dataset = dataset::read(&source).map_err(|problem| loading(&problem))?;
            let index = Index::build(dataset).map_err(|problem| loading(&problem))?;
            Ok(Dataset { index })
        })
    }

    /// The name of the dataset.
    #[getter]
    fn name(&self) -> &str {
        &self.index.manifest().name
    }

    /// The version of the dataset.
    #[getter]
    fn version(&self) -> &str {
        &self.index.manifest().version
    }

    /// The attribution that must be stated where the data are used.
    #[getter]
    fn attribution(&self) -> &str {
        &self.index.manifest().attribution
    }

    /// The ids and the titles of the layers.
    #[getter]
    fn layers(&self) -> Vec<(&'static str, String)> {
        let layers = self.index.layers();
        layers
            .map(|layer| (layer.as_str(), self.index.layer_title(layer).to_string()))
            .collect()
    }

    /// Looks up one place, and returns JSON.
    fn locate(&self, py: Python<'_>, params: Vec<(String, String)>) -> PyResult<String> {
        let answered = py.detach(|| json::locate(&self.index, params));
        let json = answered.map_err(lookup_error)?;
        Ok(String::from_utf8(json).expect("JSON is UTF-8"))
    }

    /// Returns the columns that the look-up reads, each with the name of its option.
    fn find_columns(
        &self,
        names: Vec<String>,
        options: InputOptions,
    ) -> PyResult<Vec<(&'static str, String)>> {
        let request = options.request(&self.index)?;
        let fields = names
            .iter()
            .map(|name| Field::new(name, DataType::Utf8, true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let no_rows = std::iter::empty::<Result<RecordBatch, ArrowError>>();
        let reader = RecordBatchIterator::new(no_rows, schema);
        let input = BatchInput::from_record_batches(Box::new(reader), &request)
            .map_err(|problem| batch_error(&problem))?;
        let columns = input.detected().column_mapping.columns().into_iter();
        Ok(columns
            .filter_map(|(role, column)| Some((option_name(role)?, names[column].clone())))
            .collect())
    }

    /// Answers the rows of an Arrow stream.
    fn batch(
        &self,
        py: Python<'_>,
        rows: PyArrowType<RecordBatchStreamReader>,
        options: InputOptions,
        threads: Option<NonZeroUsize>,
    ) -> PyResult<AnsweredTable> {
        let request = options.request(&self.index)?;
        let answered = py.detach(|| self.answer(rows.0, &request, threads));
        let AnsweredBatches {
            schema, batches, ..
        } = answered?;
        Ok(AnsweredTable::new(schema, batches))
    }

    /// Counts the rows of an Arrow stream by where patients are registered and where they live, and
    /// returns JSON.
    fn flows(
        &self,
        py: Python<'_>,
        rows: PyArrowType<RecordBatchStreamReader>,
        options: InputOptions,
        layers: (Option<String>, Option<String>),
        suppress: &str,
        threads: Option<NonZeroUsize>,
    ) -> PyResult<String> {
        let request = options.request(&self.index)?;
        let layers = self.flow_layers(layers)?;
        let rule = suppress
            .parse::<SuppressionRule>()
            .map_err(|problem| error(format_args!("suppress: {problem}")))?;
        py.detach(|| {
            let input = BatchInput::from_record_batches(Box::new(rows.0), &request);
            let summary = input.and_then(|input| {
                let progress = BatchProgress::default();
                let threads = threads.unwrap_or_else(available_threads);
                count_flows(&self.index, input, &request, layers, threads, &progress)
            });
            let summary = summary.map_err(|problem| batch_error(&problem))?;
            let table = summary.flows.as_ref().expect("flows were counted");
            let flows = PublishedFlows::new(table, rule);
            Ok(json::flows(&self.index, &flows, request.as_of))
        })
    }

    /// Returns the areas of a layer that have a boundary on a date: GeoParquet in British National
    /// Grid, or GeoJSON in longitude and latitude.
    fn areas<'py>(
        &self,
        py: Python<'py>,
        layer: &str,
        as_of: Option<&str>,
        as_geojson: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let day = day(as_of)?;
        let layer = self.layer(layer)?;
        let first_data = self.index.first_data(layer);
        if first_data.is_none_or(|first| first > day)
            || self.index.boundaries(layer, day).next().is_none()
        {
            return Err(error(format_args!(
                "the dataset has no boundaries of layer {layer} on {day}"
            )));
        }
        let format = match as_geojson {
            true => AreaFormat::GeoJson,
            false => AreaFormat::GeoParquet,
        };
        let file = py.detach(|| encode_areas(&self.index, format, &[layer], day));
        let file = file.map_err(|problem| error(format_args!("layer {layer}: {problem}")))?;
        Ok(PyBytes::new(py, &file.bytes))
    }
}

impl Dataset {
    fn answer(
        &self,
        rows: RecordBatchStreamReader,
        request: &BatchRequest,
        threads: Option<NonZeroUsize>,
    ) -> PyResult<AnsweredBatches> {
        let threads = threads.unwrap_or_else(available_threads);
        let progress = BatchProgress::default();
        answer_record_batches(&self.index, Box::new(rows), request, threads, &progress)
            .map_err(|problem| batch_error(&problem))
    }

    fn layer(&self, id: &str) -> PyResult<Layer> {
        let mut layers = self.index.layers();
        let found = layers.find(|layer| layer.as_str() == id);
        found.ok_or_else(|| error(self.index.manifest().unknown_layer()))
    }

    /// Finds the layers of registration and residence; by default the main layer of communities.
    fn flow_layers(
        &self,
        (registered, resident): (Option<String>, Option<String>),
    ) -> PyResult<FlowLayers> {
        let main = self.index.manifest().main_community_layer();
        let or_main = |layer: Option<String>| {
            let layer = layer.or_else(|| main.map(|main| main.as_str().to_string()));
            layer.ok_or_else(|| {
                error("the dataset has no layer of communities: give `registered` and `resident`")
            })
        };
        let (registered, resident) = (or_main(registered)?, or_main(resident)?);
        FlowLayers::find(&self.index, &registered, &resident).map_err(|problem| {
            let option = match &problem {
                UnsuitableFlowLayer::NotRegistered { .. } => "registered",
                UnsuitableFlowLayer::NotResident { .. } => "resident",
            };
            error(format_args!("{option}: {problem}"))
        })
    }
}

fn available_threads() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Returns the option that specifies the column of a role.
fn option_name(role: ColumnRole) -> Option<&'static str> {
    Some(match role {
        ColumnRole::Postcode => "postcode_column",
        ColumnRole::Practice => "practice_column",
        ColumnRole::Longitude => "lon_column",
        ColumnRole::Latitude => "lat_column",
        ColumnRole::Easting => "easting_column",
        ColumnRole::Northing => "northing_column",
        ColumnRole::StatisticalArea => "area_column",
        ColumnRole::AsOf => "as_of_column",
        ColumnRole::Key => return None,
    })
}
