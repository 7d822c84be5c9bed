//! `catchment check`: reports errors and warnings about a dataset.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::{EXIT_FINDINGS, Spinner, check_sources, source_and_name};
use crate::web::count_with_noun;
use catchment_core::domain::today_in_london;
use catchment_data::check::{Finding, Severity, check, compare_with_previous, findings_geojson};
use catchment_data::dataset::{self, Dataset, DatasetSource};
use catchment_data::fs::{FileAccess, check_output_file, write_atomically};

/// The maximum number of findings of each kind in the text report. `--json` prints all findings.
const FINDINGS_SHOWN_MAX: usize = 20;

#[derive(Debug, clap::Args)]
pub(super) struct CheckArguments {
    /// Folder of the dataset; the embedded dataset by default.
    dataset: Option<PathBuf>,
    /// Folder of the previous dataset. The check reports an error if a table has lost more than 2%
    /// of its rows, or if a postcode that was located is no longer located (unless it was
    /// terminated).
    #[arg(long, value_name = "DIR")]
    previous: Option<PathBuf>,
    /// Instead of checking the data, list the sources of which a newer edition should have been
    /// published, and the editions to fetch. Reads only the manifest, and uses no network.
    #[arg(long, conflicts_with_all = ["previous", "findings"])]
    sources: bool,
    /// Print all findings as JSON.
    #[arg(long)]
    json: bool,
    /// File for the findings that have a position, as GeoJSON for a map.
    #[arg(long, value_name = "FILE.geojson")]
    findings: Option<PathBuf>,
    /// Replace the file of --findings if it exists.
    #[arg(long, requires = "findings")]
    force: bool,
}

pub(super) fn run(arguments: &CheckArguments) -> Result<ExitCode> {
    let (files, name) = source_and_name(arguments.dataset.as_ref());
    if arguments.sources {
        let manifest = files
            .manifest()
            .with_context(|| format!("loading {name}"))?;
        return check_sources::run(&manifest, today_in_london(), arguments.json);
    }
    let findings_file = arguments.findings.as_ref().map(|path| {
        let inputs = arguments.dataset.iter().chain(&arguments.previous);
        let inputs: Vec<PathBuf> = inputs.cloned().collect();
        check_output_file(path, &inputs, arguments.force)
    });
    let findings_file = findings_file.transpose()?;
    let spinner = Spinner::new();
    spinner.set_stage("loading");
    let dataset = dataset::read(&files).with_context(|| format!("loading {name}"))?;
    spinner.set_stage("checking");
    let mut findings = check(&dataset);
    if let Some(previous) = &arguments.previous {
        spinner.set_stage("comparing with the previous dataset");
        let loading = || format!("loading {}", previous.display());
        let old = dataset::read(&DatasetSource::Folder(previous.clone())).with_context(loading)?;
        let comparison = compare_with_previous(&old, &dataset).with_context(loading)?;
        findings.extend(comparison.findings());
        findings.sort_by_key(|finding| (finding.severity, finding.code));
    }
    drop(spinner);
    if let Some(path) = &findings_file {
        write_atomically(
            path,
            findings_geojson(&findings).as_bytes(),
            FileAccess::Umask,
        )
        .with_context(|| format!("writing {}", path.display()))?;
    }
    let report = if arguments.json {
        json_report(&dataset, &findings)
    } else {
        text_report(&dataset, &findings)
    };
    match io::stdout().lock().write_all(report.as_bytes()) {
        // It is not an error if the program that reads the output has closed the pipe.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(error).context("writing the report");
        }
        _ => {}
    }
    Ok(match count(&findings, Severity::Error) {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_FINDINGS),
    })
}

fn count(findings: &[Finding], severity: Severity) -> usize {
    findings
        .iter()
        .filter(|finding| finding.severity == severity)
        .count()
}

fn json_report(dataset: &Dataset, findings: &[Finding]) -> String {
    let finding = |finding: &Finding| {
        let place = finding.position.map(
            |position| serde_json::json!({"longitude": position.lon(), "latitude": position.lat()}),
        );
        let subject = finding.subject.as_ref();
        let subject =
            subject.map(|subject| serde_json::json!({"kind": subject.kind, "id": subject.id}));
        serde_json::json!({
            "severity": finding.severity.as_str(),
            "code": finding.code,
            "message": finding.message,
            "subject": subject,
            "place": place,
            "size_m2": finding.size_m2,
        })
    };
    let body = serde_json::json!({
        "dataset": { "name": dataset.manifest.name, "version": dataset.manifest.version, "digest": dataset.digest },
        "errors": count(findings, Severity::Error),
        "warnings": count(findings, Severity::Warning),
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
    });
    format!("{body}\n")
}

/// Formats the findings as text, grouped by kind, with the number of findings of each kind.
fn text_report(dataset: &Dataset, findings: &[Finding]) -> String {
    let (name, version) = (&dataset.manifest.name, &dataset.manifest.version);
    let mut kinds: BTreeMap<(Severity, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        let kind = (finding.severity, finding.code);
        kinds.entry(kind).or_default().push(finding);
    }
    let mut lines = vec![format!("{name} {version}")];
    for ((severity, code), findings) in kinds {
        lines.push(String::new());
        lines.push(format!("{} {code}: {}", severity.as_str(), findings.len()));
        let shown = findings.iter().take(FINDINGS_SHOWN_MAX);
        lines.extend(
            shown.map(|finding| format!("  {}{}", finding.message, position_text(finding))),
        );
        if findings.len() > FINDINGS_SHOWN_MAX {
            let more = findings.len() - FINDINGS_SHOWN_MAX;
            lines.push(format!("  and {more} more (--json prints all)"));
        }
    }
    lines.push(String::new());
    let errors = count_with_noun(count(findings, Severity::Error), "error", "errors");
    let warnings = count_with_noun(count(findings, Severity::Warning), "warning", "warnings");
    lines.push(format!("{errors}, {warnings}"));
    lines.join("\n") + "\n"
}

fn position_text(finding: &Finding) -> String {
    finding.position.map_or_else(String::new, |position| {
        format!("  at {:.5} {:.5}", position.lon(), position.lat())
    })
}
