//! Makes a dataset from published files, as a configuration says: assign, dissolve, model, write.
//!
//! The same files and configuration give the same bytes on any machine: everything is in a stated
//! order, boundaries are made of the source's own vertices, and shares are rounded before they are
//! written.

mod config;
mod dissolve;
mod model;
mod tables;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use geo::{Centroid, Validation};
use jiff::civil::Date;

use crate::dataset::polygons::{self, Crs, PolygonFile};
use crate::dataset::rings::{Polygon, Ring};
use crate::dataset::{self, Files, LayerEntry, LayerKind, Manifest, StatisticalAreas};
use crate::domain::{
    Area, Assignment, Boundary, BritishGrid, Layer, Lineage, LonLat, Member, Membership, OdsCode,
    Period, PracticeStatus, Premises, Provenance, date_from_iso,
};
use crate::geodesy;
use crate::geojson;
use crate::import::area_history::{self, ListedArea};
use crate::import::practice_list::{self, ListedPractice};
use crate::import::{lookup, postcode_list, resilience_groups};
use crate::index::Index;
use config::{Config, LayerConfig, Lookup, Members, Model, Way};
use model::{ModelArea, ModelPractice};
use postcode_list::ListedPostcode;

/// Published files give positions to 7 decimals of a degree, about a centimetre; so do ours.
const UNITS_PER_PUBLISHED_UNIT: i64 = 100;

/// What a build made.
#[derive(Debug)]
pub struct Report {
    /// The folder.
    pub folder: PathBuf,
    /// A line each: what it holds.
    pub lines: Vec<String>,
}

/// Builds the dataset that the configuration describes, into `output` or the folder that the
/// configuration names. Nothing is left half-written, and nothing is replaced by a dataset that
/// cannot be loaded.
///
/// # Errors
/// When a file is missing or not what its format says, or the parts contradict each other; the
/// error names the file and the place in it. The folder is then as it was.
pub fn build(config_path: &Path, output: Option<&Path>) -> Result<Report> {
    let text = fs::read_to_string(config_path)
        .with_context(|| format!("reading {}", config_path.display()))?;
    let config: Config =
        toml::from_str(&text).with_context(|| format!("in {}", config_path.display()))?;
    let base = config_path.parent().unwrap_or(Path::new("."));
    let folder = output.map_or_else(|| base.join(&config.output), Path::to_path_buf);
    let sources = Sources::read(base, &config)?;
    let mut draft = Draft::default();
    draft.add_history(&sources, &config)?;
    for layer in &config.layers {
        draft
            .add_layer(layer, &sources, &config)
            .with_context(|| format!("layer `{}`", layer.id))?;
    }
    draft.add_practice_memberships(&sources);
    let report = draft.report(&sources);
    let files = draft.files(&sources, &config)?;
    let staged = dataset::stage(&folder, draft.manifest(&sources, &config)?, &files)?;
    check(staged.path()).context("the dataset that these sources make contradicts itself")?;
    staged.publish()?;
    Ok(Report {
        folder,
        lines: report,
    })
}

/// Whether it can be loaded: a dataset that no program can serve never takes the place of one that
/// can.
fn check(folder: &Path) -> Result<()> {
    let dataset = dataset::read(&Files::Folder(folder.to_path_buf()))?;
    Index::build(dataset)?;
    Ok(())
}

/// The published files, read.
struct Sources<'a> {
    base: &'a Path,
    postcodes: Vec<ListedPostcode>,
    statistical: BTreeMap<String, StatisticalArea>,
    practices: Vec<ListedPractice>,
    premises: Vec<Premises>,
    successions: Vec<crate::domain::Succession>,
    history: Vec<ListedArea>,
}

/// A statistical area's name and its polygons, in units of 1e-9°.
struct StatisticalArea {
    name: String,
    polygons: Vec<Polygon>,
}

