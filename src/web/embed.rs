//! Maps on somebody else's site: the page in a frame, and the page that gives the lines to copy.

use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::directory::path_segment;
use super::layout::{Page, frame};
use super::lookup::Home;
use super::nhsuk::{Button, Checkbox, Field, Select, button, checkboxes, select};
use crate::domain::{Area, Layer};

/// Where other sites' editors find the lines to copy.
pub(crate) const SITE_PATH: &str = "/put-this-map-on-your-site";

/// What a map on another site shows.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) layer: Layer,
    /// The title of the layer.
    pub(crate) title: String,
    /// The area's id and name; `None` shows the layer.
    pub(crate) area: Option<(String, String)>,
    /// Whether there is a field for a postcode.
    pub(crate) search: bool,
    /// A day that is not today.
    pub(crate) as_of: Option<String>,
}

impl Shown {
    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        self.area.as_ref().map_or(&self.title, |(_, name)| name)
    }

    /// The address of the page in a frame, from the root.
    pub(crate) fn embed_path(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("layer", self.layer.as_str());
        if let Some((id, _)) = &self.area {
            query.append_pair("area", id);
        }
        if self.search {
            query.append_pair("search", "on");
        }
        if let Some(day) = &self.as_of {
            query.append_pair("as_of", day);
        }
        format!("/embed?{}", query.finish())
    }

    /// The address of the picture, from the root.
    fn picture_path(&self) -> String {
        let name = match &self.area {
            None => self.layer.to_string(),
            Some((id, _)) => format!("{}/{}", self.layer, path_segment(id)),
        };
        match &self.as_of {
            None => format!("/maps/{name}.svg"),
            Some(day) => format!("/maps/{name}.svg?as_of={day}"),
        }
    }

    fn picture_words(&self) -> String {
        match &self.area {
            Some((_, name)) => format!("Map of {name} and what lies around it"),
            None => format!("Map: {}", self.title),
        }
    }

    fn element(&self, heading_level: Option<&str>, children: &Markup) -> Markup {
        let heading = heading_level.map(|_| self.name());
        html! {
            catchment-map layer=[(self.layer != Layer::Icc).then_some(self.layer)] area=[self.area.as_ref().map(|it| &it.0)] search[self.search]
                as-of=[self.as_of.as_ref()] heading=[heading] heading-level=[heading_level] { (children) }
        }
    }
}

/// The page at `/embed`.
pub(crate) struct EmbedPage<'a> {
    pub(crate) shown: &'a Shown,
    /// The names of the areas that it shows, for those who see no map.
    pub(crate) names: &'a [String],
    pub(crate) attribution: &'a str,
    /// Where oEmbed describes it; `None` where the address of the service is not known.
    pub(crate) oembed: Option<&'a str>,
}

/// A page that is only the map.
pub(crate) fn embed(page: &EmbedPage<'_>) -> Markup {
    let shown = page.shown;
    let fallback = html! {
        h1 { (shown.name()) }
        // Where the script draws the map, nobody asks for the picture.
        noscript { (picture(shown)) }
        ul { @for name in page.names { li { (name) } } }
        @if shown.search { p { a href="/" target="_blank" rel="noopener" { "Look up a postcode (opens in a new tab)" } } }
        p { (page.attribution) }
    };
    html! {
        (DOCTYPE)
        html lang="en-GB" {
            head {
                meta charset="utf-8";
                title { "Map: " (shown.name()) }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                link rel="stylesheet" href=(assets::EMBED_STYLE.path);
                link rel="icon" href=(assets::ICON.path) type="image/svg+xml";
                @if let Some(oembed) = page.oembed {
                    link rel="alternate" type="application/json+oembed" href=(oembed) title=(shown.name());
                }
                script type="module" src="/widget.js" {}
                script type="module" src="/embed.js" {}
            }
            body { main { (shown.element(Some("1"), &fallback)) } }
        }
    }
}

/// The `iframe` that holds the page, for a site to paste.
pub(crate) fn iframe(base: &str, shown: &Shown, width: &str, height: u32) -> String {
    let source = format!("{base}{}", shown.embed_path());
    let frame = html! {
        iframe src=(source) title={ "Map: " (shown.name()) } width=(width) height=(height)
            loading="lazy" sandbox="allow-scripts allow-popups" referrerpolicy="no-referrer" {}
    };
    frame.into_string()
}

/// How high a frame is until it tells how high it should be.
pub(crate) const FRAME_HEIGHT: u32 = 860;

/// The page with the lines to copy.
pub(crate) struct SitePage<'a> {
    pub(crate) shown: &'a Shown,
    /// What can be chosen: layers by title, each with its areas.
    pub(crate) choices: &'a [(Layer, String, Vec<&'a Area>)],
    /// `https://maps.example`, perhaps with a path; `None` where it is not known.
    pub(crate) base: Option<&'a str>,
}

/// The page at [`SITE_PATH`].
pub(crate) fn site(home: &Home<'_>, page: &SitePage<'_>) -> Markup {
    let content = html! {
        h1 { "Put this map on your site" }
        p.nhsuk-lede-text { "Choose a map, copy two lines into your page, and it is there. It asks nobody else, stores nothing on your readers’ devices, and sends a postcode to this service alone, in the body of a request." }
        (choice(page))
        p #said role="status" {}
        div #shown { (result(page)) }
    };
    let page = Page {
        title: "Put this map on your site",
        part: Some(SITE_PATH),
        scripts: &["/widget.js", assets::SITE_SCRIPT.path],
        content,
        ..Page::default()
    };
    frame(home.index, &page)
}

