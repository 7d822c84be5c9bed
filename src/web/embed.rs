//! Maps on other websites: the page for an `iframe`, and the page with the code to copy.

use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::layout::{PageLayout, layout};
use super::links::{EMBED_CODE_PATH, path_segment};
use super::nhsuk::{Button, Checkbox, Field, Select, button, checkboxes, select};
use catchment_core::domain::{Area, Layer};
use catchment_core::index::Index;

/// The options of a map on another website.
#[derive(Debug, Clone)]
pub(crate) struct EmbeddedMap {
    pub(crate) layer: Layer,
    /// Whether the map shows this layer if no layer is requested.
    pub(crate) is_default_layer: bool,
    /// Whether the areas of this layer are the areas of GP practices.
    pub(crate) is_practice_layer: bool,
    /// The title of the layer.
    pub(crate) layer_title: String,
    /// The id and name of an area; `None` for the whole layer.
    pub(crate) area: Option<(String, String)>,
    /// Whether the map has a postcode search.
    pub(crate) has_search: bool,
    /// A date other than today.
    pub(crate) as_of: Option<String>,
}

impl EmbeddedMap {
    /// Returns the name of the area or, for the whole layer, the title of the layer.
    pub(crate) fn name(&self) -> &str {
        self.area
            .as_ref()
            .map_or(&self.layer_title, |(_, name)| name)
    }

    /// Returns the path and query of the page for an `iframe`.
    pub(crate) fn embed_path(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("layer", self.layer.as_str());
        if let Some((id, _)) = &self.area {
            query.append_pair("area", id);
        }
        if self.has_search {
            query.append_pair("search", "on");
        }
        if let Some(date) = &self.as_of {
            query.append_pair("as_of", date);
        }
        format!("/embed?{}", query.finish())
    }

    /// Returns the path and query of the static map.
    fn image_path(&self) -> String {
        let name = match &self.area {
            None => self.layer.to_string(),
            Some((id, _)) => format!("{}/{}", self.layer, path_segment(id)),
        };
        match &self.as_of {
            None => format!("/maps/{name}.svg"),
            Some(date) => format!("/maps/{name}.svg?as_of={date}"),
        }
    }

    fn image_alt(&self) -> String {
        match &self.area {
            Some((_, name)) => format!("Map of {name} and the areas around it"),
            None => format!("Map of {}", self.layer_title),
        }
    }

    /// Renders the `<catchment-map>` element. If the map has a search and shows the area of a GP
    /// practice, the element asks whether a postcode is in the area.
    fn element(&self, heading_level: Option<&str>, children: &Markup) -> Markup {
        let heading = heading_level.map(|_| self.name());
        if let (true, true, Some((id, _))) = (self.is_practice_layer, self.has_search, &self.area) {
            return html! {
                catchment-map practice=(id) as-of=[self.as_of.as_ref()] heading=[heading] heading-level=[heading_level] { (children) }
            };
        }
        html! {
            catchment-map layer=[(!self.is_default_layer).then_some(self.layer)] area=[self.area.as_ref().map(|(id, _)| id)] search[self.has_search]
                as-of=[self.as_of.as_ref()] heading=[heading] heading-level=[heading_level] { (children) }
        }
    }
}

/// The content of the page at `/embed`.
pub(crate) struct EmbedPage<'a> {
    pub(crate) map: &'a EmbeddedMap,
    /// The names of the areas on the map, which the page shows if the map cannot be drawn.
    pub(crate) names: &'a [&'a str],
    pub(crate) attribution: &'a str,
    /// The URL of the oEmbed description, if the public URL of the service is known.
    pub(crate) oembed_url: Option<&'a str>,
}

/// Renders the page at `/embed`, which contains only the map.
pub(crate) fn embed(page: &EmbedPage<'_>) -> Markup {
    let map = page.map;
    let fallback = html! {
        h1 { (map.name()) }
        // The image is in `noscript`, so that it is not requested if the script draws the map.
        noscript { (image(map)) }
        ul { @for name in page.names { li { (name) } } }
        @if map.has_search { p { a href="/" target="_blank" rel="noopener" { "Look up a postcode (opens in a new tab)" } } }
        p { (page.attribution) }
    };
    html! {
        (DOCTYPE)
        html lang="en-GB" {
            head {
                meta charset="utf-8";
                title { "Map of " (map.name()) }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                link rel="stylesheet" href=(assets::EMBED_STYLE.path);
                link rel="icon" href=(assets::ICON.path) type="image/svg+xml";
                @if let Some(oembed_url) = page.oembed_url {
                    link rel="alternate" type="application/json+oembed" href=(oembed_url) title=(map.name());
                }
                script type="module" src="/widget.js" {}
                script type="module" src="/embed.js" {}
            }
            body { main { (map.element(Some("1"), &fallback)) } }
        }
    }
}