impl<'a> Sources<'a> {
    fn read(base: &'a Path, config: &Config) -> Result<Sources<'a>> {
        let read = |path: &Path| read_file(base, path);
        let name = |path: &Path| path.display().to_string();
        let postcodes = &config.postcodes;
        let listed = postcode_list::read(&name(&postcodes.file), &read(&postcodes.file)?)?;
        let statistical = &config.statistical_areas;
        let file = PolygonFile::from_geojson(
            &name(&statistical.boundaries),
            &read(&statistical.boundaries)?,
        )?;
        let practices = &config.practices;
        let mut listed_practices =
            practice_list::practices(&name(&practices.file), &read(&practices.file)?)?;
        listed_practices.retain(|listed| {
            listed
                .practice
                .sub_icb
                .as_ref()
                .is_some_and(|code| practices.sub_icb.contains(code))
        });
        let held: BTreeSet<OdsCode> = listed_practices
            .iter()
            .map(|listed| listed.practice.code)
            .collect();
        let mut premises =
            practice_list::premises(&name(&practices.sites), &read(&practices.sites)?)?;
        premises.retain(|site| held.contains(&site.practice));
        let mut successions = practice_list::successions(
            &name(&practices.successions),
            &read(&practices.successions)?,
        )?;
        successions.retain(|step| held.contains(&step.predecessor));
        Ok(Sources {
            base,
            postcodes: in_touching_outcodes(listed, &postcodes.outcodes_touching_sub_icb),
            statistical: statistical_areas(&file, statistical)?,
            practices: listed_practices,
            premises,
            successions,
            history: area_history::read(&name(&config.history), &read(&config.history)?)?,
        })
    }

    /// The middle of the live postcodes of each statistical area; of its ground, where it has none.
    fn centres(&self) -> Result<BTreeMap<&str, BritishGrid>> {
        let mut sums: HashMap<&str, (f64, f64, f64)> = HashMap::new();
        for row in self.postcodes.iter().filter(|row| row.live) {
            if let (Some(code), Some(position)) = (&row.statistical_area, row.position) {
                let sum = sums.entry(code).or_default();
                sum.0 += position.easting_m();
                sum.1 += position.northing_m();
                sum.2 += 1.0;
            }
        }
        let mut centres = BTreeMap::new();
        for (code, area) in &self.statistical {
            let centre = match sums.get(code.as_str()) {
                Some((easting, northing, count)) => {
                    BritishGrid::from_metres(easting / count, northing / count)?
                }
                None => middle_of(area).with_context(|| format!("statistical area `{code}`"))?,
            };
            centres.insert(code.as_str(), centre);
        }
        Ok(centres)
    }
}

fn read_file(base: &Path, path: &Path) -> Result<Vec<u8>> {
    fs::read(base.join(path)).with_context(|| format!("reading {}", path.display()))
}

fn in_touching_outcodes(rows: Vec<ListedPostcode>, sub_icbs: &[String]) -> Vec<ListedPostcode> {
    let touching: BTreeSet<String> = rows
        .iter()
        .filter(|row| {
            row.sub_icb
                .as_ref()
                .is_some_and(|code| sub_icbs.contains(code))
        })
        .map(|row| row.postcode.outcode().to_string())
        .collect();
    rows.into_iter()
        .filter(|row| touching.contains(row.postcode.outcode()))
        .collect()
}

fn statistical_areas(
    file: &PolygonFile,
    config: &config::StatisticalAreas,
) -> Result<BTreeMap<String, StatisticalArea>> {
    if file.crs != Crs::LonLat {
        bail!(
            "{}: statistical areas come in longitude and latitude",
            file.name
        );
    }
    let mut areas = BTreeMap::new();
    for feature in &file.features {
        let code = file.attribute(feature, &config.code)?.to_string();
        let name = file.attribute(feature, &config.name)?.to_string();
        let polygons = feature.polygons.iter().map(published).collect();
        let earlier = areas.insert(code.clone(), StatisticalArea { name, polygons });
        if earlier.is_some() {
            bail!(
                "{}, feature {}: `{code}` is there twice",
                file.name,
                feature.number
            );
        }
    }
    Ok(areas)
}

/// The polygon with its vertices rounded to what is published.
fn published(polygon: &Polygon) -> Polygon {
    let round = |value: i64| {
        let half = UNITS_PER_PUBLISHED_UNIT / 2;
        (value + half).div_euclid(UNITS_PER_PUBLISHED_UNIT) * UNITS_PER_PUBLISHED_UNIT
    };
    let ring = |ring: &Ring| -> Ring {
        let mut rounded: Ring = ring.iter().map(|&(x, y)| (round(x), round(y))).collect();
        rounded.dedup();
        rounded
    };
    polygon.iter().map(ring).collect()
}

fn middle_of(area: &StatisticalArea) -> Result<BritishGrid> {
    let boundary = polygons::boundary(
        Crs::LonLat,
        &area.polygons,
        String::new(),
        Period::default(),
    )
    .map_err(|reason| anyhow!(reason))?;
    let middle = boundary.lonlat.centroid().context("no ground")?;
    geodesy::to_grid(LonLat::new(middle.x(), middle.y())?).context("off the British National Grid")
}

/// The dataset in the making.
#[derive(Default)]
struct Draft {
    areas: Vec<Area>,
    lineage: Vec<Lineage>,
    memberships: Vec<Membership>,
    assignments: Vec<Assignment>,
    layers: Vec<LayerEntry>,
    boundaries: Vec<(Layer, Vec<Boundary>)>,
}

impl Draft {
    /// The areas that the history names, what became of them, and what they are parts of.
    fn add_history(&mut self, sources: &Sources<'_>, config: &Config) -> Result<()> {
        for listed in &sources.history {
            let Some(layer) = config
                .layers
                .iter()
                .find(|layer| layer.id == listed.layer.as_str())
            else {
                continue;
            };
            let first_data = date_from_iso(&layer.first_data)?;
            let period = match listed.fate {
                Some(_) => tables::ended_by(first_data, listed.period),
                None => listed.period,
            };
            self.areas.push(Area {
                layer: listed.layer,
                id: listed.id.clone(),
                name: listed.name.clone(),
                kind: None,
                system: Some(listed.system.clone()),
                provenance: provenance(&layer.provenance)?,
                period,
            });
            self.lineage
                .extend(listed.fate.as_ref().map(|fate| Lineage {
                    layer: listed.layer,
                    predecessor: listed.id.clone(),
                    successor: fate.successor.clone(),
                    relation: fate.relation,
                    date: listed.period.to,
                    source: listed.source.clone(),
                }));
            self.memberships
                .extend(listed.part_of.as_ref().map(|whole| Membership {
                    member: Member::Area(listed.layer, listed.id.clone()),
                    layer: Layer::Icc,
                    group: Some(whole.clone()),
                    period: listed.period,
                    provenance: Provenance::Official,
                }));
        }
        Ok(())
    }

