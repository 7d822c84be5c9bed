//! `catchment export`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::deliver::{Fingerprint, Hashing, Output};
use super::{DataArgument, Working};
use crate::batch::{BatchError, Progress};
use crate::export::{self, TableFormat};
use crate::index::Index;

#[derive(Debug, clap::Args)]
pub(super) struct ExportArguments {
    /// Where the look-up by postcode goes: OUT.parquet or OUT.csv, whole or not at all. A manifest is written beside it.
    #[arg(long, value_name = "OUT", required_unless_present = "practices")]
    lookup: Option<PathBuf>,
    /// Where the look-up by practice goes, likewise.
    #[arg(long, value_name = "OUT")]
    practices: Option<PathBuf>,
    /// Replace what is there already.
    #[arg(long)]
    force: bool,
    /// How many threads work; by default one a processor.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Say nothing but errors.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    data: DataArgument,
}

/// A table, and where it goes.
struct Table<'a> {
    what: &'static str,
    path: &'a Path,
    format: TableFormat,
    write: Write,
}

type File = Hashing<Output>;
type Write = fn(&Index, TableFormat, &mut File, NonZeroUsize, &Progress) -> Result<(), BatchError>;

pub(super) fn run(arguments: &ExportArguments) -> Result<ExitCode> {
    let asked: [(&str, &Option<PathBuf>, Write); 2] = [
        ("postcodes", &arguments.lookup, export::postcodes),
        ("practices", &arguments.practices, export::practices),
    ];
    let mut tables = Vec::new();
    for (what, path, write) in asked {
        if let Some(path) = path {
            let format = format_of(path)?;
            let output = Output::stage(Some(path), None, arguments.force)?;
            let table = Table {
                what,
                path,
                format,
                write,
            };
            tables.push((table, Hashing::new(output, true)));
        }
    }
    if let [(first, _), (second, _)] = &tables[..]
        && first.path == second.path
    {
        bail!("both tables cannot go to {}", first.path.display());
    }
    let index = arguments.data.load()?;
    for (table, file) in tables {
        table.export(arguments, &index, file)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Table<'_> {
    fn export(&self, arguments: &ExportArguments, index: &Index, mut file: File) -> Result<()> {
        let progress = Progress::default();
        let shown = self.path.display();
        let writing = || format!("writing {shown}");
        {
            let working = (!arguments.quiet).then(Working::new);
            if let Some(working) = &working {
                working.at(self.what);
            }
            let threads = arguments.threads();
            let done = (self.write)(index, self.format, &mut file, threads, &progress);
            done.map_err(|fault| match fault {
                BatchError::Write(error) => error.into(),
                other => anyhow::Error::from(other),
            })
            .with_context(writing)?;
        }
        let manifest = self.manifest(index, &file.digest(), progress.rows());
        file.inner.publish(&manifest).with_context(writing)?;
        if !arguments.quiet {
            eprintln!("{shown}: {} rows", progress.rows());
        }
        Ok(())
    }

    /// It holds nothing of when, where and on how many threads it was made.
    fn manifest(&self, index: &Index, file: &Fingerprint, rows: u64) -> String {
        let dataset = index.manifest();
        let body = json!({
            "program": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
            "dataset": {
                "name": dataset.name,
                "version": dataset.version,
                "digest": index.digest(),
                "attribution": dataset.attribution,
            },
            "table": self.what,
            "rows": rows,
            "output": {
                "name": self.path.file_name().map(|name| name.to_string_lossy()),
                "bytes": file.bytes,
                "sha256": file.sha256,
            },
        });
        let text = serde_json::to_string_pretty(&body).expect("values in memory");
        text + "\n"
    }
}

impl ExportArguments {
    fn threads(&self) -> NonZeroUsize {
        let processors = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.threads.unwrap_or_else(processors)
    }
}

fn format_of(path: &Path) -> Result<TableFormat> {
    match path.extension().and_then(|it| it.to_str()) {
        Some("parquet") => Ok(TableFormat::Parquet),
        Some("csv") => Ok(TableFormat::Csv),
        _ => bail!(
            "{}: a table ends in .parquet or .csv, which says what it is",
            path.display()
        ),
    }
}
