//! Writes the proposed configuration as TOML with comments.

use std::collections::BTreeSet;

use super::super::config_errors::FILL_IN;
use super::area::OwnArea;
use super::choice::{
    ADMINISTRATIVE_LEVELS, Choice, FileUse, UsedFile, directory_years, group_columns,
    polygon_attributes,
};
use crate::import::onspd::LsoaYear;
use crate::import::recognition::{
    AreaLevel, FileContent, FileKind, GroupColumns, TableKind, year_in_words,
};

/// The layers that can be proposed.
const TEMPLATES: &str = include_str!("layers.toml");

/// The distance in metres from generalised boundaries within which a position off the coast belongs
/// to the nearest area.
const SNAP_M: u32 = 150;

const ATTRIBUTION: &str = "Contains OS data © Crown copyright and database right. Contains Royal Mail data © Royal Mail copyright and database right. Source: Office for National Statistics licensed under the Open Government Licence v.3.0. Contains information from NHS England, licensed under the current version of the Open Government Licence.";
const LICENCE: &str = "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/";

/// Returns the configuration. `prefix` is the path from the folder of the configuration to the
/// folder of the files.
pub(super) fn write(
    choice: &Choice<'_>,
    own_area: &OwnArea,
    prefix: &str,
    folder_name: &str,
) -> String {
    let mut writer = ConfigWriter {
        choice,
        own_area,
        prefix,
        text: String::new(),
    };
    writer.write_head(folder_name);
    writer.write_sources();
    writer.write_postcodes();
    writer.write_statistical_areas();
    writer.write_practices();
    writer.write_shares();
    writer.write_addresses();
    writer.write_layers();
    writer.text
}

/// Returns the text as a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}

/// Returns the list as a TOML array of strings.
fn quoted_list(codes: &BTreeSet<String>) -> String {
    let codes: Vec<String> = codes.iter().map(|code| quoted(code)).collect();
    format!("[{}]", codes.join(", "))
}

/// Returns a TOML string that the person who runs the build has to replace.
pub(super) fn fill_in(what: &str) -> String {
    quoted(&format!("{FILL_IN}: {what}"))
}

/// Returns the text of a template, without its line `#= NAME`.
fn template(name: &str) -> String {
    let mut sections = TEMPLATES.split("#= ").skip(1);
    let found = sections.find_map(|section| section.split_once('\n').filter(|(n, _)| *n == name));
    found.map_or(String::new(), |(_, text)| {
        text.trim_end().to_string() + "\n"
    })
}

/// Returns the columns of a list of neighbourhoods as a TOML table.
fn columns_table(columns: &GroupColumns) -> String {
    let id = columns
        .id
        .as_ref()
        .map(|id| format!("area = {}, ", quoted(id)));
    format!(
        "{{ code = {}, {}name = {} }}",
        quoted(&columns.code),
        id.unwrap_or_default(),
        quoted(&columns.name)
    )
}

fn short_year(year: LsoaYear) -> &'static str {
    &year_in_words(year)[2..]
}

struct ConfigWriter<'c> {
    choice: &'c Choice<'c>,
    own_area: &'c OwnArea,
    prefix: &'c str,
    text: String,
}