    fn add_layer(
        &mut self,
        layer: &LayerConfig,
        sources: &Sources<'_>,
        config: &Config,
    ) -> Result<()> {
        let id: Layer = layer.id.parse()?;
        match &layer.way {
            Way::Lookup(lookup) => self.assign(id, lookup, sources)?,
            Way::Model(model) => self.model(id, model, sources, config)?,
            Way::Members(members) => self.add_groups(id, layer, members, sources)?,
        }
        let boundaries = self.dissolved(id, layer.kind, sources)?;
        self.boundaries.push((id, boundaries));
        self.layers.push(LayerEntry {
            id: layer.id.clone(),
            title: layer.title.clone(),
            kind: layer.kind,
            first_data: layer.first_data.clone(),
            provenance: layer.provenance.clone(),
            boundaries: Some(boundary_path(&layer.id)),
            on_statistical_areas: !matches!(layer.way, Way::Members(_)),
            snap_m: 0.0,
        });
        Ok(())
    }

    fn assign(&mut self, layer: Layer, config: &Lookup, sources: &Sources<'_>) -> Result<()> {
        let file = config.file.display().to_string();
        let entries = lookup::read(
            &file,
            &read_file(sources.base, &config.file)?,
            &config.columns,
        )?;
        let mut homes: BTreeMap<String, lookup::Entry> = BTreeMap::new();
        for entry in entries {
            if !sources.statistical.contains_key(&entry.code) {
                bail!(
                    "{file}: `{}` is not one of the statistical areas",
                    entry.code
                );
            }
            if !self
                .areas
                .iter()
                .any(|area| area.layer == layer && area.id == entry.area)
            {
                bail!("{file}: `{}` is no {layer} of the history", entry.area);
            }
            if let Some(earlier) = homes.insert(entry.code.clone(), entry.clone())
                && earlier.area != entry.area
            {
                bail!(
                    "{file}: `{}` lies in `{}` and in `{}`",
                    entry.code,
                    earlier.area,
                    entry.area
                );
            }
        }
        self.assignments
            .extend(homes.into_values().map(|entry| Assignment {
                statistical_area: entry.code,
                layer,
                area: entry.area,
                share: None,
                period: Period::default(),
            }));
        Ok(())
    }

