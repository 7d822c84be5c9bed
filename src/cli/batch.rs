//! `catchment batch`: looks up every row of a file.

mod report;
mod summary_lists;

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
use super::output::AtomicOutput;
use crate::ops::log;
use catchment_batch::{
    BatchError, BatchFormat, BatchInput, BatchProgress, BatchRequest, ColumnOverrides, Compression,
    DecodeLimits, Delimiter, DetectedFormat, HeaderOptions, KeyColumn, OutputColumn, TabularError,
    WorkbookOptions,
};
use catchment_core::domain::{SuppressionRule, date_from_iso, phrases, today_in_london};
use catchment_core::index::Index;
use catchment_data::fs::{FileAccess, Fingerprint, HashingIo, check_output_file, write_atomically};

/// The exit status if some rows could not be read.
const EXIT_BAD_ROWS: u8 = 3;
/// The exit status that shells report for SIGPIPE (128 + 13): the reader of the output closed the
/// pipe.
const EXIT_SIGPIPE: u8 = 141;
/// The number of rows that `--check` shows.
const PREVIEW_ROWS: usize = 5;

#[derive(Debug, clap::Args)]
pub(super) struct BatchArguments {
    /// Input file, or - for standard input.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Output file, written atomically and with a manifest next to it; standard output by default.
    /// A workbook becomes CSV, TSV or NDJSON, and these become a workbook, if the extension of OUT says
    /// so.
    #[arg(short, long, value_name = "OUT", conflicts_with = "check")]
    output: Option<PathBuf>,
    /// Replace OUT and the file of --summary if they exist.
    #[arg(long, requires = "output")]
    force: bool,
    /// Show the detected format and columns, and the result of the first rows; write no files.
    #[arg(long)]
    check: bool,
    /// Format of the input; detected by default.
    #[arg(long, value_enum)]
    format: Option<FormatArgument>,
    /// Delimiter of the input: a character, or `tab`; detected by default.
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<Delimiter>,
    /// Sheet of a workbook: its name or number; the first visible sheet by default.
    #[arg(long, value_name = "NAME|NUMBER")]
    sheet: Option<String>,
    /// Number of lines above the header row. By default, titles and blank lines above it are
    /// detected. They are copied to the output.
    #[arg(long, value_name = "N")]
    skip_lines: Option<usize>,
    /// The file has no header row: give the columns by their numbers, such as --postcode-column 2.
    #[arg(long)]
    no_header: bool,
    /// Column of postcodes; by default, it is detected by its name.
    #[arg(long, value_name = "NAME")]
    postcode_column: Option<String>,
    /// Column of practice codes; by default, it is detected by its name.
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
    /// Column of codes of statistical areas, such as LSOAs, instead of postcodes; by default, it is
    /// detected by its name if there are no postcodes and no coordinates.
    #[arg(long, value_name = "NAME")]
    area_column: Option<String>,
    /// Layer of the statistical areas in that column; by default, the name of the column shows it, or
    /// each code may be of any layer of statistical areas.
    #[arg(long, value_name = "LAYER")]
    area_layer: Option<String>,
    /// Look up only practice codes: no column contains postcodes or coordinates.
    #[arg(long)]
    registration_only: bool,
    /// Date of the look-ups; today by default.
    #[arg(long, value_name = "YYYY-MM-DD")]
    as_of: Option<String>,
    /// Column of dates, one for each row; --as-of applies to rows without a date.
    #[arg(long, value_name = "NAME")]
    as_of_column: Option<String>,
    /// Columns to add besides the default ten, separated by commas: names of columns, and the sets
    /// default, codes, names, location, match, practices, distances, reasons, attributes, sources and
    /// all. LAYER, LAYER.name and LAYER.code are the area of any layer by residence, its name and its
    /// national code.
    #[arg(
        long,
        value_name = "SET|NAME,…",
        default_value = "",
        hide_default_value = true
    )]
    columns: String,
    /// Also escape input cells that a spreadsheet would run as formulas.
    #[arg(long)]
    excel_safe: bool,
    /// Compression of the output; by default, the extension of OUT (.gz, .zst) determines it.
    #[arg(long, value_enum)]
    compress: Option<CompressionArgument>,
    /// Output of an earlier run, as CSV, TSV or NDJSON, to compare with: the summary says how many rows
    /// changed their community and why, and four columns are added.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["check", "no_header"])]
    previous: Option<PathBuf>,
    /// Column that identifies each row in both files; the first column by default.
    #[arg(long, value_name = "COLUMN", requires = "previous")]
    key: Option<String>,
    /// Number of threads; one for each CPU by default.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// File to write the summary to, as JSON.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Small number suppression in the summary and the manifest: none, below:N or below:N-round:M;
    /// for example, below:8-round:5 hides counts from 1 to 7 and rounds the others to the nearest
    /// 5.
    #[arg(long, value_name = "RULE", default_value = "none")]
    suppress: SuppressionRule,
    /// Print errors only.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    data: DataArgument,
}

