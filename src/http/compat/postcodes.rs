//! `/postcodes`, `/random/postcodes`, `/terminated_postcodes` and `/ping`: single postcodes, and
//! searches for postcodes.

use axum::extract::State;
use axum::response::Response;
use jiff::civil::Date;

use super::super::App;
use super::super::extract::PathParams;
use super::super::request_context::RequestContext;
use super::body::{success, write_list};
use super::client_error::{ClientError, write_terminated};
use super::client_query::{ClientQuery, leading_integer};
use super::nearest::{
    NearestParams, NearestRange, POSTCODE_LIMITS, nearest_postcodes, parse_point, point_of_query,
};
use super::outcodes::{OutcodeTable, live_postcodes};
use super::postcode_fields::PostcodeWriter;
use crate::wire::json_writer::JsonWriter;
use catchment_core::domain::{
    BritishGrid, Postcode, PostcodeEntry, PostcodePrefix, PostcodeStatus, PrefixReading,
};
use catchment_core::index::{Index, PostcodeLookup};

/// The default and the maximum number of results of a search by the beginning of a postcode.
const SEARCH_LIMIT: (usize, usize) = (10, 100);

/// The statuses of postcodes that may be in use, in the order of results. Postcodes of unknown status
/// are in the directory, as those in use are.
const STATUSES_IN_USE: [PostcodeStatus; 2] = [PostcodeStatus::Live, PostcodeStatus::Unknown];

/// `/ping`.
pub(in crate::http) async fn ping() -> Response {
    success(|json| json.string("pong"))
}

/// `/postcodes/{postcode}`.
pub(in crate::http) async fn postcode(
    State(app): State<App>,
    PathParams(text): PathParams<String>,
    query: ClientQuery,
) -> Result<Response, ClientError> {
    let context = RequestContext::current(&app);
    let (index, day) = (context.index(), context.as_of);
    let postcode = parse_postcode(&text)?;
    match entry_and_status(index, postcode, day) {
        Some((entry, status)) if is_in_use(status) => {
            let writer = PostcodeWriter::new(index, day, None, query.is_strict());
            Ok(success(|json| writer.write(json, &entry)))
        }
        Some((entry, PostcodeStatus::Terminated)) => Err(ClientError::postcode_terminated(entry)),
        _ => Err(ClientError::postcode_not_found()),
    }
}

/// `/postcodes/{postcode}/validate`.
pub(in crate::http) async fn validate(
    State(app): State<App>,
    PathParams(text): PathParams<String>,
) -> Response {
    let context = RequestContext::current(&app);
    let is_valid = find_in_use(context.index(), &text, context.as_of).is_some();
    success(|json| json.raw(if is_valid { "true" } else { "false" }))
}

/// `/terminated_postcodes/{postcode}`.
pub(in crate::http) async fn terminated(
    State(app): State<App>,
    PathParams(text): PathParams<String>,
) -> Result<Response, ClientError> {
    let context = RequestContext::current(&app);
    let postcode = parse_postcode(&text)?;
    match entry_and_status(context.index(), postcode, context.as_of) {
        Some((entry, PostcodeStatus::Terminated)) => {
            Ok(success(|json| write_terminated(json, &entry)))
        }
        _ => Err(ClientError::not_found("Terminated postcode not found")),
    }
}

/// `/postcodes`: the postcodes nearest to a point (`?lon=&lat=`), or those that begin with a text
/// (`?q=`).
pub(in crate::http) async fn search(
    State(app): State<App>,
    query: ClientQuery,
) -> Result<Response, ClientError> {
    let context = RequestContext::current(&app);
    if let Some((lon, lat)) = point_of_query(&query) {
        return nearest_response(&context, parse_point(lon, lat), &query);
    }
    let text = query.get_any(["q", "query"]).unwrap_or_default();
    if text.trim().is_empty() {
        let message = "No postcode query submitted. Remember to include query parameter";
        return Err(ClientError::bad_request(message));
    }
    let (index, day) = (context.index(), context.as_of);
    let found = beginning_with(index, text, search_limit(&query), day);
    let writer = PostcodeWriter::new(index, day, None, query.is_strict());
    Ok(success(|json| {
        write_list(json, &found, |json, entry| writer.write(json, entry));
    }))
}

