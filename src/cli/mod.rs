//! The command line: `serve`, `locate`, `batch`, `flows`, `build`, `check`, `diff`, `export`, `keys`,
//! `health`, `mcp`, `completions` and `man`.

mod batch;
mod batch_input;
mod check;
mod check_sources;
mod diff;
mod export;
mod flows;
mod health;
mod keys;
mod locate;
#[cfg(feature = "mcp")]
mod mcp;
mod output;
mod propose;
mod serve;
mod settings;
mod shell_files;
mod text_lines;
mod unquoted_postcode;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use indicatif::{HumanBytes, ProgressBar, ProgressState, ProgressStyle};

use crate::ops::{log, panics};
use catchment_core::index::Index;
use catchment_data::builder::{self, BuildProgress};
use catchment_data::dataset::{self, DatasetSource};
use catchment_data::uprns::UprnTable;
#[doc(hidden)]
pub use settings::is_valid_settings_file;

/// Find the community, GP practices and other areas that cover a postcode or coordinate.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub struct CliArguments {
    #[command(subcommand)]
    command: CliCommand,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Run the web service: pages, API and map tiles.
    #[command(
        after_help = "Example:\n  catchment serve --listen 127.0.0.1:8080\n  curl 'localhost:8080/api/v1/locate?postcode=LA18+4DB'"
    )]
    Serve(Box<serve::ServeArguments>),
    /// Look up one place, or many from standard input.
    #[command(
        arg_required_else_help = true,
        after_help = "Example:\n  catchment locate - --practice A82033    # type the postcode, then Enter and Ctrl+D\n  catchment locate --json - < postcodes.txt\n  catchment locate LA18 4DB\n\nA postcode on the command line stays in the shell's history, and other users of the machine can see it in the process list. For a patient's postcode, use `catchment locate -`.\n\nExit status: 0 success, 2 usage error or dataset not loaded, 3 at least one look-up failed."
    )]
    Locate(locate::LocateArguments),
    /// Look up every row of a file: CSV, TSV or NDJSON (also compressed with gzip or zstd),
    /// Parquet, or an Arrow stream.
    #[command(
        after_help = "Every input row produces one output row, in the same order. Your columns are unchanged, and the new columns follow them; docs/users/batch.md describes each new column.\n\nExample:\n  catchment batch patients.csv -o answered.csv\n  catchment batch --check patients.csv\n  catchment batch patients.xlsx -o answered.xlsx --sheet Patients\n  zcat patients.csv.gz | catchment batch - --columns practice_name,notes > answered.csv\n\nExit status: 0 success, 2 usage error or unusable input, 3 success but some rows could not be read, 141 the reader of standard output closed the pipe (SIGPIPE)."
    )]
    Batch(Box<batch::BatchArguments>),
    /// Count the patients of a file by where they are registered and where they live.
    #[command(
        after_help = "Accepts the same input files as `catchment batch`. Every row is counted once, by the area of the practice and the area of the home. By default, small numbers are hidden, and so are other numbers from which they could be computed; docs/users/flows.md describes the tables.\n\nExample:\n  catchment flows patients.csv\n  catchment flows patients.xlsx -o flows.xlsx\n  catchment flows patients.csv -o flows.csv --table matrix --resident council\n\nExit status: 0 success, 2 usage error or unusable input, 3 success but some rows could not be read and were not counted."
    )]
    Flows(Box<flows::FlowsArguments>),
    /// Build a dataset from published files, or propose a configuration for such files.
    #[command(
        arg_required_else_help = true,
        after_help = "The report lists, for each source and layer, what was read and used, and what was not used and why. If more than 0.5% of a source is lost or doubtful, the build fails; `[unused_max]` in the configuration sets the limit (docs/users/own-data.md).\n\nExample:\n  catchment build --init my-icb    # writes my-icb/build.toml\n  catchment build my-icb/build.toml\n  catchment build data/build.toml --output /tmp/my-dataset\n  catchment build data/build.toml --output /tmp/next --previous /tmp/my-dataset\n  catchment serve --data /tmp/my-dataset"
    )]
    Build(BuildArguments),
    /// Check the quality of a dataset: boundaries, memberships, practices and postcodes.
    #[command(
        after_help = "Example:\n  catchment check /tmp/my-dataset --findings /tmp/findings.geojson\n  catchment check /tmp/next --previous /tmp/my-dataset\n  catchment check /tmp/my-dataset --sources\n\nExit status: 0 no errors (there may be warnings) or no source overdue, 2 usage error or dataset not loaded, 3 errors found or a source overdue."
    )]
    Check(check::CheckArguments),
    /// Compare two datasets, or one dataset today and on a later date: areas, coverage, practices,
    /// memberships and postcodes.
    #[command(
        after_help = "Compares on one date: the names and boundaries of areas; the statistical areas that make up each area, with their shares; each field of each practice; memberships; and the status, communities and parts of communities of every postcode. Does not compare lineage, golden queries or the text of the manifests.\n\nExample:\n  catchment diff /tmp/my-dataset /tmp/next --output /tmp/changes\n  catchment diff /tmp/my-dataset --as-of 2028-04-01    # what changes until then\n\nExit status: 0 no differences, 1 differences, 2 usage error or dataset not loaded."
    )]
    Diff(diff::DiffArguments),
    /// Export look-up tables, boundaries and map tiles for other programs, and the look-up as static
    /// files.
    #[command(
        after_help = "The look-up table has a row for each postcode, live or terminated, and each period in which its answer does not change; the table of practices has a row for each practice code and each such period. A join with these tables produces the same columns as `catchment batch` (docs/users/lookup.md). Areas and tiles are for one date.\n\nExample:\n  catchment export --lookup postcodes.parquet --practices practices.parquet\n  catchment export --areas areas.gpkg --tiles areas.pmtiles\n  catchment export --static site    # docs/users/static.md\n\nExit status: 0 success, 2 usage error, dataset not loaded or output not written."
    )]
    Export(export::ExportArguments),
    /// Add, list and revoke API keys.
    #[command(
        after_help = "A key is printed once, when it is added; the API key file contains only its SHA-256 digest. docs/operators/operating.md describes the scopes.\n\nExample:\n  catchment keys add --keys keys.toml --name 'call handlers' --scopes batch --expires 2027-11-30 --quota 600/minute\n  catchment serve --keys keys.toml --require-key-for batch\n  catchment keys list --keys keys.toml\n  catchment keys revoke --keys keys.toml 5f3a91c2"
    )]
    Keys(keys::KeysArguments),
    /// Check whether a service on this machine is ready, for the health check of a container.
    #[command(
        after_help = "Requests /health/ready. The command connects only to a loopback address.\n\nExample:\n  catchment health\n  catchment health --address 127.0.0.1:9000\n\nExit status: 0 ready, 1 not ready or no response, 2 usage error."
    )]
    Health(health::HealthArguments),
    /// Answer look-ups of a language model, as a server of the Model Context Protocol on standard input
    /// and output.
    #[cfg(feature = "mcp")]
    #[command(
        after_help = "The program that runs the model starts this command and sends it requests; docs/users/mcp.md has its configuration. The tools are locate, find_practice, area, areas_of_layer and compare_dates. The command makes no network connections and writes no files, but the model sees each question and answer: do not use it with data about patients unless your organisation allows this.\n\nExample:\n  catchment mcp\n  catchment mcp --data /tmp/my-dataset --as-of 2025-12-01\n\nExit status: 0 the client closed standard input, 2 usage error, dataset not loaded or not a client of the protocol."
    )]
    Mcp(mcp::McpArguments),
    /// Print completions of commands and options for a shell.
    #[command(
        after_help = "Example:\n  catchment completions bash > ~/.local/share/bash-completion/completions/catchment\n  catchment completions zsh > ~/.zfunc/_catchment    # a folder of fpath\n  catchment completions fish > ~/.config/fish/completions/catchment.fish"
    )]
    Completions(shell_files::CompletionsArguments),
    /// Write manual pages for `man`.
    #[command(
        after_help = "Example:\n  catchment man ~/.local/share/man/man1 && man catchment-locate"
    )]
    Man(shell_files::ManArguments),
}