/// An opened input file.
struct OpenedInput {
    reader: Box<dyn Read + Send>,
    /// The same file, if its format needs random access.
    random_access: Option<(File, RandomAccess)>,
    /// Whether the first bytes are those of a workbook.
    is_workbook: bool,
}

/// The formats that are not read from start to end.
#[derive(Debug, Clone, Copy)]
enum RandomAccess {
    Parquet,
    Workbook,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArgument {
    Csv,
    Tsv,
    Ndjson,
    Parquet,
    Arrow,
    Xlsx,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CompressionArgument {
    None,
    Gzip,
    Zstd,
}

pub(super) fn run(arguments: &BatchArguments) -> Result<ExitCode> {
    let mut request = arguments.request()?;
    if arguments.check {
        return check(arguments, request);
    }
    // Check the paths before reading the dataset and the input.
    let OpenedInput {
        reader,
        random_access,
        is_workbook,
    } = arguments.open(&request)?;
    arguments.convert(&mut request, is_workbook)?;
    let output = AtomicOutput::stage(
        arguments.output.as_deref(),
        Some(&arguments.input),
        arguments.force,
    )?;
    if let Some(path) = &arguments.summary {
        check_output_file(path, slice::from_ref(&arguments.input), arguments.force)?;
    }
    let index = arguments.data.load()?;
    arguments.add_dataset(&mut request, &index)?;
    let progress = Arc::new(BatchProgress::default());
    let bar = arguments.bar(&progress, random_access.is_none());
    let mut hashed_input = HashingIo::new(reader, output.is_file());
    let mut hashed_output = HashingIo::new(output, true);
    hashed_output.is_enabled = hashed_output.inner.is_file();
    let name = arguments.input_name();
    let (detected, summary, previous_file) = {
        if let Some((mut file, _)) = random_access.as_ref().map(|(file, access)| (file, access))
            && hashed_input.is_enabled
        {
            // Hash the file in a separate pass, because it is not read in order.
            let hashed = io::copy(&mut hashed_input, &mut io::sink()).and_then(|_| file.rewind());
            hashed.with_context(|| format!("reading {name}"))?;
        }
        let batch_input = match random_access {
            Some((file, RandomAccess::Parquet)) => BatchInput::open_parquet(file, &request),
            Some((file, RandomAccess::Workbook)) => BatchInput::open_workbook(file, &request),
            None => BatchInput::open(bar.wrap_read(&mut hashed_input), &request),
        };
        let batch_input = batch_input.map_err(|error| anyhow!("{name}: {error}"))?;
        let detected = batch_input.detected().clone();
        let previous_file = arguments.read_previous(&mut request, &index, &detected)?;
        arguments.check_output_name(detected.output_format)?;
        if detected.output_format.is_workbook() && hashed_output.inner.is_terminal() {
            bail!(
                "a workbook is not shown on a terminal: name the output, for example -o answered.xlsx"
            );
        }
        if !arguments.quiet {
            bar.suspend(|| log::message(report::detected_line(&detected)));
        }
        let result = catchment_batch::run(
            &index,
            batch_input,
            &request,
            &mut hashed_output,
            arguments.threads(),
            &progress,
        );
        bar.finish_and_clear();
        match result {
            Ok(summary) => (detected, summary, previous_file),
            Err(BatchError::Tabular(TabularError::Write(error)))
                if error.kind() == io::ErrorKind::BrokenPipe =>
            {
                return Ok(ExitCode::from(EXIT_SIGPIPE));
            }
            Err(BatchError::Tabular(TabularError::Write(error))) => {
                return Err(error).context("writing the output");
            }
            Err(error) => bail!("{name}: {error}"),
        }
    };
    let (input, output) = (hashed_input.fingerprint(), hashed_output.fingerprint());
    if let Some(path) = arguments
        .output
        .as_deref()
        .filter(|_| hashed_output.inner.is_file())
    {
        let manifest = report::BatchManifest {
            index: &index,
            request: &request,
            detected: &detected,
            summary: &summary,
            suppression: arguments.suppress,
            input: (arguments.file_name(), input),
            output: (file_name(path), output),
            previous: previous_file,
        };
        hashed_output
            .inner
            .publish(&manifest.json())
            .context("writing the output")?;
    }
    if let Some(path) = &arguments.summary {
        let json = report::summary_to_json(&summary, &index, &request, arguments.suppress);
        write_atomically(path, json.as_bytes(), FileAccess::Umask)
            .with_context(|| format!("writing {}", path.display()))?;
    }
    if !arguments.quiet {
        let summary = report::summary(&summary, &detected, &index, arguments.suppress);
        log::message(summary.trim_end_matches('\n'));
        let phrases = phrases(index.manifest().dated_sources());
        if !phrases.is_empty() {
            log::message(format_args!("data: {}", phrases.join("; ")));
        }
    }
    Ok(match summary.bad_rows {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_BAD_ROWS),
    })
}

/// Prints the detected format and columns, and the result of the first rows.
fn check(arguments: &BatchArguments, mut request: BatchRequest) -> Result<ExitCode> {
    let name = arguments.input_name();
    let with_name = |error: BatchError| anyhow!("{name}: {error}");
    let opened = arguments.open(&request)?;
    let index = arguments.data.load()?;
    arguments.add_dataset(&mut request, &index)?;
    let request = &request;
    let batch_input = match opened {
        OpenedInput {
            random_access: Some((file, RandomAccess::Parquet)),
            ..
        } => BatchInput::open_parquet(file, request),
        OpenedInput {
            random_access: Some((file, RandomAccess::Workbook)),
            ..
        } => BatchInput::open_workbook(file, request),
        input => BatchInput::open(input.reader, request),
    };
    let batch_input = batch_input.map_err(with_name)?;
    let detected = batch_input.detected().clone();
    let rows =
        catchment_batch::preview(&index, batch_input, request, PREVIEW_ROWS).map_err(with_name)?;
    let report_text = report::check(&detected, request, &index, &rows);
    match io::stdout().lock().write_all(&report_text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("writing"),
        _ => Ok(ExitCode::SUCCESS),
    }
}

impl BatchArguments {
    fn request(&self) -> Result<BatchRequest> {
        let as_of = match &self.as_of {
            Some(text) => date_from_iso(text).context("--as-of")?,
            None => today_in_london(),
        };
        let delimiter = match (self.format, self.delimiter) {
            (Some(FormatArgument::Tsv), None) => Some(Delimiter::TAB),
            (Some(FormatArgument::Ndjson), Some(_)) => {
                bail!("--delimiter cannot be used with NDJSON")
            }
            (Some(FormatArgument::Parquet), Some(_)) => {
                bail!("--delimiter cannot be used with Parquet")
            }
            (Some(FormatArgument::Arrow), Some(_)) => {
                bail!("--delimiter cannot be used with Arrow")
            }
            (Some(FormatArgument::Xlsx), Some(_)) => {
                bail!("--delimiter cannot be used with a workbook")
            }
            (_, delimiter) => delimiter,
        };
        let format = match self.format {
            None if delimiter.is_some() => Some(BatchFormat::Csv),
            None => None,
            Some(FormatArgument::Csv | FormatArgument::Tsv) => Some(BatchFormat::Csv),
            Some(FormatArgument::Ndjson) => Some(BatchFormat::Ndjson),
            Some(FormatArgument::Parquet) => Some(BatchFormat::Parquet),
            Some(FormatArgument::Arrow) => Some(BatchFormat::Arrow),
            Some(FormatArgument::Xlsx) => Some(BatchFormat::Xlsx),
        };
        Ok(BatchRequest {
            format,
            delimiter,
            column_overrides: ColumnOverrides {
                postcode: self.postcode_column.clone(),
                practice: self.practice_column.clone(),
                longitude: self.lon_column.clone(),
                latitude: self.lat_column.clone(),
                easting: self.easting_column.clone(),
                northing: self.northing_column.clone(),
                statistical_area: self.area_column.clone(),
                as_of: self.as_of_column.clone(),
                key: self.previous.is_some().then(|| match &self.key {
                    Some(name) => KeyColumn::Named(name.clone()),
                    None => KeyColumn::First,
                }),
                registration_only: self.registration_only,
                // The layers follow from the dataset, which is read later.
                ..ColumnOverrides::default()
            },
            header: HeaderOptions {
                skip_lines: self.skip_lines,
                is_absent: self.no_header,
            },
            as_of,
            // The columns follow from the dataset, which is read later.
            output_columns: Vec::new(),
            excel_safe: self.excel_safe,
            compression: self.compression(),
            limits: DecodeLimits::for_this_machine(),
            workbook: WorkbookOptions {
                sheet: self.sheet.clone(),
                suppression: self.suppress,
                ..WorkbookOptions::default()
            },
            // The previous answers are read when the columns of the input are known.
            previous: None,
        })
    }

