//! The command line and its settings.

mod cli;
#[cfg(feature = "mcp")]
mod mcp;
mod output_files;
mod settings;