    fn model(
        &mut self,
        layer: Layer,
        model: &Model,
        sources: &Sources<'_>,
        config: &Config,
    ) -> Result<()> {
        let within: Layer = model.within.parse()?;
        let codes: BTreeSet<&str> = self
            .assignments
            .iter()
            .filter(|assignment| assignment.layer == within)
            .map(|assignment| assignment.statistical_area.as_str())
            .collect();
        let centres = sources.centres()?;
        let areas: Vec<ModelArea<'_>> = sources
            .statistical
            .iter()
            .filter(|(code, _)| codes.contains(code.as_str()))
            .map(|(code, area)| ModelArea {
                code,
                name: &area.name,
                centre: centres[code.as_str()],
            })
            .collect();
        let practices = model_practices(sources, date_from_iso(&config.as_of)?);
        for (code, shares) in model::shares(&areas, &practices, model) {
            self.assignments
                .extend(shares.into_iter().map(|(practice, share)| Assignment {
                    statistical_area: code.to_string(),
                    layer,
                    area: practice.to_string(),
                    share: Some(share),
                    period: Period::default(),
                }));
        }
        Ok(())
    }

    /// Groups, and their members as published.
    fn add_groups(
        &mut self,
        id: Layer,
        layer: &LayerConfig,
        members: &Members,
        sources: &Sources<'_>,
    ) -> Result<()> {
        let file = members.file.display().to_string();
        let rows = resilience_groups::read(&file, &read_file(sources.base, &members.file)?)?;
        let mut groups: BTreeMap<String, Area> = BTreeMap::new();
        for row in rows {
            let Some(member) = self.areas.iter().find(|area| area.id == row.member) else {
                bail!("{file}: member `{}` is no area of the history", row.member);
            };
            self.memberships.push(Membership {
                member: Member::Area(member.layer, member.id.clone()),
                layer: id,
                group: row.group.as_ref().map(|group| group.id.clone()),
                period: Period::default(),
                provenance: Provenance::Official,
            });
            let Some(group) = row.group else { continue };
            let area = Area {
                layer: id,
                id: group.id.clone(),
                name: group.name,
                kind: group.kind,
                system: member.system.clone(),
                provenance: provenance(&layer.provenance)?,
                period: Period::default(),
            };
            let listed = groups.entry(group.id).or_insert_with(|| area.clone());
            if *listed != area {
                bail!("{file}: group `{}` has two names or kinds", area.id);
            }
        }
        self.areas.extend(groups.into_values());
        Ok(())
    }

    /// The boundary of every area of the layer that has ground, in order of id.
    fn dissolved(
        &self,
        layer: Layer,
        kind: LayerKind,
        sources: &Sources<'_>,
    ) -> Result<Vec<Boundary>> {
        let mut grounds: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        match kind {
            LayerKind::Membership => {
                for membership in self.memberships.iter().filter(|it| it.layer == layer) {
                    if let (Member::Area(of, member), Some(group)) =
                        (&membership.member, &membership.group)
                    {
                        grounds
                            .entry(group)
                            .or_default()
                            .extend(self.codes_in(*of, member));
                    }
                }
            }
            LayerKind::Partition | LayerKind::Overlapping => {
                for assignment in self.assignments.iter().filter(|it| it.layer == layer) {
                    grounds
                        .entry(&assignment.area)
                        .or_default()
                        .insert(&assignment.statistical_area);
                }
            }
        }
        grounds
            .into_iter()
            .map(|(id, codes)| dissolved_area(id, &codes, sources))
            .collect()
    }

