//! The lists of the summary that `catchment batch` prints: rows by area, practice and reason, the first
//! malformed rows, and the comparison with a previous run. Long lists are shortened.

use std::fmt::Write;

use indicatif::HumanCount;

use catchment_batch::{
    AnswerChange, AreaCount, BatchSummary, Comparison, DetectedFormat, LineSample, ReasonCount,
};
use catchment_core::domain::SuppressionRule;
use catchment_core::index::Index;

/// The maximum number of communities of the main layer that are listed.
const COMMUNITIES_MAX: usize = 20;
/// The maximum number of entries of every other list.
const ENTRIES_MAX: usize = 5;

/// Writes lists of counts. Small numbers are suppressed.
pub(super) struct SummaryLists<'i> {
    pub(super) index: &'i Index,
    pub(super) suppression: SuppressionRule,
}

const WRITING: &str = "writing to a String";

impl SummaryLists<'_> {
    /// Writes all lists.
    pub(super) fn write(
        &self,
        summary: &BatchSummary,
        detected: &DetectedFormat,
        text: &mut String,
    ) {
        let main = self.index.manifest().main_community_layer();
        let names = ["by community", "residence", "registration"];
        self.write_areas(&summary.communities, names, COMMUNITIES_MAX, text);
        for counts in &summary.areas {
            if Some(counts.layer) == main {
                continue;
            }
            let entry = self.index.manifest().layer(counts.layer);
            let noun = entry.map_or(counts.layer.as_str(), |entry| entry.noun());
            let title = format!("by {noun}");
            let registration = if counts.has_registration {
                "registration"
            } else {
                ""
            };
            let names = [title.as_str(), "residence", registration];
            self.write_areas(&counts.areas, names, ENTRIES_MAX, text);
        }
        let names = ["by practice", "in its area", "registration"];
        self.write_areas(&summary.practices, names, ENTRIES_MAX, text);
        let title = "why there is no community by residence";
        self.write_reasons(&summary.residence_reasons, title, text);
        let title = "why there is no community by registration";
        self.write_reasons(&summary.registration_reasons, title, text);
        if let Some(comparison) = &summary.comparison {
            self.write_comparison(comparison, text);
        }
        let is_text = detected.line_ending.is_some();
        let what = "a malformed postcode or location";
        self.write_lines(what, &summary.malformed_locations, is_text, text);
        let what = "a code that is not an ODS code";
        self.write_lines(what, &summary.malformed_practices, is_text, text);
    }

    fn count(&self, count: u64) -> String {
        match self.suppression.apply(count) {
            Some(count) => HumanCount(count).to_string(),
            None => "*".into(),
        }
    }

    /// Writes the areas with most rows. `names` contains the title and the names of the two counts.
    /// The name of the second count is empty if there is no second count.
    fn write_areas(
        &self,
        areas: &[AreaCount],
        names: [&str; 3],
        entries_max: usize,
        text: &mut String,
    ) {
        let [title, first, second] = names;
        if areas.is_empty() {
            return;
        }
        let line = format!("{:<32}{first:>12}{second:>14}", shortened(title, 32));
        writeln!(text, "{}", line.trim_end()).expect(WRITING);
        // The order must not reveal suppressed counts.
        let rows = |area: &AreaCount| {
            let counts = [area.residence, area.registration];
            let shown = counts.map(|count| self.suppression.apply(count).unwrap_or(0));
            shown[0].saturating_add(shown[1])
        };
        let mut sorted: Vec<&AreaCount> = areas.iter().collect();
        sorted.sort_by_key(|area| std::cmp::Reverse(rows(area)));
        for area in sorted.iter().take(entries_max) {
            let residence = self.count(area.residence);
            let registration = match second {
                "" => String::new(),
                _ => self.count(area.registration),
            };
            let name = area_name(area, 30);
            let line = format!("  {name:<30}{residence:>12}{registration:>14}");
            writeln!(text, "{}", line.trim_end()).expect(WRITING);
        }
        write_more(areas.len(), entries_max, text);
    }

    fn write_reasons(&self, reasons: &[ReasonCount], title: &str, text: &mut String) {
        if reasons.is_empty() {
            return;
        }
        writeln!(text, "{title}").expect(WRITING);
        for reason in reasons.iter().take(ENTRIES_MAX) {
            writeln!(text, "  {:<24}{:>12}", reason.code, self.count(reason.rows)).expect(WRITING);
        }
        write_more(reasons.len(), ENTRIES_MAX, text);
    }

    /// Writes the positions of the first rows with malformed text. If the count is suppressed,
    /// writes no line numbers, because they would reveal it.
    fn write_lines(&self, what: &str, rows: &LineSample, is_text: bool, text: &mut String) {
        if rows.rows == 0 || !self.suppression.is_none() {
            return;
        }
        let noun = match (is_text, rows.first_lines.len()) {
            (true, 1) => "line",
            (true, _) => "lines",
            (false, 1) => "row",
            (false, _) => "rows",
        };
        writeln!(text, "{what}: {noun} {}", listed(rows)).expect(WRITING);
    }

    fn write_comparison(&self, comparison: &Comparison, text: &mut String) {
        let key = &comparison.key_column;
        writeln!(text, "compared with the previous run, by `{key}`").expect(WRITING);
        let line = |label: &str, rows: u64, text: &mut String| {
            writeln!(text, "  {label:<38}{:>12}", self.count(rows)).expect(WRITING);
        };
        line("rows compared", comparison.compared, text);
        for (half, changes) in [
            ("residence", &comparison.residence),
            ("registration", &comparison.registration),
        ] {
            let changes = changes.iter().filter(|(change, _)| change.is_change());
            let changes: Vec<(AnswerChange, u64)> = changes.copied().collect();
            let changed = changes.iter().map(|(_, rows)| rows).sum();
            line(&format!("changed community by {half}"), changed, text);
            for (change, rows) in changes {
                line(&format!("  {}", cause(change)), rows, text);
            }
        }
        for (label, rows) in comparison.not_compared() {
            self.write_sample(label, rows, text);
        }
    }

    /// Writes the number of rows, unless it is 0, and the positions of the first rows.
    fn write_sample(&self, label: &str, sample: Option<&LineSample>, text: &mut String) {
        let written = match sample {
            None => writeln!(
                text,
                "  {label}: not counted, because there is not enough memory"
            ),
            Some(rows) if rows.rows == 0 => Ok(()),
            Some(rows) if self.suppression.is_none() => {
                let count = self.count(rows.rows);
                writeln!(text, "  {label}: {count} (at {})", listed(rows))
            }
            Some(rows) => writeln!(text, "  {label}: {}", self.count(rows.rows)),
        };
        written.expect(WRITING);
    }
}