/// Renders the `iframe` element that shows the map, to paste into a page of another website.
pub(crate) fn iframe(base: &str, map: &EmbeddedMap, width: &str, height: u32) -> String {
    let source = format!("{base}{}", map.embed_path());
    let frame = html! {
        iframe src=(source) title={ "Map of " (map.name()) } width=(width) height=(height)
            loading="lazy" sandbox="allow-scripts allow-popups" referrerpolicy="no-referrer" {}
    };
    frame.into_string()
}

/// The height of a frame in CSS pixels until `embed.js` reports the height of its content.
pub(crate) const FRAME_HEIGHT: u32 = 860;

/// The content of the page with the code to copy.
pub(crate) struct EmbedCodePage<'a> {
    pub(crate) map: &'a EmbeddedMap,
    /// The maps that the user can choose from: layers with their titles and areas.
    pub(crate) choices: &'a [(Layer, String, Vec<&'a Area>)],
    /// The public URL of this service, such as `https://maps.example`, with a path if it has one.
    /// `None` if the URL is not known.
    pub(crate) base: Option<&'a str>,
}

/// Renders the page at [`EMBED_CODE_PATH`].
pub(crate) fn embed_code(index: &Index, page: &EmbedCodePage<'_>) -> Markup {
    let content = html! {
        h1 { "Put this map on your website" }
        p.nhsuk-lede-text { "Choose a map, then copy two lines of code into your page. The map contacts only this service. It stores nothing on your visitors’ devices, and it sends a postcode in the body of a request, never in a URL." }
        (form(page))
        p #status role="status" {}
        div #embed-code { (result(page)) }
    };
    let page = PageLayout {
        title: "Put this map on your website",
        section: Some(EMBED_CODE_PATH),
        scripts: &["/widget.js", assets::EMBED_CODE_SCRIPT.path],
        content,
        ..PageLayout::default()
    };
    layout(index, &page)
}

fn form(page: &EmbedCodePage<'_>) -> Markup {
    let map = page.map;
    let is_chosen = |layer: Layer, id: Option<&str>| {
        layer == map.layer && id == map.area.as_ref().map(|(id, _)| id.as_str())
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
    let search = Checkbox {
        id: "search",
        name: "search",
        value: "on",
        label: "Include a postcode search",
        hint: None,
        is_checked: map.has_search,
    };
    html! {
        form #map-options method="get" action=(EMBED_CODE_PATH) {
            (select(&Select { field: Field { id: "show", name: "show", label: "Map to show".into(), ..Field::default() }, options }))
            (checkboxes(&[search], true))
            (button(&Button { text: "Update the code", ..Button::default() }))
        }
    }
}

/// The URL in the code to copy if the public URL of the service is not known.
const PLACEHOLDER: &str = "https://this-service.example";

/// Returns the origin of a URL, for use in a Content-Security-Policy. A policy with a path would
/// allow only that path.
fn origin_of(base: &str) -> &str {
    let host = base.find("://").map_or(0, |index| index + 3);
    let end = base[host..]
        .find('/')
        .map_or(base.len(), |index| host + index);
    &base[..end]
}

/// The rule that reserves space for the element until it is drawn.
const SPACE_RULE: &str = "catchment-map { display: block; min-height: 720px; }";

