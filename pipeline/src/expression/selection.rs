//! The tasks of a pipeline that an expression selects.

use super::flow::Flow;
use super::parser::{Parser, tokens};
use super::problem::TaskExpressionError;
use crate::definition::PipelineDefinition;

impl PipelineDefinition {
    /// Keeps the tasks that an expression selects. As in the middleware, what is selected has no
    /// subsets, no steps and no description.
    ///
    /// # Errors
    /// If the expression is wrong or names something that is not in the pipeline.
    pub fn select_matching(&self, expression: &str) -> Result<Self, TaskExpressionError> {
        let flow = Flow::new(self);
        let fail =
            |(at, problem)| TaskExpressionError { expression: expression.to_owned(), at, problem };
        let tokens = tokens(expression).map_err(fail)?;
        let end = expression.chars().count() + 1;
        let selected = Parser::new(&tokens, end, &flow).whole().map_err(fail)?;
        let mut kept = selected.iter();
        let mut definition = self.clone();
        definition.tasks.retain(|_| kept.next().copied().unwrap_or(false));
        definition.subsets.clear();
        definition.step_labels.clear();
        definition.description.clear();
        Ok(definition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ConnectionKind;
    use crate::definition::{ConnectionDefinition, TaskDefinition};
    use crate::graph::{Runner, Subset};

    fn task(label: &str, connections: &[(ConnectionKind, &str)]) -> TaskDefinition {
        let connection = |(kind, name): &(ConnectionKind, &str)| ConnectionDefinition {
            name: (*name).to_owned(),
            kind: *kind,
            dataset_type: (*name).to_owned(),
            storage_class: "StructuredDataDict".to_owned(),
            dimensions: Vec::new(),
            is_calibration: false,
            defer_query_constraint: false,
            multiple: false,
            minimum: 1,
            defer_load: false,
            lookup_function: false,
        };
        TaskDefinition {
            label: label.to_owned(),
            runner: Runner::PipelineTask(format!("x.{label}")),
            config: String::new(),
            dimensions: Vec::new(),
            connections: connections.iter().map(connection).collect(),
            hooks: Default::default(),
        }
    }

    /// a → b → d, a → c → d, and e apart that is configured by what c makes.
    fn pipeline() -> PipelineDefinition {
        use ConnectionKind::{InitInput, InitOutput, Input, Output};
        let subset = |tasks: &[&str]| Subset {
            tasks: tasks.iter().map(|&task| task.to_owned()).collect(),
            ..Default::default()
        };
        PipelineDefinition {
            tasks: vec![
                task("a", &[(Input, "raw"), (Output, "x")]),
                task("b", &[(Input, "x.part"), (Output, "y")]),
                task("c", &[(Input, "x"), (Output, "z"), (InitOutput, "schema")]),
                task("d", &[(Input, "y"), (Input, "z"), (Output, "c")]),
                task("e", &[(InitInput, "schema"), (Output, "w")]),
            ],
            subsets: [("ends".to_owned(), subset(&["a", "d"])), ("y".to_owned(), subset(&["e"]))]
                .into(),
            ..Default::default()
        }
    }

    fn labels(expression: &str) -> Result<String, String> {
        let selected = pipeline().select_matching(expression).map_err(|error| error.to_string())?;
        Ok(selected.tasks.iter().map(|task| task.label.as_str()).collect())
    }

    #[test]
    fn names_stand_for_tasks_and_directions_for_what_is_up_and_down_stream() {
        for (expression, expected) in [
            ("a", "a"),
            ("x", "a"),
            ("raw", ""),
            ("ends", "ad"),
            ("S:y | T:c", "ce"),
            ("D:y", "b"),
            ("< d", "abc"),
            ("<=d", "abcd"),
            ("> a", "bcd"),
            (">=a", "abcd"),
            ("<z", "a"),
            ("<= z", "ac"),
            ("> z", "d"),
            (">= z", "cd"),
            ("> schema", "e"),
            ("> raw", "abcd"),
            ("< raw", ""),
            ("~ends & ~e", "bc"),
            ("~(ends | b) & <d", "c"),
            ("a | >b & d", "ad"),
            ("~a | b", "bcde"),
        ] {
            assert_eq!(labels(expression).as_deref(), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let errors: Vec<String> = [
            "",
            "a |",
            "a b",
            "(a",
            "a)",
            "< (a)",
            "<<a",
            "a, b",
            "a-b",
            "T:x",
            "D:zz",
            "S:end",
            "nothing",
            "y",
            "c",
            "<ends",
            "schema",
            "<= schema",
            ">= schema",
        ]
        .iter()
        .map(|expression| labels(expression).unwrap_err())
        .collect();
        insta::assert_snapshot!(errors.join("\n"));
        assert!(labels(&"~".repeat(10_000)).unwrap_err().contains("deep"));
    }
}