    fn codes_in<'d>(&'d self, layer: Layer, id: &'d str) -> impl Iterator<Item = &'d str> {
        self.assignments
            .iter()
            .filter(move |assignment| assignment.layer == layer && assignment.area == id)
            .map(|assignment| assignment.statistical_area.as_str())
    }

    /// Everyone registered at a practice belongs to its ICC; and to the sub-community that its own
    /// address lies in, where that is a part of the same ICC.
    fn add_practice_memberships(&mut self, sources: &Sources<'_>) {
        let homes: HashMap<_, &str> = sources
            .postcodes
            .iter()
            .filter_map(|row| Some((row.postcode, row.statistical_area.as_deref()?)))
            .collect();
        let mut memberships = Vec::new();
        for ListedPractice { practice, icc, .. } in &sources.practices {
            let Some(icc) = icc else { continue };
            let membership = |layer, group: &str, provenance| Membership {
                member: Member::Practice(practice.code),
                layer,
                group: Some(group.to_string()),
                period: Period::default(),
                provenance,
            };
            memberships.push(membership(Layer::Icc, icc, Provenance::Derived));
            let home = practice.postcode.and_then(|postcode| homes.get(&postcode));
            let part = home.and_then(|code| self.part_of_icc(code, icc));
            memberships.extend(
                part.map(|part| membership(Layer::SubCommunity, part, Provenance::Derived)),
            );
        }
        self.memberships.extend(memberships);
    }

    /// The sub-community of a statistical area, where it is a part of that ICC.
    fn part_of_icc(&self, code: &str, icc: &str) -> Option<&str> {
        let part = self.assignments.iter().find(|assignment| {
            assignment.layer == Layer::SubCommunity && assignment.statistical_area == code
        })?;
        let is_part = self.memberships.iter().any(|membership| {
            membership.member == Member::Area(Layer::SubCommunity, part.area.clone())
                && membership.group.as_deref() == Some(icc)
        });
        is_part.then_some(part.area.as_str())
    }

    fn files(&self, sources: &Sources<'_>, config: &Config) -> Result<Vec<(String, Vec<u8>)>> {
        let mut files = vec![
            ("areas.csv".into(), tables::areas(&self.areas)),
            (
                "assignments.csv".into(),
                tables::assignments(&self.assignments),
            ),
            ("lineage.csv".into(), tables::lineage(&self.lineage)),
            (
                "memberships.csv".into(),
                tables::memberships(&self.memberships),
            ),
            (
                "postcodes.csv".into(),
                tables::postcodes(&sources.postcodes),
            ),
            (
                "practice_sites.csv".into(),
                tables::premises(&sources.premises),
            ),
            (
                "practice_successions.csv".into(),
                tables::successions(&sources.successions),
            ),
            (
                "practices.csv".into(),
                tables::practices(sources.practices.iter().map(|listed| &listed.practice)),
            ),
        ];
        for (layer, boundaries) in &self.boundaries {
            let features = boundaries
                .iter()
                .map(|boundary| (boundary, self.name_of(*layer, &boundary.id, sources)));
            files.push((
                boundary_path(layer.as_str()),
                geojson::layer_file(layer.as_str(), features),
            ));
        }
        let mut statistical = Vec::new();
        for (code, area) in &sources.statistical {
            let boundary =
                polygons::boundary(Crs::LonLat, &area.polygons, code.clone(), Period::default())
                    .map_err(|reason| anyhow!("statistical area `{code}`: {reason}"))?;
            statistical.push((boundary, area.name.clone()));
        }
        let features = statistical
            .iter()
            .map(|(boundary, name)| (boundary, name.clone()));
        let id = &config.statistical_areas.id;
        files.push((boundary_path(id), geojson::layer_file(id, features)));
        Ok(files)
    }

