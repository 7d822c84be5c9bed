//! `catchment check --sources`: lists the sources of a dataset that have newer editions.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::Result;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::{EXIT_FINDINGS, print};
use crate::web::count_with_noun;
use catchment_core::domain::{Edition, Manifest, SourceEntry, SourceTimeliness};
use catchment_data::check::{JudgedSource, judge_sources};

/// Prints the report. The exit status is that of findings if a source is overdue.
pub(super) fn run(manifest: &Manifest, today: Date, as_json: bool) -> Result<ExitCode> {
    let sources = judge_sources(manifest, today);
    print(&if as_json {
        json_report(manifest, today, &sources)
    } else {
        text_report(manifest, today, &sources)
    })?;
    Ok(match sources.iter().any(JudgedSource::is_overdue) {
        true => ExitCode::from(EXIT_FINDINGS),
        false => ExitCode::SUCCESS,
    })
}

fn json_report(manifest: &Manifest, today: Date, sources: &[JudgedSource<'_>]) -> String {
    let edition = |edition: &Edition| {
        json!({
            "publisher": edition.publisher,
            "title": edition.title,
            "edition": edition.date.to_string(),
        })
    };
    let source = |judged: &JudgedSource<'_>| {
        let SourceEntry {
            publisher,
            title,
            as_of,
            vintage,
            ..
        } = judged.source;
        let overdue = match &judged.timeliness {
            SourceTimeliness::Overdue(overdue) => Some(overdue),
            _ => None,
        };
        let frequency = judged.source.usual_frequency();
        json!({
            "publisher": publisher,
            "title": title,
            "as_of": as_of.map(|date| date.to_string()),
            "vintage": vintage,
            "age_days": as_of.map(|date| date.age_days(today)),
            "frequency": frequency.map(|frequency| frequency.as_str()),
            "status": judged.timeliness.as_str(),
            "overdue_days": judged.timeliness.overdue_days(),
            "editions_behind": overdue.map(|overdue| overdue.editions),
            "next": overdue.map(|overdue| edition(&overdue.newest)),
        })
    };
    let body = json!({
        "dataset": { "name": manifest.name, "version": manifest.version },
        "date": today.to_string(),
        "overdue": sources.iter().filter(|judged| judged.is_overdue()).count(),
        "sources": sources.iter().map(source).collect::<Vec<Value>>(),
        "fetch": to_fetch(sources).into_iter().map(edition).collect::<Vec<Value>>(),
    });
    format!("{body}\n")
}

/// Returns the editions to fetch, each once.
fn to_fetch<'j>(sources: &'j [JudgedSource<'_>]) -> Vec<&'j Edition> {
    let mut seen = BTreeSet::new();
    let editions = sources
        .iter()
        .filter_map(|judged| match &judged.timeliness {
            SourceTimeliness::Overdue(overdue) => Some(&overdue.newest),
            _ => None,
        });
    editions.filter(|edition| seen.insert(*edition)).collect()
}

fn text_report(manifest: &Manifest, today: Date, sources: &[JudgedSource<'_>]) -> String {
    let date = today.strftime("%-d %B %Y");
    let mut lines = vec![format!("{} {}, on {date}", manifest.name, manifest.version)];
    if sources.is_empty() {
        lines.push(String::new());
        lines.push("the dataset does not list its sources".into());
        return lines.join("\n") + "\n";
    }
    let header = ["OVERDUE", "AS OF", "PUBLISHED", "SOURCE"].map(str::to_string);
    let rows: Vec<[String; 4]> = std::iter::once(header)
        .chain(sources.iter().map(row))
        .collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2)];
    lines.push(String::new());
    for [overdue, as_of, frequency, title] in &rows {
        lines.push(format!(
            "{overdue:<0$}  {as_of:<1$}  {frequency:<2$}  {title}",
            widths[0], widths[1], widths[2]
        ));
    }
    let editions = to_fetch(sources);
    lines.push(String::new());
    if editions.is_empty() {
        lines.push("no source has a newer edition that should have been published".into());
    } else {
        lines.push("To fetch:".into());
        let line = |edition: &&Edition| match &edition.publisher {
            Some(publisher) => format!("  {publisher}: {edition}"),
            None => format!("  {edition}"),
        };
        lines.extend(editions.iter().map(line));
    }
    let overdue = sources.iter().filter(|judged| judged.is_overdue()).count();
    let days = sources
        .iter()
        .map(|judged| judged.timeliness.overdue_days());
    let unjudged = days.filter(Option::is_none).count();
    lines.push(String::new());
    lines.push(format!(
        "{overdue} of {} overdue",
        count_with_noun(sources.len(), "source is", "sources are")
    ));
    if unjudged > 0 {
        lines.push(format!(
            "{} a date or a known frequency: set `as_of` and `frequency` (monthly, quarterly, yearly \
             or once) of the source in the configuration",
            count_with_noun(unjudged, "source lacks", "sources lack")
        ));
    }
    lines.join("\n") + "\n"
}

fn row(judged: &JudgedSource<'_>) -> [String; 4] {
    let overdue = match &judged.timeliness {
        SourceTimeliness::Overdue(overdue) => {
            let days = usize::try_from(overdue.days).unwrap_or(0);
            count_with_noun(days, "day", "days")
        }
        SourceTimeliness::Current | SourceTimeliness::Once => "no".into(),
        SourceTimeliness::Undated | SourceTimeliness::UnknownFrequency => "not known".into(),
    };
    let source = judged.source;
    let frequency = source.usual_frequency();
    let frequency = frequency.map_or("not known", |frequency| frequency.as_str());
    let title = match &source.publisher {
        Some(publisher) => format!("{publisher}: {}", source.title),
        None => source.title.clone(),
    };
    let as_of = source.as_of.map(|date| date.to_string());
    let as_of = as_of.unwrap_or_else(|| "not known".into());
    [overdue, as_of, frequency.into(), title]
}