/// `/postcodes/{postcode}/autocomplete`: the postcodes that begin with a text.
pub(in crate::http) async fn autocomplete(
    State(app): State<App>,
    PathParams(text): PathParams<String>,
    query: ClientQuery,
) -> Response {
    let context = RequestContext::current(&app);
    let limit = search_limit(&query);
    let found = beginning_with(context.index(), &text, limit, context.as_of);
    success(|json| {
        write_list(json, &found, |json, entry| json.display(entry.postcode));
    })
}

/// `/postcodes/lon/{longitude}/lat/{latitude}`.
pub(in crate::http) async fn at_lon_lat(
    State(app): State<App>,
    PathParams((lon, lat)): PathParams<(String, String)>,
    query: ClientQuery,
) -> Result<Response, ClientError> {
    nearest_response(
        &RequestContext::current(&app),
        parse_point(&lon, &lat),
        &query,
    )
}

/// `/postcodes/lat/{latitude}/lon/{longitude}`.
pub(in crate::http) async fn at_lat_lon(
    State(app): State<App>,
    PathParams((lat, lon)): PathParams<(String, String)>,
    query: ClientQuery,
) -> Result<Response, ClientError> {
    nearest_response(
        &RequestContext::current(&app),
        parse_point(&lon, &lat),
        &query,
    )
}

/// `/postcodes/{postcode}/nearest`.
pub(in crate::http) async fn nearest(
    State(app): State<App>,
    PathParams(text): PathParams<String>,
    query: ClientQuery,
) -> Result<Response, ClientError> {
    let context = RequestContext::current(&app);
    let entry = find_in_use(context.index(), &text, context.as_of);
    let entry = entry.ok_or_else(ClientError::postcode_not_found)?;
    let point = entry.position.ok_or_else(ClientError::invalid_geolocation);
    nearest_response(&context, point.map(Some), &query)
}

/// Returns the postcodes nearest to a point. An invalid limit is reported before an invalid point.
fn nearest_response(
    context: &RequestContext,
    point: Result<Option<BritishGrid>, ClientError>,
    query: &ClientQuery,
) -> Result<Response, ClientError> {
    let (index, day) = (context.index(), context.as_of);
    let range = NearestRange::new(&NearestParams::from_query(query), &POSTCODE_LIMITS)?;
    let found = nearest_postcodes(index, point?, range, day);
    let writer = PostcodeWriter::new(index, day, None, query.is_strict());
    Ok(success(|json| {
        write_list(json, &found, |json, result| {
            writer.write_nearest(json, result);
        });
    }))
}

/// `/random/postcodes`: a postcode in use, of an outward code or of all.
pub(in crate::http) async fn random(State(app): State<App>, query: ClientQuery) -> Response {
    let context = RequestContext::current(&app);
    let (index, day) = (context.index(), context.as_of);
    let table = app.outcode_cache.table(index, day);
    let entry = random_postcode(index, &table, query.get("outcode"), day);
    let writer = PostcodeWriter::new(index, day, None, query.is_strict());
    success(|json| {
        json.or_null(entry, |json: &mut JsonWriter, entry| {
            writer.write(json, &entry);
        });
    })
}

/// Returns a random postcode in use; each is as likely as any other.
fn random_postcode(
    index: &Index,
    table: &OutcodeTable,
    outcode: Option<&str>,
    day: Date,
) -> Option<PostcodeEntry> {
    let outcodes: Vec<_> = match outcode {
        Some(text) => table.find(text).into_iter().collect(),
        None => table.outcodes().iter().collect(),
    };
    let count: usize = outcodes.iter().map(|outcode| outcode.live_count).sum();
    let random = getrandom::u64().expect("the system has random numbers");
    let mut position = usize::try_from(random.checked_rem(count as u64)?).ok()?;
    for outcode in outcodes {
        if position < outcode.live_count {
            return live_postcodes(index, &outcode.text, day).nth(position);
        }
        position -= outcode.live_count;
    }
    None
}

/// Parses a postcode.
///
/// # Errors
/// If the text is not a postcode: "not found" if it only has the form of a postcode, as `AA1 1AA`.
fn parse_postcode(text: &str) -> Result<Postcode, ClientError> {
    text.trim().parse().map_err(|_| {
        if has_postcode_form(text) {
            ClientError::postcode_not_found()
        } else {
            ClientError::invalid_postcode()
        }
    })
}

