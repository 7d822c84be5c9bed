//! `catchment export`: writes look-up tables, boundaries, map tiles and the look-up as static files.

mod static_site;

use std::io::{self, BufWriter, Seek, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result, bail};
use jiff::civil::Date;
use serde_json::json;

use self::static_site::StaticOutput;
use super::flows::{FlowFormat, FlowOptions, FlowReport, flow_format, write_flows};
use super::output::AtomicOutput;
use super::{DataArgument, Spinner};
use crate::export::{self, AreaFormat};
use crate::ops::log;
use catchment_batch::flows::{PublishedFlows, registration_flows};
use catchment_batch::lookup_export::{self, TableFormat};
use catchment_batch::{BatchProgress, TabularError};
use catchment_core::domain::{
    Layer, SuppressionRule, UnknownLayer, date_from_iso, today_in_london,
};
use catchment_core::index::Index;
use catchment_data::fs::{Fingerprint, HashingIo};
use catchment_tiles::pmtiles::{self, ARCHIVE_ZOOM};

#[derive(Debug, clap::Args)]
pub(super) struct ExportArguments {
    #[command(flatten)]
    outputs: OutputArguments,
    /// Layers of --areas and --tiles, separated by commas; by default, all layers that have
    /// boundaries.
    #[arg(long, value_name = "LAYER,…", value_delimiter = ',')]
    layers: Vec<String>,
    /// Date of --areas, --areas-of, --flows and --tiles, and first date of --static; today by default.
    /// The look-up tables of postcodes and practices cover all dates.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date_from_iso)]
    as_of: Option<Date>,
    /// Maximum zoom of the tiles; map viewers magnify these tiles at higher zooms.
    #[arg(long, value_name = "0-22", default_value_t = ARCHIVE_ZOOM, value_parser = clap::value_parser!(u8).range(0..=22))]
    max_zoom: u8,
    /// Folder of an earlier export with --static: write only the files that differ from it, and
    /// `changes.json`, the list of the files that are new, changed or no longer needed.
    #[arg(long, value_name = "OLD", requires = "static_site")]
    since: Option<PathBuf>,
    /// With --static: the page also works without a connection after the first visit, and can be
    /// installed.
    #[arg(long, requires = "static_site")]
    offline: bool,
    /// Replace existing files.
    #[arg(long)]
    force: bool,
    /// Number of threads; one for each CPU by default.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Print errors only.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    data: DataArgument,
    #[command(flatten, next_help_heading = "Options of --flows")]
    flow_options: FlowOptions,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct OutputArguments {
    /// File for the look-up table of postcodes: OUT.parquet or OUT.csv. Every file is written
    /// atomically, with a manifest next to it.
    #[arg(long, value_name = "OUT")]
    lookup: Option<PathBuf>,
    /// File for the look-up table of practices: OUT.parquet or OUT.csv.
    #[arg(long, value_name = "OUT")]
    practices: Option<PathBuf>,
    /// Layer whose areas do not overlap, such as statistical areas, and file for the look-up table
    /// from each area of this layer to the areas of every other layer: OUT.parquet or OUT.csv. The
    /// option can be repeated.
    #[arg(long, num_args = 2, value_names = ["LAYER", "OUT"])]
    areas_of: Vec<String>,
    /// File for boundaries: OUT.gpkg (GeoPackage), OUT.parquet (GeoParquet), OUT.zip (Shapefiles) or
    /// OUT.fgb (FlatGeobuf) in British National Grid; OUT.geojson or OUT.topojson in longitude and
    /// latitude.
    #[arg(long, value_name = "OUT")]
    areas: Option<PathBuf>,
    /// File for map tiles: OUT.pmtiles.
    #[arg(long, value_name = "OUT")]
    tiles: Option<PathBuf>,
    /// Folder for the look-up as static files: a page, the map widget and a JavaScript module that
    /// answer in the browser, from any web host.
    #[arg(long = "static", value_name = "DIR")]
    static_site: Option<PathBuf>,
    /// File for the number of patients by where they are registered and where they live, if the
    /// dataset has the published registrations of practices: OUT.csv, OUT.xlsx or OUT.json.
    #[arg(long, value_name = "OUT")]
    flows: Option<PathBuf>,
}

/// An output file and its content.
struct ExportFile<'a> {
    content_name: &'static str,
    path: &'a Path,
    content: ExportContent,
}

enum ExportContent {
    Table(TableFormat, WriteTable),
    /// The look-up table of the areas of the layer with this id.
    AreasOf(TableFormat, String),
    Areas(AreaFormat),
    Tiles,
    Flows(FlowFormat, SuppressionRule),
}

type HashedOutput = HashingIo<AtomicOutput>;
type WriteTable = fn(
    &Index,
    TableFormat,
    &mut HashedOutput,
    NonZeroUsize,
    &BatchProgress,
) -> Result<(), TabularError>;

