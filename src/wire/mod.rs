//! The responses and problems of the API as values and JSON, without HTTP. The service and the
//! command line share this module.

#[cfg(feature = "mcp")]
pub(crate) mod date_comparison;
pub(crate) mod flow_report;
pub(crate) mod flows;
pub(crate) mod json_writer;
pub(crate) mod locate;
pub(crate) mod metadata;
pub(crate) mod option_names;
pub(crate) mod problem;
pub(crate) mod summary;