/// Renders the part of the page that depends on the form: the preview and the code.
fn result(page: &EmbedCodePage<'_>) -> Markup {
    let (map, base) = (page.map, page.base.unwrap_or(PLACEHOLDER));
    let origin = origin_of(base);
    let fallback = html! { noscript { (image(map)) } };
    html! {
        @if page.base.is_none() {
            p #placeholder { "We do not know the public address of this service. In the code below, replace " code { (PLACEHOLDER) } " with the start of this page’s address." }
        }
        section.preview aria-labelledby="preview" {
            h2 #preview { "Preview" }
            (map.element(None, &fallback))
        }
        section aria-labelledby="element" {
            h2 #element { "1. Script and element (recommended)" }
            p { "Use this if you can. The map fits the width of your page, works with a keyboard and a screen reader, and can use your colours. If the script cannot run, visitors see the content between the tags." }
            (code_block("code-element", &element_code(base, map)))
            (policy("policy-element", &format!("script-src 'self' {origin}; connect-src 'self' {origin}")))
            p { "So that the page does not move while the map loads, add this rule to your style sheet, with the height that the map has on your page:" }
            (code_block("code-space", SPACE_RULE))
        }
        section aria-labelledby="iframe" {
            h2 #iframe { "2. Frame" }
            p { "Use this if your website does not let you add scripts." }
            (code_block("code-frame", &iframe(base, map, "100%", FRAME_HEIGHT)))
            (policy("policy-frame", &format!("frame-src 'self' {origin}")))
            p { "The frame has a fixed height. To make the frame as high as its content, add this line anywhere on the page. Your Content-Security-Policy then also needs " code { "script-src 'self' " (origin) } "." }
            (code_block("code-height", &format!("<script type=\"module\" src=\"{base}/embed.js\"></script>")))
        }
        section aria-labelledby="oembed" {
            h2 #oembed { "3. Web address (oEmbed)" }
            p { "Paste this address on a separate line. WordPress, Drupal and other systems turn it into a frame if their administrator has allowed this service." }
            (code_block("code-address", &format!("{base}{}", map.embed_path())))
            (policy("policy-address", &format!("frame-src 'self' {origin}")))
        }
        section aria-labelledby="image" {
            h2 #image { "4. Image" }
            p { "An image needs no script and prints well. Give the same information as text beside the image, for people who cannot see the image." }
            (code_block("code-image", &image_code(base, map)))
            p { "If your website has a Content-Security-Policy that forbids " code { "style" } " attributes, replace the attribute with a " code { "class" } " of your own, and put the rule into your style sheet." }
            (policy("policy-image", &format!("img-src 'self' {origin}")))
        }
        section aria-labelledby="more" {
            h2 #more { "Colours, events and other options" }
            p { "Set the colours in your style sheet: " code { "catchment-map { --catchment-accent: #005eb8; --catchment-land: #d8e6f3; }" } ". You can also set "
                @for name in ["ink", "paper", "link", "sea", "line", "around", "chosen", "on-accent", "focus", "error", "font"] { code { "--catchment-" (name) } ", " }
                "and " code { "--catchment-height" } "." }
            p { "When a visitor selects an area, the element sends a " code { "catchment-select" } " event with " code { "detail: { layer, id, name }" } ". A postcode search sends " code { "catchment-answer" } " with the area that contains the postcode, but never the postcode; " code { "catchment-ready" } " and " code { "catchment-error" } " report whether the map was drawn. From a script, call " code { "lookup(postcode)" } " or " code { "show(area)" } "." }
            p { "To link the names in answers to your own pages, give their address: " code { "link=\"https://www.example.nhs.uk/{layer}/{id}\"" } ". To show whether a postcode is in the area of a GP practice, use the attribute " code { "practice" } " with the ODS code of the practice." }
            p { "To choose an area that is not in the list above, specify it in the address of this page: " code { (EMBED_CODE_PATH) "?show=" (page.map.layer) "/ID" } ", with the id of the area." }
            p { "Other attributes are " code { "heading" } ", " code { "heading-level" } ", " code { "label" } ", " code { "as-of" } " (a date, such as 2025-12-01) and " code { "height" } "." }
        }
    }
}

fn image(map: &EmbeddedMap) -> Markup {
    html! { img src=(map.image_path()) alt=(map.image_alt()) width="640"; }
}

fn code_block(id: &str, code: &str) -> Markup {
    html! { pre.code-block id=(id) { code { (code) } } }
}

fn policy(id: &str, directives: &str) -> Markup {
    html! {
        p.nhsuk-body-s { "If your website has a Content-Security-Policy, allow our address in it:" }
        pre.code-block id=(id) { code { "Content-Security-Policy: " (directives) } }
    }
}

fn element_code(base: &str, map: &EmbeddedMap) -> String {
    let link = html! {
        p { a href=(format!("{base}{}", map.embed_path())) { "Map of " (map.name()) } }
    };
    let script = format!("<script type=\"module\" src=\"{base}/widget.js\"></script>");
    format!("{script}\n{}", map.element(None, &link).into_string())
}

fn image_code(base: &str, map: &EmbeddedMap) -> String {
    let image = html! {
        img src=(format!("{base}{}", map.image_path())) alt=(map.image_alt()) width="640" style="max-width:100%;height:auto" loading="lazy";
    };
    image.into_string()
}