/// Describes the cause of a change.
fn cause(change: AnswerChange) -> &'static str {
    match change {
        AnswerChange::Postcode => "the postcode is different",
        AnswerChange::Location => "the location is different",
        AnswerChange::Directory => "only one directory has the postcode",
        AnswerChange::Boundary => "boundary or position changed",
        AnswerChange::Practice => "the practice is different",
        AnswerChange::Membership => "the practice's membership changed",
        AnswerChange::Succession => "another practice took over",
        AnswerChange::MembershipOrSuccession => "membership or succession changed",
        other => other.as_str(),
    }
}

/// Lists the first lines, and states whether there are more.
fn listed(rows: &LineSample) -> String {
    let lines: Vec<String> = rows.first_lines.iter().map(u64::to_string).collect();
    let more = if rows.rows > lines.len() as u64 {
        " and others"
    } else {
        ""
    };
    format!("{}{more}", lines.join(", "))
}

fn write_more(entries: usize, entries_max: usize, text: &mut String) {
    if entries > entries_max {
        writeln!(text, "  and {} more", entries - entries_max).expect(WRITING);
    }
}

/// Returns the name of an area, limited to a number of characters. A shortened name is followed by
/// the id, because several names may have the same start.
fn area_name(area: &AreaCount, chars_max: usize) -> String {
    let (name, id) = (area.name.as_str(), area.id.as_str());
    match name.chars().count() {
        0 => shortened(id, chars_max),
        count if count < chars_max => name.into(),
        _ => {
            let rest = chars_max.saturating_sub(id.chars().count() + " ()".len());
            match rest < MINIMUM_CHARS {
                true => shortened(name, chars_max),
                false => format!("{} ({id})", shortened(name, rest)),
            }
        }
    }
}

/// The minimum number of characters of a shortened name that is followed by the id.
const MINIMUM_CHARS: usize = 10;

/// Shortens a name to a number of characters, the last of which is then an ellipsis.
fn shortened(name: &str, chars_max: usize) -> String {
    if name.chars().count() < chars_max {
        return name.into();
    }
    let start: String = name.chars().take(chars_max - 2).collect();
    start + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_and_names_are_cut() {
        let mut text = String::new();
        write_more(7, 5, &mut text);
        write_more(5, 5, &mut text);
        assert_eq!(text, "  and 2 more\n");
        assert_eq!(shortened("Kendal ICC", 30), "Kendal ICC");
        let short = shortened("The Integrated Care Community of Kendal", 30);
        assert_eq!(short, "The Integrated Care Communit…");
        let name = |id: &str, name: &str| {
            let area = AreaCount {
                id: id.into(),
                name: name.into(),
                residence: 0,
                registration: 0,
            };
            area_name(&area, 30)
        };
        assert_eq!(name("mb-kendal", "Kendal ICC"), "Kendal ICC");
        let board = "NHS Lancashire and South Cumbria ICB";
        assert_eq!(name("01K", board), "NHS Lancashire and Sou… (01K)");
        assert_eq!(
            name("an-id-that-is-as-long-as-this", board),
            "NHS Lancashire and South Cum…"
        );
        assert_eq!(name("P81999", ""), "P81999");
    }

    #[test]
    fn the_first_lines_are_listed() {
        let sample = LineSample {
            rows: 3,
            first_lines: vec![2, 9],
        };
        assert_eq!(listed(&sample), "2, 9 and others");
    }
}
