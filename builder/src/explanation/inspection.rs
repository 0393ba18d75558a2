//! Explaining a build at the points where everything that is needed is known.

use qbb_pipeline::PipelineGraph;
use qbb_query::QueryError;
use qbb_registry::Snapshot;

use super::constraints::Constraints;
use super::data_id::{AskedDataId, explain_absence, explain_quanta};
use super::effects::explain_component;
use super::fate::explain_tasks;
use super::report::{DataIdExplanation, Explanation, PartExplanation};
use crate::contents::{Contents, Sources};
use crate::error::BuildError;
use crate::plan::Plan;
use crate::request::TaskOutcome;
use crate::skeleton::Skeleton;

/// What is to be explained besides an empty graph.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Explain {
    /// Nothing.
    #[default]
    Nothing,
    /// What each constraint takes away.
    Constraints,
    /// What becomes of a data ID, given as dimensions and their values.
    DataId(Vec<(String, String)>),
}

/// Everything about a build that an explanation looks at.
pub(crate) struct Inspection<'a> {
    pub(crate) explain: &'a Explain,
    pub(crate) pipeline: &'a PipelineGraph,
    pub(crate) sources: &'a Sources<'a>,
    pub(crate) contents: &'a Contents,
    pub(crate) skeleton: &'a Skeleton,
}

impl Inspection<'_> {
    /// Explains the quanta of the graph, and the initial query if that was asked for or is what
    /// left nothing.
    ///
    /// For the query the repository is read once more, without the restrictions that conditions
    /// allow: what a condition takes away cannot be told from what was read because of it.
    pub(crate) fn explain(
        &self,
        snapshot: &mut dyn Snapshot,
        plan: &mut Plan,
        outcomes: &[TaskOutcome],
    ) -> Result<Explanation, BuildError> {
        let mut explanation = Explanation::default();
        let none_possible = self.skeleton.quanta.iter().all(|quanta| quanta.rows.len == 0);
        if !none_possible {
            explanation.tasks =
                explain_tasks(self.pipeline, self.contents, self.skeleton, outcomes);
        }
        if *self.explain == Explain::Nothing && !none_possible {
            return Ok(explanation);
        }
        plan.forget_restrictions();
        let contents = Contents::read(snapshot, self.pipeline, plan, self.sources, &mut |_| {})?;
        if none_possible || *self.explain == Explain::Constraints {
            for component in &plan.components {
                let part = Constraints::new(&contents, component, self.sources, Vec::new())
                    .and_then(|constraints| explain_component(self.pipeline, &constraints));
                explanation.parts.push(match part {
                    // The build itself got by with fewer rows.
                    Err(BuildError::Query(error @ QueryError::TooManyRows { .. })) => {
                        PartExplanation {
                            tasks: (component.component.tasks.iter())
                                .map(|&task| self.pipeline.task(task).label.clone())
                                .collect(),
                            smallest: none_possible.then(Vec::new),
                            remark: Some(format!("too large to be taken apart: {error}")),
                            ..PartExplanation::default()
                        }
                    }
                    part => part?,
                });
            }
        }
        if let Explain::DataId(values) = self.explain {
            let asked = AskedDataId::new(&self.pipeline.universe, values)?;
            explanation.data_id = self.explain_data_id(&contents, plan, &asked)?;
        }
        Ok(explanation)
    }

    fn explain_data_id(
        &self,
        unrestricted: &Contents,
        plan: &Plan,
        asked: &AskedDataId,
    ) -> Result<Vec<DataIdExplanation>, BuildError> {
        let concerned = asked.concerned(self.pipeline);
        let mut found = Vec::new();
        for component in &plan.components {
            let absence = explain_absence(unrestricted, component, self.sources, asked)?;
            for &(ix, _) in &concerned {
                if !component.component.tasks.contains(&ix) {
                    continue;
                }
                let mut fate =
                    explain_quanta(self.pipeline, self.contents, self.skeleton, asked, ix);
                if fate.possible == 0 {
                    fate.because = absence.clone().unwrap_or_default();
                }
                found.push(fate);
            }
        }
        Ok(found)
    }
}
