//! `catchment batch`.

mod report;

use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::slice;
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::sync::Arc;

use super::DataArgument;
use super::deliver::{self, Hashing, Output};
use crate::batch::{
    self, BatchError, Column, Compression, DecodeLimits, Delimiter, Format, Intake, Named,
    Progress, Request,
};
use crate::domain::{SuppressionRule, date_from_iso, today_in_london};
use crate::log;
use crate::outputs;

/// The status of a list of which some rows were bad.
const WITH_BAD_ROWS: u8 = 3;
/// What a shell says of a program that was ended by a closed pipe (128 + SIGPIPE).
const READER_GONE: u8 = 141;
/// So many rows are shown by `--check`.
const ROWS_SHOWN: usize = 5;

#[derive(Debug, clap::Args)]
pub(super) struct BatchArguments {
    /// The list; - is standard input.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Where the answers go, whole or not at all; by default to standard output. A manifest is written beside it.
    #[arg(short, long, value_name = "OUT", conflicts_with = "check")]
    output: Option<PathBuf>,
    /// Replace OUT, and the file of --summary, where they exist.
    #[arg(long, requires = "output")]
    force: bool,
    /// Show how the list is understood and what its first rows become; write nothing.
    #[arg(long)]
    check: bool,
    /// The list's format; by default found out.
    #[arg(long, value_enum)]
    format: Option<FormatWord>,
    /// What stands between fields: a character, or tab; by default found out.
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<Delimiter>,
    /// The column with postcodes; by default found by its name.
    #[arg(long, value_name = "NAME")]
    postcode_column: Option<String>,
    /// The column with the codes of practices; by default found by its name.
    #[arg(long, value_name = "NAME")]
    practice_column: Option<String>,
    /// The column with longitudes (WGS84), in place of postcodes.
    #[arg(long, value_name = "NAME")]
    lon_column: Option<String>,
    /// The column with latitudes.
    #[arg(long, value_name = "NAME")]
    lat_column: Option<String>,
    /// The column with eastings (British National Grid), in place of postcodes.
    #[arg(long, value_name = "NAME")]
    easting_column: Option<String>,
    /// The column with northings.
    #[arg(long, value_name = "NAME")]
    northing_column: Option<String>,
    /// No column says where somebody lives: answer by the practice alone.
    #[arg(long)]
    registration_only: bool,
    /// The day that the answers are for; by default today.
    #[arg(long, value_name = "YYYY-MM-DD")]
    as_of: Option<String>,
    /// The column with a day for each row; where it is empty, the day of --as-of.
    #[arg(long, value_name = "NAME")]
    as_of_column: Option<String>,
    /// Columns to add to the usual ten, with commas between them; or all.
    #[arg(
        long,
        value_name = "NAME,…",
        default_value = "",
        hide_default_value = true
    )]
    columns: String,
    /// Neutralise your own cells too where a spreadsheet would run them as formulas.
    #[arg(long)]
    excel_safe: bool,
    /// How the answers are packed; by default as OUT is called (.gz, .zst).
    #[arg(long, value_enum)]
    compress: Option<CompressionWord>,
    /// How many threads work; by default one a processor.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Write the summary to a file, as JSON.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Small number suppression in the summary and the manifest: none, below:N or below:N-round:M;
    /// for example, below:8-round:5 hides counts from 1 to 7 and rounds the others to 5.
    #[arg(long, value_name = "RULE", default_value = "none")]
    suppress: SuppressionRule,
    /// Say nothing but errors.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    data: DataArgument,
}

