//! Why a graph is empty: the first constraint that leaves nothing, with counts.

use std::fmt;

use qbb_dimensions::expression::{Column, Conjunct, RowSource};
use qbb_dimensions::{DataValue, DimensionGroup, ElementIx, KeyType};
use qbb_pipeline::PipelineGraph;
use qbb_registry::Snapshot;

use crate::contents::{Contents, Sources};
use crate::dataset_conditions::condition_groups;
use crate::dictionary::Dictionary;
use crate::error::BuildError;
use crate::families::Endpoint;
use crate::join::JoinTree;
use crate::plan::{ComponentPlan, Plan, value_text};
use crate::query::{StepSource, independent_steps, satisfying, spatial_steps};
use crate::relation::Relation;
use crate::request::TaskOutcome;
use crate::validity::temporal_steps;

/// How many values a message lists.
const EXAMPLES: usize = 6;

/// Constraints one after another until nothing was left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnosis {
    /// Constraints in the order in which they were applied, for each independent part of the
    /// pipeline.
    pub steps: Vec<DiagnosisStep>,
}

/// One constraint and what it left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiagnosisStep {
    /// The constraint.
    pub constraint: String,
    /// Data IDs that are left after it; `None` where they were not counted.
    pub left: Option<usize>,
    /// What those are data IDs of.
    pub of: String,
    /// What there is instead, if it left nothing.
    pub instead: Option<String>,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.steps.iter().enumerate() {
            if i != 0 {
                f.write_str("\n")?;
            }
            write!(f, "  {}", step.constraint)?;
            if let Some(left) = step.left {
                write!(f, ": {left} {} left", step.of)?;
            }
            if let Some(instead) = &step.instead {
                write!(f, "; {instead}")?;
            }
        }
        Ok(())
    }
}

/// Applies the constraints of every component one after another, on everything that the repository
/// holds.
pub(crate) fn diagnose(
    snapshot: &mut dyn Snapshot,
    pipeline: &PipelineGraph,
    mut plan: Plan,
    sources: &Sources<'_>,
) -> Result<Diagnosis, BuildError> {
    plan.forget_restrictions();
    let contents = Contents::read(snapshot, pipeline, &plan, sources, &mut |_| {})?;
    let mut diagnosis = Diagnosis::default();
    for component in &plan.components {
        let diagnoser = Diagnoser { pipeline, contents: &contents, sources, plan: component };
        match diagnoser.run(&mut diagnosis.steps) {
            // Without restrictions a join can become too large; what is known by then has to do.
            Err(BuildError::TooManyRows { .. }) => {}
            other => other?,
        }
    }
    Ok(diagnosis)
}

/// All data IDs had quanta, but none of them had enough inputs.
pub(crate) fn of_outcomes(outcomes: &[TaskOutcome]) -> Diagnosis {
    let steps = outcomes.iter().map(|outcome| {
        let skipped = (outcome.skipped > 0).then(|| format!("{} done already", outcome.skipped));
        let no_work = outcome.no_work.iter().map(|(connection, count)| {
            format!("{count} without enough datasets for connection `{connection}`")
        });
        let hooks = outcome.dropped_by_hooks.iter();
        let hooks = hooks.map(|(reason, count)| format!("{count} dropped by the task: {reason}"));
        let reasons: Vec<String> = skipped.into_iter().chain(no_work).chain(hooks).collect();
        DiagnosisStep {
            constraint: format!("task `{}`, {} possible quanta", outcome.label, outcome.initial),
            left: Some(outcome.kept),
            of: "quanta".to_owned(),
            instead: (!reasons.is_empty()).then(|| reasons.join(", ")),
        }
    });
    Diagnosis { steps: steps.collect() }
}

struct Diagnoser<'a> {
    pipeline: &'a PipelineGraph,
    contents: &'a Contents,
    sources: &'a Sources<'a>,
    plan: &'a ComponentPlan,
}