#[derive(Debug, clap::Args)]
struct BuildArguments {
    /// Build configuration (TOML): the source files and the layers to build from them.
    #[arg(required_unless_present = "init")]
    config: Option<PathBuf>,
    /// Instead of building, recognise the published files in this folder by their content, and write
    /// a configuration with comments; the output is `build.toml` in the folder unless --output names
    /// another file.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["config", "previous", "json"])]
    init: Option<PathBuf>,
    /// Output folder; by default, the folder that the configuration names. With --init, the file to
    /// write.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Replace the folder even if it contains files that are not part of a dataset; these files are
    /// deleted. With --init, replace the file.
    #[arg(long)]
    force: bool,
    /// Fail if the new dataset lacks data of this dataset: more than 2% of the rows of a table, or a
    /// postcode that was located.
    #[arg(long, value_name = "DIR")]
    previous: Option<PathBuf>,
    /// Print the report as JSON, as in `build-report.json` in the folder.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct DataArgument {
    /// Folder of the dataset; the embedded dataset by default.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// The table in which UPRNs are looked up.
#[derive(Debug, clap::Args)]
struct UprnArgument {
    /// Table of UPRNs, written by `catchment build`, for look-ups by UPRN; none by default.
    #[arg(long, value_name = "FILE")]
    uprn_table: Option<PathBuf>,
}

impl UprnArgument {
    /// Opens the table, and returns the index with it.
    fn add_to(&self, index: Index) -> Result<Index> {
        let Some(path) = &self.uprn_table else {
            return Ok(index);
        };
        let opened = UprnTable::open(path);
        let table = opened.with_context(|| format!("opening {}", path.display()))?;
        Ok(index.with_uprns(Arc::new(table)))
    }
}

/// The exit status if a look-up failed.
const EXIT_NO_ANSWER: u8 = 3;
/// The exit status if `check` found errors.
const EXIT_FINDINGS: u8 = 3;

/// The maximum time for writing the last log lines before the program exits.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Parses a command line, runs its command and returns the exit status.
pub fn run(args: &[OsString]) -> ExitCode {
    panics::install_redacting_hook();
    let _flush = FlushOnDrop;
    let result = settings::parse(&unquoted_postcode::join_postcode(args)).and_then(run_command);
    result.unwrap_or_else(|error| {
        log::message(format_args!("error: {error:#}"));
        ExitCode::from(2)
    })
}

/// A guard that flushes the log when dropped, also during a panic.
struct FlushOnDrop;

impl Drop for FlushOnDrop {
    fn drop(&mut self) {
        log::flush(FLUSH_TIMEOUT);
    }
}

/// Writes to standard output. A closed pipe is not an error.
///
/// # Errors
/// If standard output cannot be written, for example because a disk is full.
fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let result = stdout.write_all(text.as_bytes());
    match result.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("writing to standard output")
        }
        _ => Ok(()),
    }
}

