//! `/outcodes`: outward codes, their centres, and the names of the areas that their postcodes are in.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::response::Response;
use jiff::civil::Date;

use super::super::App;
use super::super::extract::PathParams;
use super::super::request_context::RequestContext;
use super::body::{success, write_list};
use super::client_error::ClientError;
use super::client_query::ClientQuery;
use super::nearest::{NearestParams, NearestRange, OUTCODE_LIMITS, parse_point, point_of_query};
use super::postcode_fields::FieldReader;
use crate::wire::json_writer::JsonWriter;
use catchment_core::domain::{BritishGrid, PostcodeEntry, PostcodeStatus, PrefixReading};
use catchment_core::geodesy;
use catchment_core::index::Index;

/// The fields of an outward code that list the names of areas, in the order of postcodes.io.
const NAME_LISTS: [&str; 6] = [
    "admin_district",
    "parish",
    "admin_county",
    "admin_ward",
    COUNTRY,
    "parliamentary_constituency",
];
const COUNTRY: &str = "country";

/// An outward code with postcodes in use.
pub(in crate::http) struct OutcodeCentre {
    /// The outward code, such as `LA1`.
    pub(in crate::http) text: String,
    /// How many of its postcodes are in use.
    pub(super) live_count: usize,
    /// The mean position of its postcodes in use; `None` if no position is known.
    pub(in crate::http) centre: Option<BritishGrid>,
}

/// The names of the areas that the postcodes of an outward code are in, in the order of
/// [`NAME_LISTS`].
type NameLists = [BTreeSet<String>; NAME_LISTS.len()];

/// The outward codes of a dataset on one day, in ascending order.
pub(in crate::http) struct OutcodeTable {
    /// The digest of the dataset.
    digest: String,
    day: Date,
    outcodes: Vec<OutcodeCentre>,
    /// The names of the outward codes that were requested, because collecting them takes
    /// milliseconds.
    names: Mutex<HashMap<String, Arc<NameLists>>>,
}

/// The outward codes of the current dataset today. Summing up the postcodes of the whole country
/// takes a tenth of a second.
#[derive(Default)]
pub(in crate::http) struct OutcodeCache(Mutex<Option<Arc<OutcodeTable>>>);