impl Diagnoser<'_> {
    fn dictionary(&self) -> &Dictionary {
        &self.contents.dictionary
    }

    /// Adds steps up to the first that leaves nothing.
    fn run(&self, steps: &mut Vec<DiagnosisStep>) -> Result<(), BuildError> {
        let independent = independent_steps(self.contents, self.plan)?;
        let mut relations: Vec<Relation> = Vec::new();
        for step in &independent {
            if let StepSource::Dimension(dimension) = step.source {
                relations.push(step.relation.clone());
                if step.relation.len == 0 {
                    let name = self.name(dimension);
                    steps.push(self.step(format!("the repository has no records of `{name}`"), 0));
                    return Ok(());
                }
            }
        }
        for step in &independent {
            let constraint = match step.source {
                StepSource::Datasets(ix) => {
                    let name = &self.pipeline.dataset_type(ix).dataset_type.name;
                    let count = self.contents.inputs.get(&ix).map_or(0, |search| search.len());
                    format!("`{name}` has {count} datasets in {}", self.holding(name))
                }
                StepSource::Relationship(element) => {
                    format!("`{}` has {} records", self.name(element), step.relation.len)
                }
                StepSource::Table(at) => {
                    format!("the data ID table {}", self.contents.tables[at].0)
                }
                _ => continue,
            };
            relations.push(step.relation.clone());
            if self.left(&relations, constraint, steps)? == 0 {
                return Ok(());
            }
        }
        for step in temporal_steps(self.contents, self.plan, &relations)? {
            let StepSource::Validity(endpoints) = &step.source else { continue };
            let names: Vec<String> = (endpoints.iter())
                .map(|endpoint| match endpoint {
                    Endpoint::Element(ix) => format!("`{}`", self.name(*ix)),
                    Endpoint::Validity(ix) => format!("`{}`", self.plan.dataset_type_name(*ix)),
                })
                .collect();
            let constraint = format!(
                "times of {} that overlap: {} rows",
                names.join(" and "),
                step.relation.len
            );
            relations.push(step.relation);
            if self.left(&relations, constraint, steps)? == 0 {
                return Ok(());
            }
        }
        for step in spatial_steps(self.contents, self.plan, &relations)? {
            let StepSource::Overlap(a, b) = step.source else { continue };
            let constraint = format!(
                "regions of `{}` and `{}` that overlap: {} pairs",
                self.name(a),
                self.name(b),
                step.relation.len
            );
            relations.push(step.relation);
            if self.left(&relations, constraint, steps)? == 0 {
                return Ok(());
            }
        }
        for group in condition_groups(self.plan) {
            let tree = JoinTree::new(self.dictionary(), relations.clone())?;
            relations.push(satisfying(self.contents, self.plan, &tree, &group)?);
            let texts: Vec<&str> = group.iter().map(|condition| condition.text.as_str()).collect();
            let constraint = format!("after `{}`", texts.join(" AND "));
            if self.left(&relations, constraint, steps)? == 0 {
                if let ([condition], Some(last)) = (group.as_slice(), steps.last_mut()) {
                    last.instead = self.existing(&tree, condition)?;
                }
                return Ok(());
            }
        }
        Ok(())
    }

    fn name(&self, element: ElementIx) -> &str {
        &self.dictionary().universe().element(element).name
    }

    fn holding(&self, dataset_type: &str) -> String {
        let [(tagged, _), (calibrations, _)] = self.sources.holding(dataset_type);
        let names: Vec<&str> = (tagged.iter().chain(&calibrations))
            .map(|&ix| self.sources.collections.catalog.get(ix).name.as_str())
            .collect();
        match names.as_slice() {
            [] => format!("any of the input collections ({})", self.sources.collections.describe()),
            names if names.len() > EXAMPLES => {
                format!("{} and {} more", names[..EXAMPLES].join(", "), names.len() - EXAMPLES)
            }
            names => names.join(", "),
        }
    }

    fn step(&self, constraint: String, left: usize) -> DiagnosisStep {
        let task = self.plan.component.tasks.first().map(|&task| self.pipeline.task(task));
        let of = task.map_or(String::new(), |task| format!("data IDs of task `{}`", task.label));
        DiagnosisStep { constraint, left: Some(left), of, instead: None }
    }

    /// Adds a step with the number of data IDs of the component's first task.
    fn left(
        &self,
        relations: &[Relation],
        constraint: String,
        steps: &mut Vec<DiagnosisStep>,
    ) -> Result<usize, BuildError> {
        let tree = JoinTree::new(self.dictionary(), relations.to_vec())?;
        let left = match self.plan.component.tasks.first() {
            _ if tree.is_empty() => 0,
            Some(&task) => {
                tree.project(self.dictionary(), &self.pipeline.task(task).dimensions)?.len
            }
            None => 0,
        };
        steps.push(self.step(constraint, left));
        Ok(left)
    }

    /// Which values of the dimensions of a condition there were before it.
    fn existing(
        &self,
        tree: &JoinTree,
        condition: &Conjunct,
    ) -> Result<Option<String>, BuildError> {
        let dictionary = self.dictionary();
        let universe = dictionary.universe();
        let mut texts = Vec::new();
        for column in condition.columns() {
            let Column::Key(dimension) = column else { continue };
            let group = DimensionGroup::of_elements(universe, [dimension]);
            let rows = tree.project(dictionary, &group)?;
            let mut values: Vec<DataValue> = (0..rows.len as u32)
                .filter_map(|row| rows.rows(dictionary).key(dimension, row))
                .map(|cell| universe.value(dimension, cell, &dictionary.symbols))
                .collect();
            values.sort_unstable();
            values.dedup();
            let name = self.name(dimension);
            let (Some(first), Some(last)) = (values.first(), values.last()) else { continue };
            let whole = universe.element(dimension).key_type() == Some(KeyType::Int);
            texts.push(if values.len() <= EXAMPLES {
                let list: Vec<String> = values.iter().map(value_text).collect();
                format!("values of `{name}` before it: {}", list.join(", "))
            } else if whole {
                format!(
                    "the {} values of `{name}` before it range from {first} to {last}",
                    values.len()
                )
            } else {
                let list: Vec<String> = values.iter().take(EXAMPLES).map(value_text).collect();
                format!(
                    "the {} values of `{name}` before it begin with {}",
                    values.len(),
                    list.join(", ")
                )
            });
        }
        Ok((!texts.is_empty()).then(|| texts.join("; ")))
    }
}
