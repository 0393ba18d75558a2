//! `qbb collections list`.

use qbb_registry::{CollectionIx, CollectionKind};
use serde::Serialize;

use super::listing::{CollectionListing, Listed};
use crate::arguments::{ChainView, CollectionListingArguments};
use crate::output::{ExitCode, Failure, Terminal, rows_table};

/// One entry of the list.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    r#type: CollectionKind,
    /// How deep it stands in a tree.
    level: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    children: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parents: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_types: Option<Vec<String>>,
}

/// Lists collections.
pub fn execute(
    arguments: &CollectionListingArguments,
    terminal: Terminal,
) -> Result<ExitCode, Failure> {
    let listing = CollectionListing::read(arguments)?;
    let rows: Vec<Row> = listing.listed.iter().map(|&listed| row(&listing, listed)).collect();
    terminal.result(&rows, |_| describe(&listing, arguments))?;
    Ok(ExitCode::Success)
}

fn row(listing: &CollectionListing, Listed { collection: ix, level }: Listed) -> Row {
    let collection = listing.get(ix);
    let is_chain = collection.kind == CollectionKind::Chained;
    Row {
        name: collection.name.clone(),
        r#type: collection.kind,
        level,
        doc: collection.doc.clone(),
        children: is_chain.then(|| listing.names(&collection.children)),
        parents: listing.parents(ix).map(|parents| listing.names(parents)),
        dataset_types: listing.dataset_types(ix).map(<[String]>::to_vec),
    }
}

/// The list as `butler query-collections` prints it.
fn describe(listing: &CollectionListing, arguments: &CollectionListingArguments) -> String {
    let relatives = |ix: CollectionIx| match arguments.chains.is_table() {
        true => listing.relatives(ix),
        false => &[],
    };
    let is_chain = |ix: CollectionIx| listing.get(ix).kind == CollectionKind::Chained;
    let any = |what: &dyn Fn(CollectionIx) -> bool| {
        listing.listed.iter().any(|listed| what(listed.collection))
    };
    // A column that would stay empty is left out.
    let relation = match arguments.chains {
        ChainView::Table if any(&is_chain) => Some("Children"),
        ChainView::InverseTable if any(&|ix| !relatives(ix).is_empty()) => Some("Parents"),
        _ => None,
    };
    let mut header = vec!["Name", "Type"];
    header.extend(relation);
    if arguments.show_dataset_types {
        header.push("Dataset Types");
    }
    let mut lines: Vec<Vec<String>> = Vec::new();
    for &Listed { collection: ix, level } in &listing.listed {
        let collection = listing.get(ix);
        let name = format!("{}{}", "  ".repeat(level), collection.name);
        let mut begin = [name, collection.kind.to_string()];
        // Each relative begins a group of lines, one for each dataset type.
        let mut groups: Vec<(String, CollectionIx)> =
            relatives(ix).iter().map(|&of| (listing.get(of).name.clone(), of)).collect();
        if groups.is_empty() {
            groups.push((String::new(), ix));
        }
        for (mut relative, of) in groups {
            let types = match arguments.chains.is_tree() && is_chain(ix) {
                true => &[],
                false => listing.dataset_types(of).unwrap_or_default(),
            };
            for at in 0..types.len().max(1) {
                let mut line: Vec<String> = begin.iter_mut().map(std::mem::take).collect();
                if relation.is_some() {
                    line.push(std::mem::take(&mut relative));
                }
                if arguments.show_dataset_types {
                    line.push(types.get(at).cloned().unwrap_or_default());
                }
                lines.push(line);
            }
        }
    }
    rows_table(&header, lines)
}