impl OutcodeCache {
    /// Returns the outward codes of a dataset on a day.
    pub(in crate::http) fn table(&self, index: &Index, day: Date) -> Arc<OutcodeTable> {
        let mut cached = lock(&self.0);
        let is_current =
            |table: &&Arc<OutcodeTable>| table.day == day && table.digest == index.digest();
        if let Some(table) = cached.as_ref().filter(is_current) {
            return Arc::clone(table);
        }
        let table = Arc::new(OutcodeTable::new(index, day));
        *cached = Some(Arc::clone(&table));
        table
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sums of the positions of an outward code's postcodes.
#[derive(Default)]
struct PositionSums {
    live: usize,
    located: i64,
    easting_mm: i64,
    northing_mm: i64,
}

impl PositionSums {
    fn add(&mut self, entry: &PostcodeEntry) {
        self.live += 1;
        if let Some(position) = entry.position {
            self.located += 1;
            self.easting_mm += i64::from(position.easting_mm());
            self.northing_mm += i64::from(position.northing_mm());
        }
    }

    /// Returns the mean position, to the nearest millimetre.
    fn mean(&self) -> Option<BritishGrid> {
        let mean_m = |sum_mm: i64| {
            let mean_mm = sum_mm.checked_div(self.located)?;
            Some(f64::from(i32::try_from(mean_mm).ok()?) / 1_000.0)
        };
        BritishGrid::from_metres(mean_m(self.easting_mm)?, mean_m(self.northing_mm)?).ok()
    }
}

impl OutcodeTable {
    fn new(index: &Index, day: Date) -> OutcodeTable {
        let mut all: Vec<(String, PositionSums)> = Vec::new();
        for entry in index.postcodes().filter(|entry| is_live(index, entry, day)) {
            let outcode = entry.postcode.outcode();
            if all.last().is_none_or(|(last, _)| last != outcode) {
                all.push((outcode.to_string(), PositionSums::default()));
            }
            if let Some((_, sums)) = all.last_mut() {
                sums.add(&entry);
            }
        }
        let outcodes = all.into_iter().map(|(text, sums)| OutcodeCentre {
            text,
            live_count: sums.live,
            centre: sums.mean(),
        });
        OutcodeTable {
            digest: index.digest().to_string(),
            day,
            outcodes: outcodes.collect(),
            names: Mutex::default(),
        }
    }

    /// Returns the outward codes, in ascending order.
    pub(super) fn outcodes(&self) -> &[OutcodeCentre] {
        &self.outcodes
    }

    /// Returns an outward code. Spaces and case do not matter.
    pub(in crate::http) fn find(&self, text: &str) -> Option<&OutcodeCentre> {
        let text = text.replace(char::is_whitespace, "").to_uppercase();
        self.outcodes.iter().find(|outcode| outcode.text == text)
    }

    /// Returns the outward codes whose centres are nearest to a point, each with its distance in
    /// metres: the nearest first.
    fn nearest(
        &self,
        point: Option<BritishGrid>,
        range: NearestRange,
    ) -> Vec<(&OutcodeCentre, f64)> {
        let with_distance = self.outcodes.iter().filter_map(|outcode| {
            let distance_m = outcode.centre?.distance_m(point?);
            (distance_m <= range.radius_m).then_some((outcode, distance_m))
        });
        let mut found: Vec<(&OutcodeCentre, f64)> = with_distance.collect();
        // The sort is stable, so that outward codes at equal distances stay in ascending order.
        found.sort_by(|a, b| a.1.total_cmp(&b.1));
        found.truncate(range.limit);
        found
    }

    /// Returns the names of the areas that the postcodes of an outward code are in.
    fn names(&self, index: &Index, outcode: &str) -> Arc<NameLists> {
        if let Some(names) = lock(&self.names).get(outcode) {
            return Arc::clone(names);
        }
        let reader = FieldReader::new(index, self.day, &NAME_LISTS);
        let mut lists = NameLists::default();
        for entry in live_postcodes(index, outcode, self.day) {
            let areas = reader.areas(&entry);
            for (list, field) in lists.iter_mut().zip(NAME_LISTS) {
                let name = match field {
                    COUNTRY => areas.country(),
                    _ => areas.name(field),
                };
                if let Some(name) = name.filter(|name| !list.contains(*name)) {
                    list.insert(name.to_string());
                }
            }
        }
        let names = Arc::new(lists);
        lock(&self.names).insert(outcode.to_string(), Arc::clone(&names));
        names
    }

    fn write(
        &self,
        json: &mut JsonWriter,
        index: &Index,
        outcode: &OutcodeCentre,
        distance_m: Option<f64>,
    ) {
        let lonlat = outcode.centre.and_then(geodesy::to_lonlat);
        json.raw("{\"outcode\":");
        json.string(&outcode.text);
        json.raw(",\"longitude\":");
        json.or_null(lonlat, |json, position| json.number(position.lon(), 6));
        json.raw(",\"latitude\":");
        json.or_null(lonlat, |json, position| json.number(position.lat(), 6));
        json.raw(",\"northings\":");
        json.or_null(outcode.centre, |json, grid| {
            json.number(grid.northing_m(), 0)
        });
        json.raw(",\"eastings\":");
        json.or_null(outcode.centre, |json, grid| {
            json.number(grid.easting_m(), 0)
        });
        let names = self.names(index, &outcode.text);
        for (list, field) in names.iter().zip(NAME_LISTS) {
            json.raw(",");
            json.string(field);
            json.raw(":[");
            json.comma_separated(list, |json, name| json.string(name));
            json.raw("]");
        }
        if let Some(distance_m) = distance_m {
            json.raw(",\"distance\":");
            json.number(distance_m, 1);
        }
        json.raw("}");
    }
}

fn is_live(index: &Index, entry: &PostcodeEntry, day: Date) -> bool {
    index.postcode_status(entry, day) == PostcodeStatus::Live && entry.postcode.special().is_none()
}

/// Returns the postcodes of an outward code that are in use, in ascending order.
pub(super) fn live_postcodes<'i>(
    index: &'i Index,
    outcode: &str,
    day: Date,
) -> impl Iterator<Item = PostcodeEntry> + use<'i> {
    let reading = PrefixReading::of_outcode(outcode).into_iter();
    reading
        .flat_map(move |reading| index.postcodes_matching(&reading, &[PostcodeStatus::Live], day))
}

/// `/outcodes/{outcode}`.
pub(in crate::http) async fn outcode(
    State(app): State<App>,
    PathParams(text): PathParams<String>,
) -> Result<Response, ClientError> {
    let context = RequestContext::current(&app);
    let index = context.index();
    let table = app.outcode_cache.table(index, context.as_of);
    let outcode = table
        .find(&text)
        .ok_or_else(ClientError::outcode_not_found)?;
    Ok(success(|json| table.write(json, index, outcode, None)))
}

/// `/outcodes/{outcode}/nearest`.
pub(in crate::http) async fn nearest(
    State(app): State<App>,
    PathParams(text): PathParams<String>,
    query: ClientQuery,
) -> Result<Response, ClientError> {
    let context = RequestContext::current(&app);
    let table = app.outcode_cache.table(context.index(), context.as_of);
    let outcode = table
        .find(&text)
        .ok_or_else(ClientError::outcode_not_found)?;
    let point = outcode.centre.ok_or_else(ClientError::invalid_geolocation);
    nearest_response(&context, &table, point.map(Some), &query)
}

/// `/outcodes?lon=&lat=`.
pub(in crate::http) async fn search(
    State(app): State<App>,
    query: ClientQuery,
) -> Result<Response, ClientError> {
    let context = RequestContext::current(&app);
    let table = app.outcode_cache.table(context.index(), context.as_of);
    let (lon, lat) = point_of_query(&query).ok_or_else(ClientError::invalid_geolocation)?;
    nearest_response(&context, &table, parse_point(lon, lat), &query)
}

fn nearest_response(
    context: &RequestContext,
    table: &OutcodeTable,
    point: Result<Option<BritishGrid>, ClientError>,
    query: &ClientQuery,
) -> Result<Response, ClientError> {
    let params = NearestParams {
        is_wide: false,
        ..NearestParams::from_query(query)
    };
    let range = NearestRange::new(&params, &OUTCODE_LIMITS)?;
    let found = table.nearest(point?, range);
    Ok(success(|json| {
        write_list(json, found, |json, (outcode, distance_m)| {
            table.write(json, context.index(), outcode, Some(distance_m));
        });
    }))
}
