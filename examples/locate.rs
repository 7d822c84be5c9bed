//! Looks up a postcode in the embedded dataset. Prints the areas of residence in each layer, and
//! the areas by registration of a person who is registered with a practice.
//!
//! Run it with `cargo run --example locate`.

use std::error::Error;

use catchment::dataset::{self, DatasetSource};
use catchment::domain::{Layer, OdsCode, Postcode, today_in_london};
use catchment::index::{Index, LayerResult, LocateQuery, Locator};

fn main() -> Result<(), Box<dyn Error>> {
    // `DatasetSource::Folder` reads your own dataset.
    let dataset = dataset::read(&DatasetSource::Embedded)?;
    // Build the index once. The index never changes, so threads can share it in an `Arc` without a
    // lock.
    let index = Index::build(dataset)?;

    let postcode: Postcode = "LA18 4DB".parse()?;
    let practice: OdsCode = "P81064".parse()?;
    let answer = index.locate(&LocateQuery {
        locator: Some(Locator::Postcode(postcode)),
        practice: Some(Ok(practice)),
        as_of: today_in_london(),
    });

    println!("{postcode}: {}", answer.status);
    print_layers("lives in", &answer.residence);
    if let Some(registration) = &answer.registration {
        print_layers("registered in", &registration.areas);
    }
    println!("residence and registration: {}", answer.agreement);
    let manifest = index.manifest();
    println!("{} {}", manifest.name, manifest.version);
    println!("{}", manifest.attribution);
    Ok(())
}

fn print_layers(verb: &str, layers: &[(Layer, LayerResult<'_>)]) {
    for (layer, result) in layers {
        let label = format!("{verb} {layer}:");
        match result {
            LayerResult::Areas(areas) => {
                for found in areas {
                    println!("{label} {} ({})", found.area.title(), found.provenance);
                }
            }
            LayerResult::Practices(practices) => {
                for found in practices {
                    let practice = found.practice;
                    let (code, name) = (practice.code, &practice.name);
                    println!("{label} {code} {name} ({})", found.provenance);
                }
            }
            LayerResult::Groups(groups) => {
                for found in groups {
                    let (group, via) = (found.area, found.via);
                    println!(
                        "{label} {}, via {} ({})",
                        group.name, via.id, group.provenance
                    );
                }
            }
            // An unknown result differs from an empty list: the source does not state the result.
            LayerResult::Unknown(reason) => println!("{label} unknown: {}", reason.as_str()),
        }
    }
}
