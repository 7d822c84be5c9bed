//! Areas with the fields of MapIt.

use std::collections::HashSet;

use jiff::civil::Date;

use super::super::compat::country_of;
use super::area_id::AreaId;
use super::generations::Generations;
use crate::wire::json_writer::JsonWriter;
use catchment_core::domain::{Area, GroupMember, Layer};
use catchment_core::index::Index;

/// An area of a generation.
#[derive(Clone, Copy)]
pub(super) struct FoundArea<'g> {
    /// The index of the generation.
    pub(super) index: &'g Index,
    pub(super) area: &'g Area,
}

/// Writes areas with the fields of MapIt.
pub(super) struct AreaWriter<'g> {
    pub(super) generations: &'g Generations,
    pub(super) day: Date,
}

impl AreaWriter<'_> {
    /// Writes areas as an object with a member for each area, whose name is the id. Each id is
    /// written once.
    pub(super) fn write_all<'g>(
        &self,
        json: &mut JsonWriter,
        areas: impl IntoIterator<Item = FoundArea<'g>>,
    ) {
        let mut written = HashSet::new();
        let areas = areas.into_iter();
        let areas = areas.filter(|found| written.insert(AreaId::of(found.area)));
        json.raw("{");
        json.comma_separated(areas, |json, found| {
            json.string(&AreaId::of(found.area).to_string());
            json.raw(":");
            self.write(json, found);
        });
        json.raw("}");
    }

    /// Writes an area.
    pub(super) fn write(&self, json: &mut JsonWriter, FoundArea { index, area }: FoundArea<'_>) {
        let id = AreaId::of(area);
        let parent = parent(index, area, self.day);
        let layer = index.manifest().layer(area.layer);
        let range = self.generations.range_of(id);
        let codes: Vec<(&str, &str)> = index.codes_of(area).collect();
        let gss = codes.iter().find(|(scheme, _)| *scheme == "gss");
        let country = gss.and_then(|(_, code)| Some((code.get(..1)?, country_of(code)?)));
        json.raw("{\"parent_area\":");
        json.or_null(parent, |json, (layer, id)| {
            json.string(&AreaId { layer, id }.to_string());
        });
        json.raw(",\"generation_high\":");
        json.or_null(range, |json, (_, last)| json.value(&last));
        json.raw(",\"all_names\":{},\"id\":");
        json.string(&id.to_string());
        json.raw(",\"codes\":{");
        json.comma_separated(codes, |json, (scheme, code)| {
            json.string(scheme);
            json.raw(":");
            json.string(code);
        });
        json.raw("},\"name\":");
        json.string(area.title());
        json.raw(",\"country\":");
        json.string(country.map_or("", |(letter, _)| letter));
        json.raw(",\"type_name\":");
        json.string(layer.map_or(area.layer.as_str(), |entry| &entry.singular));
        json.raw(",\"generation_low\":");
        json.or_null(range, |json, (first, _)| json.value(&first));
        json.raw(",\"country_name\":");
        json.string(country.map_or("-", |(_, name)| name));
        json.raw(",\"type\":");
        json.string(area.layer.as_str());
        json.raw("}");
    }
}

/// Returns the area that contains an area, in the layer that the manifest states as the parent of
/// the area's layer.
fn parent<'i>(index: &'i Index, area: &Area, day: Date) -> Option<(Layer, &'i str)> {
    let layer = index.manifest().layer(area.layer)?.parent?;
    let member = GroupMember::Area(area.layer, area.id.clone());
    let mut memberships = index.memberships_of(&member, layer, day);
    let id = memberships.find_map(|membership| membership.group.as_deref())?;
    Some((layer, id))
}

/// Returns the areas whose parent is an area, in the order of layers.
pub(super) fn children<'i>(index: &'i Index, area: &Area, day: Date) -> Vec<&'i Area> {
    let entries = index.manifest().layers.iter();
    let layers = entries.filter(|entry| entry.parent == Some(area.layer));
    let areas = layers.flat_map(|entry| index.areas(entry.id, day).into_iter().flatten());
    let is_child = |child: &&Area| parent(index, child, day) == Some((area.layer, &area.id));
    areas.filter(is_child).collect()
}
