//! `catchment locate`: looks up one place, or each line of standard input.

use std::fmt::Write as _;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::{DataArgument, EXIT_NO_ANSWER};
use crate::ops::log;
use crate::web::distance;
use crate::wire::locate::LocateBody;
use crate::wire::locate::locate_body as answer_body;
use crate::wire::problem::Problem;
use catchment_core::domain::{Basis, Certainty, Layer, LookupStatus, PracticeStatus};
use catchment_core::index::{
    AnswerNote, AreaMatch, BoundaryProximity, Index, LayerResult, LocateAnswer, Locator,
    PracticeMatch, PracticeRegistration, areas_of_layer,
};
use catchment_core::request::{LOCATE_PARAMS, LocateRequest, RequestParams};

#[derive(Debug, clap::Args)]
pub(super) struct LocateArguments {
    /// Postcode, or - to read standard input. Each line of standard input is a postcode, or a
    /// postcode, a comma and a practice code. Use - for a patient's postcode: the command line
    /// stays in the shell's history and is visible to other users.
    #[arg(conflicts_with_all = ["lon", "lat", "easting", "northing"])]
    postcode: Option<String>,
    /// Longitude in degrees, WGS84.
    #[arg(long, requires = "lat", allow_hyphen_values = true)]
    lon: Option<String>,
    /// Latitude in degrees, WGS84.
    #[arg(long, requires = "lon", allow_hyphen_values = true)]
    lat: Option<String>,
    /// Easting in metres, British National Grid.
    #[arg(long, requires = "northing", allow_hyphen_values = true)]
    easting: Option<String>,
    /// Northing in metres, British National Grid.
    #[arg(long, requires = "easting", allow_hyphen_values = true)]
    northing: Option<String>,
    /// ODS code of the practice where the person is registered.
    #[arg(long, value_name = "ODS")]
    practice: Option<String>,
    /// Date of the look-up; today by default.
    #[arg(long, value_name = "YYYY-MM-DD")]
    as_of: Option<String>,
    /// Layers to return, separated by commas; all by default.
    #[arg(long, value_name = "LAYER,…")]
    layers: Option<String>,
    /// Print JSON as the API returns it, on one line for each look-up.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgument,
}

pub(super) fn locate(arguments: &LocateArguments) -> Result<ExitCode> {
    let index = arguments.data.load()?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let all_answered = if arguments.postcode.as_deref() == Some("-") {
        locate_lines(arguments, &index, &mut out)
    } else {
        locate_one(arguments, &index, &mut out)
    };
    match all_answered.and_then(|all| out.flush().map(|()| all)) {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::from(EXIT_NO_ANSWER)),
        // It is not an error if the reader closed the pipe.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error).context("writing to standard output"),
    }
}

/// Looks up one place. Returns whether the look-up succeeded.
fn locate_one(
    arguments: &LocateArguments,
    index: &Index,
    out: &mut impl Write,
) -> io::Result<bool> {
    let pairs = to_params(
        arguments,
        arguments.postcode.as_deref(),
        arguments.practice.as_deref(),
    );
    match (arguments.json, answer_params(index, pairs)) {
        (true, Ok((_, body))) => write_line(out, &body.to_json()).map(|()| true),
        (true, Err(problem)) => write_line(out, &problem.json()).map(|()| false),
        (false, Ok((request, _))) => {
            out.write_all(text_table(index, &index.locate(&request.query), &request).as_bytes())?;
            Ok(true)
        }
        (false, Err(problem)) => {
            log::message(format_args!("{}: {}", problem.code(), problem.detail()));
            if let Some(postcode) = problem.suggestion() {
                log::message(format_args!(
                    "did you mean {postcode}? It was not looked up."
                ));
            }
            Ok(false)
        }
    }
}

/// Looks up each line of standard input. Returns whether all look-ups succeeded.
fn locate_lines(
    arguments: &LocateArguments,
    index: &Index,
    out: &mut impl Write,
) -> io::Result<bool> {
    let mut all_answered = true;
    if !arguments.json {
        writeln!(
            out,
            "line\tpostcode\tstatus\ticc_residence\ticc_registration\tagreement\tsuggestion"
        )?;
    }
    for (line_index, line) in io::stdin().lock().split(b'\n').enumerate() {
        // Invalid UTF-8 makes only this line malformed.
        let line = String::from_utf8_lossy(&line?).into_owned();
        let line = line.strip_suffix('\r').unwrap_or(&line);
        let (postcode, practice) = match line.split_once([',', '\t']) {
            Some((postcode, practice)) => (postcode, Some(practice)),
            None => (line, arguments.practice.as_deref()),
        };
        let outcome = answer_params(index, to_params(arguments, Some(postcode), practice));
        all_answered &= outcome.is_ok();
        match (arguments.json, outcome) {
            (true, Ok((_, body))) => write_line(out, &body.to_json())?,
            (true, Err(problem)) => write_line(out, &problem.json())?,
            (false, Ok((request, _))) => {
                writeln!(
                    out,
                    "{}\t{}",
                    line_index + 1,
                    tsv_row(&index.locate(&request.query))
                )?;
            }
            (false, Err(problem)) => {
                let suggestion = problem
                    .suggestion()
                    .map(|postcode| postcode.to_string())
                    .unwrap_or_default();
                writeln!(
                    out,
                    "{}\t\t{}\t\t\t\t{suggestion}",
                    line_index + 1,
                    problem.code()
                )?;
            }
        }
    }
    Ok(all_answered)
}

