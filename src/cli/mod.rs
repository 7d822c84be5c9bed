//! The command line: `serve`, `locate`, `batch`, `build`, `check`, `diff`, `export`, `keys`.

mod batch;
mod check;
mod deliver;
mod diff;
mod export;
mod keys;
mod locate;
mod serve;
mod settings;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use indicatif::{HumanBytes, ProgressBar, ProgressState, ProgressStyle};

use crate::build::{self, Progress};
use crate::dataset::{self, Files};
use crate::index::Index;
use crate::{log, panics};
#[cfg(any(test, fuzzing))]
pub(crate) use settings::check_file as check_settings;

/// Which Integrated Care Community, GP practices and resilience group cover a postcode or coordinate.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer over HTTP, with pages, an API and map tiles.
    #[command(
        after_help = "Example:\n  catchment serve --listen 127.0.0.1:8080\n  curl 'localhost:8080/api/v1/locate?postcode=LA18+4DB'"
    )]
    Serve(Box<serve::ServeArguments>),
    /// Answer on the terminal, for one place or for a list on standard input.
    #[command(
        after_help = "Example:\n  catchment locate - --practice A82033    # type the postcode, then Enter and Ctrl+D\n  catchment locate --json - < postcodes.txt\n  catchment locate 'LA18 4DB'\n\nA postcode on the command line stays in the shell's history, and other users of the machine see it in the list of processes. For a patient's, use `catchment locate -`.\n\nExit status: 0 answered, 2 wrong usage or no dataset, 3 a question had no answer."
    )]
    Locate(locate::LocateArguments),
    /// Answer a list of any length row for row: CSV, TSV or NDJSON, plain or packed with gzip or zstd; a Parquet file; an Arrow stream.
    #[command(
        after_help = "The rows come out as many and in the same order, your columns byte for byte, ours after them. docs/batch.md says what each column holds.\n\nExample:\n  catchment batch patients.csv -o answered.csv\n  catchment batch --check patients.csv\n  zcat patients.csv.gz | catchment batch - --columns icc_residence_name,notes > answered.csv\n\nExit status: 0 done, 2 wrong usage or a list that cannot be used, 3 done and some rows were bad, 141 the reader of the answers has gone."
    )]
    Batch(Box<batch::BatchArguments>),
    /// Make a dataset from published files.
    #[command(
        after_help = "Example:\n  catchment build data/build.toml --output /tmp/my-dataset\n  catchment serve --data /tmp/my-dataset"
    )]
    Build(BuildArguments),
    /// Look for what a careful person would look for before trusting a dataset.
    #[command(
        after_help = "Example:\n  catchment check /tmp/my-dataset --findings /tmp/findings.geojson\n\nExit status: 0 no errors (there may be warnings), 2 wrong usage or no dataset, 3 errors were found."
    )]
    Check(check::CheckArguments),
    /// Say what changes its answer between two datasets: areas, coverage, practices, memberships, postcodes.
    #[command(
        after_help = "Compared on one day: areas by name and ground; the statistical areas that each is made of, with their shares; practices field by field; memberships; and for every postcode its status, ICC, neighbourhood team and sub-community. Not compared: lineage, canaries and the manifest's words.\n\nExample:\n  catchment diff data/lancashire-and-cumbria /tmp/my-dataset --output /tmp/changes\n\nExit status: 0 the same, 1 different, 2 wrong usage or no dataset."
    )]
    Diff(diff::DiffArguments),
    /// Write what a dataset says as files for other programs.
    #[command(
        after_help = "The look-up has a row for every postcode and period in which its answer stays the same, live and terminated; the second table the same by code of a practice. Joined with a list they give the cells of `catchment batch`: docs/lookup.md. Areas and tiles are those of a day.\n\nExample:\n  catchment export --lookup postcodes.parquet --practices practices.parquet\n  catchment export --areas areas.gpkg --tiles areas.pmtiles --layers icc,gp-practice\n\nExit status: 0 done, 2 wrong usage, no dataset, or nothing could be written."
    )]
    Export(export::ExportArguments),
    /// Say who may ask what needs a key.
    #[command(
        after_help = "The file holds digests; a key is printed once, when it is made. docs/operating.md says what needs one.\n\nExample:\n  catchment keys add --keys keys.toml --name 'call handlers' --scopes batch --expires 2027-11-30 --quota 600/minute\n  catchment serve --keys keys.toml --require-key-for batch\n  catchment keys list --keys keys.toml\n  catchment keys revoke --keys keys.toml 5f3a91c2"
    )]
    Keys(keys::KeysArguments),
}

