//! `catchment locate`: looks up a single place, or the place in each line of standard input.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::text_lines::for_each_line;
use super::{DataArgument, EXIT_NO_ANSWER, UprnArgument};
use crate::ops::log;
use crate::web::distance;
use crate::wire::locate::LocateBody;
use crate::wire::locate::locate_body as answer_body;
use crate::wire::problem::{AreaHint, Problem};
use catchment_core::domain::{
    Area, Basis, Certainty, InvalidDate, Layer, LayerRole, LookupStatus, PracticeStatus,
    PracticeSuccession, Premises, StatisticalAreaCode, date_from_iso, phrases,
};
use catchment_core::index::{
    AnswerNote, AreaMatch, BoundaryProximity, DisagreeingLayer, Index, LayerResult, LocateAnswer,
    Locator, PlaceShares, PracticeMatch, PracticeRegistration, RegistrationReason, ShareUnit,
    areas_of_layer,
};
use catchment_core::request::{
    LOCATE_PARAMS, LocateRequest, RequestParams, STATISTICAL_AREA, UPRN,
};

#[derive(Debug, clap::Args)]
pub(super) struct LocateArguments {
    /// Postcode, or code of a statistical area such as an LSOA, alone or after its layer and an equals
    /// sign, or uprn= and a UPRN; or - to read standard input. Each line of standard input is such a
    /// place, or a place, a comma and a practice code. Use - for the postcode, area or UPRN of a
    /// patient: the command line stays in the shell's history and is visible to other users.
    #[arg(value_name = "PLACE", conflicts_with_all = ["lon", "lat", "easting", "northing"])]
    place: Option<String>,
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
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = iso_date)]
    as_of: Option<String>,
    /// Layers to return, separated by commas; all by default.
    #[arg(long, value_name = "LAYER,…")]
    layers: Option<String>,
    /// Print JSON as the API returns it, on one line for each look-up.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgument,
    #[command(flatten)]
    uprns: UprnArgument,
}

/// Checks a date, so that clap reports an invalid date as a usage error.
fn iso_date(text: &str) -> Result<String, InvalidDate> {
    date_from_iso(text).map(|_| text.to_string())
}

pub(super) fn locate(arguments: &LocateArguments) -> Result<ExitCode> {
    let index = arguments.uprns.add_to(arguments.data.load()?)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let all_answered = if arguments.place.as_deref() == Some("-") {
        locate_lines(arguments, &index, &mut out)
    } else {
        locate_one(arguments, &index, &mut out)
    };
    match all_answered.and_then(|all| out.flush().map(|()| all)) {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::from(EXIT_NO_ANSWER)),
        // It is not an error if the program that reads the output has closed the pipe.
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
        arguments.place.as_deref(),
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
            if let Some(hint) = problem.area_hint() {
                log::message(format_args!("{}", hint_text(hint)));
            }
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
            "line\tpostcode\tstatus\tresidence\tregistration\tagreement\tsuggestion"
        )?;
    }
    let mut line_number = 0;
    for_each_line(io::stdin().lock(), |line| {
        line_number += 1;
        let (place, practice) = match line.split_once([',', '\t']) {
            Some((place, practice)) => (place, Some(practice)),
            None => (line, arguments.practice.as_deref()),
        };
        let outcome = answer_params(index, to_params(arguments, Some(place), practice));
        all_answered &= outcome.is_ok();
        match (arguments.json, outcome) {
            (true, Ok((_, body))) => write_line(out, &body.to_json())?,
            (true, Err(problem)) => write_line(out, &problem.json())?,
            (false, Ok((request, _))) => {
                let row = tsv_row(index, &index.locate(&request.query));
                writeln!(out, "{line_number}\t{row}")?;
            }
            (false, Err(problem)) => {
                let suggestion = problem
                    .suggestion()
                    .map(|postcode| postcode.to_string())
                    .unwrap_or_default();
                let code = problem.code();
                writeln!(out, "{line_number}\t\t{code}\t\t\t\t{suggestion}")?;
            }
        }
        Ok(())
    })?;
    Ok(all_answered)
}