    /// Adds what follows from the dataset: the output columns and the layers of statistical areas.
    fn add_dataset(&self, request: &mut BatchRequest, index: &Index) -> Result<()> {
        let columns = OutputColumn::with_defaults(&self.columns, index.manifest());
        request.output_columns = columns.context("--columns")?;
        if self.previous.is_some() {
            let compared = OutputColumn::of_comparison(index.manifest());
            request.output_columns.extend(compared);
        }
        let overrides = &mut request.column_overrides;
        overrides
            .set_statistical_layers(index.manifest(), self.area_layer.as_deref())
            .context("--area-layer")
    }

    /// Reads the answers of the previous run, if there is one, and returns the name and the fingerprint
    /// of their file.
    fn read_previous(
        &self,
        request: &mut BatchRequest,
        index: &Index,
        detected: &DetectedFormat,
    ) -> Result<Option<(Option<String>, Fingerprint)>> {
        let Some(path) = &self.previous else {
            return Ok(None);
        };
        let name = || format!("--previous {}", path.display());
        let mut file = HashingIo::new(File::open(path).with_context(name)?, true);
        let answers = catchment_batch::read_previous(&mut file, index, request, detected)
            .map_err(|error| anyhow!("{}: {error}", name()))?;
        request.previous = Some(Arc::new(answers));
        Ok(Some((file_name(path), file.fingerprint())))
    }