fn run_command(arguments: CliArguments) -> Result<ExitCode> {
    match arguments.command {
        CliCommand::Serve(arguments) => serve::serve(&arguments),
        CliCommand::Locate(arguments) => locate::locate(&arguments),
        CliCommand::Batch(arguments) => batch::run(&arguments),
        CliCommand::Flows(arguments) => flows::run(&arguments),
        CliCommand::Build(arguments) => build(&arguments),
        CliCommand::Check(arguments) => check::run(&arguments),
        CliCommand::Diff(arguments) => diff::run(&arguments),
        CliCommand::Export(arguments) => export::run(&arguments),
        CliCommand::Keys(arguments) => keys::run(&arguments),
        CliCommand::Health(arguments) => health::run(&arguments),
        #[cfg(feature = "mcp")]
        CliCommand::Mcp(arguments) => mcp::run(&arguments),
        CliCommand::Completions(arguments) => shell_files::print_completions(&arguments),
        CliCommand::Man(arguments) => shell_files::write_man_pages(&arguments),
    }
}

fn build(arguments: &BuildArguments) -> Result<ExitCode> {
    let config = match (&arguments.init, &arguments.config) {
        (Some(folder), _) => return propose::run(folder, arguments),
        (None, Some(config)) => config,
        (None, None) => bail!("give the configuration, or --init with a folder"),
    };
    let bytes_read = Arc::new(AtomicU64::new(0));
    let bar = ProgressBar::new_spinner().with_style(progress_style(&bytes_read));
    bar.enable_steady_tick(Duration::from_millis(100));
    let mut progress = BuildProgress {
        on_stage: Box::new(|stage| bar.set_message(stage.to_string())),
        bytes_read,
    };
    let options = builder::BuildOptions {
        output: arguments.output.as_deref(),
        force: arguments.force,
        previous: arguments.previous.as_deref(),
    };
    let report = builder::build_with_progress(config, options, &mut progress);
    drop(progress);
    bar.finish_and_clear();
    let report = report?;
    let mut text = format!("{}\n", report.folder.display());
    for line in report.lines.iter().flat_map(|line| line.lines()) {
        text.push_str(&format!("  {line}\n"));
    }
    if arguments.json {
        text.clone_from(&report.json);
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// A progress line such as `⠹ comparing, 3s`, which is removed when the spinner is dropped. The
/// line is shown only on a terminal.
struct Spinner(ProgressBar);

impl Spinner {
    fn new() -> Spinner {
        let style =
            ProgressStyle::with_template("{spinner} {msg}, {elapsed}").expect("a valid template");
        let bar = ProgressBar::new_spinner().with_style(style);
        bar.enable_steady_tick(Duration::from_millis(100));
        Spinner(bar)
    }

    /// Sets the stage that the line shows.
    fn set_stage(&self, stage: &'static str) {
        self.0.set_message(stage);
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Returns the style of a progress line such as `⠹ reading postcodes  214.50 MiB read, 3s`.
fn progress_style(bytes_read: &Arc<AtomicU64>) -> ProgressStyle {
    let bytes_read = Arc::clone(bytes_read);
    ProgressStyle::with_template("{spinner} {msg}  {read} read, {elapsed}")
        .expect("a valid template")
        .with_key(
            "read",
            move |_: &ProgressState, line: &mut dyn std::fmt::Write| {
                let bytes = HumanBytes(bytes_read.load(Ordering::Relaxed));
                // Ignore an error, because the line is drawn again at the next tick.
                let _ = write!(line, "{bytes}");
            },
        )
}

impl DataArgument {
    fn load(&self) -> Result<Index> {
        let (files, name) = match &self.data {
            Some(folder) => (
                DatasetSource::Folder(folder.clone()),
                folder.display().to_string(),
            ),
            None => (DatasetSource::Embedded, "the embedded dataset".into()),
        };
        let dataset = dataset::read(&files).with_context(|| format!("loading {name}"))?;
        Index::build(dataset).with_context(|| format!("loading {name}"))
    }
}

/// Returns the source of a dataset, and the name of the source for messages.
fn source_and_name(folder: Option<&PathBuf>) -> (DatasetSource, String) {
    match folder {
        Some(folder) => (
            DatasetSource::Folder(folder.clone()),
            folder.display().to_string(),
        ),
        None => (DatasetSource::Embedded, "the embedded dataset".into()),
    }
}
