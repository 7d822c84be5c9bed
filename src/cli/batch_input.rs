//! The input file of the commands that look up the rows of a file: its path, its format and its
//! columns.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use jiff::civil::Date;

use super::UprnArgument;
use catchment_batch::{
    BatchFormat, BatchProgress, BatchRequest, ColumnOverrides, Compression, DecodeLimits,
    Delimiter, HeaderOptions, WorkbookOptions,
};
use catchment_core::domain::{date_from_iso, today_in_london};
use catchment_core::index::Index;

/// The input file, its format and its columns.
#[derive(Debug, clap::Args)]
pub(super) struct InputArguments {
    /// Input file, or - for standard input.
    #[arg(value_name = "IN")]
    pub(super) input: PathBuf,
    /// Format of the input; detected by default.
    #[arg(long, value_enum)]
    pub(super) format: Option<FormatArgument>,
    /// Delimiter of the input: a character, or `tab`; detected by default.
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<Delimiter>,
    /// Sheet of a workbook: its name or number; the first visible sheet by default.
    #[arg(long, value_name = "NAME|NUMBER")]
    sheet: Option<String>,
    /// Number of lines above the header row. By default, titles and blank lines above the header
    /// row are detected. These lines are copied to the output.
    #[arg(long, value_name = "N")]
    skip_lines: Option<usize>,
    /// The file has no header row: specify columns by number, such as --postcode-column 2.
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
    /// Layer of the statistical areas in that column; by default, the layer in the name of the
    /// column or, if the name shows no layer, any layer of statistical areas.
    #[arg(long, value_name = "LAYER")]
    area_layer: Option<String>,
    /// Column of UPRNs, instead of postcodes; needs --uprn-table. By default, it is detected by its name
    /// if there are no postcodes and no coordinates.
    #[arg(long, value_name = "NAME")]
    uprn_column: Option<String>,
    #[command(flatten)]
    pub(super) uprns: UprnArgument,
}

/// The dates of the look-ups.
#[derive(Debug, clap::Args)]
pub(super) struct DateArguments {
    /// Date of the look-ups; today by default.
    #[arg(long, value_name = "YYYY-MM-DD")]
    as_of: Option<String>,
    /// Column of dates, one for each row; --as-of applies to rows without a date.
    #[arg(long, value_name = "NAME")]
    as_of_column: Option<String>,
}

/// An opened input file.
pub(super) struct OpenedInput {
    pub(super) reader: Box<dyn Read + Send>,
    /// The same file, if its format needs random access.
    pub(super) random_access: Option<(File, RandomAccess)>,
    /// Whether the first bytes are the first bytes of a workbook.
    pub(super) is_workbook: bool,
}

/// The formats that are not read from start to end.
#[derive(Debug, Clone, Copy)]
pub(super) enum RandomAccess {
    Parquet,
    Workbook,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum FormatArgument {
    Csv,
    Tsv,
    Ndjson,
    Parquet,
    Arrow,
    Xlsx,
}

impl DateArguments {
    fn day(&self) -> Result<Date> {
        match &self.as_of {
            Some(text) => date_from_iso(text).context("--as-of"),
            None => Ok(today_in_london()),
        }
    }
}

impl InputArguments {
    /// Returns the request to read the input. The columns of the output and the layers of
    /// statistical areas are added later, because they depend on the dataset.
    pub(super) fn request(&self, dates: &DateArguments) -> Result<BatchRequest> {
        let as_of = dates.day()?;
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
                uprn: self.uprn_column.clone(),
                as_of: dates.as_of_column.clone(),
                ..ColumnOverrides::default()
            },
            header: HeaderOptions {
                skip_lines: self.skip_lines,
                is_absent: self.no_header,
            },
            as_of,
            output_columns: Vec::new(),
            excel_safe: false,
            compression: Compression::None,
            limits: DecodeLimits::for_this_machine(),
            workbook: WorkbookOptions {
                sheet: self.sheet.clone(),
                ..WorkbookOptions::default()
            },
            // The previous answers are read later, when the columns of the input are known.
            previous: None,
        })
    }

    /// Adds the layers of statistical areas of the dataset to a request.
    pub(super) fn add_layers(&self, request: &mut BatchRequest, index: &Index) -> Result<()> {
        if self.uprn_column.is_some() && !index.has_uprns() {
            bail!("--uprn-column needs --uprn-table, the table of UPRNs");
        }
        let overrides = &mut request.column_overrides;
        overrides.has_uprns = index.has_uprns();
        overrides
            .set_statistical_layers(index.manifest(), self.area_layer.as_deref())
            .context("--area-layer")
    }

    pub(super) fn is_standard_input(&self) -> bool {
        self.input.as_os_str() == "-"
    }

    /// Opens the input.
    pub(super) fn open(&self, request: &BatchRequest) -> Result<OpenedInput> {
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
            bail!("{} is a folder; give a file", self.input.display());
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
    pub(super) fn input_name(&self) -> String {
        if self.is_standard_input() {
            "standard input".into()
        } else {
            self.input.display().to_string()
        }
    }

    /// Returns the name of the input without its folder; `None` for standard input.
    pub(super) fn file_name(&self) -> Option<String> {
        if self.is_standard_input() {
            None
        } else {
            file_name(&self.input)
        }
    }

    /// Returns the progress bar: percentage, rows, rate and remaining time. The bar is shown only
    /// on a terminal.
    pub(super) fn bar(
        &self,
        progress: &Arc<BatchProgress>,
        has_known_size: bool,
        is_quiet: bool,
    ) -> ProgressBar {
        if is_quiet || !io::stderr().is_terminal() {
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
                    // Ignore an error, because the line is drawn again at the next tick.
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

pub(super) fn file_name(path: &Path) -> Option<String> {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
}
