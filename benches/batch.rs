//! Compares the speed of a batch (from CSV to CSV, with the ten default columns) with the speed of
//! a program that only copies records with the reader and writer of the `csv` crate. The rounds of
//! the two programs alternate in one run, so that other load on the machine slows both programs.
//!
//! `CATCHMENT_BATCH_ROWS=10000000` makes a larger input file. The default is a million rows. All
//! rows are synthetic (tests/it/support/made_up_patients.rs). The last measurements are of the
//! whole program as a user starts it. These measurements include loading the data, computing the
//! SHA-256 of the input and the output, and syncing to disk. The peak memory of the program is also
//! printed. If `CATCHMENT_PYTHON` is the path of a Python interpreter with DuckDB, Polars and
//! pandas, equivalent joins in these libraries are also measured (benches/joins.py).

#[path = "../tests/it/support/made_up_patients.rs"]
mod patients;

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use catchment::batch::{
    self, BatchInput, BatchProgress, BatchRequest, ColumnOverrides, Compression, DecodeLimits,
    HeaderOptions, OutputColumn, WorkbookOptions,
};
use catchment::dataset::{self, DatasetSource};
use catchment::domain::Layer;
use catchment::index::Index;
use jiff::civil::date;
use patients::Patients;

const ROUNDS: usize = 5;

fn main() {
    // `cargo test --benches` only checks that this benchmark runs.
    let is_measured = std::env::args().any(|argument| argument == "--bench");
    let rows = std::env::var("CATCHMENT_BATCH_ROWS")
        .ok()
        .and_then(|rows| rows.parse().ok());
    let rows: u64 = rows.unwrap_or(if is_measured { 1_000_000 } else { 1_000 });
    let rounds = if is_measured { ROUNDS } else { 1 };
    let index = Index::build(
        dataset::read(&DatasetSource::Embedded).expect("the embedded dataset is valid"),
    )
    .expect("the dataset is consistent");
    let folder = tempfile::tempdir().expect("a folder");
    let (input_path, output_path) = (
        folder.path().join("input.csv"),
        folder.path().join("answered.csv"),
    );
    write_input(&index, &input_path, rows).expect("the input file is written");
    let size = input_path.metadata().expect("a file").len();
    println!("{rows} rows, {} bytes each", size / rows);
    for threads in [1, 2] {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            times[0].push(measure_time(|| match threads {
                1 => copy(&input_path, &output_path, rows),
                _ => copy_on_two_threads(&input_path, &output_path, rows),
            }));
            times[1].push(measure_time(|| {
                answer_batch(&index, &input_path, &output_path, threads, rows)
            }));
        }
        let [copied, ours] = times.map(|mut times| {
            times.sort();
            times[times.len() / 2]
        });
        println!(
            "threads {threads}: csv copies {}, batch {}: {:.2} times as fast",
            format_rate(rows, copied),
            format_rate(rows, ours),
            copied.as_secs_f64() / ours.as_secs_f64()
        );
    }
    for threads in ["1", "2"] {
        fs::remove_file(&output_path).expect("the file is removed");
        let _ = fs::remove_file(folder.path().join("answered.csv.manifest.json"));
        let started = Instant::now();
        let peak = run_program(&input_path, &output_path, threads);
        println!(
            "whole program, threads {threads}: {}, peak {peak}",
            format_rate(rows, started.elapsed())
        );
    }
    if is_measured {
        compare_with_joins(&index, folder.path(), rows);
    }
}

/// Measures joins with the exported look-up tables, which an analyst could use instead of a batch.
/// The engines are measured one after another. The times exclude the start of Python. Rows that an
/// engine cannot read are skipped.
fn compare_with_joins(index: &Index, folder: &Path, rows: u64) {
    let Some(python) = std::env::var_os("CATCHMENT_PYTHON") else {
        println!("DuckDB, Polars, pandas: skipped: CATCHMENT_PYTHON is not set");
        return;
    };
    let exported = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(["export", "--quiet", "--lookup", "postcodes.parquet"])
        .args(["--practices", "practices.parquet"])
        .current_dir(folder)
        .status()
        .expect("the program starts");
    assert!(exported.success());
    fs::write(folder.join("icc.geojson"), icc_geojson(index)).expect("the file is written");
    let output_path = folder.join("answered.csv");
    for engine in ["duckdb", "polars", "pandas"] {
        let output = Command::new(&python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/joins.py"))
            .args([engine.as_ref(), folder.as_os_str()])
            .output()
            .expect("CATCHMENT_PYTHON is a Python");
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            println!("{engine}: skipped, because it failed:\n{why}");
            continue;
        }
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let results: Vec<f64> = stdout
            .split_whitespace()
            .map(|text| text.parse().expect("a number"))
            .collect();
        let theirs = Duration::from_secs_f64(results[0]);
        assert!(
            results[1] > rows as f64 / 4.0,
            "{engine} located {}",
            results[1]
        );
        let _ = fs::remove_file(&output_path);
        let _ = fs::remove_file(folder.join("answered.csv.manifest.json"));
        let started = Instant::now();
        run_program(&folder.join("input.csv"), &output_path, "2");
        let ours = started.elapsed();
        println!(
            "{engine}: {}, whole program: {}: {:.1} times as fast",
            format_rate(rows, theirs),
            format_rate(rows, ours),
            theirs.as_secs_f64() / ours.as_secs_f64()
        );
    }
}

