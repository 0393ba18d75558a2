//! Dimension universes and groups against the real middleware: every version there ever was, and
//! some with other elements, families and pixelizations.

use std::collections::BTreeSet;
use std::fmt::Debug;

use qbb_dimensions::sphere::SkyPixelization;
use qbb_dimensions::{
    DimensionElement, DimensionGroup, ElementIx, ElementKind, FieldSpec, FieldType, Storage,
    Universe,
};
use serde::Deserialize;

use crate::kit::script;

#[derive(Deserialize)]
struct Described {
    config: String,
    version: u32,
    namespace: String,
    common: String,
    elements: Vec<Element>,
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Element {
    name: String,
    required: Vec<String>,
    implied: Vec<String>,
    dimension: bool,
    governor: bool,
    table: bool,
    cached: bool,
    relationships: bool,
    always_join: bool,
    view_of: Option<String>,
    populated_by: Option<String>,
    spatial: Option<String>,
    temporal: Option<String>,
    metadata: Vec<(String, String)>,
    /// System, kind and level.
    skypix: Option<(String, Option<String>, u8)>,
    keys: Option<Vec<(String, String)>>,
}

#[derive(Deserialize)]
struct Group {
    given: Vec<String>,
    names: Vec<String>,
    required: Vec<String>,
    implied: Vec<String>,
    elements: Vec<String>,
    governors: Vec<String>,
    skypix: Vec<String>,
    lookup: Vec<String>,
    spatial: BTreeSet<String>,
    temporal: BTreeSet<String>,
    /// Element and the names of its smallest group.
    minimal: Vec<(String, Vec<String>)>,
}

/// Collects differences of one universe.
struct Differences<'a> {
    universe: &'a Universe,
    found: Vec<String>,
}

impl Differences<'_> {
    fn check<T: PartialEq + Debug>(&mut self, what: &str, ours: T, real: T) {
        if ours != real {
            let (namespace, version) = (self.universe.namespace(), self.universe.version());
            self.found.push(format!("{namespace} {version}: {what}: {ours:?}, not {real:?}"));
        }
    }

    fn names(&self, indices: &[ElementIx]) -> Vec<String> {
        indices.iter().map(|&ix| self.universe.element(ix).name.clone()).collect()
    }

    fn element(&mut self, ours: &DimensionElement, real: &Element) {
        let name = &real.name;
        let universe = self.universe;
        let optional = |ix: Option<ElementIx>| ix.map(|ix| universe.element(ix).name.clone());
        self.check(&format!("{name} required"), self.names(&ours.required), real.required.clone());
        self.check(&format!("{name} implied"), self.names(&ours.implied), real.implied.clone());
        self.check(&format!("{name} dimension"), ours.is_dimension(), real.dimension);
        self.check(&format!("{name} governor"), ours.is_governor(), real.governor);
        self.check(&format!("{name} table"), ours.has_table(), real.table);
        let relationships = ours.defines_relationships();
        self.check(&format!("{name} relationships"), relationships, real.relationships);
        let (view, cached) = match ours.storage {
            Storage::ViewOf(ix) => (Some(ix), false),
            Storage::Table { cached } => (None, cached),
            Storage::Computed => (None, false),
        };
        self.check(&format!("{name} view"), optional(view), real.view_of.clone());
        if real.table {
            self.check(&format!("{name} cached"), cached, real.cached);
        }
        if let ElementKind::Combination { always_join, populated_by } = ours.kind {
            self.check(&format!("{name} always joined"), always_join, real.always_join);
            let populated_by = optional(populated_by);
            self.check(&format!("{name} populated by"), populated_by, real.populated_by.clone());
        }
        let family = |index: Option<u16>, families: &[qbb_dimensions::TopologicalFamily]| {
            index.map(|index| families[usize::from(index)].name.clone())
        };
        let spatial = family(ours.spatial, universe.spatial_families());
        self.check(&format!("{name} spatial"), spatial, real.spatial.clone());
        let temporal = family(ours.temporal, universe.temporal_families());
        self.check(&format!("{name} temporal"), temporal, real.temporal.clone());
        self.check(&format!("{name} metadata"), columns(&ours.metadata), real.metadata.clone());
        if let (Some(keys), Some(key)) = (&real.keys, ours.key_column()) {
            let all: Vec<FieldSpec> =
                std::iter::once(key.clone()).chain(ours.alternate_keys.iter().cloned()).collect();
            self.check(&format!("{name} keys"), columns(&all), keys.clone());
        }
        let skypix = ours.skypix().map(|level| {
            let kind = level.pixelization().ok().map(|p: SkyPixelization| p.system().to_owned());
            (level.system.clone(), kind, level.level)
        });
        self.check(&format!("{name} pixels"), skypix, real.skypix.clone());
    }

    fn group(&mut self, ours: &DimensionGroup, real: &Group) {
        let given = real.given.join(", ");
        let about = |what: &str| format!("{what} of {{{given}}}");
        self.check(&about("names"), self.names(ours.names()), real.names.clone());
        self.check(&about("required"), self.names(ours.required()), real.required.clone());
        self.check(&about("implied"), self.names(ours.implied()), real.implied.clone());
        self.check(&about("elements"), self.names(ours.elements()), real.elements.clone());
        let governors = ours.governors().map(|element| element.name.clone()).collect();
        self.check(&about("governors"), governors, real.governors.clone());
        let skypix = ours.skypix().map(|element| element.name.clone()).collect();
        self.check(&about("pixels"), skypix, real.skypix.clone());
        self.check(&about("lookup"), self.names(&ours.lookup_order()), real.lookup.clone());
        let spatial = self.names(&ours.spatial()).into_iter().collect();
        self.check(&about("spatial"), spatial, real.spatial.clone());
        let temporal = self.names(&ours.temporal()).into_iter().collect();
        self.check(&about("temporal"), temporal, real.temporal.clone());
        for (name, minimal) in &real.minimal {
            let element = self.universe.find(name).expect("checked above");
            let group = DimensionGroup::of_elements(ours.universe(), [element.ix]);
            self.check(&format!("group of {name}"), self.names(group.names()), minimal.clone());
        }
    }
}