fn to_params(
    arguments: &LocateArguments,
    postcode: Option<&str>,
    practice: Option<&str>,
) -> Vec<(String, String)> {
    let fields = [
        ("postcode", postcode),
        ("lon", arguments.lon.as_deref()),
        ("lat", arguments.lat.as_deref()),
        ("easting", arguments.easting.as_deref()),
        ("northing", arguments.northing.as_deref()),
        ("practice", practice),
        ("as_of", arguments.as_of.as_deref()),
        ("layers", arguments.layers.as_deref()),
    ];
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_string(), value?.to_string())))
        .collect()
}

fn answer_params(
    index: &Index,
    pairs: Vec<(String, String)>,
) -> Result<(LocateRequest, LocateBody<'_>), Problem> {
    let fields = RequestParams::new(pairs, LOCATE_PARAMS)?;
    let request = LocateRequest::from_params(&fields)?;
    let body = answer_body(index, &request)?;
    Ok((request, body))
}

fn write_line(out: &mut impl Write, line: &[u8]) -> io::Result<()> {
    out.write_all(line)?;
    writeln!(out)
}

/// Formats an answer as tab-separated cells.
fn tsv_row(answer: &LocateAnswer<'_>) -> String {
    let postcode = match answer.location.map(|location| location.locator) {
        Some(Locator::Postcode(postcode)) => postcode.to_string(),
        _ => String::new(),
    };
    let residence = area_names(&answer.residence, Layer::Icc);
    let registration = answer
        .registration
        .as_ref()
        .map(|registration| area_names(&registration.areas, Layer::Icc))
        .unwrap_or_default();
    let (status, agreement) = (answer.status.as_str(), answer.agreement.as_str());
    format!("{postcode}\t{status}\t{residence}\t{registration}\t{agreement}\t")
}