/// Returns the Integrated Care Communities as GeoJSON.
fn icc_geojson(index: &Index) -> String {
    let position = |point: &geo::Coord<f64>| serde_json::json!([point.x, point.y]);
    let ring = |ring: &geo::LineString<f64>| -> serde_json::Value {
        ring.coords().map(position).collect()
    };
    let polygon = |polygon: &geo::Polygon<f64>| -> serde_json::Value {
        std::iter::once(polygon.exterior())
            .chain(polygon.interiors())
            .map(ring)
            .collect()
    };
    let feature = |boundary: &catchment::domain::Boundary| {
        let coordinates: serde_json::Value = boundary.lonlat.iter().map(polygon).collect();
        serde_json::json!({ "type": "Feature", "properties": { "id": boundary.id },
            "geometry": { "type": "MultiPolygon", "coordinates": coordinates } })
    };
    let features: serde_json::Value = index
        .boundaries(Layer::declare("icc").expect("an id"), date(2025, 12, 1))
        .map(feature)
        .collect();
    serde_json::json!({ "type": "FeatureCollection", "features": features }).to_string()
}

fn format_rate(rows: u64, time: Duration) -> String {
    format!(
        "{:.2} million rows/s",
        rows as f64 / time.as_secs_f64() / 1e6
    )
}

fn measure_time(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

fn write_input(index: &Index, path: &Path, rows: u64) -> io::Result<()> {
    let mut patients = Patients::new(index, 1);
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "{}", patients::NAMES)?;
    let mut row = Vec::new();
    for _ in 0..rows {
        row.clear();
        patients.row(&mut row);
        out.write_all(&row)?;
    }
    out.flush()
}

fn reader(input_path: &Path) -> csv::Reader<File> {
    csv::ReaderBuilder::new()
        .flexible(true)
        .from_path(input_path)
        .expect("an input file")
}

fn writer(output_path: &Path) -> csv::Writer<File> {
    csv::WriterBuilder::new()
        .flexible(true)
        .from_path(output_path)
        .expect("a file")
}

/// Copies the records on one thread. Copying on one thread is the simplest solution.
fn copy(input_path: &Path, output_path: &Path, rows: u64) {
    let (mut reader, mut writer) = (reader(input_path), writer(output_path));
    writer
        .write_byte_record(reader.byte_headers().expect("names"))
        .expect("the file is written");
    let mut record = csv::ByteRecord::new();
    let mut count = 0;
    while reader.read_byte_record(&mut record).expect("a record") {
        writer
            .write_byte_record(&record)
            .expect("the file is written");
        count += 1;
    }
    writer.flush().expect("the file is written");
    assert_eq!(count, rows);
}

/// Copies the records with a reading thread and a writing thread, a thousand records at a time.
fn copy_on_two_threads(input_path: &Path, output_path: &Path, rows: u64) {
    let (mut reader, mut writer) = (reader(input_path), writer(output_path));
    writer
        .write_byte_record(reader.byte_headers().expect("names"))
        .expect("the file is written");
    let (full_sender, full_receiver) = mpsc::sync_channel::<Vec<csv::ByteRecord>>(4);
    let (empty_sender, empty_receiver) = mpsc::channel();
    for _ in 0..6 {
        empty_sender
            .send(vec![csv::ByteRecord::new(); 1_000])
            .expect("the receiver is open");
    }
    thread::scope(|scope| {
        scope.spawn(move || {
            for mut records in empty_receiver {
                let mut count = 0;
                while count < records.len()
                    && reader
                        .read_byte_record(&mut records[count])
                        .expect("a record")
                {
                    count += 1;
                }
                let is_last = count < records.len();
                records.truncate(count);
                if full_sender.send(records).is_err() || is_last {
                    return;
                }
            }
        });
        let mut count = 0;
        for records in full_receiver {
            for record in &records {
                writer
                    .write_byte_record(record)
                    .expect("the file is written");
            }
            count += records.len() as u64;
            // Sending fails after the last records, because the reading thread has finished.
            let _ = empty_sender.send(records);
        }
        writer.flush().expect("the file is written");
        assert_eq!(count, rows);
    });
}

fn answer_batch(index: &Index, input_path: &Path, output_path: &Path, threads: usize, rows: u64) {
    let request = BatchRequest {
        format: None,
        delimiter: None,
        column_overrides: ColumnOverrides::default(),
        header: HeaderOptions::default(),
        as_of: date(2025, 12, 1),
        output_columns: OutputColumn::defaults(index.manifest()),
        excel_safe: false,
        compression: Compression::None,
        limits: DecodeLimits::HTTP,
        workbook: WorkbookOptions::default(),
        previous: None,
    };
    let input = BatchInput::open(File::open(input_path).expect("an input file"), &request)
        .expect("the input file is valid");
    let output = File::create(output_path).expect("a file");
    let threads = NonZeroUsize::new(threads).expect("at least one thread");
    let progress = BatchProgress::default();
    let summary =
        batch::run(index, input, &request, output, threads, &progress).expect("the batch succeeds");
    assert_eq!(summary.rows, rows);
    let located = summary
        .status
        .iter()
        .find(|(word, _)| *word == "located")
        .expect("the summary counts located rows");
    assert!(located.1 > rows / 4, "{summary:?}");
}

/// Runs the program and returns its peak memory, or `unknown` if the system does not report it.
fn run_program(input_path: &Path, output_path: &Path, threads: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(["batch", "--quiet", "--threads", threads, "-o"])
        .args([output_path, input_path])
        .stdin(Stdio::null())
        .spawn()
        .expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = String::from("unknown");
    loop {
        let mut text = String::new();
        if File::open(&status)
            .and_then(|mut file| file.read_to_string(&mut text))
            .is_ok()
            && let Some(line) = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))
        {
            peak = line.trim().to_string();
        }
        if let Some(code) = child.try_wait().expect("the program runs") {
            assert_eq!(code.code(), Some(3), "the input file has bad rows");
            return peak;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