    /// Returns the format that the extension of OUT names, and its delimiter. Before `.gz` or `.zst`,
    /// there is another extension.
    fn named_output(&self) -> Option<(BatchFormat, Option<Delimiter>)> {
        let name = file_name(self.output.as_deref()?)?.to_ascii_lowercase();
        let name = [".gz", ".zst", ".zstd"]
            .iter()
            .find_map(|ending| name.strip_suffix(ending))
            .unwrap_or(&name);
        let (_, extension) = name.rsplit_once('.')?;
        Some(match extension {
            "csv" => (BatchFormat::Csv, Some(Delimiter::COMMA)),
            "tsv" => (BatchFormat::Csv, Some(Delimiter::TAB)),
            "ndjson" | "jsonl" => (BatchFormat::Ndjson, None),
            "parquet" => (BatchFormat::Parquet, None),
            "arrow" | "arrows" => (BatchFormat::Arrow, None),
            "xlsx" => (BatchFormat::Xlsx, None),
            "xlsm" => (BatchFormat::Xlsm, None),
            _ => return None,
        })
    }

    /// Sets the format of the output if it is a workbook, or if the input is one.
    fn convert(&self, request: &mut BatchRequest, input_is_workbook: bool) -> Result<()> {
        let name = self.output.as_deref().and_then(file_name);
        let lower = name.unwrap_or_default().to_ascii_lowercase();
        for extension in [".xls", ".xlsb", ".ods"] {
            if lower.ends_with(extension) {
                bail!(
                    "a workbook is written as .xlsx, not as {extension}: give OUT another extension"
                );
            }
        }
        let Some((format, delimiter)) = self.named_output() else {
            return Ok(());
        };
        if format.is_workbook() || input_is_workbook {
            request.workbook.output_format = Some(format);
            request.workbook.output_delimiter = delimiter;
        }
        Ok(())
    }

    /// Checks that the extension of OUT matches the format of the output.
    fn check_output_name(&self, format: BatchFormat) -> Result<()> {
        let Some((named_format, _)) = self.named_output() else {
            return Ok(());
        };
        let is_text = |format| matches!(format, BatchFormat::Csv | BatchFormat::Ndjson);
        if named_format != format && !(is_text(named_format) && is_text(format)) {
            bail!(
                "the output has the format of the input, {format}, but the extension of OUT is that of {named_format}; choose another extension"
            );
        }
        Ok(())
    }