impl ConfigWriter<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Writes a comment, with lines of at most 100 characters.
    fn comment(&mut self, text: &str) {
        const WIDTH: usize = 98;
        let mut line = String::new();
        for word in text.split(' ') {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.text.push_str(&format!("# {line}\n"));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.text.push_str(&format!("# {line}\n"));
    }

    /// Returns the path of a file from the configuration, as a TOML string.
    fn path(&self, file: &UsedFile<'_>) -> String {
        let path = match (self.prefix, file.path) {
            ("", path) => path.to_string(),
            (prefix, ".") => prefix.trim_end_matches('/').to_string(),
            (prefix, path) => format!("{prefix}{path}"),
        };
        quoted(&path)
    }

    fn write_head(&mut self, folder_name: &str) {
        self.comment(
            "A configuration for `catchment build`, which `catchment build --init` proposed. Read \
             this file and correct what is wrong: names, titles, dates. docs/users/own-data.md \
             explains every key. Paths are relative to the folder of this file.",
        );
        self.line("");
        let letters = folder_name.to_lowercase();
        let words: Vec<&str> = letters
            .split(|letter: char| !letter.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        let name = match words.as_slice() {
            [] => "dataset".to_string(),
            words => words.join("-"),
        };
        self.line(&format!("name = {}", quoted(&name)));
        self.comment("The version is in every answer; change it with every release.");
        self.line("version = \"1\"");
        self.comment("The title of the start page.");
        self.line(&format!(
            "title = {}",
            quoted(&format!("Neighbourhoods: {folder_name}"))
        ));
        self.comment("The day up to which the files have data: the newest date in one of them.");
        self.line(&format!("as_of = \"{}\"", self.choice.as_of));
        self.comment("The attribution that the licence of the files requires; pages show it.");
        self.line(&format!("attribution = {}", quoted(ATTRIBUTION)));
        self.line(&format!("licence = {}", quoted(LICENCE)));
        self.comment("Within this distance of a boundary, in metres, answers are `near_boundary`.");
        self.line("tolerance_m = 100");
        self.comment("The folder of the dataset, unless `--output` specifies another folder.");
        self.line(&format!("output = {}", quoted(&format!("{name}-dataset"))));
        for (key, kind) in [
            ("memberships", TableKind::Memberships),
            ("history", TableKind::History),
        ] {
            if let Some(file) = self.choice.table(kind) {
                let path = self.path(&file);
                self.line(&format!("{key} = {path}"));
            }
        }
    }

    /// Writes the published works.
    fn write_sources(&mut self) {
        if let Some(file) = self.choice.table(TableKind::Sources) {
            let path = self.path(&file);
            self.line(&format!("sources = {path}"));
            return;
        }
        self.line("");
        self.comment(
            "The published works, which the page /sources lists. If a date is missing, it was not \
             in the file: add it, as `as_of = \"2026-04\"`, if you know it.",
        );
        self.line("sources = [");
        let used = self.choice.files.iter();
        let used = used.filter(|(_, used)| *used == FileUse::Used);
        let works: Vec<String> = used
            .filter_map(|(file, _)| match &file.content {
                FileContent::Known(known) => {
                    let (publisher, title) = work_of(&file.path, &known.kind);
                    let publisher =
                        publisher.map(|publisher| format!("publisher = {}, ", quoted(publisher)));
                    let date = known.newest.map(|date| format!(", as_of = \"{date}\""));
                    Some(format!(
                        "    {{ {}title = {}{} }},",
                        publisher.unwrap_or_default(),
                        quoted(&title),
                        date.unwrap_or_default()
                    ))
                }
                _ => None,
            })
            .collect();
        for work in works {
            self.line(&work);
        }
        self.line("]");
    }

    /// Writes the date of a table's source, if the file states it.
    fn write_date(&mut self, file: Option<&UsedFile<'_>>) {
        // A file of sources contains dates.
        if self.choice.table(TableKind::Sources).is_some() {
            return;
        }
        if let Some(date) = file.and_then(|file| file.file.newest) {
            self.line(&format!("data_as_of = \"{date}\""));
        }
    }

    fn directory_entry(&self, file: &UsedFile<'_>) -> String {
        let years = directory_years(&file.file.kind);
        let year = match years.contains(&self.choice.year) {
            true => self.choice.year,
            false => years.first().copied().unwrap_or(self.choice.year),
        };
        let format = match &file.file.kind {
            FileKind::OnsDirectory(_) => format!("onspd-lsoa{}", short_year(year)),
            FileKind::NhsDirectory(_) => format!("nhspd-lsoa{}", short_year(year)),
            FileKind::Table(TableKind::CodePointOpen) => "code-point-open".into(),
            _ => "postcode-list".into(),
        };
        format!("{{ format = \"{format}\", file = {} }}", self.path(file))
    }

    fn write_postcodes(&mut self) {
        let choice = self.choice;
        self.line("\n[postcodes]");
        let Some((first, others)) = choice.directories.split_first() else {
            self.line(&format!(
                "directories = [{{ format = \"onspd-lsoa{}\", file = {} }}]",
                short_year(choice.year),
                fill_in("the ONS Postcode Directory")
            ));
            return;
        };
        let entry = self.directory_entry(first);
        self.line(&format!("directories = [{entry}]"));
        for other in others {
            let entry = self.directory_entry(other);
            self.comment(&format!(
                "Another directory, to use instead, or after the first one for the postcodes that it \
                 lacks: {entry}"
            ));
        }
        let has_locations = !matches!(first.file.kind, FileKind::Table(TableKind::CodePointOpen));
        let own = &self.own_area.of_postcodes;
        if !own.is_empty() {
            self.comment(
                "Only the outward codes that have a postcode in these sub-ICB locations, which \
                 contain the neighbourhoods of your list. The codes are those of the directory.",
            );
            self.line(&format!("outcodes_touching_sub_icb = {}", quoted_list(own)));
        } else if has_locations {
            self.comment(
                "All postcodes of the directory. To leave out other outward codes, list the codes of \
                 your sub-ICB locations as the directory has them: outcodes_touching_sub_icb = \
                 [\"E38000014\"]",
            );
        } else {
            self.comment(
                "All postcodes of the directory, which has neither sub-ICB locations nor postcodes \
                 that are no longer in use; an ONS Postcode Directory has both.",
            );
        }
        self.write_date(Some(first));
    }

    /// Returns whether a layer needs statistical areas.
    fn needs_statistical_areas(&self) -> bool {
        let choice = self.choice;
        !choice.area_lists.is_empty()
            || choice.shares_file().is_some()
            || !choice.organisations().is_empty()
    }

    fn write_statistical_areas(&mut self) {
        let choice = self.choice;
        let own: Vec<UsedFile<'_>> = choice
            .boundaries
            .iter()
            .filter(|file| {
                matches!(&file.file.kind, FileKind::Polygons(Some((_, year)), _) if *year == choice.year)
            })
            .copied()
            .collect();
        let year = short_year(choice.year);
        if own.is_empty() && !self.needs_statistical_areas() {
            return;
        }
        self.line("\n[statistical_areas]");
        self.line(&format!("id = \"lsoa{year}\""));
        self.line(&format!(
            "title = \"Lower layer Super Output Areas (20{year})\""
        ));
        let first = own.first();
        let attributes = first.and_then(|file| polygon_attributes(&file.file.kind));
        match (first, attributes) {
            (Some(file), Some(attributes)) => {
                let path = self.path(file);
                self.line(&format!("boundaries = {path}"));
                for other in choice
                    .boundaries
                    .iter()
                    .filter(|other| other.path != file.path)
                {
                    self.comment(&format!(
                        "Other boundaries: boundaries = {} ({})",
                        self.path(other),
                        other.file.kind.words()
                    ));
                }
                let code = attributes.id.clone().unwrap_or_default();
                let name = attributes.name.clone().unwrap_or_else(|| code.clone());
                self.line(&format!("code = {}", quoted(&code)));
                self.line(&format!("name = {}", quoted(&name)));
                if let Some(sub_icb) = &attributes.sub_icb {
                    self.line(&format!("sub_icb = {}", quoted(sub_icb)));
                }
                if attributes.has_nested_parts {
                    self.comment("Some areas have an enclave that the file stores as a part.");
                    self.line("nested_parts = \"holes\"");
                }
            }
            _ => {
                self.line(&format!(
                    "boundaries = {}",
                    fill_in(&format!("the boundaries of the LSOAs of 20{year}"))
                ));
                self.line(&format!("code = \"LSOA{year}CD\""));
                self.line(&format!("name = \"LSOA{year}NM\""));
            }
        }
        self.comment(
            "Boundaries are often generalised: a position off the coast belongs to the nearest area \
             within this distance in metres.",
        );
        self.line(&format!("snap_m = {SNAP_M}"));
    }

    fn write_practices(&mut self) {
        let choice = self.choice;
        let directories: Vec<String> = [
            ("practice-list", TableKind::PracticeList),
            ("epraccur", TableKind::Epraccur),
        ]
        .into_iter()
        .filter_map(|(format, kind)| {
            let file = choice.table(kind)?;
            Some(format!(
                "{{ format = \"{format}\", file = {} }}",
                self.path(&file)
            ))
        })
        .collect();
        let successions: Vec<String> = [
            ("succession-list", TableKind::SuccessionList),
            ("succ", TableKind::Successions),
        ]
        .into_iter()
        .flat_map(|(format, kind)| {
            let files = choice.tables(kind).into_iter();
            files.map(move |file| (format, file))
        })
        .map(|(format, file)| format!("{{ format = \"{format}\", file = {} }}", self.path(&file)))
        .collect();
        if directories.is_empty() {
            return;
        }
        self.line("\n[practices]");
        self.line(&format!("directories = [{}]", directories.join(", ")));
        let own = &self.own_area.of_practices;
        match own.is_empty() {
            true => self.comment(
                "All practices in the files. To use only the practices of your sub-ICB locations, \
                 list their codes: sub_icb = [\"00R\"]",
            ),
            false => {
                self.comment(
                    "Only the practices of these sub-ICB locations, which contain the \
                              neighbourhoods of your list.",
                );
                self.line(&format!("sub_icb = {}", quoted_list(own)));
            }
        }
        let mut singles: Vec<(&str, Option<UsedFile<'_>>)> = vec![("networks", choice.networks())];
        singles.extend([
            ("network_periods", choice.table(TableKind::NetworkPeriods)),
            ("sites", choice.table(TableKind::Premises)),
            ("branches", choice.table(TableKind::Branches)),
            ("former_sites", choice.table(TableKind::FormerPremises)),
            (
                "neighbouring",
                choice.table(TableKind::NeighbouringPractices),
            ),
        ]);
        for (key, file) in singles {
            if let Some(file) = file {
                let path = self.path(&file);
                self.line(&format!("{key} = {path}"));
            }
        }
        if !successions.is_empty() {
            self.line(&format!("successions = [{}]", successions.join(", ")));
        }
        let first = choice.table(TableKind::PracticeList);
        let first = first.or_else(|| choice.table(TableKind::Epraccur));
        self.write_date(first.as_ref());
    }

    fn write_shares(&mut self) {
        let choice = self.choice;
        let Some(file) = choice.shares_file() else {
            return;
        };
        self.line("");
        self.comment("Where the patients of each practice live.");
        self.line("[[shares]]");
        self.line("name = \"patients\"");
        let key = match file.file.kind {
            FileKind::Registrations(_) => "registrations",
            _ => "table",
        };
        let path = self.path(&file);
        self.line(&format!("{key} = {path}"));
        for other in choice.registrations.iter().skip(1) {
            let path = self.path(other);
            self.comment(&format!("Other registrations: registrations = {path}"));
        }
    }

    fn write_addresses(&mut self) {
        let Some(file) = self.choice.table(TableKind::Addresses) else {
            return;
        };
        self.line("");
        self.comment(
            "The addresses, by which the homes of a postcode that a boundary divides are counted in \
             each area.",
        );
        self.line("[uprn]");
        let path = self.path(&file);
        self.line(&format!("file = {path}"));
        self.comment(
            "For look-ups by UPRN, the build also writes a table of all addresses if you uncomment \
             this line. Write the table outside the folder of the dataset.",
        );
        self.line("# table = \"uprn.csv\"");
        self.write_date(Some(&file));
    }

    /// Writes a layer with its methods, each the text after `[[layers.methods]]`.
    fn write_layer(&mut self, name: &str, provenance: &str, keys: &str, methods: &[String]) {
        let layer = template(name)
            .replace("{first_data}", &self.choice.as_of.to_string())
            .replace("{provenance}", provenance)
            .replace("{year}", short_year(self.choice.year));
        self.line("");
        self.text.push_str(&layer);
        self.text.push_str(keys);
        for method in methods {
            self.line("\n[[layers.methods]]");
            self.line(method);
        }
    }

    fn write_layers(&mut self) {
        let before = self.text.len();
        self.write_neighbourhoods();
        self.write_practice_areas();
        self.write_networks();
        self.write_organisations();
        if let Some(file) = self.choice.table(TableKind::GroupMembers) {
            let method = format!("members = {{ file = {} }}", self.path(&file));
            self.write_layer("groups", "", "", &[method]);
        }
        let has_boundaries = self.choice.boundaries.iter().any(|file| {
            matches!(&file.file.kind, FileKind::Polygons(Some((_, year)), _) if *year == self.choice.year)
        });
        if has_boundaries {
            self.write_layer("lsoa", "", "", &["statistical_areas = true".to_string()]);
        }
        if self.text.len() == before {
            // A dataset without layers is of no use, so a configuration must have a layer.
            let method = format!(
                "polygons = {{ file = {}, id = \"id\", name = \"name\" }}",
                fill_in("the polygons of your neighbourhoods, or another layer")
            );
            self.write_layer("neighbourhoods", "official", "", &[method]);
        }
    }

    /// Returns the method that makes neighbourhoods from a list of statistical areas.
    fn lookup_method(&self, file: &UsedFile<'_>) -> Option<String> {
        let FileKind::AreaList(level, _, columns) = &file.file.kind else {
            return None;
        };
        let year = short_year(self.choice.year);
        let through = match (level, self.choice.through_table()) {
            (AreaLevel::Lsoa, _) => String::new(),
            (_, Some((through, code, area))) => format!(
                ", through = {{ file = {}, code = {}, area = {} }}",
                self.path(&through),
                quoted(&code),
                quoted(&area)
            ),
            (level, None) => format!(
                ", through = {{ file = {}, code = \"LSOA{year}CD\", area = {} }}",
                fill_in(&format!("a look-up from LSOAs to {}", level.plural())),
                fill_in(&format!("its column with the codes of {}", level.plural()))
            ),
        };
        Some(format!(
            "lookup = {{ file = {}, columns = {}{through} }}",
            self.path(file),
            columns_table(columns)
        ))
    }

    fn polygons_method(&self, file: &UsedFile<'_>) -> Option<String> {
        let attributes = polygon_attributes(&file.file.kind)?;
        let name = attributes
            .name
            .as_ref()
            .map(|name| format!(", name = {}", quoted(name)));
        let id = match (&attributes.id, &attributes.name) {
            (Some(id), _) => format!("id = {}", quoted(id)),
            // With a prefix, the ids are made from the names.
            (None, Some(name)) => format!("id = {}, id_prefix = \"n-\"", quoted(name)),
            (None, None) => format!("id = {}", fill_in("the attribute with the id of each area")),
        };
        let nested = match attributes.has_nested_parts {
            true => ", nested_parts = \"holes\"",
            false => "",
        };
        Some(format!(
            "polygons = {{ file = {}, {id}{}{nested} }}",
            self.path(file),
            name.unwrap_or_default()
        ))
    }

    /// Writes the layer of neighbourhoods. The areas are made from a list of statistical areas or
    /// from polygons, and the practices are those of a list. If there is neither, the areas are
    /// made from the practices of the list and the places where their patients live.
    fn write_neighbourhoods(&mut self) {
        let choice = self.choice;
        let areas = choice.area_lists.first();
        let polygons = choice.polygons.first();
        let practices = choice.practice_lists.first();
        let own_method = match (areas, polygons) {
            (Some(file), _) => self.lookup_method(file),
            (None, Some(file)) => self.polygons_method(file),
            (None, None) => None,
        };
        let practice_table = practices.and_then(|file| {
            let columns = group_columns(&file.file.kind)?;
            Some(format!(
                "{{ file = {}, columns = {} }}",
                self.path(file),
                columns_table(columns)
            ))
        });
        let has_practices = choice.has_practices();
        match (own_method, practice_table) {
            (Some(method), Some(practices)) if has_practices => {
                let practices = format!("practices = {practices}");
                self.write_layer("neighbourhoods", "official", "", &[method, practices]);
            }
            (Some(method), _) => self.write_layer("neighbourhoods", "official", "", &[method]),
            (None, Some(list)) if choice.shares_file().is_some() && has_practices => {
                let method = format!(
                    "plurality = {{ shares = \"patients\", by = \"list\", list = {list} }}"
                );
                self.write_layer("neighbourhoods", "derived", "", &[method]);
            }
            (None, Some(_)) => {
                self.line("");
                self.comment(
                    "The list of the practices of neighbourhoods is not used yet. To find out \
                     where the patients of these practices live, add the practices (epraccur) and \
                     the registrations by LSOA.",
                );
            }
            (None, None) => {}
        }
        let others = choice.area_lists.iter().skip(1);
        let mut alternatives: Vec<String> =
            others.filter_map(|file| self.lookup_method(file)).collect();
        let used_polygons = usize::from(areas.is_none());
        let others = choice.polygons.iter().skip(used_polygons);
        alternatives.extend(others.filter_map(|file| self.polygons_method(file)));
        let others = choice.practice_lists.iter().skip(1);
        alternatives.extend(others.filter_map(|file| {
            let columns = group_columns(&file.file.kind)?;
            Some(format!(
                "practices = {{ file = {}, columns = {} }}",
                self.path(file),
                columns_table(columns)
            ))
        }));
        for alternative in alternatives {
            self.line(&format!("# Or: {alternative}"));
        }
    }

    fn write_practice_areas(&mut self) {
        let choice = self.choice;
        let mut methods = Vec::new();
        for file in choice
            .find(|kind| *kind == FileKind::Catchments)
            .iter()
            .take(1)
        {
            methods.push(format!("catchments = {{ file = {} }}", self.path(file)));
        }
        let has_practices = choice.has_practices();
        if choice.shares_file().is_some() && has_practices {
            methods.push("share_threshold = { shares = \"patients\", share_min = 0.05 }".into());
        }
        if !methods.is_empty() {
            self.write_layer("practices", "", "", &methods);
        }
    }

    fn write_networks(&mut self) {
        let choice = self.choice;
        let has_networks =
            choice.networks().is_some() || choice.table(TableKind::NetworkPeriods).is_some();
        let has_practices = choice.has_practices();
        if has_networks && has_practices && choice.shares_file().is_some() {
            let method = "plurality = { shares = \"patients\", by = \"network\" }".to_string();
            self.write_layer("networks", "", "", &[method]);
        }
    }

    /// Writes the layers of NHS organisations, councils, wards and MSOAs.
    fn write_organisations(&mut self) {
        let choice = self.choice;
        let organisations = choice.organisations().into_iter().next();
        if let Some(file) = &organisations {
            let method = format!("hierarchy = {{ file = {} }}", self.path(file));
            let keys = template("location-keys");
            self.write_layer("locations", "", &keys, std::slice::from_ref(&method));
            let keys = template("board-keys");
            self.write_layer("boards", "", &keys, &[method]);
        }
        let council_columns = organisations
            .as_ref()
            .and_then(|file| match &file.file.kind {
                FileKind::OrganisationLookup(columns) => council_columns(columns),
                _ => None,
            });
        if let (Some(file), Some([code, area, name])) = (&organisations, &council_columns) {
            let method = format!(
                "lookup = {{ file = {}, columns = {{ code = {}, area = {}, name = {} }}, \
                 beyond_boundaries = true }}",
                self.path(file),
                quoted(code),
                quoted(area),
                quoted(name)
            );
            self.write_layer("council", "", "", &[method]);
        }
        for level in ADMINISTRATIVE_LEVELS {
            let has_other = match level {
                AreaLevel::SubIcb | AreaLevel::Icb => organisations.is_some(),
                AreaLevel::Council => council_columns.is_some(),
                _ => false,
            };
            let file = choice.polygons_of(level);
            let method = file.and_then(|file| self.polygons_method(&file));
            let Some(method) = method else { continue };
            if has_other {
                self.line(&format!("# Or: {method}"));
                continue;
            }
            let name = match level {
                AreaLevel::SubIcb => "locations",
                AreaLevel::Icb => "boards",
                AreaLevel::Council => "council",
                AreaLevel::Ward => "ward",
                _ => "msoa",
            };
            self.write_layer(name, "", "", &[method]);
        }
    }
}

/// Returns the columns of the ONS's look-up that contain LSOAs, councils and the names of councils.
fn council_columns(columns: &[String]) -> Option<[String; 3]> {
    let find = |start: &str, end: &str| {
        let mut columns = columns.iter();
        let found = columns.find(|name| {
            let name = name.to_uppercase();
            name.starts_with(start) && name.ends_with(end)
        });
        found.cloned()
    };
    Some([find("LSOA", "CD")?, find("LAD", "CD")?, find("LAD", "NM")?])
}

/// Returns the publisher and the title of a published work.
fn work_of(path: &str, kind: &FileKind) -> (Option<&'static str>, String) {
    const ONS: &str = "Office for National Statistics";
    const NHS: &str = "NHS England";
    let (publisher, title) = match kind {
        FileKind::OnsDirectory(_) => (
            Some(ONS),
            match path.to_lowercase().contains("nspl") {
                true => "National Statistics Postcode Lookup".to_string(),
                false => "ONS Postcode Directory".into(),
            },
        ),
        FileKind::NhsDirectory(_) => (Some(NHS), "NHS Postcode Directory".into()),
        FileKind::Registrations(_) => (
            Some(NHS),
            "Patients Registered at a GP Practice, by LSOA".into(),
        ),
        FileKind::Networks => (Some(NHS), "NHS ODS ePCN".into()),
        FileKind::OrganisationLookup(_)
        | FileKind::AreaLookup { .. }
        | FileKind::LsoaChanges
        | FileKind::Polygons(Some(_), _) => {
            let words = kind.words();
            let title = words.split(" (").next().unwrap_or_default();
            (Some(ONS), title.to_string())
        }
        FileKind::Table(TableKind::CodePointOpen) => {
            (Some("Ordnance Survey"), "Code-Point Open".into())
        }
        FileKind::Table(TableKind::Addresses) => match path.to_lowercase().contains("nsul") {
            true => (Some(ONS), "National Statistics UPRN Lookup".into()),
            false => (Some("Ordnance Survey"), "OS Open UPRN".into()),
        },
        FileKind::Table(TableKind::Epraccur | TableKind::Branches | TableKind::Successions) => {
            (Some(NHS), kind.words())
        }
        FileKind::Catchments => (None, "GP catchment areas".into()),
        FileKind::PracticeList(_) | FileKind::AreaList(..) | FileKind::Polygons(None, _) => {
            (None, format!("Neighbourhoods ({path})"))
        }
        FileKind::Table(_) => (None, path.to_string()),
    };
    (publisher, title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_a_layer_or_keys_of_one() {
        for name in [
            "neighbourhoods",
            "practices",
            "networks",
            "locations",
            "boards",
            "council",
            "ward",
            "msoa",
            "lsoa",
            "groups",
        ] {
            let text = template(name);
            assert!(text.starts_with("[[layers]]\n"), "{name}: {text}");
            assert!(text.parse::<toml::Table>().is_ok(), "{name}: {text}");
        }
        for name in ["location-keys", "board-keys"] {
            assert!(template(name).starts_with("organisation = "), "{name}");
        }
        assert_eq!(template("nothing"), "");
    }

    #[test]
    fn councils_are_found_in_the_look_up_of_any_year() {
        let columns = ["LSOA21CD", "ICB26CDH", "LAD26CD", "LAD26NM"].map(str::to_string);
        let found = council_columns(&columns).expect("councils");
        assert_eq!(found, ["LSOA21CD", "LAD26CD", "LAD26NM"]);
        assert_eq!(council_columns(&columns[..2]), None);
    }
}
