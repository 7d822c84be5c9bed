//! `catchment locate`: looks up one place, or each line of standard input.

use std::fmt::Write as _;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::{DataArgument, NO_ANSWER};
use crate::domain::{Basis, Certainty, Layer, PracticeStatus, Status};
use crate::http::body::LocateBody;
use crate::http::locate::answer as answer_body;
use crate::http::problem::Problem;
use crate::index::{
    Answer, AreaFound, EdgeFound, Found, Index, Note, Place, PracticeFound, Registration, areas_in,
};
use crate::log;
use crate::question::{Fields, LOCATE_FIELDS, Question};
use crate::web::distance;

#[derive(Debug, clap::Args)]
pub(super) struct LocateArguments {
    /// Postcode; or - to read standard input, with one postcode on each line, or a postcode, a
    /// comma and a practice code. Use - for a patient's postcode: the command line stays in the
    /// shell's history and is visible to other users.
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
        many(arguments, &index, &mut out)
    } else {
        one(arguments, &index, &mut out)
    };
    match all_answered.and_then(|all| out.flush().map(|()| all)) {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::from(NO_ANSWER)),
        // The reader closed the pipe.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error).context("writing to standard output"),
    }
}

/// Looks up one place. Returns whether it was answered.
fn one(arguments: &LocateArguments, index: &Index, out: &mut impl Write) -> io::Result<bool> {
    let pairs = given(
        arguments,
        arguments.postcode.as_deref(),
        arguments.practice.as_deref(),
    );
    match (arguments.json, asked(index, pairs)) {
        (true, Ok((_, body))) => write_line(out, &body.json()).map(|()| true),
        (true, Err(problem)) => write_line(out, &problem.json()).map(|()| false),
        (false, Ok((question, _))) => {
            out.write_all(in_words(index, &index.locate(&question.query), &question).as_bytes())?;
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

/// Looks up each line of standard input. Returns whether all were answered.
fn many(arguments: &LocateArguments, index: &Index, out: &mut impl Write) -> io::Result<bool> {
    let mut all_answered = true;
    if !arguments.json {
        writeln!(
            out,
            "line\tpostcode\tstatus\ticc_residence\ticc_registration\tagreement\tsuggestion"
        )?;
    }
    for (at, line) in io::stdin().lock().split(b'\n').enumerate() {
        // Invalid UTF-8 makes only this line malformed.
        let line = String::from_utf8_lossy(&line?).into_owned();
        let line = line.strip_suffix('\r').unwrap_or(&line);
        let (postcode, practice) = match line.split_once([',', '\t']) {
            Some((postcode, practice)) => (postcode, Some(practice)),
            None => (line, arguments.practice.as_deref()),
        };
        let outcome = asked(index, given(arguments, Some(postcode), practice));
        all_answered &= outcome.is_ok();
        match (arguments.json, outcome) {
            (true, Ok((_, body))) => write_line(out, &body.json())?,
            (true, Err(problem)) => write_line(out, &problem.json())?,
            (false, Ok((question, _))) => {
                writeln!(out, "{}\t{}", at + 1, row(&index.locate(&question.query)))?;
            }
            (false, Err(problem)) => {
                let suggestion = problem
                    .suggestion()
                    .map(|it| it.to_string())
                    .unwrap_or_default();
                writeln!(out, "{}\t\t{}\t\t\t\t{suggestion}", at + 1, problem.code())?;
            }
        }
    }
    Ok(all_answered)
}

fn given(
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

fn asked(
    index: &Index,
    pairs: Vec<(String, String)>,
) -> Result<(Question, LocateBody<'_>), Problem> {
    let fields = Fields::new(pairs, LOCATE_FIELDS)?;
    let question = Question::from_fields(&fields)?;
    let body = answer_body(index, &question)?;
    Ok((question, body))
}

fn write_line(out: &mut impl Write, line: &[u8]) -> io::Result<()> {
    out.write_all(line)?;
    writeln!(out)
}

/// Formats an answer as tab-separated cells.
fn row(answer: &Answer<'_>) -> String {
    let postcode = match answer.location.map(|location| location.place) {
        Some(Place::Postcode(postcode)) => postcode.to_string(),
        _ => String::new(),
    };
    let residence = names(&answer.residence, Layer::Icc);
    let registration = answer
        .registration
        .as_ref()
        .map(|it| names(&it.areas, Layer::Icc))
        .unwrap_or_default();
    let (status, agreement) = (answer.status.as_str(), answer.agreement.as_str());
    format!("{postcode}\t{status}\t{residence}\t{registration}\t{agreement}\t")
}

fn names(found: &[(Layer, Found<'_>)], layer: Layer) -> String {
    let names: Vec<String> = areas_in(found, layer)
        .iter()
        .map(|it| it.area.title())
        .collect();
    names.join("; ")
}

/// Formats an answer as a table of labels and values.
fn in_words(index: &Index, answer: &Answer<'_>, question: &Question) -> String {
    let mut table = Lines::default();
    table.add("Location", &place(answer));
    table.add("Status", &status(answer));
    let wanted = |layer| {
        question
            .layers
            .as_ref()
            .is_none_or(|layers| layers.contains(&layer))
    };
    for (layer, found) in answer.residence.iter().filter(|(layer, _)| wanted(*layer)) {
        layer_lines(&mut table, "Lives in", *layer, found);
    }
    for (layer, near) in &answer.nearest {
        let near = format!("{}, {} away", near.area.title(), distance(near.distance_m));
        table.add(&format!("Nearest {layer}"), &near);
    }
    if let Some(registration) = &answer.registration {
        registration_lines(&mut table, registration, &wanted);
    }
    table.add("Agreement", answer.agreement.as_str());
    for note in &answer.notes {
        table.add("Note", Note::as_str(*note));
    }
    let manifest = index.manifest();
    table.add(
        "As of",
        &format!(
            "{}, dataset {} {}",
            answer.as_of, manifest.name, manifest.version
        ),
    );
    table.aligned()
}

fn place(answer: &Answer<'_>) -> String {
    let Some(location) = answer.location else {
        return "none".into();
    };
    let mut place = match location.place {
        Place::Postcode(postcode) => postcode.to_string(),
        Place::LonLat(_) | Place::Grid(_) => String::new(),
    };
    if let (Some(grid), Some(lonlat)) = (location.grid, location.lonlat()) {
        let (easting, northing) = (grid.easting_m(), grid.northing_m());
        let (lon, lat) = (lonlat.lon(), lonlat.lat());
        write!(place, "  {easting:.0} {northing:.0}  {lon:.6} {lat:.6}")
            .expect("writing to a String");
    }
    place.trim().to_string()
}

fn status(answer: &Answer<'_>) -> String {
    let word = answer.status.as_str();
    let Some(location) = answer.location.filter(|it| it.is_terminated) else {
        return word.into();
    };
    let month = location.entry.and_then(|entry| entry.terminated);
    let in_month = month.map(|month| format!(", in {month}"));
    let in_month = in_month.unwrap_or_default();
    match answer.status {
        Status::Terminated => format!("{word}{in_month}"),
        // For example outside coverage; the table says that the postcode is terminated, too.
        _ => format!("{word}; the postcode is terminated{in_month}"),
    }
}

/// Adds the result for a layer. `verb` is `Lives in` or `Registered in`.
fn layer_lines(table: &mut Lines, verb: &str, layer: Layer, found: &Found<'_>) {
    let label = match layer {
        Layer::GpPractice => "GP practice area".to_string(),
        Layer::ResilienceGroup => "Resilience group".to_string(),
        layer => format!("{verb} {layer}"),
    };
    match found {
        Found::Areas(areas) => {
            for found in areas {
                table.add(
                    &label,
                    &format!("{}  {}", found.area.title(), area_words(found)),
                );
            }
        }
        Found::Practices(practices) => {
            for found in practices {
                table.add(&label, &practice_words(found));
            }
        }
        Found::Groups(groups) => {
            for group in groups {
                table.add(&label, &format!("{}, via {}", group.area.name, group.via));
            }
        }
        Found::Unknown(unknown) => {
            table.add(&label, &format!("unknown: {}", unknown.as_str()));
        }
    }
}

fn area_words(found: &AreaFound<'_>) -> String {
    let mut words = vec![
        found.basis.as_str().to_string(),
        found.provenance.as_str().to_string(),
    ];
    if let Some(edge) = &found.edge {
        words.push(edge_words(found.basis, edge));
    }
    format!("({})", words.join(", "))
}

fn edge_words(basis: Basis, edge: &EdgeFound<'_>) -> String {
    let mut words = match (edge.certainty, basis) {
        (Certainty::NearBoundary, Basis::Nearest) => "off the generalised boundary".to_string(),
        (Certainty::Inside, _) => format!("boundary {} away", distance(edge.distance_m)),
        (Certainty::NearBoundary, _) => format!("near the boundary, {}", distance(edge.distance_m)),
    };
    for other in &edge.alternatives {
        write!(
            words,
            "; {} at {}",
            other.area.title(),
            distance(other.distance_m)
        )
        .expect("writing to a String");
    }
    words
}

fn practice_words(found: &PracticeFound<'_>) -> String {
    let mut words = format!(
        "{}  {}  ({}",
        found.practice.code,
        found.practice.name,
        found.provenance.as_str()
    );
    if let Some(extent) = found.extent.as_str() {
        write!(words, ", {extent} area").expect("writing to a String");
    }
    if let Some(share) = found.share {
        write!(words, ", share {share:.3}").expect("writing to a String");
    }
    if let Some(distance_m) = found.distance_m {
        write!(words, ", {} away", distance(distance_m)).expect("writing to a String");
    }
    words + ")"
}

fn registration_lines(
    table: &mut Lines,
    registration: &Registration<'_>,
    wanted: &impl Fn(Layer) -> bool,
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
        if found.asked.code != found.practice.code {
            let closed = found
                .asked
                .closed
                .map(|day| format!(", closed {day}"))
                .unwrap_or_default();
            table.add(
                "",
                &format!(
                    "successor of {}  {}{closed}",
                    found.asked.code, found.asked.name
                ),
            );
        }
    }
    let areas = registration.areas.iter();
    for (layer, found) in areas.filter(|(layer, _)| wanted(*layer)) {
        layer_lines(table, "Registered in", *layer, found);
    }
    if let Some(reason) = registration.reason {
        table.add("No registration", reason.as_str());
    }
}

/// Lines with a label and a text each.
#[derive(Default)]
struct Lines(Vec<(String, String)>);

impl Lines {
    fn add(&mut self, label: &str, text: &str) {
        self.0.push((label.to_string(), text.to_string()));
    }

    /// Formats the lines with the texts aligned in a column. A repeated label is left blank.
    fn aligned(&self) -> String {
        let width = self
            .0
            .iter()
            .map(|(label, _)| label.len())
            .max()
            .unwrap_or_default()
            + 2;
        let mut table = String::new();
        let mut above = "";
        for (label, text) in &self.0 {
            let shown = if label == above { "" } else { label };
            writeln!(table, "{shown:<width$}{text}").expect("writing to a String");
            above = label;
        }
        table
    }
}
