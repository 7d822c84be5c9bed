//! The Atom feed (RFC 4287) of the loaded releases.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{ATOM, ATOM_PATH, DCAT_PATH, HTML, JSON_LD, Release, urn};
use crate::wire::metadata::releases_of;

/// The attributes of an element.
type Attributes<'a> = &'a [(&'a str, &'a str)];

/// Returns the feed, with an entry for each release, starting with the newest. `releases` begins
/// with the release that answers requests without a version, and contains at least that release.
pub(crate) fn feed(releases: &[Release<'_>], base: &str) -> Vec<u8> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 1);
    write_feed(&mut writer, releases, base).expect("writing to memory does not fail");
    writer.into_inner()
}

fn write_feed(
    writer: &mut Writer<Vec<u8>>,
    releases: &[Release<'_>],
    base: &str,
) -> io::Result<()> {
    let mut by_date: Vec<&Release<'_>> = releases.iter().collect();
    by_date.sort_by_key(|release| std::cmp::Reverse(release.manifest().released_or_as_of()));
    let current = releases[0].manifest();
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    let feed = writer.create_element("feed").with_attributes([
        ("xmlns", "http://www.w3.org/2005/Atom"),
        ("xml:lang", "en-GB"),
    ]);
    feed.write_inner_content(|writer| {
        text(
            writer,
            "id",
            &urn(&format!("catchment feed\n{}", current.name)),
        )?;
        text(writer, "title", &format!("{}: new releases", current.title))?;
        text(writer, "updated", &updated(by_date[0]))?;
        let self_url = format!("{base}{ATOM_PATH}");
        link(
            writer,
            &[("rel", "self"), ("type", ATOM), ("href", &self_url)],
        )?;
        if cfg!(feature = "web") {
            let page = format!("{base}/sources");
            link(
                writer,
                &[("rel", "alternate"), ("type", HTML), ("href", &page)],
            )?;
        }
        let record = format!("{base}{DCAT_PATH}");
        link(
            writer,
            &[("rel", "describedby"), ("type", JSON_LD), ("href", &record)],
        )?;
        author(writer, current.publisher.as_deref().unwrap_or(SERVICE))?;
        for release in &by_date {
            entry(writer, release, releases)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The author of a feed whose dataset states no publisher. Every feed must have an author.
const SERVICE: &str = "Catchment";

fn entry(
    writer: &mut Writer<Vec<u8>>,
    release: &Release<'_>,
    releases: &[Release<'_>],
) -> io::Result<()> {
    let manifest = release.manifest();
    let element = writer.create_element("entry");
    element.write_inner_content(|writer| {
        text(writer, "id", &release.urn())?;
        text(
            writer,
            "title",
            &format!("{}: release {}", manifest.title, manifest.version),
        )?;
        text(writer, "published", &updated(release))?;
        text(writer, "updated", &updated(release))?;
        if let Some(publisher) = &manifest.publisher {
            author(writer, publisher)?;
        }
        text(writer, "summary", &summary(release, releases))?;
        text(writer, "rights", &manifest.attribution)?;
        if cfg!(feature = "web") {
            let sources = release.url("/sources");
            link(
                writer,
                &[("rel", "alternate"), ("type", HTML), ("href", &sources)],
            )?;
            let changes = release.url("/changes");
            let title = "What changes next";
            link(
                writer,
                &[
                    ("rel", "related"),
                    ("type", HTML),
                    ("title", title),
                    ("href", &changes),
                ],
            )?;
        }
        let details = release.url("/api/v1/dataset");
        let relation = if cfg!(feature = "web") {
            "related"
        } else {
            "alternate"
        };
        link(
            writer,
            &[
                ("rel", relation),
                ("type", "application/json"),
                ("href", &details),
            ],
        )?;
        link(writer, &[("rel", "license"), ("href", &manifest.licence)])?;
        for download in release.downloads() {
            link(
                writer,
                &[
                    ("rel", "enclosure"),
                    ("type", download.media_type),
                    ("title", &download.title),
                    ("href", &download.url),
                ],
            )?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Returns the text of an entry: that the release is available, what it contains, and which release
/// it follows.
fn summary(release: &Release<'_>, releases: &[Release<'_>]) -> String {
    let manifest = release.manifest();
    let of_name = releases_of(releases, &manifest.name);
    let position = of_name
        .iter()
        .position(|other| std::ptr::eq(*other, release));
    let previous = position.and_then(|position| of_name.get(position + 1));
    let follows = previous.map_or(String::new(), |previous| {
        format!(" It follows release {}.", previous.manifest().version)
    });
    format!(
        "Release {} is available.{follows} {}",
        manifest.version,
        release.description()
    )
}

/// Returns the date of a release as the start of that day.
fn updated(release: &Release<'_>) -> String {
    format!("{}T00:00:00Z", release.manifest().released_or_as_of())
}

fn author(writer: &mut Writer<Vec<u8>>, name: &str) -> io::Result<()> {
    let author = writer.create_element("author");
    author.write_inner_content(|writer| text(writer, "name", name))?;
    Ok(())
}

/// Writes an element with a text. Control characters are left out, because XML 1.0 does not allow
/// them.
fn text(writer: &mut Writer<Vec<u8>>, name: &str, content: &str) -> io::Result<()> {
    let element = writer.create_element(name);
    element.write_text_content(BytesText::new(&without_control_characters(content)))?;
    Ok(())
}

fn link(writer: &mut Writer<Vec<u8>>, attributes: Attributes<'_>) -> io::Result<()> {
    let attributes: Vec<(&str, String)> = attributes
        .iter()
        .map(|(name, value)| (*name, without_control_characters(value)))
        .collect();
    let attributes = attributes
        .iter()
        .map(|(name, value)| (*name, value.as_str()));
    let element = writer.create_element("link").with_attributes(attributes);
    element.write_empty()?;
    Ok(())
}

fn without_control_characters(text: &str) -> String {
    text.replace(|character: char| character.is_control(), " ")
}
