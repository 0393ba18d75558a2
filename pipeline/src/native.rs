//! Reading pipelines of ordinary programs.

use std::collections::BTreeMap;

use camino::Utf8Path;
use qbb_dimensions::{check_dataset_type_name, nearest_name};
use serde_saphyr::Spanned;

use crate::connection::ConnectionKind;
use crate::definition::{ConnectionDefinition, PipelineDefinition, TaskDefinition};
use crate::graph::{CommandTemplate, Hooks, Runner, Subset};
use crate::native_error::{NativePipelineError, NativeProblem};
use crate::native_file::{Argument, NativeFile, NativeInput, NativeOutput, NativeTask, VERSION};
use crate::placeholders::{Placeholder, placeholders};

/// Reads the text of a native pipeline file.
pub(crate) fn read(text: &str, path: &Utf8Path) -> Result<PipelineDefinition, NativePipelineError> {
    Reader { path }.read(text)
}

struct Reader<'a> {
    path: &'a Utf8Path,
}

impl Reader<'_> {
    fn error(&self, line: Option<u64>, problem: NativeProblem) -> NativePipelineError {
        NativePipelineError { path: self.path.to_owned(), line, problem }
    }

    fn read(&self, text: &str) -> Result<PipelineDefinition, NativePipelineError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let file: NativeFile =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| {
                let line = error.location().map(|location| location.line());
                self.error(line, NativeProblem::Yaml(error.without_snippet().to_string()))
            })?;
        if file.qbb_pipeline.value != VERSION {
            let problem = NativeProblem::Version(file.qbb_pipeline.value);
            return Err(self.error(line_of(&file.qbb_pipeline), problem));
        }
        let mut subsets = BTreeMap::new();
        for (name, subset) in file.subsets {
            if file.tasks.contains_key(&name) {
                return Err(self.name("subset", &name, None, "a task has the same name"));
            }
            let mut tasks = Vec::with_capacity(subset.tasks.len());
            for label in subset.tasks {
                if !file.tasks.contains_key(&label.value) {
                    let known = file.tasks.keys().map(String::as_str);
                    let similar = nearest_name(&label.value, known).map(str::to_owned);
                    let line = line_of(&label);
                    let (subset, task) = (name, label.value);
                    return Err(
                        self.error(line, NativeProblem::SubsetTask { subset, task, similar })
                    );
                }
                tasks.push(label.value);
            }
            tasks.sort_unstable();
            tasks.dedup();
            let description = subset.description;
            subsets.insert(name, Subset { description, tasks, dimensions: Vec::new() });
        }
        let tasks = file
            .tasks
            .into_iter()
            .map(|(label, task)| self.task(label, task))
            .collect::<Result<_, _>>()?;
        Ok(PipelineDefinition {
            description: file.description,
            tasks,
            subsets,
            data_id: file.data_id,
            source: serde_json::json!({ "uri": self.path }),
            ..PipelineDefinition::default()
        })
    }

    fn name(
        &self,
        what: impl Into<String>,
        name: &str,
        line: Option<u64>,
        reason: impl Into<String>,
    ) -> NativePipelineError {
        let (what, name, reason) = (what.into(), name.to_owned(), reason.into());
        self.error(line, NativeProblem::Name { what, name, reason })
    }

    fn task(&self, label: String, task: NativeTask) -> Result<TaskDefinition, NativePipelineError> {
        let line = line_of(&task.dimensions);
        check_dataset_type_name(&label).map_err(|_| {
            let reason = "letters, digits and underscores are allowed, not starting with a digit";
            self.name("task", &label, line, reason)
        })?;
        let runner = self.runner(&label, &task)?;
        let mut connections = Vec::new();
        for (name, input) in task.inputs {
            connections.push(self.input(&label, name, input)?);
        }
        for (name, output) in task.outputs {
            if connections.iter().any(|connection| connection.name == name) {
                let line = line_of(&output.dataset_type);
                let reason = format!("task `{label}` has an input of the same name");
                return Err(self.name("output", &name, line, reason));
            }
            connections.push(self.output(&label, name, output)?);
        }
        let mut dimensions = task.dimensions.value;
        dimensions.sort_unstable();
        dimensions.dedup();
        for (suffix, storage_class) in [("metadata", "TaskMetadata"), ("log", "ButlerLogRecords")] {
            connections.push(ConnectionDefinition {
                name: format!("_{suffix}"),
                kind: ConnectionKind::Output,
                dataset_type: format!("{label}_{suffix}"),
                storage_class: storage_class.to_owned(),
                dimensions: dimensions.clone(),
                is_calibration: false,
                defer_query_constraint: false,
                multiple: false,
                minimum: 0,
                defer_load: false,
                lookup_function: false,
            });
        }
        Ok(TaskDefinition {
            label,
            runner,
            config: String::new(),
            dimensions,
            connections,
            hooks: Hooks { can_multiprocess: Some(true), ..Hooks::default() },
        })
    }

    fn input(
        &self,
        task: &str,
        name: String,
        input: NativeInput,
    ) -> Result<ConnectionDefinition, NativePipelineError> {
        let line = line_of(&input.dataset_type);
        self.check_connection("input", task, &name, &input.dataset_type)?;
        let minimum = input.minimum.unwrap_or(1);
        if minimum > 1 && !input.multiple {
            let (task, input) = (task.to_owned(), name);
            return Err(self.error(line, NativeProblem::Minimum { task, input, minimum }));
        }
        Ok(ConnectionDefinition {
            name,
            kind: if input.prerequisite {
                ConnectionKind::PrerequisiteInput
            } else {
                ConnectionKind::Input
            },
            dataset_type: input.dataset_type.value,
            storage_class: input.storage_class,
            dimensions: sorted(input.dimensions),
            is_calibration: input.calibration,
            // What a quantum can do without must not keep it from being found.
            defer_query_constraint: minimum == 0,
            multiple: input.multiple,
            minimum,
            defer_load: false,
            lookup_function: false,
        })
    }

    fn output(
        &self,
        task: &str,
        name: String,
        output: NativeOutput,
    ) -> Result<ConnectionDefinition, NativePipelineError> {
        self.check_connection("output", task, &name, &output.dataset_type)?;
        if output.storage_class.is_empty() {
            let line = line_of(&output.dataset_type);
            let reason = format!("task `{task}` must say its storage class");
            return Err(self.name("output", &name, line, reason));
        }
        Ok(ConnectionDefinition {
            name,
            kind: ConnectionKind::Output,
            dataset_type: output.dataset_type.value,
            storage_class: output.storage_class,
            dimensions: sorted(output.dimensions),
            is_calibration: output.calibration,
            defer_query_constraint: false,
            multiple: output.multiple,
            minimum: 0,
            defer_load: false,
            lookup_function: false,
        })
    }

    fn check_connection(
        &self,
        kind: &str,
        task: &str,
        name: &str,
        dataset_type: &Spanned<String>,
    ) -> Result<(), NativePipelineError> {
        let line = line_of(dataset_type);
        if name.starts_with('_') || check_dataset_type_name(name).is_err() {
            let reason = "letters, digits and underscores are allowed, starting with a letter";
            return Err(self.name(format!("{kind} of task `{task}`"), name, line, reason));
        }
        check_dataset_type_name(&dataset_type.value).map_err(|error| {
            let reason = if dataset_type.value.contains('.') {
                "components of datasets need Python: use the whole dataset".to_owned()
            } else {
                error.to_string()
            };
            let what = format!("dataset type of {kind} `{name}` of task `{task}`");
            self.name(what, &dataset_type.value, line, reason)
        })
    }

    fn runner(&self, label: &str, task: &NativeTask) -> Result<Runner, NativePipelineError> {
        let line = line_of(&task.dimensions);
        match (&task.command, &task.function) {
            (Some(command), None) => {
                let mut arguments = Vec::with_capacity(command.value.len());
                for (number, argument) in command.value.iter().enumerate() {
                    arguments.push(self.argument(label, number, argument, task)?);
                }
                if arguments.first().is_none_or(String::is_empty) {
                    let reason = "its command names no program";
                    return Err(self.name("task", label, line_of(command), reason));
                }
                let environment = task.environment.clone();
                Ok(Runner::Command(CommandTemplate { arguments, environment }))
            }
            (None, Some(function)) if !function.value.is_empty() => {
                if !task.environment.is_empty() {
                    let reason = "`environment` is for commands, not for functions";
                    return Err(self.name("task", label, line, reason));
                }
                Ok(Runner::Function(function.value.clone()))
            }
            _ => Err(self.error(line, NativeProblem::Runner { task: label.to_owned() })),
        }
    }

    fn argument(
        &self,
        label: &str,
        number: usize,
        argument: &Spanned<Argument>,
        task: &NativeTask,
    ) -> Result<String, NativePipelineError> {
        let line = line_of(argument);
        let not_text = |found| {
            self.error(line, NativeProblem::Argument { task: label.to_owned(), number, found })
        };
        let text = match &argument.value {
            Argument::Text(text) => text,
            Argument::Mapping => return Err(not_text("mapping")),
            Argument::List => return Err(not_text("list")),
        };
        let (owned_task, owned_argument) = (label.to_owned(), text.clone());
        let found = placeholders(text).map_err(|brace| {
            let (task, argument) = (label.to_owned(), text.clone());
            self.error(line, NativeProblem::Brace { task, argument, brace })
        })?;
        let unknown = |what, name: &str, similar: Option<&str>| {
            let similar = similar.map(str::to_owned);
            let name = name.to_owned();
            let (task, argument) = (owned_task.clone(), owned_argument.clone());
            let problem = NativeProblem::Placeholder { task, argument, what, name, similar };
            Err(self.error(line, problem))
        };
        for placeholder in found {
            match placeholder {
                Placeholder::Input(name) if !task.inputs.contains_key(name) => {
                    let similar = nearest_name(name, task.inputs.keys().map(String::as_str));
                    return unknown("input", name, similar);
                }
                Placeholder::Output(name) if !task.outputs.contains_key(name) => {
                    let similar = nearest_name(name, task.outputs.keys().map(String::as_str));
                    return unknown("output", name, similar);
                }
                Placeholder::Unknown(name) => {
                    let given = name.split('.').next().unwrap_or(name);
                    let known = ["inputs.NAME", "outputs.NAME", "data_id.DIMENSION", "quantum"];
                    let similar = known.into_iter().find(|known| {
                        let known = known.split('.').next().unwrap_or(known);
                        nearest_name(given, [known]).is_some()
                    });
                    return unknown("placeholder", name, similar);
                }
                // Only a universe tells which dimensions a data ID has; see `resolve`.
                Placeholder::Input(_)
                | Placeholder::Output(_)
                | Placeholder::DataId(_)
                | Placeholder::Quantum => {}
            }
        }
        Ok(text.clone())
    }
}

fn sorted(mut dimensions: Vec<String>) -> Vec<String> {
    dimensions.sort_unstable();
    dimensions.dedup();
    dimensions
}

fn line_of<T>(spanned: &Spanned<T>) -> Option<u64> {
    Some(spanned.referenced.line()).filter(|&line| line > 0)
}
