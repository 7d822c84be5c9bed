//! Answers as an Arrow table that Python libraries read through the Arrow PyCapsule interface.

use std::ffi::CStr;

use arrow_array::ffi::FFI_ArrowSchema;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{RecordBatch, RecordBatchIterator};
use arrow_schema::SchemaRef;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::errors::error;

const STREAM: &CStr = c"arrow_array_stream";
const SCHEMA: &CStr = c"arrow_schema";

/// The answers of a batch. Any library that reads the Arrow C stream interface can read this object, any
/// number of times, without a copy.
#[pyclass(frozen, module = "catchment._native")]
pub(crate) struct AnsweredTable {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl AnsweredTable {
    pub(crate) fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> AnsweredTable {
        AnsweredTable { schema, batches }
    }
}

#[pymethods]
impl AnsweredTable {
    /// Returns the rows as an Arrow C stream. A requested schema is not applied, which the interface
    /// allows.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        drop(requested_schema);
        let batches = self.batches.clone().into_iter().map(Ok);
        let reader = RecordBatchIterator::new(batches, SchemaRef::clone(&self.schema));
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), STREAM)
    }

    /// Returns the schema as an Arrow C schema.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.schema.as_ref()).map_err(error)?;
        PyCapsule::new_with_value(py, schema, SCHEMA)
    }

    /// The names of the columns: those of the input, then the output columns.
    #[getter]
    fn column_names(&self) -> Vec<String> {
        let fields = self.schema.fields().iter();
        fields.map(|field| field.name().clone()).collect()
    }

    fn __len__(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}