#[derive(Debug, clap::Args)]
struct BuildArguments {
    /// What to make of which files (TOML).
    config: PathBuf,
    /// The folder to write; by default the one that the configuration names.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Replace the folder even where it holds something other than a dataset, which is then lost.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, clap::Args)]
struct DataArgument {
    /// The dataset's folder; by default the dataset compiled into the program.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// The status of a question that had no answer.
const NO_ANSWER: u8 = 3;
/// The status of a dataset with errors.
const WITH_ERRORS: u8 = 3;

/// How long the program waits at its end for its last log lines to be written.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// Runs the command of this command line; its exit status.
pub fn run(given: &[OsString]) -> ExitCode {
    panics::tell_only_where();
    let _flush = FlushAtEnd;
    let done = settings::arguments(given).and_then(run_command);
    done.unwrap_or_else(|error| {
        log::message(format_args!("error: {error:#}"));
        ExitCode::from(2)
    })
}

/// Waits for the last log lines when it is dropped, by a panic too.
struct FlushAtEnd;

impl Drop for FlushAtEnd {
    fn drop(&mut self) {
        log::flush(FLUSH_WITHIN);
    }
}

/// Writes to standard output. A reader that has seen enough is no error.
///
/// # Errors
/// When standard output cannot be written, because its disk is full for instance.
fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes());
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("writing to standard output")
        }
        _ => Ok(()),
    }
}

fn run_command(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        Command::Serve(arguments) => serve::serve(&arguments),
        Command::Locate(arguments) => locate::locate(&arguments),
        Command::Batch(arguments) => batch::run(&arguments),
        Command::Build(arguments) => build(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Keys(arguments) => keys::run(&arguments),
    }
}

fn build(arguments: &BuildArguments) -> Result<ExitCode> {
    let bytes_read = Arc::new(AtomicU64::new(0));
    let bar = ProgressBar::new_spinner().with_style(stage_and_bytes(&bytes_read));
    bar.enable_steady_tick(Duration::from_millis(100));
    let mut progress = Progress {
        tell: Box::new(|stage| bar.set_message(stage.to_string())),
        bytes_read,
    };
    let options = build::Options {
        output: arguments.output.as_deref(),
        force: arguments.force,
    };
    let report = build::build_telling(&arguments.config, options, &mut progress);
    drop(progress);
    bar.finish_and_clear();
    let report = report?;
    let mut text = format!("{}\n", report.folder.display());
    for line in &report.lines {
        text.push_str(&format!("  {line}\n"));
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// A line such as `⠹ comparing, 3s` until it is dropped; nothing where there is no terminal.
struct Working(ProgressBar);

impl Working {
    fn new() -> Working {
        let style = ProgressStyle::with_template("{spinner} {msg}, {elapsed}").expect("a template");
        let bar = ProgressBar::new_spinner().with_style(style);
        bar.enable_steady_tick(Duration::from_millis(100));
        Working(bar)
    }

    /// What is being done now.
    fn at(&self, stage: &'static str) {
        self.0.set_message(stage);
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A line such as `⠹ reading postcodes  214.50 MiB read, 3s`; nothing where there is no terminal.
fn stage_and_bytes(bytes_read: &Arc<AtomicU64>) -> ProgressStyle {
    let bytes_read = Arc::clone(bytes_read);
    ProgressStyle::with_template("{spinner} {msg}  {read} read, {elapsed}")
        .expect("a template")
        .with_key(
            "read",
            move |_: &ProgressState, line: &mut dyn std::fmt::Write| {
                let bytes = HumanBytes(bytes_read.load(Ordering::Relaxed));
                // A line that cannot be drawn is drawn again.
                let _ = write!(line, "{bytes}");
            },
        )
}

impl DataArgument {
    fn load(&self) -> Result<Index> {
        let (files, name) = match &self.data {
            Some(folder) => (Files::Folder(folder.clone()), folder.display().to_string()),
            None => (Files::Embedded, "the embedded dataset".into()),
        };
        let dataset = dataset::read(&files).with_context(|| format!("loading {name}"))?;
        Index::build(dataset).with_context(|| format!("loading {name}"))
    }
}

/// The files of a dataset, and what to call it.
fn files_of(folder: Option<&PathBuf>) -> (Files, String) {
    match folder {
        Some(folder) => (Files::Folder(folder.clone()), folder.display().to_string()),
        None => (Files::Embedded, "the embedded dataset".into()),
    }
}