/// Returns whether a text has the form of a postcode: one or two letters, a digit, a letter or digit
/// or neither, and after white space or none, a digit and two letters.
pub(in crate::http) fn has_postcode_form(text: &str) -> bool {
    let text = text.trim().as_bytes();
    let Some((outcode, [digit, first, second])) = text.split_last_chunk::<3>() else {
        return false;
    };
    let is_incode =
        digit.is_ascii_digit() && first.is_ascii_alphabetic() && second.is_ascii_alphabetic();
    let is_outcode = match outcode.trim_ascii_end() {
        [a, b] => a.is_ascii_alphabetic() && b.is_ascii_digit(),
        [a, b, c] if b.is_ascii_digit() => a.is_ascii_alphabetic() && c.is_ascii_alphanumeric(),
        [a, b, c] => a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && c.is_ascii_digit(),
        [a, b, c, d] => {
            a.is_ascii_alphabetic()
                && b.is_ascii_alphabetic()
                && c.is_ascii_digit()
                && d.is_ascii_alphanumeric()
        }
        _ => false,
    };
    is_incode && is_outcode
}

/// Returns the entry of a postcode and its status; `None` if the directory does not list the
/// postcode, or if the postcode does not identify a location.
fn entry_and_status(
    index: &Index,
    postcode: Postcode,
    day: Date,
) -> Option<(PostcodeEntry, PostcodeStatus)> {
    match index.lookup_postcode(postcode) {
        PostcodeLookup::Entry(entry) if postcode.special().is_none() => {
            Some((entry, index.postcode_status(&entry, day)))
        }
        _ => None,
    }
}

fn is_in_use(status: PostcodeStatus) -> bool {
    STATUSES_IN_USE.contains(&status)
}

/// Returns the entry of a postcode that is in use.
pub(in crate::http) fn find_in_use(index: &Index, text: &str, day: Date) -> Option<PostcodeEntry> {
    let (entry, status) = entry_and_status(index, text.trim().parse().ok()?, day)?;
    is_in_use(status).then_some(entry)
}

/// Returns the limit of a search by the beginning of a postcode. A limit that is not a positive
/// number is ignored.
fn search_limit(query: &ClientQuery) -> usize {
    let (default, max) = SEARCH_LIMIT;
    let limit = query.get("limit").and_then(leading_integer);
    match limit.filter(|limit| *limit >= 1) {
        Some(limit) => usize::try_from(limit).map_or(max, |limit| limit.min(max)),
        None => default,
    }
}

/// Returns the postcodes in use that begin with a text, in ascending order, those of unknown status
/// last. A complete outward code means only that outward code, if it has postcodes.
fn beginning_with(index: &Index, text: &str, limit: usize, day: Date) -> Vec<PostcodeEntry> {
    let Ok(prefix) = text.trim().parse::<PostcodePrefix>() else {
        return Vec::new();
    };
    let readings = prefix.readings().iter();
    let mut of_readings = readings.map(|reading| matching(index, reading, limit, day));
    if let Some(found) = of_readings.find(|found| !found.is_empty()) {
        return found;
    }
    let outcodes = index.outcodes_with_prefix(&prefix);
    let readings = outcodes.filter_map(PrefixReading::of_outcode);
    let postcodes = readings.flat_map(|reading| matching(index, &reading, limit, day));
    postcodes.take(limit).collect()
}

/// Returns the postcodes in use that match a reading of a prefix.
fn matching(index: &Index, reading: &PrefixReading, limit: usize, day: Date) -> Vec<PostcodeEntry> {
    let statuses = STATUSES_IN_USE.iter();
    let of_status = statuses
        .flat_map(|status| index.postcodes_matching(reading, std::slice::from_ref(status), day));
    of_status.take(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_form_of_a_postcode_even_if_there_is_no_such_area() {
        for text in ["AA1 1AA", "q11aa", " ZZ9Z 9ZZ ", "a1a  1aa", "AA11 1AA"] {
            assert!(has_postcode_form(text), "{text}");
        }
        for text in ["", "1AA", "LA1", "LA1 1A", "AAA1 1AA", "LA1 AAA", "é1 1AA"] {
            assert!(!has_postcode_form(text), "{text}");
        }
    }
}