/// A list that was opened.
struct Input {
    reader: Box<dyn Read + Send>,
    /// The same, where it is a Parquet file: those are read here and there.
    parquet: Option<File>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatWord {
    Csv,
    Tsv,
    Ndjson,
    Parquet,
    Arrow,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CompressionWord {
    None,
    Gzip,
    Zstd,
}

pub(super) fn run(arguments: &BatchArguments) -> Result<ExitCode> {
    let request = arguments.request()?;
    if arguments.check {
        return check(arguments, &request);
    }
    // What can be refused without reading anything is refused first.
    let Input { reader, parquet } = arguments.open(&request)?;
    let output = Output::stage(
        arguments.output.as_deref(),
        Some(&arguments.input),
        arguments.force,
    )?;
    if let Some(path) = &arguments.summary {
        outputs::file(path, slice::from_ref(&arguments.input), arguments.force)?;
    }
    let index = arguments.data.load()?;
    let progress = Arc::new(Progress::default());
    let bar = arguments.bar(&progress, parquet.is_none());
    let mut hashed_input = Hashing::new(reader, output.is_file());
    let mut hashed_output = Hashing::new(output, true);
    hashed_output.hashes = hashed_output.inner.is_file();
    let name = arguments.input_name();
    let (understood, summary) = {
        if let Some(mut file) = parquet.as_ref().filter(|_| hashed_input.hashes) {
            // Its rows are not read from beginning to end.
            let read = io::copy(&mut hashed_input, &mut io::sink()).and_then(|_| file.rewind());
            read.with_context(|| format!("reading {name}"))?;
        }
        let intake = match parquet {
            Some(file) => Intake::open_parquet(file, &request),
            None => Intake::open(bar.wrap_read(&mut hashed_input), &request),
        };
        let intake = intake.map_err(|fault| anyhow!("{name}: {fault}"))?;
        let understood = intake.understood().clone();
        arguments.check_output_name(understood.format)?;
        if !arguments.quiet {
            bar.suspend(|| log::message(report::understood(&understood)));
        }
        let done = batch::run(
            &index,
            intake,
            &request,
            &mut hashed_output,
            arguments.threads(),
            &progress,
        );
        bar.finish_and_clear();
        match done {
            Ok(summary) => (understood, summary),
            Err(BatchError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(ExitCode::from(READER_GONE));
            }
            Err(BatchError::Write(error)) => return Err(error).context("writing the answers"),
            Err(fault) => bail!("{name}: {fault}"),
        }
    };
    let (input, output) = (hashed_input.digest(), hashed_output.digest());
    if let Some(path) = arguments
        .output
        .as_deref()
        .filter(|_| hashed_output.inner.is_file())
    {
        let manifest = report::Manifest {
            index: &index,
            request: &request,
            understood: &understood,
            summary: &summary,
            suppression: arguments.suppress,
            input: (arguments.file_name(), input),
            output: (file_name(path), output),
        };
        hashed_output
            .inner
            .publish(&manifest.json())
            .context("writing the answers")?;
    }
    if let Some(path) = &arguments.summary {
        let json = report::summary_json(&summary, &index, &request, arguments.suppress);
        deliver::write_whole(path, json.as_bytes())
            .with_context(|| format!("writing {}", path.display()))?;
    }
    if !arguments.quiet {
        let summary = report::summary(&summary, &understood, arguments.suppress);
        log::message(summary.trim_end_matches('\n'));
    }
    Ok(match summary.bad_rows {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(WITH_BAD_ROWS),
    })
}

/// Shows how the list is understood.
fn check(arguments: &BatchArguments, request: &Request) -> Result<ExitCode> {
    let name = arguments.input_name();
    let fault = |fault: BatchError| anyhow!("{name}: {fault}");
    let intake = match arguments.open(request)? {
        Input {
            parquet: Some(file),
            ..
        } => Intake::open_parquet(file, request),
        input => Intake::open(input.reader, request),
    };
    let intake = intake.map_err(fault)?;
    let index = arguments.data.load()?;
    let understood = intake.understood().clone();
    let rows = batch::preview(&index, intake, request, ROWS_SHOWN).map_err(fault)?;
    let shown = report::check(&understood, request, &index, &rows);
    match io::stdout().lock().write_all(&shown) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("writing"),
        _ => Ok(ExitCode::SUCCESS),
    }
}

impl BatchArguments {
    fn request(&self) -> Result<Request> {
        let as_of = match &self.as_of {
            Some(text) => date_from_iso(text).context("--as-of")?,
            None => today_in_london(),
        };
        let delimiter = match (self.format, self.delimiter) {
            (Some(FormatWord::Tsv), None) => Some(Delimiter::TAB),
            (Some(FormatWord::Ndjson), Some(_)) => bail!("NDJSON has no --delimiter"),
            (Some(FormatWord::Parquet), Some(_)) => bail!("Parquet has no --delimiter"),
            (Some(FormatWord::Arrow), Some(_)) => bail!("Arrow has no --delimiter"),
            (_, given) => given,
        };
        let format = match self.format {
            None if delimiter.is_some() => Some(Format::Csv),
            None => None,
            Some(FormatWord::Csv | FormatWord::Tsv) => Some(Format::Csv),
            Some(FormatWord::Ndjson) => Some(Format::Ndjson),
            Some(FormatWord::Parquet) => Some(Format::Parquet),
            Some(FormatWord::Arrow) => Some(Format::Arrow),
        };
        Ok(Request {
            format,
            delimiter,
            named: Named {
                postcode: self.postcode_column.clone(),
                practice: self.practice_column.clone(),
                longitude: self.lon_column.clone(),
                latitude: self.lat_column.clone(),
                easting: self.easting_column.clone(),
                northing: self.northing_column.clone(),
                as_of: self.as_of_column.clone(),
                registration_only: self.registration_only,
            },
            as_of,
            columns: Column::usual_and(&self.columns).context("--columns")?,
            excel_safe: self.excel_safe,
            compression: self.compression(),
            limits: DecodeLimits::of_this_machine(),
        })
    }