pub(super) fn run(arguments: &ExportArguments) -> Result<ExitCode> {
    let mut files: Vec<(ExportFile<'_>, HashedOutput)> = Vec::new();
    for export in arguments.outputs.exports(&arguments.flow_options)? {
        if files.iter().any(|(other, _)| other.path == export.path) {
            bail!(
                "two outputs have the same name, {}; choose different names",
                export.path.display()
            );
        }
        let output = AtomicOutput::stage(Some(export.path), None, arguments.force)?;
        files.push((export, HashingIo::new(output, true)));
    }
    let static_site = arguments.outputs.static_site.as_deref();
    let static_site = static_site.map(|name| StaticOutput::check(name, arguments));
    let static_site = static_site.transpose()?;
    let index = arguments.data.load()?;
    for (export, file) in files {
        export.run(arguments, &index, file)?;
    }
    if let Some(static_site) = static_site {
        static_site.write(arguments, &index)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl OutputArguments {
    fn exports(&self, flow_options: &FlowOptions) -> Result<Vec<ExportFile<'_>>> {
        let mut exports = Vec::new();
        let mut add = |content_name, path, content| {
            exports.push(ExportFile {
                content_name,
                path,
                content,
            })
        };
        if let Some(path) = self.lookup.as_deref() {
            add(
                "postcodes",
                path,
                ExportContent::Table(table_format(path)?, lookup_export::write_postcodes),
            );
        }
        if let Some(path) = self.practices.as_deref() {
            add(
                "practices",
                path,
                ExportContent::Table(table_format(path)?, lookup_export::write_practices),
            );
        }
        for pair in self.areas_of.chunks(2) {
            if let [layer, path] = pair {
                let path = Path::new(path);
                let content = ExportContent::AreasOf(table_format(path)?, layer.clone());
                add("area-lookup", path, content);
            }
        }
        if let Some(path) = self.areas.as_deref() {
            add("areas", path, ExportContent::Areas(area_format(path)?));
        }
        if let Some(path) = self.tiles.as_deref() {
            if extension(path) != Some("pmtiles") {
                bail!(
                    "{}: the name of a tile file must end in .pmtiles",
                    path.display()
                );
            }
            add("tiles", path, ExportContent::Tiles);
        }
        if let Some(path) = self.flows.as_deref() {
            let format = flow_format(path, flow_options.table())?;
            add(
                "flows",
                path,
                ExportContent::Flows(format, flow_options.rule()),
            );
        }
        Ok(exports)
    }
}

impl ExportFile<'_> {
    fn run(
        &self,
        arguments: &ExportArguments,
        index: &Index,
        mut file: HashedOutput,
    ) -> Result<()> {
        let display = self.path.display();
        let writing = || format!("writing {display}");
        let count = {
            let spinner = (!arguments.quiet).then(Spinner::new);
            if let Some(spinner) = &spinner {
                spinner.set_stage(self.content_name);
            }
            self.write(arguments, index, &mut file)
                .with_context(writing)?
        };
        let manifest = self.manifest(index, &file.fingerprint(), count);
        file.inner.publish(&manifest).with_context(writing)?;
        if !arguments.quiet {
            log::message(format_args!("{display}: {count} {}", self.unit()));
        }
        Ok(())
    }

    /// Writes the content and returns the number of rows, areas or tiles.
    fn write(
        &self,
        arguments: &ExportArguments,
        index: &Index,
        file: &mut HashedOutput,
    ) -> Result<u64> {
        match &self.content {
            &ExportContent::Table(format, write) => {
                let progress = BatchProgress::default();
                let written = write(index, format, file, arguments.threads(), &progress);
                count_rows(written, &progress)
            }
            ExportContent::AreasOf(format, layer) => {
                let progress = BatchProgress::default();
                let key = (layer_of_areas(index, layer)?, arguments.day());
                let threads = arguments.threads();
                let written =
                    lookup_export::write_areas_of(index, key, *format, file, threads, &progress);
                count_rows(written, &progress)
            }
            &ExportContent::Areas(format) => {
                let day = arguments.day();
                let areas = export::encode_areas(index, format, &arguments.layers(index)?, day)?;
                file.write_all(&areas.bytes)?;
                Ok(areas.count)
            }
            ExportContent::Flows(format, rule) => {
                let options = &arguments.flow_options;
                let (layers, day) = (options.layers(index)?, arguments.day());
                let Some(found) = registration_flows(index, layers, day) else {
                    bail!(
                        "the dataset has no registrations: build it with `registrations` in a table of shares (docs/users/own-data.md)"
                    );
                };
                let flows = PublishedFlows::new(&found.table, *rule);
                let report = FlowReport {
                    index,
                    flows: &flows,
                    day,
                    source: Some(found.counted_on),
                };
                write_flows(&report, *format, file)?;
                Ok(flows.pairs().len() as u64)
            }
            ExportContent::Tiles => {
                // The writer returns to the header to complete it, so the file is hashed when it is
                // complete.
                let mut archive = tempfile::tempfile()?;
                let (layers, day) = (arguments.layers(index)?, arguments.day());
                let max_zoom = arguments.max_zoom;
                let stats =
                    pmtiles::write(index, &layers, day, max_zoom, BufWriter::new(&mut archive))?;
                archive.rewind()?;
                io::copy(&mut archive, file)?;
                Ok(stats.tiles)
            }
        }
    }

    fn unit(&self) -> &'static str {
        match self.content {
            ExportContent::Table(..) | ExportContent::AreasOf(..) => "rows",
            ExportContent::Areas(_) => "areas",
            ExportContent::Tiles => "tiles",
            ExportContent::Flows(..) => "pairs",
        }
    }

    /// Returns the manifest as JSON. The manifest is reproducible, because it contains no time,
    /// host or thread count.
    fn manifest(&self, index: &Index, file: &Fingerprint, count: u64) -> String {
        let dataset = index.manifest();
        let mut body = json!({
            "program": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
            "dataset": {
                "name": dataset.name,
                "version": dataset.version,
                "digest": index.digest(),
                "attribution": dataset.attribution,
            },
            "content": self.content_name,
            (self.unit()): count,
            "output": {
                "name": self.path.file_name().map(|name| name.to_string_lossy()),
                "bytes": file.bytes,
                "sha256": file.sha256,
            },
        });
        if let ExportContent::Flows(_, rule) = self.content {
            body["suppression"] = json!(rule.to_string());
        }
        let text = serde_json::to_string_pretty(&body).expect("plain values serialise to JSON");
        text + "\n"
    }
}