fn choice(page: &SitePage<'_>) -> Markup {
    let shown = page.shown;
    let is_chosen = |layer: Layer, id: Option<&str>| {
        layer == shown.layer && id == shown.area.as_ref().map(|it| it.0.as_str())
    };
    let options = html! {
        @for (layer, title, areas) in page.choices {
            optgroup label=(title) {
                option value=(layer) selected[is_chosen(*layer, None)] { "All: " (title) }
                @for area in areas {
                    option value={ (layer) "/" (area.id) } selected[is_chosen(*layer, Some(&area.id))] { (area.title()) }
                }
            }
        }
    };
    let with_search = Checkbox {
        id: "search",
        name: "search",
        value: "on",
        label: "With a field for a postcode",
        hint: None,
        is_checked: shown.search,
    };
    html! {
        form #choice method="get" action=(SITE_PATH) {
            (select(&Select { field: Field { id: "show", name: "show", label: "What it shows".into(), ..Field::default() }, options }))
            (checkboxes(&[with_search], true))
            (button(&Button { text: "Show", ..Button::default() }))
        }
    }
}

/// What stands for the address of the service where it is not known.
const PLACEHOLDER: &str = "https://this-service.example";

/// Scheme and host, as policies have it: a path there would allow that one path alone.
fn origin_of(base: &str) -> &str {
    let host = base.find("://").map_or(0, |at| at + 3);
    let end = base[host..].find('/').map_or(base.len(), |at| host + at);
    &base[..end]
}

/// What changes with the choice.
fn result(page: &SitePage<'_>) -> Markup {
    let (shown, base) = (page.shown, page.base.unwrap_or(PLACEHOLDER));
    let origin = origin_of(base);
    let fallback = html! { noscript { (picture(shown)) } };
    html! {
        @if page.base.is_none() {
            p #placeholder { "This service has not been told its public address. In the lines below, replace " code { (PLACEHOLDER) } " by the beginning of the address of this page." }
        }
        section.preview aria-labelledby="preview" {
            h2 #preview { "Preview" }
            (shown.element(None, &fallback))
        }
        section aria-labelledby="element" {
            h2 #element { "1. Two lines" }
            p { "The best map: it takes the width it is given, works with the keyboard and a screen reader, and takes your colours. If it cannot run, your readers see what stands inside it." }
            (copied("lines-element", &element_lines(base, shown)))
            (policy("policy-element", &format!("script-src 'self' {origin}; connect-src 'self' {origin}")))
        }
        section aria-labelledby="iframe" {
            h2 #iframe { "2. A frame" }
            p { "For a site whose editors may paste no script." }
            (copied("lines-frame", &iframe(base, shown, "100%", FRAME_HEIGHT)))
            (policy("policy-frame", &format!("frame-src 'self' {origin}")))
            p { "It has a fixed height. One line more, anywhere on the page, makes it as high as its content; the policy then needs " code { "script-src 'self' " (origin) } " too." }
            (copied("lines-height", &format!("<script type=\"module\" src=\"{base}/embed.js\"></script>")))
        }
        section aria-labelledby="oembed" {
            h2 #oembed { "3. An address" }
            p { "WordPress, Drupal and others turn an address that stands alone on a line into a frame (oEmbed), where their administrator allows ours." }
            (copied("lines-address", &format!("{base}{}", shown.embed_path())))
            (policy("policy-address", &format!("frame-src 'self' {origin}")))
        }
        section aria-labelledby="picture" {
            h2 #picture { "4. A picture" }
            p { "No script at all; it prints well. Say the same in words beside it." }
            (copied("lines-picture", &picture_lines(base, shown)))
            (policy("policy-picture", &format!("img-src 'self' {origin}")))
        }
        section aria-labelledby="more" {
            h2 #more { "Colours, events, privacy" }
            p { "Your style sheet sets the colours: " code { "catchment-map { --catchment-accent: #005eb8; --catchment-land: #d8e6f3; }" } ". Others are "
                @for name in ["ink", "paper", "sea", "line", "around", "chosen", "on-accent", "focus", "fault", "font"] { code { "--catchment-" (name) } ", " }
                "and " code { "--catchment-height" } "." }
            p { "When a reader selects an area, the element sends " code { "catchment-select" } " with " code { "detail: { layer, id, name }" } ". A search for a postcode tells your page nothing." }
            p { "Any area of any layer, listed here or not, has an address: " code { (SITE_PATH) "?show=gp-practice/A82033" } "." }
            p { "Other attributes: " code { "heading" } " and " code { "heading-level" } ", " code { "label" } ", " code { "as-of" } " (a day, such as 2025-12-01) and " code { "height" } "." }
        }
    }
}

fn picture(shown: &Shown) -> Markup {
    html! { img src=(shown.picture_path()) alt=(shown.picture_words()) width="640"; }
}

fn copied(id: &str, lines: &str) -> Markup {
    html! { pre.lines id=(id) { code { (lines) } } }
}

fn policy(id: &str, directives: &str) -> Markup {
    html! {
        p.nhsuk-body-s { "If your site sends a Content-Security-Policy, it needs this much (add our address to what is there):" }
        pre.lines id=(id) { code { "Content-Security-Policy: " (directives) } }
    }
}

fn element_lines(base: &str, shown: &Shown) -> String {
    let link = html! {
        p { a href=(format!("{base}{}", shown.embed_path())) { "Map: " (shown.name()) } }
    };
    let script = format!("<script type=\"module\" src=\"{base}/widget.js\"></script>");
    format!("{script}\n{}", shown.element(None, &link).into_string())
}

fn picture_lines(base: &str, shown: &Shown) -> String {
    let picture = html! {
        img src=(format!("{base}{}", shown.picture_path())) alt=(shown.picture_words()) width="640" loading="lazy";
    };
    picture.into_string()
}
