//! `catchment batch`: looks up every row of a file.

mod report;
mod summary_lists;

use std::fs::File;
use std::io::{self, Seek, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::slice;
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use std::sync::Arc;

pub(super) use self::report::detected_line;
use super::DataArgument;
use super::batch_input::{DateArguments, InputArguments, OpenedInput, RandomAccess, file_name};
use super::output::AtomicOutput;
use crate::ops::log;
use catchment_batch::{
    BatchError, BatchFormat, BatchInput, BatchProgress, BatchRequest, Compression, Delimiter,
    DetectedFormat, KeyColumn, OutputColumn, SummarySuppression, TabularError,
};
use catchment_core::domain::{SuppressionRule, phrases};
use catchment_core::index::Index;
use catchment_data::fs::{FileAccess, Fingerprint, HashingIo, check_output_file, write_atomically};

/// The exit status if some rows could not be read.
const EXIT_BAD_ROWS: u8 = 3;
/// The exit status that shells report for SIGPIPE (128 + 13), if the program that reads the output
/// has closed the pipe.
const EXIT_SIGPIPE: u8 = 141;
/// The number of rows that `--check` shows.
const PREVIEW_ROWS: usize = 5;

#[derive(Debug, clap::Args)]
pub(super) struct BatchArguments {
    /// Output file, written atomically and with a manifest next to it; standard output by default.
    /// The extension of OUT can convert a workbook to CSV, TSV or NDJSON, or CSV, TSV or NDJSON to
    /// a workbook.
    #[arg(short, long, value_name = "OUT", conflicts_with = "check")]
    output: Option<PathBuf>,
    /// Replace OUT and the file of --summary if they exist.
    #[arg(long, requires = "output")]
    force: bool,
    /// Show the detected format and columns, and the result of the first rows; write no files.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    source: InputArguments,
    /// Look up only practice codes: no column contains postcodes or coordinates.
    #[arg(long)]
    registration_only: bool,
    #[command(flatten)]
    dates: DateArguments,
    /// Columns to add to the ten default columns, separated by commas: names of columns, and the
    /// sets default, codes, names, location, match, practices, distances, reasons, attributes,
    /// sources and all. LAYER, LAYER.name and LAYER.code add the area of a layer by residence, its
    /// name and its national code.
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
    /// Output of an earlier run (CSV, TSV or NDJSON) to compare with this run: the summary states
    /// for how many rows the community changed, and why, and four columns are added.
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
    /// 5. By default, only the flows in the summary are suppressed, with below:8.
    #[arg(long, value_name = "RULE")]
    suppress: Option<SuppressionRule>,
    /// Print errors only.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    data: DataArgument,
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
    } = arguments.source.open(&request)?;
    arguments.convert(&mut request, is_workbook)?;
    let output = AtomicOutput::stage(
        arguments.output.as_deref(),
        Some(&arguments.source.input),
        arguments.force,
    )?;
    if let Some(path) = &arguments.summary {
        check_output_file(
            path,
            slice::from_ref(&arguments.source.input),
            arguments.force,
        )?;
    }
    let index = arguments.source.uprns.add_to(arguments.data.load()?)?;
    arguments.add_dataset(&mut request, &index)?;
    let progress = Arc::new(BatchProgress::default());
    let bar = arguments
        .source
        .bar(&progress, random_access.is_none(), arguments.quiet);
    let mut hashed_input = HashingIo::new(reader, output.is_file());
    let mut hashed_output = HashingIo::new(output, true);
    hashed_output.is_enabled = hashed_output.inner.is_file();
    let name = arguments.source.input_name();
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
                "a workbook cannot be shown on a terminal: give an output file, for example -o \
                 answered.xlsx"
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
            suppression: request.workbook.suppression.counts,
            input: (arguments.source.file_name(), input),
            output: (file_name(path), output),
            previous: previous_file,
        };
        hashed_output
            .inner
            .publish(&manifest.json())
            .context("writing the output")?;
    }
    if let Some(path) = &arguments.summary {
        let json = report::summary_to_json(&summary, &index, &request);
        write_atomically(path, json.as_bytes(), FileAccess::Umask)
            .with_context(|| format!("writing {}", path.display()))?;
    }
    if !arguments.quiet {
        let suppression = request.workbook.suppression.counts;
        let summary = report::summary(&summary, &detected, &index, suppression);
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
    let name = arguments.source.input_name();
    let with_name = |error: BatchError| anyhow!("{name}: {error}");
    let opened = arguments.source.open(&request)?;
    let index = arguments.source.uprns.add_to(arguments.data.load()?)?;
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
        let mut request = self.source.request(&self.dates)?;
        request.column_overrides.registration_only = self.registration_only;
        request.column_overrides.key = self.previous.is_some().then(|| match &self.key {
            Some(name) => KeyColumn::Named(name.clone()),
            None => KeyColumn::First,
        });
        request.excel_safe = self.excel_safe;
        request.compression = self.compression();
        request.workbook.suppression = SummarySuppression::new(self.suppress);
        Ok(request)
    }

    /// Adds the parts of the request that depend on the dataset: the output columns and the layers
    /// of statistical areas.
    fn add_dataset(&self, request: &mut BatchRequest, index: &Index) -> Result<()> {
        let columns = OutputColumn::with_defaults(&self.columns, index.manifest());
        request.output_columns = columns.context("--columns")?;
        if self.previous.is_some() {
            let compared = OutputColumn::of_comparison(index.manifest());
            request.output_columns.extend(compared);
        }
        self.source.add_layers(request, index)
    }

    /// If a previous run is given, reads its answers, and returns the name and the fingerprint of
    /// their file.
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

    /// Returns the format and the delimiter that the extension of OUT specifies. If OUT ends in
    /// `.gz` or `.zst`, the extension before it specifies the format.
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

    /// Sets the format of the output if the output or the input is a workbook.
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
}
