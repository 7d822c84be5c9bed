//! Codes and names of coordinate reference systems.

use super::SourceCrs;

/// Returns the system with the code of an authority. The codes of ESRI include the codes of EPSG.
pub(super) fn find(authority: &str, code: &str) -> Option<SourceCrs> {
    let (authority, code) = (authority.trim(), code.trim());
    if authority.eq_ignore_ascii_case("ogc") {
        let is_crs84 = ["crs84", "crs84h"].contains(&code.to_ascii_lowercase().as_str());
        return is_crs84.then_some(SourceCrs::LonLat);
    }
    if !["epsg", "esri"].contains(&authority.to_ascii_lowercase().as_str()) {
        return None;
    }
    match code {
        // 7405 is the British National Grid with heights.
        "27700" | "7405" => Some(SourceCrs::BritishGrid),
        // 4979 and 4937 include ellipsoidal heights.
        "4326" | "4258" | "4979" | "4937" => Some(SourceCrs::LonLat),
        "4277" => Some(SourceCrs::Osgb36LonLat),
        "3857" | "3785" | "900913" | "102100" | "102113" => Some(SourceCrs::WebMercator),
        _ => None,
    }
}

/// Parses a code in any of its spellings, such as `EPSG:27700`, `urn:ogc:def:crs:EPSG::27700`,
/// `http://www.opengis.net/def/crs/EPSG/0/27700`, `http://www.opengis.net/gml/srs/epsg.xml#4326` or
/// `urn:ogc:def:crs:OGC:1.3:CRS84`. Also parses the usual names of the systems.
pub(super) fn parse(text: &str) -> Option<SourceCrs> {
    let lowercase = text.trim().to_ascii_lowercase();
    // In `urn:ogc:def:crs,crs:EPSG::27700,crs:EPSG::5701`, the second system is for heights.
    let horizontal = lowercase.split(",crs:").take(2).last()?;
    let words: Vec<&str> = horizontal
        .split(|character: char| !character.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let (&code, rest) = words.split_last()?;
    for authority in ["epsg", "esri", "ogc"] {
        if rest.contains(&authority)
            && let Some(found) = find(authority, code)
        {
            return Some(found);
        }
    }
    match words.concat().as_str() {
        "britishnationalgrid"
        | "osgbritishnationalgrid"
        | "osgb36britishnationalgrid"
        | "osgb1936britishnationalgrid" => Some(SourceCrs::BritishGrid),
        "crs84" | "wgs84" | "wgs1984" | "etrs89" => Some(SourceCrs::LonLat),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_recognised_in_every_spelling() {
        for (text, expected) in [
            ("EPSG:27700", SourceCrs::BritishGrid),
            ("epsg:27700", SourceCrs::BritishGrid),
            ("urn:ogc:def:crs:EPSG::27700", SourceCrs::BritishGrid),
            ("urn:x-ogc:def:crs:EPSG:27700", SourceCrs::BritishGrid),
            (
                "http://www.opengis.net/def/crs/EPSG/0/27700",
                SourceCrs::BritishGrid,
            ),
            (
                "urn:ogc:def:crs,crs:EPSG::27700,crs:EPSG::5701",
                SourceCrs::BritishGrid,
            ),
            ("EPSG:7405", SourceCrs::BritishGrid),
            ("OSGB36 / British National Grid", SourceCrs::BritishGrid),
            ("British_National_Grid", SourceCrs::BritishGrid),
            (
                "http://www.opengis.net/gml/srs/epsg.xml#4326",
                SourceCrs::LonLat,
            ),
            ("urn:ogc:def:crs:EPSG:6.6:4326", SourceCrs::LonLat),
            ("urn:ogc:def:crs:OGC:1.3:CRS84", SourceCrs::LonLat),
            ("OGC:CRS84", SourceCrs::LonLat),
            ("CRS84", SourceCrs::LonLat),
            ("EPSG:4258", SourceCrs::LonLat),
            ("EPSG:4277", SourceCrs::Osgb36LonLat),
            ("EPSG:3857", SourceCrs::WebMercator),
            ("ESRI:102100", SourceCrs::WebMercator),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "27700",
            "urn:ogc:def:crs:EPSG::2770",
            "EPSG:29902",
            "EPSG:2157",
            "WGS 84 / UTM zone 30N",
            "EPSG",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
