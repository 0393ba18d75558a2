//! The constraints of an initial query, to be applied in any combination.

use qbb_dimensions::expression::Conjunct;
use qbb_query::engine::{
    Dictionary, Endpoint, JoinTree, Relation, StepSource, condition_groups, independent_steps,
    satisfying, spatial_steps, temporal_steps,
};

use crate::contents::{Contents, Sources};
use crate::error::BuildError;
use crate::plan::ComponentPlan;

/// How many collections a message lists.
const EXAMPLES: usize = 6;

/// One constraint.
#[derive(Debug)]
pub(super) enum Constraint {
    /// Data IDs must be in a relation.
    Relation { relation: Relation, text: String },
    /// A group of the plan's conditions must hold.
    Conditions(usize),
}

/// Everything that data IDs of a component must agree with.
pub(super) struct Constraints<'a> {
    pub(super) contents: &'a Contents,
    pub(super) plan: &'a ComponentPlan,
    /// Records of the repository; these are no constraints that anybody chose.
    base: Vec<Relation>,
    pub(super) list: Vec<Constraint>,
    /// Conditions, those together that look at the same datasets.
    groups: Vec<Vec<&'a Conjunct>>,
    /// Dimension elements without records.
    pub(super) without_records: Vec<String>,
}

impl<'a> Constraints<'a> {
    /// Takes the constraints of a component apart. Only data IDs in `within` are looked at.
    pub(super) fn new(
        contents: &'a Contents,
        plan: &'a ComponentPlan,
        sources: &Sources<'_>,
        within: Vec<Relation>,
    ) -> Result<Self, BuildError> {
        let dictionary = &contents.read.dictionary;
        let name = |ix| dictionary.universe().element(ix).name.as_str();
        let query = &plan.query;
        let mut base = within;
        let mut without_records = Vec::new();
        let mut list = Vec::new();
        for step in independent_steps(&contents.read, query)? {
            match step.source {
                StepSource::Dimension(ix) | StepSource::Relationship(ix) => {
                    if step.relation.len == 0 {
                        without_records.push(name(ix).to_owned());
                    }
                    base.push(step.relation);
                }
                StepSource::Datasets(ix) => {
                    let dataset_type = query.dataset_type_name(ix);
                    let count = contents.read.datasets.get(&ix).map_or(0, |search| search.len());
                    let text = match holding(sources, &dataset_type) {
                        Some(holding) => {
                            format!("`{dataset_type}` exists ({count} datasets in {holding})")
                        }
                        None => format!(
                            "`{dataset_type}` exists (no input collection holds any: {})",
                            sources.inputs.collections.describe()
                        ),
                    };
                    list.push(Constraint::Relation { relation: step.relation, text });
                }
                // All conditions are applied to joins, so that they are treated alike.
                StepSource::Condition => {}
                StepSource::Table(at) => {
                    let text = format!("the data ID table {}", contents.read.tables[at].0);
                    list.push(Constraint::Relation { relation: step.relation, text });
                }
                StepSource::Overlap(..) | StepSource::Validity(_) => {}
            }
        }
        for step in temporal_steps(&contents.read, query, &base)? {
            let StepSource::Validity(endpoints) = &step.source else { continue };
            let names: Vec<String> = (endpoints.iter())
                .map(|endpoint| match endpoint {
                    Endpoint::Element(ix) => format!("timespans of `{}`", name(*ix)),
                    Endpoint::Validity(ix) => {
                        format!("validity ranges of `{}`", query.dataset_type_name(*ix))
                    }
                })
                .collect();
            let text = format!("{} overlap", names.join(" and "));
            list.push(Constraint::Relation { relation: step.relation, text });
        }
        for step in spatial_steps(&contents.read, query, &base)? {
            let StepSource::Overlap(a, b) = step.source else { continue };
            let text = format!("regions of `{}` and `{}` overlap", name(a), name(b));
            list.push(Constraint::Relation { relation: step.relation, text });
        }
        let groups = condition_groups(query);
        list.extend((0..groups.len()).map(Constraint::Conditions));
        Ok(Self { contents, plan, base, list, groups, without_records })
    }

    pub(super) fn dictionary(&self) -> &Dictionary {
        &self.contents.read.dictionary
    }

    /// How a constraint is called.
    pub(super) fn text(&self, at: usize) -> String {
        let texts: Vec<&str> = match &self.list[at] {
            Constraint::Relation { text, .. } => vec![text],
            Constraint::Conditions(group) => {
                self.groups[*group].iter().map(|condition| condition.text.as_str()).collect()
            }
        };
        texts.join(" AND ")
    }

    /// The condition that a constraint is, if it is exactly one.
    pub(super) fn condition(&self, at: usize) -> Option<&'a Conjunct> {
        match self.list[at] {
            Constraint::Conditions(group) => match self.groups[group].as_slice() {
                [condition] => Some(condition),
                _ => None,
            },
            Constraint::Relation { .. } => None,
        }
    }

    /// What is left if some of the constraints apply, in their order.
    pub(super) fn join(&self, which: &[usize]) -> Result<JoinTree, BuildError> {
        let dictionary = self.dictionary();
        let mut relations = self.base.clone();
        for &at in which {
            if let Constraint::Relation { relation, .. } = &self.list[at] {
                relations.push(relation.clone());
            }
        }
        let mut tree = JoinTree::new(dictionary, relations)?;
        for &at in which {
            if let Constraint::Conditions(group) = self.list[at] {
                if tree.is_empty() {
                    break;
                }
                let satisfied =
                    satisfying(&self.contents.read, &self.plan.query, &tree, &self.groups[group])?;
                let mut relations = tree.into_relations();
                relations.push(satisfied);
                tree = JoinTree::new(dictionary, relations)?;
            }
        }
        Ok(tree)
    }

    /// Rows that a join has to go through, more or less.
    pub(super) fn size(&self) -> usize {
        let relations = self.list.iter().map(|constraint| match constraint {
            Constraint::Relation { relation, .. } => relation.len,
            Constraint::Conditions(_) => 0,
        });
        relations.chain(self.base.iter().map(|relation| relation.len)).sum()
    }
}

/// Names of the searched collections that may hold a dataset type.
fn holding(sources: &Sources<'_>, dataset_type: &str) -> Option<String> {
    let [(tagged, _), (calibrations, _)] = sources.inputs.holding(dataset_type);
    let names: Vec<&str> = (tagged.iter().chain(&calibrations))
        .map(|&ix| sources.inputs.collections.catalog.get(ix).name.as_str())
        .collect();
    match names.as_slice() {
        [] => None,
        names if names.len() > EXAMPLES => {
            let shown = names[..EXAMPLES].join(", ");
            Some(format!("{shown} and {} more", names.len() - EXAMPLES))
        }
        names => Some(names.join(", ")),
    }
}
