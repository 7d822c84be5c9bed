//! `catchment flows`: counts the patients of a file by the areas in which they are registered and
//! in which they live.

mod report;

pub(super) use self::report::FlowReport;

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use super::batch_input::{DateArguments, InputArguments, RandomAccess, file_name};
use super::output::AtomicOutput;
use super::{DataArgument, print};
use crate::ops::log;
use anyhow::{Context, Result, anyhow, bail};
use catchment_batch::flows::{
    FlowLayers, FlowTableKind, PublishedFlows, UnsuitableFlowLayer, matrix_fits, write_csv,
    write_workbook,
};
use catchment_batch::{BatchInput, BatchProgress, BatchRequest, BatchSummary, count_flows};
use catchment_core::domain::SuppressionRule;
use catchment_core::index::Index;
use catchment_data::fs::{Fingerprint, HashingIo};
use clap::ValueEnum;

/// The exit status if some rows could not be read.
const EXIT_BAD_ROWS: u8 = 3;

#[derive(Debug, clap::Args)]
pub(super) struct FlowsArguments {
    /// Output file, written atomically and with a manifest next to it: OUT.csv, OUT.xlsx or
    /// OUT.json; a table in text on standard output by default.
    #[arg(short, long, value_name = "OUT", conflicts_with = "json")]
    output: Option<PathBuf>,
    /// Replace OUT if it exists.
    #[arg(long, requires = "output")]
    force: bool,
    #[command(flatten)]
    tables: FlowOptions,
    /// Print the tables as JSON, in the format of OUT.json.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: InputArguments,
    #[command(flatten)]
    dates: DateArguments,
    /// Number of threads; one for each CPU by default.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Print errors only.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    data: DataArgument,
}

/// The layers, the suppression and the table.
#[derive(Debug, clap::Args)]
pub(super) struct FlowOptions {
    /// Layer in which patients are registered and live; the main layer of communities by default.
    #[arg(long, value_name = "LAYER", conflicts_with_all = ["registered", "resident"])]
    layer: Option<String>,
    /// Layer in which patients are registered: a layer to whose areas practices belong, or the
    /// layer of the practices.
    #[arg(long, value_name = "LAYER")]
    registered: Option<String>,
    /// Layer in which patients live: a layer whose areas do not overlap.
    #[arg(long, value_name = "LAYER")]
    resident: Option<String>,
    /// Small number suppression: below:N, below:N-round:M or none. With below:8, counts from 1 to 7
    /// are hidden, and so are other counts from which a hidden count could be computed.
    #[arg(long, value_name = "RULE", default_value = "below:8")]
    suppress: SuppressionRule,
    /// Table in OUT.csv. long: a row for each pair of areas. matrix: a row for each area of
    /// registration and a column for each area of residence. areas: for each area, the number of
    /// patients who are registered in it, who live in it and who do both, and the ratio of
    /// registered to resident patients.
    #[arg(long, value_enum, default_value = "long")]
    table: TableArgument,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TableArgument {
    Long,
    Matrix,
    Areas,
}

impl From<TableArgument> for FlowTableKind {
    fn from(argument: TableArgument) -> FlowTableKind {
        match argument {
            TableArgument::Long => FlowTableKind::Long,
            TableArgument::Matrix => FlowTableKind::Matrix,
            TableArgument::Areas => FlowTableKind::Areas,
        }
    }
}

/// The formats of an output file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlowFormat {
    Csv(FlowTableKind),
    Xlsx,
    Json,
}

/// Returns the format that the extension of a file specifies.
///
/// # Errors
/// If the extension does not specify a format.
pub(super) fn flow_format(path: &Path, kind: FlowTableKind) -> Result<FlowFormat> {
    let extension = path.extension().and_then(|text| text.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => Ok(FlowFormat::Csv(kind)),
        Some("xlsx") => Ok(FlowFormat::Xlsx),
        Some("json") => Ok(FlowFormat::Json),
        _ => bail!(
            "{}: the name of a file of flows must end in .csv, .xlsx or .json",
            path.display()
        ),
    }
}

impl FlowOptions {
    /// Returns the rule of small number suppression.
    pub(super) fn rule(&self) -> SuppressionRule {
        self.suppress
    }

    /// Returns the kind of table that a CSV file contains.
    pub(super) fn table(&self) -> FlowTableKind {
        self.table.into()
    }

    /// Returns the layers.
    ///
    /// # Errors
    /// If the dataset does not contain a layer, or patients cannot be counted by the areas of that
    /// layer.
    pub(super) fn layers(&self, index: &Index) -> Result<FlowLayers> {
        let main = index.manifest().main_community_layer();
        let main = main.map(|layer| layer.as_str());
        let chosen = |own: &Option<String>| own.clone().or_else(|| self.layer.clone());
        let (registered, resident) = (chosen(&self.registered), chosen(&self.resident));
        let or_main = |layer: Option<String>, option: &str| {
            let layer = layer.or_else(|| main.map(str::to_string));
            layer.with_context(|| format!("the dataset has no layer of communities: give {option}"))
        };
        let registered = or_main(registered, "--layer or --registered")?;
        let resident = or_main(resident, "--layer or --resident")?;
        find_layers(index, &registered, &resident, self.layer.is_some())
    }
}

