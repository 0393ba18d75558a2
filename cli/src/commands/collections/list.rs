//! `qbb collections list`.

use qbb_datastore::RepositoryConfig;
use qbb_registry::{CollectionCatalog, CollectionIx, CollectionKind, Glob, Snapshot};
use serde::Serialize;

use crate::arguments::{Chains, CollectionsListArguments};
use crate::output::{ExitCode, Failure, Terminal, rows_table};

/// One line of the list.
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
    /// Dataset types of each child or parent, in a table.
    #[serde(skip)]
    of_relatives: Vec<Vec<String>>,
}

/// Lists collections.
pub fn execute(
    arguments: &CollectionsListArguments,
    terminal: Terminal,
) -> Result<ExitCode, Failure> {
    let config = RepositoryConfig::open(&arguments.repository)?;
    let mut reader = qbb_registry::open_reader(&config)?;
    let mut snapshot = reader.snapshot()?;
    let catalog = snapshot.collections()?;
    let mut listing = Listing::new(&catalog, arguments);
    if arguments.show_dataset_types {
        listing.read_dataset_types(&mut *snapshot, &arguments.exclude_dataset_types)?;
    }
    let rows = listing.rows(arguments)?;
    terminal.result(&rows, |rows| describe(rows, arguments))?;
    Ok(ExitCode::Success)
}

struct Listing<'a> {
    catalog: &'a CollectionCatalog,
    kinds: Vec<CollectionKind>,
    /// Chains that hold each collection, by name; only where they are shown.
    parents: Option<Vec<Vec<CollectionIx>>>,
    dataset_types: Option<Vec<Vec<String>>>,
}

impl<'a> Listing<'a> {
    fn new(catalog: &'a CollectionCatalog, arguments: &CollectionsListArguments) -> Self {
        let parents =
            matches!(arguments.chains, Chains::InverseTable | Chains::InverseTree).then(|| {
                let mut parents = vec![Vec::new(); catalog.collections.len()];
                for (ix, collection) in catalog.iter() {
                    for child in &collection.children {
                        if !parents[child.index()].contains(&ix) {
                            parents[child.index()].push(ix);
                        }
                    }
                }
                parents
            });
        let kinds = arguments.collection_type.iter().map(|&kind| kind.into()).collect();
        Self { catalog, kinds, parents, dataset_types: None }
    }

    fn read_dataset_types(
        &mut self,
        snapshot: &mut dyn Snapshot,
        excluded: &[String],
    ) -> Result<(), Failure> {
        let all: Vec<CollectionIx> = self.catalog.iter().map(|(ix, _)| ix).collect();
        let mut types = snapshot.summaries(self.catalog, &all)?;
        let excluded: Vec<Glob> = excluded.iter().map(|text| Glob::new(text)).collect();
        for types in &mut types {
            types.retain(|name| !excluded.iter().any(|pattern| pattern.matches(name)));
        }
        self.dataset_types = Some(types);
        Ok(())
    }

    fn is_shown(&self, ix: CollectionIx) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&self.catalog.get(ix).kind)
    }

    fn rows(&self, arguments: &CollectionsListArguments) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        let every = ["*".to_owned()];
        let names =
            if arguments.names.is_empty() { every.as_slice() } else { arguments.names.as_slice() };
        match arguments.chains {
            Chains::Flatten | Chains::NoChildren => {
                let flat = self.catalog.listing(names, arguments.chains == Chains::Flatten)?;
                let shown = flat.into_iter().filter(|&ix| self.is_shown(ix));
                rows.extend(shown.map(|ix| self.row(ix, 0)));
            }
            chains => {
                let mut found = self.catalog.resolve(names)?;
                found.sort_unstable();
                // Cycles, which the schema allows, would have no end.
                self.catalog.closure(&found)?;
                for ix in found.into_iter().filter(|&ix| self.is_shown(ix)) {
                    match chains {
                        Chains::Tree | Chains::InverseTree => self.branch(ix, 0, &mut rows),
                        _ => rows.push(self.with_relatives(ix)),
                    }
                }
            }
        }
        Ok(rows)
    }

    fn branch(&self, ix: CollectionIx, level: usize, rows: &mut Vec<Row>) {
        rows.push(self.row(ix, level));
        let next = match &self.parents {
            Some(parents) => &parents[ix.index()],
            None => &self.catalog.get(ix).children,
        };
        for &next in next {
            self.branch(next, level + 1, rows);
        }
    }

    fn row(&self, ix: CollectionIx, level: usize) -> Row {
        let collection = self.catalog.get(ix);
        let is_chain = collection.kind == CollectionKind::Chained;
        Row {
            name: collection.name.clone(),
            r#type: collection.kind,
            level,
            doc: collection.doc.clone(),
            children: is_chain.then(|| self.names(&collection.children)),
            parents: self.parents.as_ref().map(|parents| self.names(&parents[ix.index()])),
            dataset_types: self.dataset_types.as_ref().map(|types| types[ix.index()].clone()),
            of_relatives: Vec::new(),
        }
    }

    fn with_relatives(&self, ix: CollectionIx) -> Row {
        let relatives = match &self.parents {
            Some(parents) => &parents[ix.index()],
            None => &self.catalog.get(ix).children,
        };
        let of = |types: &Vec<Vec<String>>| {
            relatives.iter().map(|&ix| types[ix.index()].clone()).collect()
        };
        let of_relatives = self.dataset_types.as_ref().map(of).unwrap_or_default();
        Row { of_relatives, ..self.row(ix, 0) }
    }

    fn names(&self, collections: &[CollectionIx]) -> Vec<String> {
        collections.iter().map(|&ix| self.catalog.get(ix).name.clone()).collect()
    }
}

/// The list as `butler query-collections` prints it.
fn describe(rows: &[Row], arguments: &CollectionsListArguments) -> String {
    let mut header = vec!["Name", "Type"];
    let relation = match arguments.chains {
        // A column that would stay empty is left out.
        Chains::Table if rows.iter().any(|row| row.children.is_some()) => Some("Children"),
        Chains::InverseTable
            if rows.iter().any(|row| row.parents.as_ref().is_some_and(|p| !p.is_empty())) =>
        {
            Some("Parents")
        }
        _ => None,
    };
    header.extend(relation);
    if arguments.show_dataset_types {
        header.push("Dataset Types");
    }
    let mut lines: Vec<Vec<String>> = Vec::new();
    for row in rows {
        let name = format!("{}{}", "  ".repeat(row.level), row.name);
        let relatives = match arguments.chains {
            Chains::Table => row.children.as_deref().unwrap_or_default(),
            Chains::InverseTable => row.parents.as_deref().unwrap_or_default(),
            _ => &[],
        };
        let mut begin = [name, row.r#type.to_string()];
        // Each relative begins a group of lines, one for each dataset type.
        let groups: Vec<(String, &[String])> = if relatives.is_empty() {
            vec![(String::new(), row.dataset_types.as_deref().unwrap_or_default())]
        } else {
            (relatives.iter().enumerate())
                .map(|(at, name)| {
                    let types = row.of_relatives.get(at).map(Vec::as_slice).unwrap_or_default();
                    (name.clone(), types)
                })
                .collect()
        };
        let in_tree = matches!(arguments.chains, Chains::Tree | Chains::InverseTree);
        for (mut relative, types) in groups {
            let types = if in_tree && row.children.is_some() { &[] } else { types };
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