    fn name_of(&self, layer: Layer, id: &str, sources: &Sources<'_>) -> String {
        let area = self
            .areas
            .iter()
            .find(|area| area.layer == layer && area.id == id);
        let practice = || {
            let listed = &sources.practices;
            let found = listed
                .iter()
                .find(|listed| listed.practice.code.as_str() == id);
            found.map(|listed| listed.practice.name.clone())
        };
        area.map(Area::title).or_else(practice).unwrap_or_default()
    }

    fn manifest(&self, sources: &Sources<'_>, config: &Config) -> Result<Manifest> {
        // Told by the outward codes that `in_touching_outcodes` kept whole.
        let outcodes: BTreeSet<&str> = sources
            .postcodes
            .iter()
            .map(|row| row.postcode.outcode())
            .collect();
        let statistical = &config.statistical_areas;
        date_from_iso(&config.as_of).with_context(|| format!("as_of `{}`", config.as_of))?;
        Ok(Manifest {
            name: config.name.clone(),
            version: config.version.clone(),
            title: config.title.clone(),
            as_of: config.as_of.clone(),
            attribution: config.attribution.clone(),
            licence: config.licence.clone(),
            tolerance_m: config.tolerance_m,
            undated_terminations_after: config.undated_terminations_after.clone(),
            complete_outcodes: outcodes.into_iter().map(str::to_string).collect(),
            statistical_areas: Some(StatisticalAreas {
                id: statistical.id.clone(),
                title: statistical.title.clone(),
                boundaries: boundary_path(&statistical.id),
                snap_m: statistical.snap_m,
            }),
            layers: self.layers.clone(),
            sources: config.sources.clone(),
            files: BTreeMap::new(),
        })
    }

    fn report(&self, sources: &Sources<'_>) -> Vec<String> {
        let mut lines = vec![format!("{} postcodes", sources.postcodes.len())];
        for (layer, boundaries) in &self.boundaries {
            lines.push(format!(
                "{layer}: {} areas with a boundary",
                boundaries.len()
            ));
        }
        lines.push(format!("{} practices", sources.practices.len()));
        lines
    }
}

/// The practices that take patients on that day, with where they see them.
fn model_practices(sources: &Sources<'_>, day: Date) -> Vec<ModelPractice> {
    let mut premises: BTreeMap<OdsCode, Vec<BritishGrid>> = BTreeMap::new();
    for site in &sources.premises {
        premises
            .entry(site.practice)
            .or_default()
            .push(site.position);
    }
    let takes_patients =
        |listed: &&ListedPractice| listed.practice.status_on(day) == PracticeStatus::Active;
    sources
        .practices
        .iter()
        .filter(takes_patients)
        .filter_map(
            |ListedPractice {
                 practice,
                 icc,
                 position,
             }| {
                let own = || position.map(|position| vec![position]);
                Some(ModelPractice {
                    code: practice.code,
                    list_size: practice.list_size?,
                    icc: icc.clone(),
                    premises: premises.get(&practice.code).cloned().or_else(own)?,
                })
            },
        )
        .collect()
}

fn dissolved_area(id: &str, codes: &BTreeSet<&str>, sources: &Sources<'_>) -> Result<Boundary> {
    let parts = codes
        .iter()
        .flat_map(|code| &sources.statistical[*code].polygons);
    let outline = dissolve::dissolve(parts).map_err(|reason| anyhow!("area `{id}`: {reason}"))?;
    let boundary = polygons::boundary(Crs::LonLat, &outline, id.to_string(), Period::default())
        .map_err(|reason| anyhow!("area `{id}`: {reason}"))?;
    boundary
        .lonlat
        .check_validation()
        .map_err(|fault| anyhow!("area `{id}` is not a valid polygon: {fault}"))?;
    Ok(boundary)
}

fn provenance(word: &str) -> Result<Provenance> {
    Provenance::from_word(word).with_context(|| format!("`{word}` is no provenance"))
}

fn boundary_path(id: &str) -> String {
    format!("areas/{id}.geojson")
}