    /// A list keeps its format: under the name of another it would mislead.
    fn check_output_name(&self, format: Format) -> Result<()> {
        let extension = self.output.as_deref().and_then(Path::extension);
        let called = match extension.and_then(|it| it.to_str()) {
            Some("csv" | "tsv") => Format::Csv,
            Some("ndjson" | "jsonl") => Format::Ndjson,
            Some("parquet") => Format::Parquet,
            Some("arrow" | "arrows") => Format::Arrow,
            _ => return Ok(()),
        };
        let is_text = |format| matches!(format, Format::Csv | Format::Ndjson);
        if called != format && !(is_text(called) && is_text(format)) {
            bail!(
                "the answers to {format} are {format}, and OUT is called as if they were {called}"
            );
        }
        Ok(())
    }

    fn compression(&self) -> Compression {
        let extension = self.output.as_deref().and_then(Path::extension);
        match (self.compress, extension.and_then(|it| it.to_str())) {
            (Some(CompressionWord::None), _) => Compression::None,
            (Some(CompressionWord::Gzip), _) | (None, Some("gz")) => Compression::Gzip,
            (Some(CompressionWord::Zstd), _) | (None, Some("zst" | "zstd")) => Compression::Zstd,
            (None, _) => Compression::None,
        }
    }

    fn threads(&self) -> NonZeroUsize {
        let processors = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.threads.unwrap_or_else(processors)
    }

    fn is_standard_input(&self) -> bool {
        self.input.as_os_str() == "-"
    }

    fn open(&self, request: &Request) -> Result<Input> {
        if self.is_standard_input() {
            return Ok(Input {
                reader: Box::new(io::stdin()),
                parquet: None,
            });
        }
        let opened = File::open(&self.input);
        let opening = || format!("opening {}", self.input.display());
        let mut file = opened.with_context(opening)?;
        let metadata = file.metadata().with_context(opening)?;
        if metadata.is_dir() {
            bail!("{} is a folder", self.input.display());
        }
        let is_parquet = match request.format {
            _ if !metadata.is_file() => false,
            None => batch::is_parquet(&mut file).with_context(opening)?,
            Some(format) => format == Format::Parquet,
        };
        Ok(Input {
            parquet: match is_parquet {
                true => Some(file.try_clone().with_context(opening)?),
                false => None,
            },
            reader: Box::new(file),
        })
    }

    /// As it is called in messages.
    fn input_name(&self) -> String {
        match self.is_standard_input() {
            true => "standard input".into(),
            false => self.input.display().to_string(),
        }
    }

    fn file_name(&self) -> Option<String> {
        match self.is_standard_input() {
            true => None,
            false => file_name(&self.input),
        }
    }

    /// A line on a terminal: how much of the list, rows, rate, time left.
    fn bar(&self, progress: &Arc<Progress>, knows_size: bool) -> ProgressBar {
        if self.quiet || !io::stderr().is_terminal() {
            return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        }
        let size = self
            .input
            .metadata()
            .ok()
            .filter(|it| it.is_file() && knows_size)
            .map(|it| it.len());
        let (bar, template) = match size {
            Some(size) => (
                ProgressBar::new(size),
                "{bar:24} {percent} %  {rows} rows, {rate} a second, {eta} left",
            ),
            None => (
                ProgressBar::new_spinner(),
                "{spinner} {rows} rows, {rate} a second, {elapsed}",
            ),
        };
        let rows = Arc::clone(progress);
        let rated = Arc::clone(progress);
        let style = ProgressStyle::with_template(template)
            .expect("a template")
            .with_key(
                "rows",
                move |_: &ProgressState, line: &mut dyn std::fmt::Write| {
                    // A line that cannot be drawn is drawn again.
                    let _ = write!(line, "{}", HumanCount(rows.rows()));
                },
            )
            .with_key(
                "rate",
                move |state: &ProgressState, line: &mut dyn std::fmt::Write| {
                    let milliseconds = state.elapsed().as_millis().max(1);
                    let rate = u128::from(rated.rows()) * 1_000 / milliseconds;
                    let _ = write!(
                        line,
                        "{}",
                        HumanCount(u64::try_from(rate).unwrap_or(u64::MAX))
                    );
                },
            );
        bar.set_style(style);
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        bar
    }
}

fn file_name(path: &Path) -> Option<String> {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
}
