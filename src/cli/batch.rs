//! `catchment batch`: looks up every row of a file.

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

/// The exit status if some rows could not be read.
const WITH_BAD_ROWS: u8 = 3;
/// The exit status that shells report for SIGPIPE (128 + 13): the reader of the output closed it.
const READER_GONE: u8 = 141;
/// The number of rows that `--check` shows.
const ROWS_SHOWN: usize = 5;

#[derive(Debug, clap::Args)]
pub(super) struct BatchArguments {
    /// Input file; - for standard input.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Output file, written atomically and with a manifest next to it; standard output by default.
    #[arg(short, long, value_name = "OUT", conflicts_with = "check")]
    output: Option<PathBuf>,
    /// Replace OUT and the file of --summary if they exist.
    #[arg(long, requires = "output")]
    force: bool,
    /// Show the detected format and columns, and the result of the first rows; write nothing.
    #[arg(long)]
    check: bool,
    /// Format of the input; detected by default.
    #[arg(long, value_enum)]
    format: Option<FormatWord>,
    /// Delimiter of the input: a character, or `tab`; detected by default.
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<Delimiter>,
    /// Column of postcodes; detected by its name by default.
    #[arg(long, value_name = "NAME")]
    postcode_column: Option<String>,
    /// Column of practice codes; detected by its name by default.
    #[arg(long, value_name = "NAME")]
    practice_column: Option<String>,
    /// Column of longitudes (WGS84), instead of postcodes.
    #[arg(long, value_name = "NAME")]
    lon_column: Option<String>,
    /// Column of latitudes (WGS84).
    #[arg(long, value_name = "NAME")]
    lat_column: Option<String>,
    /// Column of eastings (British National Grid), instead of postcodes.
    #[arg(long, value_name = "NAME")]
    easting_column: Option<String>,
    /// Column of northings (British National Grid).
    #[arg(long, value_name = "NAME")]
    northing_column: Option<String>,
    /// Use only the practice codes: no column has postcodes or coordinates.
    #[arg(long)]
    registration_only: bool,
    /// Date of the look-ups; today by default.
    #[arg(long, value_name = "YYYY-MM-DD")]
    as_of: Option<String>,
    /// Column of dates, one for each row; --as-of applies to rows without a date.
    #[arg(long, value_name = "NAME")]
    as_of_column: Option<String>,
    /// Columns to add besides the default ten, separated by commas; or `all`.
    #[arg(
        long,
        value_name = "NAME,…",
        default_value = "",
        hide_default_value = true
    )]
    columns: String,
    /// Escape cells of the input, too, that a spreadsheet would run as formulas.
    #[arg(long)]
    excel_safe: bool,
    /// Compression of the output; by default from the extension of OUT (.gz, .zst).
    #[arg(long, value_enum)]
    compress: Option<CompressionWord>,
    /// Number of threads; one for each CPU by default.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// File to write the summary to, as JSON.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Small number suppression in the summary and the manifest: none, below:N or below:N-round:M;
    /// for example, below:8-round:5 hides counts from 1 to 7 and rounds the others to 5.
    #[arg(long, value_name = "RULE", default_value = "none")]
    suppress: SuppressionRule,
    /// Print errors only.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    data: DataArgument,
}

/// An opened input file.
struct Input {
    reader: Box<dyn Read + Send>,
    /// The same file if it is Parquet, which needs random access.
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
    // Check the paths before reading the dataset and the input.
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
            // Hash it in a pass of its own: its rows are not read in file order.
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
            Err(BatchError::Write(error)) => return Err(error).context("writing the output"),
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
            .context("writing the output")?;
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

/// Prints the detected format and columns, and the result of the first rows.
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

    /// Checks that the extension of OUT matches the format of the output, which is that of the
    /// input.
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
                "the output has the format of the input, {format}, but the extension of OUT is that of {called}"
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

    /// Returns the name of the input in messages.
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

    /// Returns the progress bar: percentage, rows, rate and time left. Shown only on a terminal.
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
                "{bar:24} {percent}%  {rows} rows, {rate} rows/s, {eta} left",
            ),
            None => (
                ProgressBar::new_spinner(),
                "{spinner} {rows} rows, {rate} rows/s, {elapsed}",
            ),
        };
        let rows = Arc::clone(progress);
        let rated = Arc::clone(progress);
        let style = ProgressStyle::with_template(template)
            .expect("a valid template")
            .with_key(
                "rows",
                move |_: &ProgressState, line: &mut dyn std::fmt::Write| {
                    // The line is drawn again at the next tick.
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