fn columns(fields: &[FieldSpec]) -> Vec<(String, String)> {
    let kind = |kind: FieldType| match kind {
        FieldType::Int => "int",
        FieldType::Float => "float",
        FieldType::Bool => "bool",
        FieldType::Text { .. } => "string",
        FieldType::Hash { .. } => "hash",
    };
    fields.iter().map(|field| (field.name.clone(), kind(field.kind).to_owned())).collect()
}

#[test]
fn universes_of_all_versions_and_others_are_those_of_the_middleware() {
    let seed = std::env::var("QBB_UNIVERSE_SEED").unwrap_or_else(|_| "5".to_owned());
    let groups = std::env::var("QBB_UNIVERSE_GROUPS").unwrap_or_else(|_| "40".to_owned());
    let lines = script("stream_universes.py", &["--seed", &seed, "--groups", &groups]);
    let mut wrong = Vec::new();
    let mut compared = 0;
    for line in lines.lines() {
        let real: Described = serde_json::from_str(line).expect("a universe");
        let universe = Universe::from_json(&real.config).expect("a universe");
        let mut differences = Differences { universe: &universe, found: Vec::new() };
        differences.check("version", universe.version(), real.version);
        differences.check("namespace", universe.namespace().to_owned(), real.namespace);
        differences.check("common", universe.common_skypix().name.clone(), real.common);
        let names = universe.elements().iter().map(|element| element.name.clone());
        let expected: Vec<String> = real.elements.iter().map(|e| e.name.clone()).collect();
        differences.check("elements", names.collect::<Vec<_>>(), expected);
        for (ours, real) in universe.elements().iter().zip(&real.elements) {
            differences.element(ours, real);
        }
        for group in &real.groups {
            let given = group.given.iter().map(String::as_str);
            let ours = universe.conform(given).expect("dimensions of the universe");
            differences.group(&ours, group);
            compared += 1;
        }
        wrong.append(&mut differences.found);
    }
    assert!(compared > 100);
    let shown = wrong.iter().take(30).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} differences:\n{shown}", wrong.len());
}
