//! Renders a map's SVG to PNG and PDF, using only the embedded font.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use pdf_writer::types::StructRole;
use pdf_writer::writers::StructTreeRoot;
use pdf_writer::{Content, Finish, Name, Pdf, Ref, TextStr};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, Options, Tree, fontdb};

use super::MapImage;
use super::text::{BOLD, REGULAR};

/// The reason why rendering failed. A failure is always a bug.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The SVG could not be parsed.
    #[error("the map's SVG could not be parsed")]
    Svg(#[source] usvg::Error),
    /// The PNG could not be written.
    #[error("the map could not be written as PNG: {0}")]
    Png(String),
    /// The SVG could not be converted to PDF.
    #[error("the map could not be written as PDF: {0}")]
    Pdf(svg2pdf::ConversionError),
}

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(REGULAR.to_vec());
    fonts.load_font_data(BOLD.to_vec());
    Arc::new(fonts)
});

fn parse_svg(image: &MapImage) -> Result<Tree, RenderError> {
    let options = Options {
        fontdb: Arc::clone(&FONTS),
        font_family: "Arimo".into(),
        ..Options::default()
    };
    Tree::from_str(&image.svg, &options).map_err(RenderError::Svg)
}

/// Renders a map as PNG, with `scale` pixels per CSS pixel.
///
/// # Errors
/// If the SVG cannot be parsed, or the PNG would be too large. No such error is known for images
/// that [`draw`](super::draw) returned.
pub fn png(image: &MapImage, scale: u32) -> Result<Vec<u8>, RenderError> {
    let tree = parse_svg(image)?;
    let (width, height) = (image.width * scale, image.height * scale);
    let mut pixels = Pixmap::new(width, height)
        .ok_or_else(|| RenderError::Png(format!("{width} by {height} pixels are too many")))?;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let transform = Transform::from_scale(scale as f32, scale as f32);
    resvg::render(&tree, transform, &mut pixels.as_mut());
    encode_png(&pixels).map_err(|error| RenderError::Png(error.to_string()))
}

/// Encodes pixels as PNG without an alpha channel, because the page is opaque.
///
/// The PNG of a map of the embedded communities that is 800 pixels wide has a fifth of the size
/// that `Pixmap::encode_png` would write.
fn encode_png(pixels: &Pixmap) -> Result<Vec<u8>, png::EncodingError> {
    let colours = pixels.pixels().iter();
    let bytes: Vec<u8> = colours
        .flat_map(|colour| [colour.red(), colour.green(), colour.blue()])
        .collect();
    let mut encoded = Vec::new();
    let mut encoder = png::Encoder::new(&mut encoded, pixels.width(), pixels.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Default);
    // Unfiltered patterns compress better than filtered patterns, because only unfiltered patterns
    // repeat byte for byte.
    encoder.set_filter(png::FilterType::NoFilter);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&bytes)?;
    writer.finish()?;
    Ok(encoded)
}

/// The width and height of the pages A4 to A0 (ISO 216) in portrait, in points.
const PAPER_SIZES: [(f32, f32); 5] = [
    (595.276, 841.89),
    (841.89, 1_190.551),
    (1_190.551, 1_683.78),
    (1_683.78, 2_383.937),
    (2_383.937, 3_370.394),
];
/// The minimum scale of a map on any page except the largest. At this scale, the smallest text of a
/// map (10 pixels) is 6 points high.
const SCALE_MIN: f32 = 0.8;
/// The margin of the page (10 mm) in points.
const MARGIN: f32 = 28.346;
/// A CSS pixel is 1/96 of an inch, and a point is 1/72 of an inch.
const POINTS_PER_PIXEL: f32 = 0.75;

