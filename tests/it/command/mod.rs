//! The command line and its settings.

mod cli;
mod output_files;
mod settings;