fn to_params(
    arguments: &LocateArguments,
    place: Option<&str>,
    practice: Option<&str>,
) -> Vec<(String, String)> {
    let (name, place) = place.map_or(("postcode", None), |text| {
        let (name, value) = place_param(text);
        (name, Some(value))
    });
    let fields = [
        (name, place),
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

/// Returns the parameter for a place: a postcode, the code of a statistical area with or without the id
/// of its layer, or a UPRN after its name.
fn place_param(text: &str) -> (&str, &str) {
    match text.trim().split_once('=') {
        Some((layer, code)) if Layer::find(layer.trim()).is_some() => (layer.trim(), code),
        Some((name, uprn)) if name.trim() == UPRN => (UPRN, uprn),
        _ if StatisticalAreaCode::is_gss(text.trim()) => (STATISTICAL_AREA, text),
        _ => ("postcode", text),
    }
}

/// Formats the hint for a postcode that the directory does not contain.
fn hint_text(hint: &AreaHint) -> String {
    format!(
        "hint, not an answer: {:.0}% of the {} live postcodes of its sector are in {}",
        hint.share * 100.0,
        hint.postcodes,
        hint.name
    )
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
fn tsv_row(index: &Index, answer: &LocateAnswer<'_>) -> String {
    let postcode = match answer.location.map(|location| location.locator) {
        Some(Locator::Postcode(postcode)) => postcode.to_string(),
        Some(Locator::StatisticalArea(area)) => area.code.to_string(),
        Some(Locator::Uprn(uprn)) => uprn.to_string(),
        _ => String::new(),
    };
    let main = index.manifest().main_community_layer();
    let residence = area_names(&answer.residence, main);
    let registration = answer
        .registration
        .as_ref()
        .map(|registration| area_names(&registration.areas, main))
        .unwrap_or_default();
    let (status, agreement) = (answer.status.as_str(), answer.agreement.as_str());
    format!("{postcode}\t{status}\t{residence}\t{registration}\t{agreement}\t")
}

fn area_names(results: &[(Layer, LayerResult<'_>)], layer: Option<Layer>) -> String {
    let areas = layer.into_iter();
    let names: Vec<&str> = areas
        .flat_map(|layer| areas_of_layer(results, layer))
        .map(|area_match| area_match.area.title())
        .collect();
    names.join("; ")
}

/// Formats an answer as a table of labels and values.
fn text_table(index: &Index, answer: &LocateAnswer<'_>, request: &LocateRequest) -> String {
    let mut table = LabelledLines::default();
    table.add("Location", &location_text(answer));
    table.add(
        "Status",
        &status_text(answer, &index.manifest().directory_edition()),
    );
    // The answer shows that the requested layers are known.
    let layers = request.layers.resolve(index.manifest()).unwrap_or_default();
    let is_requested = |layer| layers.as_ref().is_none_or(|layers| layers.contains(&layer));
    for (layer, result) in answer
        .residence
        .iter()
        .filter(|(layer, _)| is_requested(*layer))
    {
        add_layer_lines(&mut table, index, "Lives in", *layer, result);
    }
    for (layer, near) in &answer.nearest {
        let text = format!("{}, {} away", near.area.title(), distance(near.distance_m));
        table.add(&format!("Nearest {}", layer_label(index, *layer)), &text);
    }
    for entry in &index.manifest().attributes {
        if let Some(value) = index.attribute(answer, entry.id) {
            table.add("Attribute", &format!("{}: {value}", entry.title));
        }
    }
    if let Some(registration) = &answer.registration {
        add_registration_lines(&mut table, index, registration, &is_requested);
    }
    table.add("Agreement", answer.agreement.as_str());
    for note in &answer.notes {
        table.add("Note", AnswerNote::as_str(*note));
    }
    for found in index.disagreements(&answer.residence, answer.as_of) {
        let of = match found.of {
            DisagreeingLayer::Network(area) => format!("the network, {}", area.name),
            DisagreeingLayer::Practice(practice) => {
                format!("the practice with the largest share, {}", practice.code)
            }
        };
        let communities: Vec<&str> = found.communities.iter().map(|area| area.title()).collect();
        table.add("", &format!("{of}, belongs to {}", communities.join("; ")));
    }
    let manifest = index.manifest();
    table.add(
        "As of",
        &format!(
            "{}, dataset {} {}",
            answer.as_of, manifest.name, manifest.version
        ),
    );
    let is_shown = |layer| is_requested(layer) && answer.has_result(layer);
    for phrase in phrases(index.sources_of_answer(answer, is_shown)) {
        table.add("Data", &phrase);
    }
    table.to_aligned_text()
}

fn location_text(answer: &LocateAnswer<'_>) -> String {
    let Some(location) = answer.location else {
        return "none".into();
    };
    if let Some(named) = answer.statistical_area {
        let (area, count) = (named.area, named.postcode_count);
        return format!(
            "{}  {}  ({}, {count} live postcodes)",
            area.id,
            area.title(),
            area.layer
        );
    }
    let mut text = match location.locator {
        Locator::Postcode(postcode) => postcode.to_string(),
        Locator::Uprn(uprn) => match location.postcode() {
            Some(postcode) => format!("UPRN {uprn}  {postcode}"),
            None => format!("UPRN {uprn}"),
        },
        Locator::LonLat(_) | Locator::Grid(_) | Locator::StatisticalArea(_) => String::new(),
    };
    if let (Some(grid), Some(lonlat)) = (location.grid, location.lonlat()) {
        let (easting, northing) = (grid.easting_m(), grid.northing_m());
        let (lon, lat) = (lonlat.lon(), lonlat.lat());
        write!(text, "  {easting:.0} {northing:.0}  {lon:.6} {lat:.6}")
            .expect("writing to a String");
    }
    text.trim().to_string()
}

/// Describes the status. `edition` is the edition of the directory.
fn status_text(answer: &LocateAnswer<'_>, edition: &str) -> String {
    let word = answer.status.as_str();
    let Some(location) = answer.location else {
        return word.into();
    };
    let entry = location.entry;
    let ended_between = entry.and_then(|entry| entry.ended_between());
    if location.is_status_unknown {
        return match ended_between {
            Some((after, by)) => format!(
                "{word}; the postcode ended between {after} and {by}, so it may or may not have \
                 been in use"
            ),
            None => format!(
                "{word}; the postcode is in the directory of {edition} but in no list of live \
                 postcodes: it may be for new homes, or no longer in use"
            ),
        };
    }
    if !location.is_terminated {
        return word.into();
    }
    let month = entry.and_then(|entry| entry.terminated());
    let in_month = match (month, ended_between) {
        (Some(month), _) => format!(", in {month}"),
        (None, Some((after, by))) => format!(", between {after} and {by}"),
        (None, None) => String::new(),
    };
    match answer.status {
        LookupStatus::Terminated => format!("{word}{in_month}"),
        // For any other status, such as `outside_coverage`, the text also states that the postcode is
        // terminated.
        _ => format!("{word}; the postcode is terminated{in_month}"),
    }
}

/// Returns a short name for an area of a layer.
fn layer_label(index: &Index, layer: Layer) -> &str {
    let entry = index.manifest().layer(layer);
    let words = entry.map(|entry| {
        let short = entry.abbreviation.as_ref().or(entry.noun.as_ref());
        short.unwrap_or(&entry.singular).as_str()
    });
    words.unwrap_or_else(|| layer.as_str())
}

/// Adds the result for a layer. `verb` is `Lives in` or `Registered in`.
fn add_layer_lines(
    table: &mut LabelledLines,
    index: &Index,
    verb: &str,
    layer: Layer,
    result: &LayerResult<'_>,
) {
    let entry = index.manifest().layer(layer);
    let label = match entry.map(|entry| (entry.role, &entry.singular)) {
        Some((LayerRole::PracticeCatchment, singular)) => format!("{singular} area"),
        Some((LayerRole::Group, singular)) => singular.clone(),
        _ => format!("{verb} {}", layer_label(index, layer)),
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
                let text = format!("{}, through {}", group.area.name, group.via.title());
                table.add(&label, &text);
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
    let shares = area_match.shares.as_deref();
    parts.extend(shares.filter(|shares| shares.share < 1.0).map(shares_text));
    parts.extend(disputed_text(area_match));
    format!("({})", parts.join(", "))
}

/// Describes how a place is divided between areas: `split: 0.75 of its live postcodes; Bay ICC
/// 0.25`.
fn shares_text(shares: &PlaceShares<'_>) -> String {
    let unit = match shares.unit {
        ShareUnit::Postcodes => "live postcodes",
        ShareUnit::Homes => "homes",
    };
    let mut text = format!("split: {:.2} of its {unit}", shares.share);
    for other in &shares.others {
        let title = other.area.map(Area::title);
        let title = title.unwrap_or("outside these areas");
        write!(text, "; {title} {:.2}", other.share).expect("writing to a String");
    }
    text
}

/// Describes the other communities to which the place may belong, if the source disputes the
/// assignment.
fn disputed_text(area_match: &AreaMatch<'_>) -> Option<String> {
    let others: Vec<String> = area_match
        .disputed_with
        .iter()
        .map(|other| format!("{} {:.2}", other.area.title(), other.share))
        .collect();
    let share = area_match.model_share;
    let own = share.map(|share| format!(", its own share {share:.2}"));
    (!others.is_empty()).then(|| {
        let own = own.unwrap_or_default();
        format!("disputed: by the model {}{own}", others.join("; "))
    })
}

fn boundary_text(basis: Basis, proximity: &BoundaryProximity<'_>) -> String {
    let away = proximity.distance_m.map(distance);
    let mut text = match (proximity.certainty, basis, away) {
        (Certainty::NearBoundary, Basis::Nearest, _) => {
            "just outside the generalised boundary".to_string()
        }
        (Certainty::Inside, _, Some(away)) => format!("boundary {away} away"),
        (Certainty::Inside, _, None) => "only coast around the area".to_string(),
        (Certainty::NearBoundary, _, Some(away)) if proximity.is_within_tolerance() => {
            format!("near the boundary, {away}")
        }
        (Certainty::NearBoundary | Certainty::Split, _, Some(away)) => {
            format!("location not exact, boundary {away} away")
        }
        (Certainty::NearBoundary | Certainty::Split, _, None) => "location not exact".to_string(),
    };
    for other in &proximity.alternatives {
        let title = other.area.map(Area::title);
        let title = title.unwrap_or("land outside these areas");
        write!(text, "; {title} at {}", distance(other.distance_m)).expect("writing to a String");
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
    if let Some(premises) = practice_match.premises {
        write!(text, ": {}", premises_text(premises)).expect("writing to a String");
    }
    text + ")"
}

/// Describes the premises to which a distance was measured: `Hawkshead, LA22 0NU, branch, 2022-09`.
fn premises_text(premises: &Premises) -> String {
    let parts = [
        premises.name.clone(),
        premises.postcode.map(|postcode| postcode.to_string()),
        Some(premises.kind.as_str().to_string()),
        premises.as_of.map(|as_of| as_of.to_string()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(", ")
}

fn add_registration_lines(
    table: &mut LabelledLines,
    index: &Index,
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
        if found.branch_is_listed == Some(false) {
            table.add("", "the code may be for a branch, which is not in the data");
        }
        if found.requested.code != found.practice.code {
            let closed = found
                .requested
                .closed
                .map(|day| format!(", closed {day}"))
                .unwrap_or_default();
            table.add(
                "",
                &format!(
                    "successor of {}  {}{closed}{}",
                    found.requested.code,
                    found.requested.name,
                    basis_text(&found.successions)
                ),
            );
        }
        if found.is_neighbouring {
            let organisations = [found.practice.sub_icb.as_deref(), found.icb];
            let organisations: Vec<&str> = organisations.into_iter().flatten().collect();
            table.add(
                "",
                &format!("outside the area: {}", organisations.join(", ")),
            );
        }
    }
    let areas = registration.areas.iter();
    for (layer, result) in areas.filter(|(layer, _)| is_requested(*layer)) {
        add_layer_lines(table, index, "Registered in", *layer, result);
    }
    if let Some(reason) = registration.reason {
        let explanation = match reason {
            RegistrationReason::UnknownPractice => {
                "; the code may belong to a practice elsewhere in England"
            }
            _ => "",
        };
        table.add(
            "No registration",
            &format!("{}{explanation}", reason.as_str()),
        );
        let closed = registration.practice.as_ref();
        let closed = closed.filter(|_| reason == RegistrationReason::ClosedNoSuccessor);
        if let Some(found) = closed.filter(|found| found.last.code != found.requested.code) {
            let (code, name) = (found.last.code, &found.last.name);
            table.add(
                "",
                &format!("taken over by {code}  {name}, which has closed too"),
            );
        }
        if let Some(note) = closed.and_then(|found| found.last.note.as_deref()) {
            table.add("", note);
        }
    }
}

/// Returns the weakest basis of a chain of successions, such as `, by page, list_transfer`. The
/// text is empty if the source states no basis.
fn basis_text(steps: &[&PracticeSuccession]) -> String {
    if steps.iter().any(|step| step.is_by_place_alone()) {
        return ", only by place".into();
    }
    let mut words: Vec<&str> = Vec::new();
    for evidence in steps.iter().flat_map(|step| &step.basis) {
        if !words.contains(&evidence.as_str()) {
            words.push(evidence.as_str());
        }
    }
    if words.is_empty() {
        return String::new();
    }
    format!(", by {}", words.join(", "))
}

/// Lines, each with a label and a value.
#[derive(Default)]
struct LabelledLines(Vec<(String, String)>);

impl LabelledLines {
    fn add(&mut self, label: &str, text: &str) {
        self.0.push((label.to_string(), text.to_string()));
    }

    /// Formats the lines with the values aligned in a column. A repeated label is left blank.
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