/// Finds the layers with these ids; `is_one` states whether a single option sets both layers.
fn find_layers(
    index: &Index,
    registered: &str,
    resident: &str,
    is_one: bool,
) -> Result<FlowLayers> {
    FlowLayers::find(index, registered, resident).map_err(|error| {
        let option = match &error {
            _ if is_one => "--layer",
            UnsuitableFlowLayer::NotRegistered { .. } => "--registered",
            UnsuitableFlowLayer::NotResident { .. } => "--resident",
        };
        anyhow!("{option}: {error}")
    })
}

pub(super) fn run(arguments: &FlowsArguments) -> Result<ExitCode> {
    let mut request = arguments.source.request(&arguments.dates)?;
    let kind = arguments.tables.table();
    let format = arguments.output.as_deref();
    let format = format.map(|path| flow_format(path, kind)).transpose()?;
    // Check the paths before reading the dataset and the input.
    let opened = arguments.source.open(&request)?;
    let output = AtomicOutput::stage(
        arguments.output.as_deref(),
        Some(&arguments.source.input),
        arguments.force,
    )?;
    let index = arguments.source.uprns.add_to(arguments.data.load()?)?;
    let layers = arguments.tables.layers(&index)?;
    arguments.source.add_layers(&mut request, &index)?;
    let name = arguments.source.input_name();
    let mut source = HashingIo::new(opened.reader, format.is_some());
    if let Some((file, _)) = &opened.random_access
        && source.is_enabled
    {
        // Hash the file in a separate pass, because it is not read in order.
        let mut file = file;
        let hashed = io::copy(&mut source, &mut io::sink()).and_then(|_| file.rewind());
        hashed.with_context(|| format!("reading {name}"))?;
    }
    let summary = count(
        arguments,
        (&index, layers),
        &request,
        opened.random_access,
        &mut source,
    )
    .map_err(|error| anyhow!("{name}: {error}"))?;
    let table = summary.flows.as_ref().expect("flows were counted");
    let flows = PublishedFlows::new(table, arguments.tables.rule());
    let context = FlowReport {
        index: &index,
        flows: &flows,
        day: request.as_of,
        source: None,
    };
    match format {
        None if arguments.json => print(&context.json())?,
        None => print(&context.text())?,
        Some(format) => {
            let input = (arguments.source.file_name(), source.fingerprint());
            write_file(&context, format, output, arguments.output.as_deref(), input)?;
        }
    }
    if !arguments.quiet {
        log::message(report::rows_line(&summary));
    }
    Ok(match summary.bad_rows {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_BAD_ROWS),
    })
}

/// Reads the input and counts its rows.
fn count<R: Read + Send>(
    arguments: &FlowsArguments,
    (index, layers): (&Index, FlowLayers),
    request: &BatchRequest,
    random_access: Option<(File, RandomAccess)>,
    source: &mut HashingIo<R>,
) -> Result<BatchSummary> {
    let progress = Arc::new(BatchProgress::default());
    let has_known_size = random_access.is_none();
    let bar = arguments
        .source
        .bar(&progress, has_known_size, arguments.quiet);
    let available = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = arguments.threads.unwrap_or_else(available);
    let input = match random_access {
        Some((file, RandomAccess::Parquet)) => BatchInput::open_parquet(file, request),
        Some((file, RandomAccess::Workbook)) => BatchInput::open_workbook(file, request),
        None => BatchInput::open(bar.wrap_read(source), request),
    };
    let input = input?;
    if !arguments.quiet {
        let detected = input.detected();
        bar.suspend(|| log::message(super::batch::detected_line(detected)));
    }
    let counted = count_flows(index, input, request, layers, threads, &progress);
    bar.finish_and_clear();
    Ok(counted?)
}

/// Writes the output file, and its manifest.
fn write_file(
    report: &FlowReport<'_>,
    format: FlowFormat,
    output: AtomicOutput,
    path: Option<&Path>,
    input: (Option<String>, Fingerprint),
) -> Result<()> {
    let mut hashed = HashingIo::new(output, true);
    write_flows(report, format, &mut hashed)?;
    let output = (path.and_then(file_name), hashed.fingerprint());
    let manifest = report.manifest(Some(input), output);
    let published = hashed.inner.publish(&manifest);
    published.context("writing the output")
}

/// Writes the flows in a format.
///
/// # Errors
/// If the matrix has too many counts, or the output cannot be written.
pub(super) fn write_flows(
    report: &FlowReport<'_>,
    format: FlowFormat,
    output: &mut impl Write,
) -> Result<()> {
    let flows = report.flows;
    match format {
        FlowFormat::Csv(FlowTableKind::Matrix) if !matrix_fits(flows) => {
            bail!("the matrix would have more than 1,000,000 counts: use --table long")
        }
        FlowFormat::Csv(FlowTableKind::Areas) if !flows.table().has_one_layer() => bail!(
            "--table areas: patients are registered in one layer and live in another; use --layer, or another table"
        ),
        FlowFormat::Csv(kind) => write_csv(flows, kind, output).context("writing the output"),
        FlowFormat::Xlsx => {
            write_workbook(flows, &report.notes(), output).context("writing the output")
        }
        FlowFormat::Json => {
            let written = output.write_all(report.json().as_bytes());
            written.context("writing the output")
        }
    }
}