impl ExportArguments {
    fn threads(&self) -> NonZeroUsize {
        let available = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.threads.unwrap_or_else(available)
    }

    fn day(&self) -> Date {
        self.as_of.unwrap_or_else(today_in_london)
    }

    /// Returns the requested layers or, if none were requested, all layers that have boundaries on
    /// the date.
    ///
    /// # Errors
    /// If the dataset does not contain a requested layer, or the layer has no boundaries on the
    /// date.
    fn layers(&self, index: &Index) -> Result<Vec<Layer>> {
        let has_boundaries = |layer: &Layer| {
            let has_begun = index
                .first_data(*layer)
                .is_some_and(|first| first <= self.day());
            has_begun && index.boundaries(*layer, self.day()).next().is_some()
        };
        for id in &self.layers {
            let mut layers = index.layers();
            let Some(layer) = layers.find(|layer| layer.as_str() == id) else {
                bail!("--layers: {}", index.manifest().unknown_layer());
            };
            if !has_boundaries(&layer) {
                bail!(
                    "the dataset has no boundaries of layer {layer} on {}",
                    self.day()
                );
            }
        }
        let is_requested = |layer: &Layer| {
            self.layers.is_empty() || self.layers.iter().any(|id| id == layer.as_str())
        };
        Ok(index
            .layers()
            .filter(has_boundaries)
            .filter(is_requested)
            .collect())
    }
}

fn count_rows(written: Result<(), TabularError>, progress: &BatchProgress) -> Result<u64> {
    match written {
        Err(TabularError::Write(error)) => Err(error.into()),
        Err(other) => Err(other.into()),
        Ok(()) => Ok(progress.rows()),
    }
}

/// Returns the layer of `--areas-of`.
///
/// # Errors
/// If the dataset does not contain the layer, or the areas of the layer may overlap.
fn layer_of_areas(index: &Index, id: &str) -> Result<Layer> {
    let mut layers = index.layers();
    let found = layers.find(|layer| layer.as_str() == id);
    if let Some(layer) = found.filter(|layer| index.is_partition(*layer)) {
        return Ok(layer);
    }
    let known: Vec<Layer> = index
        .layers()
        .filter(|layer| index.is_partition(*layer))
        .collect();
    let expected = UnknownLayer { known };
    match found {
        None => bail!("--areas-of: {expected}"),
        Some(layer) => bail!("--areas-of: {layer} has areas that may overlap, so {expected}"),
    }
}

fn table_format(path: &Path) -> Result<TableFormat> {
    match extension(path) {
        Some("parquet") => Ok(TableFormat::Parquet),
        Some("csv") => Ok(TableFormat::Csv),
        _ => bail!(
            "{}: the name of a table must end in .parquet or .csv",
            path.display()
        ),
    }
}

fn area_format(path: &Path) -> Result<AreaFormat> {
    match extension(path) {
        Some("geojson" | "json") => Ok(AreaFormat::GeoJson),
        Some("gpkg") => Ok(AreaFormat::GeoPackage),
        Some("topojson") => Ok(AreaFormat::TopoJson),
        Some("zip") => Ok(AreaFormat::Shapefiles),
        Some("fgb") => Ok(AreaFormat::FlatGeobuf),
        Some("parquet") => Ok(AreaFormat::GeoParquet),
        _ => bail!(
            "{}: the name of a boundary file must end in .gpkg, .geojson, .parquet, .topojson, .zip (Shapefiles) or .fgb",
            path.display()
        ),
    }
}

fn extension(path: &Path) -> Option<&str> {
    path.extension().and_then(|text| text.to_str())
}