    fn compression(&self) -> Compression {
        let extension = self.output.as_deref().and_then(Path::extension);
        match (self.compress, extension.and_then(|text| text.to_str())) {
            (Some(CompressionArgument::None), _) => Compression::None,
            (Some(CompressionArgument::Gzip), _) | (None, Some("gz")) => Compression::Gzip,
            (Some(CompressionArgument::Zstd), _) | (None, Some("zst" | "zstd")) => {
                Compression::Zstd
            }
            (None, _) => Compression::None,
        }
    }

    fn threads(&self) -> NonZeroUsize {
        let available = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.threads.unwrap_or_else(available)
    }

    fn is_standard_input(&self) -> bool {
        self.input.as_os_str() == "-"
    }

    fn open(&self, request: &BatchRequest) -> Result<OpenedInput> {
        if self.is_standard_input() {
            let mut beginning = Vec::new();
            let read = io::stdin().take(4).read_to_end(&mut beginning);
            read.context("reading standard input")?;
            return Ok(OpenedInput {
                is_workbook: beginning == *b"PK\x03\x04",
                reader: Box::new(io::Cursor::new(beginning).chain(io::stdin())),
                random_access: None,
            });
        }
        let opened = File::open(&self.input);
        let opening = || format!("opening {}", self.input.display());
        let mut file = opened.with_context(opening)?;
        let metadata = file.metadata().with_context(opening)?;
        if metadata.is_dir() {
            bail!("{} is a folder; name a file", self.input.display());
        }
        let access = match request.format {
            _ if !metadata.is_file() => None,
            Some(BatchFormat::Parquet) => Some(RandomAccess::Parquet),
            None if catchment_batch::is_parquet(&mut file).with_context(opening)? => {
                Some(RandomAccess::Parquet)
            }
            None | Some(BatchFormat::Xlsx | BatchFormat::Xlsm)
                if catchment_batch::is_workbook(&mut file).with_context(opening)? =>
            {
                Some(RandomAccess::Workbook)
            }
            _ => None,
        };
        Ok(OpenedInput {
            is_workbook: matches!(access, Some(RandomAccess::Workbook)),
            random_access: match access {
                Some(access) => Some((file.try_clone().with_context(opening)?, access)),
                None => None,
            },
            reader: Box::new(file),
        })
    }

    /// Returns the name of the input for messages.
    fn input_name(&self) -> String {
        if self.is_standard_input() {
            "standard input".into()
        } else {
            self.input.display().to_string()
        }
    }

    fn file_name(&self) -> Option<String> {
        if self.is_standard_input() {
            None
        } else {
            file_name(&self.input)
        }
    }

    /// Returns the progress bar: percentage, rows, rate and time left. The bar is shown only on a
    /// terminal.
    fn bar(&self, progress: &Arc<BatchProgress>, has_known_size: bool) -> ProgressBar {
        if self.quiet || !io::stderr().is_terminal() {
            return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        }
        let size = self
            .input
            .metadata()
            .ok()
            .filter(|metadata| metadata.is_file() && has_known_size)
            .map(|metadata| metadata.len());
        let (bar, template) = match size {
            Some(size) => (
                ProgressBar::new(size),
                "{bar:24} {percent}%  {rows}, {rate} rows/s, {eta} left",
            ),
            None => (
                ProgressBar::new_spinner(),
                "{spinner} {rows}, {rate} rows/s, {elapsed}",
            ),
        };
        let rows = Arc::clone(progress);
        let rate_progress = Arc::clone(progress);
        let style = ProgressStyle::with_template(template)
            .expect("a valid template")
            .with_key(
                "rows",
                move |_: &ProgressState, line: &mut dyn std::fmt::Write| {
                    // An error is ignored, because the line is drawn again at the next tick.
                    let count = rows.rows();
                    let noun = if count == 1 { "row" } else { "rows" };
                    let _ = write!(line, "{} {noun}", HumanCount(count));
                },
            )
            .with_key(
                "rate",
                move |state: &ProgressState, line: &mut dyn std::fmt::Write| {
                    let milliseconds = state.elapsed().as_millis().max(1);
                    let rate = u128::from(rate_progress.rows()) * 1_000 / milliseconds;
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