/// Renders a map as a tagged PDF (ISO 32000-1, 14.8) of one page, portrait or landscape. A map that
/// does not fit on A4 is scaled down slightly. If its text would then be too small to read, it is
/// drawn on larger paper instead.
///
/// The text of the PDF can be searched. The PDF has a title, a language and a text alternative,
/// which is the map's description.
///
/// # Errors
/// If the SVG cannot be parsed or converted. No such error is known for images that
/// [`draw`](super::draw) returned.
pub fn pdf(image: &MapImage) -> Result<Vec<u8>, RenderError> {
    let tree = parse_svg(image)?;
    let (chunk, drawing) = svg2pdf::to_chunk(&tree, svg2pdf::ConversionOptions::default())
        .map_err(RenderError::Pdf)?;
    let mut next = Ref::new(1);
    let [catalog, pages, page, content, info, tags, document, figure] =
        std::array::from_fn(|_| next.bump());
    let mut new_refs: HashMap<Ref, Ref> = HashMap::new();
    let chunk = chunk.renumber(|old| *new_refs.entry(old).or_insert_with(|| next.bump()));
    let drawing = new_refs.get(&drawing).copied().unwrap_or(drawing);
    let layout = PdfLayout::new(image);

    let mut pdf = Pdf::new();
    let mut root = pdf.catalog(catalog);
    root.pages(pages).lang(TextStr("en-GB"));
    root.viewer_preferences().display_doc_title(true);
    root.mark_info().marked(true);
    root.pair(Name(b"StructTreeRoot"), tags);
    root.finish();
    pdf.document_info(info)
        .title(TextStr(&image.title))
        .subject(TextStr(&image.description));

    let mut structure = pdf.indirect(tags).start::<StructTreeRoot<'_>>();
    structure.child(document);
    // The entries are the structure elements of the marked content of page 0.
    let mut parents = structure.insert(Name(b"ParentTree")).dict();
    let mut entries = parents.insert(Name(b"Nums")).array();
    entries.item(0);
    entries.push().array().item(figure);
    entries.finish();
    parents.finish();
    structure.parent_tree_next_key(1);
    structure.finish();
    let mut element = pdf.struct_element(document);
    element
        .kind(StructRole::Document)
        .parent(tags)
        .child(figure);
    element.finish();
    let mut element = pdf.struct_element(figure);
    element
        .kind(StructRole::Figure)
        .parent(document)
        .alt(TextStr(&image.description))
        .page(page);
    element
        .marked_content_child()
        .marked_content_id(0)
        .page(page);
    element.finish();

    pdf.pages(pages).kids([page]).count(1);
    let mut page_writer = pdf.page(page);
    page_writer
        .media_box(pdf_writer::Rect::new(0.0, 0.0, layout.width, layout.height))
        .parent(pages)
        .contents(content)
        .struct_parents(0);
    let name = Name(b"Map");
    page_writer.resources().x_objects().pair(name, drawing);
    page_writer.finish();
    let mut operators = Content::new();
    operators
        .begin_marked_content_with_properties(Name(b"Figure"))
        .properties()
        .identify(0);
    operators
        .save_state()
        .transform(layout.transform)
        .x_object(name);
    operators.restore_state().end_marked_content();
    pdf.stream(content, &operators.finish());
    pdf.extend(&chunk);
    Ok(pdf.finish())
}

/// The size of the page in points, and the matrix that maps the unit square to the rectangle in
/// which the image is drawn.
struct PdfLayout {
    width: f32,
    height: f32,
    transform: [f32; 6],
}

impl PdfLayout {
    fn new(image: &MapImage) -> PdfLayout {
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let (image_width, image_height) = (
            image.width as f32 * POINTS_PER_PIXEL,
            image.height as f32 * POINTS_PER_PIXEL,
        );
        let is_landscape = image_width > image_height;
        let pages = PAPER_SIZES.map(|(short, long)| match is_landscape {
            true => (long, short),
            false => (short, long),
        });
        let scale_on = |(width, height): (f32, f32)| {
            let (width_max, height_max) = (width - 2.0 * MARGIN, height - 2.0 * MARGIN);
            (width_max / image_width)
                .min(height_max / image_height)
                .min(1.0)
        };
        let is_legible = |page: &(f32, f32)| scale_on(*page) >= SCALE_MIN;
        let [.., largest] = pages;
        let page = pages.into_iter().find(is_legible).unwrap_or(largest);
        let ((width, height), scale) = (page, scale_on(page));
        let (image_width, image_height) = (image_width * scale, image_height * scale);
        let transform = [
            image_width,
            0.0,
            0.0,
            image_height,
            (width - image_width) / 2.0,
            height - MARGIN - image_height,
        ];
        PdfLayout {
            width,
            height,
            transform,
        }
    }
}