fn area_names(results: &[(Layer, LayerResult<'_>)], layer: Layer) -> String {
    let names: Vec<String> = areas_of_layer(results, layer)
        .iter()
        .map(|area_match| area_match.area.title())
        .collect();
    names.join("; ")
}

/// Formats an answer as a table of labels and values.
fn text_table(index: &Index, answer: &LocateAnswer<'_>, request: &LocateRequest) -> String {
    let mut table = LabelledLines::default();
    table.add("Location", &location_text(answer));
    table.add("Status", &status_text(answer));
    let is_requested = |layer| {
        request
            .layers
            .as_ref()
            .is_none_or(|layers| layers.contains(&layer))
    };
    for (layer, result) in answer
        .residence
        .iter()
        .filter(|(layer, _)| is_requested(*layer))
    {
        add_layer_lines(&mut table, "Lives in", *layer, result);
    }
    for (layer, near) in &answer.nearest {
        let text = format!("{}, {} away", near.area.title(), distance(near.distance_m));
        table.add(&format!("Nearest {layer}"), &text);
    }
    if let Some(registration) = &answer.registration {
        add_registration_lines(&mut table, registration, &is_requested);
    }
    table.add("Agreement", answer.agreement.as_str());
    for note in &answer.notes {
        table.add("Note", AnswerNote::as_str(*note));
    }
    let manifest = index.manifest();
    table.add(
        "As of",
        &format!(
            "{}, dataset {} {}",
            answer.as_of, manifest.name, manifest.version
        ),
    );
    table.to_aligned_text()
}

fn location_text(answer: &LocateAnswer<'_>) -> String {
    let Some(location) = answer.location else {
        return "none".into();
    };
    let mut text = match location.locator {
        Locator::Postcode(postcode) => postcode.to_string(),
        Locator::LonLat(_) | Locator::Grid(_) => String::new(),
    };
    if let (Some(grid), Some(lonlat)) = (location.grid, location.lonlat()) {
        let (easting, northing) = (grid.easting_m(), grid.northing_m());
        let (lon, lat) = (lonlat.lon(), lonlat.lat());
        write!(text, "  {easting:.0} {northing:.0}  {lon:.6} {lat:.6}")
            .expect("writing to a String");
    }
    text.trim().to_string()
}

fn status_text(answer: &LocateAnswer<'_>) -> String {
    let word = answer.status.as_str();
    let Some(location) = answer.location.filter(|location| location.is_terminated) else {
        return word.into();
    };
    let month = location.entry.and_then(|entry| entry.terminated);
    let in_month = month.map(|month| format!(", in {month}"));
    let in_month = in_month.unwrap_or_default();
    match answer.status {
        LookupStatus::Terminated => format!("{word}{in_month}"),
        // For another status, such as `outside_coverage`, the text also states that the postcode is
        // terminated.
        _ => format!("{word}; the postcode is terminated{in_month}"),
    }
}

/// Adds the result for a layer. `verb` is `Lives in` or `Registered in`.
fn add_layer_lines(table: &mut LabelledLines, verb: &str, layer: Layer, result: &LayerResult<'_>) {
    let label = match layer {
        Layer::GpPractice => "GP practice area".to_string(),
        Layer::ResilienceGroup => "Resilience group".to_string(),
        layer => format!("{verb} {layer}"),
    };
    match result {
        LayerResult::Areas(areas) => {
            for area_match in areas {
                table.add(
                    &label,
                    &format!("{}  {}", area_match.area.title(), area_text(area_match)),
                );
            }
        }
        LayerResult::Practices(practices) => {
            for practice_match in practices {
                table.add(&label, &practice_text(practice_match));
            }
        }
        LayerResult::Groups(groups) => {
            for group in groups {
                table.add(&label, &format!("{}, via {}", group.area.name, group.via));
            }
        }
        LayerResult::Unknown(unknown) => {
            table.add(&label, &format!("unknown: {}", unknown.as_str()));
        }
    }
}

fn area_text(area_match: &AreaMatch<'_>) -> String {
    let mut parts = vec![
        area_match.basis.as_str().to_string(),
        area_match.provenance.as_str().to_string(),
    ];
    if let Some(proximity) = &area_match.proximity {
        parts.push(boundary_text(area_match.basis, proximity));
    }
    format!("({})", parts.join(", "))
}

fn boundary_text(basis: Basis, proximity: &BoundaryProximity<'_>) -> String {
    let mut text = match (proximity.certainty, basis) {
        (Certainty::NearBoundary, Basis::Nearest) => {
            "just outside the generalised boundary".to_string()
        }
        (Certainty::Inside, _) => format!("boundary {} away", distance(proximity.distance_m)),
        (Certainty::NearBoundary, _) => {
            format!("near the boundary, {}", distance(proximity.distance_m))
        }
    };
    for other in &proximity.alternatives {
        write!(
            text,
            "; {} at {}",
            other.area.title(),
            distance(other.distance_m)
        )
        .expect("writing to a String");
    }
    text
}

fn practice_text(practice_match: &PracticeMatch<'_>) -> String {
    let mut text = format!(
        "{}  {}  ({}",
        practice_match.practice.code,
        practice_match.practice.name,
        practice_match.provenance.as_str()
    );
    if let Some(kind) = practice_match.catchment_kind.as_str() {
        write!(text, ", {kind} area").expect("writing to a String");
    }
    if let Some(share) = practice_match.share {
        write!(text, ", share {share:.3}").expect("writing to a String");
    }
    if let Some(distance_m) = practice_match.distance_m {
        write!(text, ", {} away", distance(distance_m)).expect("writing to a String");
    }
    text + ")"
}

fn add_registration_lines(
    table: &mut LabelledLines,
    registration: &PracticeRegistration<'_>,
    is_requested: &impl Fn(Layer) -> bool,
) {
    if let Some(found) = &registration.practice {
        let status = match found.status {
            PracticeStatus::Active => String::new(),
            status => format!("  ({})", status.as_str()),
        };
        table.add(
            "Registered with",
            &format!("{}  {}{status}", found.practice.code, found.practice.name),
        );
        if found.requested.code != found.practice.code {
            let closed = found
                .requested
                .closed
                .map(|day| format!(", closed {day}"))
                .unwrap_or_default();
            table.add(
                "",
                &format!(
                    "successor of {}  {}{closed}",
                    found.requested.code, found.requested.name
                ),
            );
        }
    }
    let areas = registration.areas.iter();
    for (layer, result) in areas.filter(|(layer, _)| is_requested(*layer)) {
        add_layer_lines(table, "Registered in", *layer, result);
    }
    if let Some(reason) = registration.reason {
        table.add("No registration", reason.as_str());
    }
}

/// Lines that each have a label and a text.
#[derive(Default)]
struct LabelledLines(Vec<(String, String)>);

impl LabelledLines {
    fn add(&mut self, label: &str, text: &str) {
        self.0.push((label.to_string(), text.to_string()));
    }

    /// Formats the lines with the texts aligned in a column. A repeated label is left blank.
    fn to_aligned_text(&self) -> String {
        let width = self
            .0
            .iter()
            .map(|(label, _)| label.len())
            .max()
            .unwrap_or_default()
            + 2;
        let mut table = String::new();
        let mut previous = "";
        for (label, text) in &self.0 {
            let label_cell = if label == previous { "" } else { label };
            writeln!(table, "{label_cell:<width$}{text}").expect("writing to a String");
            previous = label;
        }
        table
    }
}
