//! `qbb collections chain`, `register` and `doc`.

use qbb_datastore::RepositoryConfig;
use qbb_registry::{ChainEdit, CollectionKind, NewCollection};
use serde::Serialize;

use super::open_to_write;
use crate::arguments::{ChainArguments, ChainMode, DocArguments, RegisterArguments};
use crate::output::{ExitCode, Failure, Terminal};

#[derive(Serialize)]
struct Edited<'a> {
    parent: &'a str,
    children: Vec<String>,
    created: bool,
    changed: bool,
}

/// Edits a chain. All of it happens, or nothing.
pub fn execute(arguments: &ChainArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let parent = arguments.parent.as_str();
    let makes = matches!(
        arguments.mode,
        ChainMode::Redefine | ChainMode::Extend | ChainMode::Prepend | ChainMode::Insert
    );
    if arguments.children.is_empty() && arguments.mode != ChainMode::Pop {
        return Err(Failure::usage("the children that the chain is edited with are missing"));
    }
    if arguments.flatten && !makes {
        return Err(Failure::usage("--flatten means nothing where children are taken out"));
    }
    let positions = match arguments.mode {
        ChainMode::Pop => positions(&arguments.children)?,
        _ => Vec::new(),
    };
    let (config, mut registry) = open_to_write(&arguments.repository)?;
    let flat;
    let children = match arguments.flatten {
        true => {
            flat = flattened(&config, &arguments.children)?;
            &flat
        }
        false => &arguments.children,
    };
    let edit = match arguments.mode {
        ChainMode::Redefine => ChainEdit::Redefine(children),
        ChainMode::Extend => ChainEdit::Extend(children),
        ChainMode::Prepend => ChainEdit::Prepend(children),
        ChainMode::Insert => ChainEdit::Insert { at: arguments.at.unwrap_or(0), children },
        ChainMode::Remove => ChainEdit::Remove(children),
        ChainMode::Pop => ChainEdit::Pop(&positions),
    };
    let mut transaction = registry.begin()?;
    let created = makes && transaction.chain_children(parent)?.is_none();
    if created {
        transaction.register_collections(&[NewCollection {
            name: parent.to_owned(),
            kind: CollectionKind::Chained,
            doc: arguments.doc.clone().filter(|doc| !doc.is_empty()),
            children: Vec::new(),
        }])?;
    }
    let change = transaction.edit_chain(parent, &edit)?;
    let changed = created || change.changed;
    if changed {
        transaction.commit()?;
    }
    let edited = Edited { parent, children: change.children, created, changed };
    terminal.result(&edited, |edited| format!("[{}]", edited.children.join(", ")))?;
    Ok(ExitCode::Success)
}

fn positions(words: &[String]) -> Result<Vec<i64>, Failure> {
    if words.is_empty() {
        return Ok(vec![0]);
    }
    let position = |word: &String| {
        word.parse().map_err(|_| {
            Failure::usage(format!("`{word}` is no position: `--mode pop` takes whole numbers"))
        })
    };
    words.iter().map(position).collect()
}

/// Collections without chains, as the middleware lists them.
fn flattened(config: &RepositoryConfig, names: &[String]) -> Result<Vec<String>, Failure> {
    let mut reader = qbb_registry::open_reader(config)?;
    let catalog = reader.snapshot()?.collections()?;
    let flat = catalog.listing(names, true)?;
    Ok(flat.into_iter().map(|ix| catalog.get(ix).name.clone()).collect())
}

#[derive(Serialize)]
struct Registered {
    new: u64,
    collections: Vec<String>,
}

/// Registers collections.
pub fn register(arguments: &RegisterArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let (_, mut registry) = open_to_write(&arguments.repository)?;
    let collections: Vec<NewCollection> = (arguments.names.iter())
        .map(|name| NewCollection {
            name: name.clone(),
            kind: arguments.kind.into(),
            doc: arguments.doc.clone().filter(|doc| !doc.is_empty()),
            children: Vec::new(),
        })
        .collect();
    let mut transaction = registry.begin()?;
    let new = transaction.register_collections(&collections)?;
    if new > 0 {
        transaction.commit()?;
    }
    let registered = Registered { new, collections: arguments.names.clone() };
    terminal.result(&registered, |registered| {
        format!("{} of {} collections are new", registered.new, registered.collections.len())
    })?;
    Ok(ExitCode::Success)
}

#[derive(Serialize)]
struct Documented<'a> {
    collection: &'a str,
    doc: Option<String>,
}

/// Prints or changes the documentation of a collection.
pub fn document(arguments: &DocArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let collection = arguments.collection.as_str();
    let doc = match &arguments.text {
        Some(text) => {
            let (_, mut registry) = open_to_write(&arguments.repository)?;
            let doc = Some(text.clone()).filter(|text| !text.is_empty());
            let mut transaction = registry.begin()?;
            transaction.document(collection, doc.as_deref())?;
            transaction.commit()?;
            doc
        }
        None => {
            let config = RepositoryConfig::open(&arguments.repository)?;
            let mut reader = qbb_registry::open_reader(&config)?;
            let catalog = reader.snapshot()?.collections()?;
            catalog.get(catalog.require(collection)?).doc.clone()
        }
    };
    terminal.result(&Documented { collection, doc }, |documented| {
        documented.doc.clone().unwrap_or_default()
    })?;
    Ok(ExitCode::Success)
}
