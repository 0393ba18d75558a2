//! Expressions that select tasks, as `--select-tasks` takes them.
//!
//! Labels of tasks and of subsets, and names of dataset types (which stand for their producers) are
//! combined with `|`, `&`, `~` and parentheses; `<`, `<=`, `>` and `>=` before a label or name stand
//! for everything upstream or downstream. `T:`, `D:` and `S:` say what a name is.

use std::collections::BTreeSet;

use qbb_dimensions::nearest_name;

use crate::connection::ConnectionKind;
use crate::definition::PipelineDefinition;

/// Why an expression selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("task expression `{expression}`, character {at}: {problem}")]
pub struct TaskExpressionError {
    /// The expression.
    pub expression: String,
    /// Position of the problem in characters from one.
    pub at: usize,
    /// What is wrong.
    pub problem: TaskExpressionProblem,
}

/// What is wrong with an expression that selects tasks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskExpressionProblem {
    /// A character that no expression has.
    #[error("unexpected `{0}`")]
    Character(char),
    /// A token in the wrong place.
    #[error("expected {expected}, found {found}")]
    Syntax {
        /// What could stand there.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// Nesting beyond what anyone writes.
    #[error("nested too deeply")]
    Depth,
    /// A name that is not in the pipeline.
    #[error("the pipeline has no {what} `{name}`{}", .similar.as_ref().map_or_else(String::new, |name| format!("; did you mean `{name}`?")))]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// The name.
        name: String,
        /// A similar name.
        similar: Option<String>,
    },
    /// A name of two things.
    #[error("`{name}` is both a {} and a dataset type; write `{prefix}:{name}` or `D:{name}`", if *.prefix == 'T' { "task" } else { "subset" })]
    Ambiguous {
        /// The name.
        name: String,
        /// Prefix of the other meaning.
        prefix: char,
    },
    /// Subsets have no place in the flow.
    #[error("`{name}` is a subset; only tasks and dataset types have something up- or downstream")]
    Subset {
        /// The name.
        name: String,
    },
    /// An init-output has no quantum that makes it.
    #[error("`{name}` is an init-output, for which only what is downstream (`>`) can be selected")]
    InitOutput {
        /// The dataset type.
        name: String,
    },
}

/// Deepest nesting of an expression.
const MAX_DEPTH: usize = 200;

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
        let mut parser = Parser { tokens: &tokens, at: 0, end, flow: &flow, depth: 0 };
        let selected = parser.union().map_err(fail)?;
        if let Some((at, token)) = tokens.get(parser.at) {
            let (expected, found) = ("an operator or the end", token.to_string());
            return Err(fail((*at, TaskExpressionProblem::Syntax { expected, found })));
        }
        let mut kept = selected.iter();
        let mut definition = self.clone();
        definition.tasks.retain(|_| kept.next().copied().unwrap_or(false));
        definition.subsets.clear();
        definition.step_labels.clear();
        definition.description.clear();
        Ok(definition)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name { qualifier: Option<char>, name: String },
    Open,
    Close,
    Not,
    Or,
    And,
    Direction { up: bool, inclusive: bool },
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name { qualifier: Some(qualifier), name } => write!(f, "`{qualifier}:{name}`"),
            Self::Name { qualifier: None, name } => write!(f, "`{name}`"),
            Self::Open => f.write_str("`(`"),
            Self::Close => f.write_str("`)`"),
            Self::Not => f.write_str("`~`"),
            Self::Or => f.write_str("`|`"),
            Self::And => f.write_str("`&`"),
            Self::Direction { up, inclusive } => {
                let (sign, equal) =
                    (if *up { '<' } else { '>' }, if *inclusive { "=" } else { "" });
                write!(f, "`{sign}{equal}`")
            }
        }
    }
}

type Fault = (usize, TaskExpressionProblem);

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Fault> {
    let chars: Vec<char> = text.chars().collect();
    let word = |from: usize| {
        let is_word = |c: &&char| c.is_alphanumeric() || **c == '_';
        chars[from..].iter().take_while(is_word).collect::<String>()
    };
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&char) = chars.get(at) {
        let begin = at;
        at += 1;
        let token = match char {
            ' ' | '\t' => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            '~' => Token::Not,
            '|' => Token::Or,
            '&' => Token::And,
            '<' | '>' => {
                let inclusive = chars.get(at) == Some(&'=');
                at += usize::from(inclusive);
                Token::Direction { up: char == '<', inclusive }
            }
            'T' | 'D' | 'S' if chars.get(at) == Some(&':') && !word(at + 1).is_empty() => {
                let name = word(at + 1);
                at += 1 + name.chars().count();
                Token::Name { qualifier: Some(char), name }
            }
            _ => {
                let name = word(begin);
                if name.is_empty() {
                    return Err((begin + 1, TaskExpressionProblem::Character(char)));
                }
                at = begin + name.chars().count();
                Token::Name { qualifier: None, name }
            }
        };
        tokens.push((begin + 1, token));
    }
    Ok(tokens)
}

/// What a name means.
enum Meaning<'a> {
    Task(usize),
    DatasetType(&'a str),
    Subset(&'a str),
}

/// Parses and evaluates at once: an expression is a set of tasks.
struct Parser<'a> {
    tokens: &'a [(usize, Token)],
    at: usize,
    end: usize,
    flow: &'a Flow<'a>,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn position(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(at, _)| *at)
    }

    fn expected(&self, expected: &'static str) -> Fault {
        let found = self.peek().map_or("the end".to_owned(), ToString::to_string);
        (self.position(), TaskExpressionProblem::Syntax { expected, found })
    }

    fn union(&mut self) -> Result<Vec<bool>, Fault> {
        let mut all = self.intersection()?;
        while self.peek() == Some(&Token::Or) {
            self.at += 1;
            let more = self.intersection()?;
            all.iter_mut().zip(more).for_each(|(a, b)| *a |= b);
        }
        Ok(all)
    }

    fn intersection(&mut self) -> Result<Vec<bool>, Fault> {
        let mut all = self.unary()?;
        while self.peek() == Some(&Token::And) {
            self.at += 1;
            let more = self.unary()?;
            all.iter_mut().zip(more).for_each(|(a, b)| *a &= b);
        }
        Ok(all)
    }

    fn unary(&mut self) -> Result<Vec<bool>, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err((self.position(), TaskExpressionProblem::Depth));
        }
        let selected = match self.peek() {
            Some(Token::Not) => {
                self.at += 1;
                self.unary()?.into_iter().map(|selected| !selected).collect()
            }
            Some(Token::Open) => {
                self.at += 1;
                let inside = self.union()?;
                if self.peek() != Some(&Token::Close) {
                    return Err(self.expected("`)` or an operator"));
                }
                self.at += 1;
                inside
            }
            Some(&Token::Direction { up, inclusive }) => {
                self.at += 1;
                let at = self.position();
                let meaning = self.name("a label or dataset type")?;
                let found = match up {
                    true => self.flow.upstream(meaning, inclusive),
                    false => self.flow.downstream(meaning, inclusive),
                };
                found.map_err(|problem| (at, problem))?
            }
            _ => {
                let at = self.position();
                let meaning = self.name("a label, a dataset type, `~`, `<`, `>` or `(`")?;
                self.flow.tasks(meaning).map_err(|problem| (at, problem))?
            }
        };
        self.depth -= 1;
        Ok(selected)
    }

    fn name(&mut self, expected: &'static str) -> Result<Meaning<'a>, Fault> {
        let Some(Token::Name { qualifier, name }) = self.peek() else {
            return Err(self.expected(expected));
        };
        let at = self.position();
        self.at += 1;
        self.flow.meaning(*qualifier, name).map_err(|problem| (at, problem))
    }
}

/// Who writes and reads what.
struct Flow<'a> {
    pipeline: &'a PipelineDefinition,
    /// Task, whether it is done at its construction, and dataset type without component.
    writes: Vec<(usize, bool, &'a str)>,
    reads: Vec<(usize, bool, &'a str)>,
    dataset_types: BTreeSet<&'a str>,
}

impl<'a> Flow<'a> {
    fn new(pipeline: &'a PipelineDefinition) -> Self {
        let (mut writes, mut reads) = (Vec::new(), Vec::new());
        for (task, definition) in pipeline.tasks.iter().enumerate() {
            for connection in &definition.connections {
                let name = connection.dataset_type.as_str();
                let name = name.split_once('.').map_or(name, |(parent, _)| parent);
                match connection.kind {
                    ConnectionKind::InitOutput => writes.push((task, true, name)),
                    ConnectionKind::Output => writes.push((task, false, name)),
                    ConnectionKind::InitInput => reads.push((task, true, name)),
                    _ => reads.push((task, false, name)),
                }
            }
        }
        let dataset_types = writes.iter().chain(&reads).map(|&(_, _, name)| name).collect();
        Self { pipeline, writes, reads, dataset_types }
    }

    fn meaning(
        &self,
        qualifier: Option<char>,
        name: &str,
    ) -> Result<Meaning<'a>, TaskExpressionProblem> {
        let task = self.pipeline.tasks.iter().position(|task| task.label == name);
        let dataset_type = self.dataset_types.get(name).copied();
        let subset = self.pipeline.subsets.get_key_value(name).map(|(name, _)| name.as_str());
        let ambiguous = |prefix| TaskExpressionProblem::Ambiguous { name: name.to_owned(), prefix };
        match qualifier {
            Some('T') => task.map(Meaning::Task),
            Some('D') => dataset_type.map(Meaning::DatasetType),
            Some(_) => subset.map(Meaning::Subset),
            None => match (task, dataset_type, subset) {
                (Some(_), Some(_), _) => return Err(ambiguous('T')),
                (None, Some(_), Some(_)) => return Err(ambiguous('S')),
                (Some(task), None, _) => Some(Meaning::Task(task)),
                (None, Some(name), None) => Some(Meaning::DatasetType(name)),
                (None, None, subset) => subset.map(Meaning::Subset),
            },
        }
        .ok_or_else(|| self.unknown(qualifier, name))
    }

    fn unknown(&self, qualifier: Option<char>, name: &str) -> TaskExpressionProblem {
        let tasks = || self.pipeline.tasks.iter().map(|task| task.label.as_str());
        let subsets = || self.pipeline.subsets.keys().map(String::as_str);
        let types = || self.dataset_types.iter().copied();
        let (what, similar) = match qualifier {
            Some('T') => ("task", nearest_name(name, tasks())),
            Some('D') => ("dataset type", nearest_name(name, types())),
            Some(_) => ("subset", nearest_name(name, subsets())),
            None => (
                "task, subset or dataset type",
                nearest_name(name, tasks().chain(subsets()).chain(types())),
            ),
        };
        let (name, similar) = (name.to_owned(), similar.map(str::to_owned));
        TaskExpressionProblem::Unknown { what, name, similar }
    }

    fn none(&self) -> Vec<bool> {
        vec![false; self.pipeline.tasks.len()]
    }

    /// The tasks that a name stands for by itself.
    fn tasks(&self, meaning: Meaning<'_>) -> Result<Vec<bool>, TaskExpressionProblem> {
        let mut selected = self.none();
        match meaning {
            Meaning::Task(task) => selected[task] = true,
            Meaning::DatasetType(name) => {
                if let Some(task) = self.producer(name)? {
                    selected[task] = true;
                }
            }
            Meaning::Subset(name) => {
                let subset = &self.pipeline.subsets[name];
                for (selected, task) in selected.iter_mut().zip(&self.pipeline.tasks) {
                    *selected = subset.tasks.contains(&task.label);
                }
            }
        }
        Ok(selected)
    }

    /// The task whose quanta write a dataset type.
    fn producer(&self, name: &str) -> Result<Option<usize>, TaskExpressionProblem> {
        match self.writes.iter().find(|(_, _, other)| *other == name) {
            Some((_, true, _)) => Err(TaskExpressionProblem::InitOutput { name: name.to_owned() }),
            Some((task, false, _)) => Ok(Some(*task)),
            None => Ok(None),
        }
    }

    fn upstream(
        &self,
        start: Meaning<'_>,
        inclusive: bool,
    ) -> Result<Vec<bool>, TaskExpressionProblem> {
        let task = match start {
            Meaning::Task(task) => Some(task),
            Meaning::DatasetType(name) => self.producer(name)?,
            Meaning::Subset(name) => {
                return Err(TaskExpressionProblem::Subset { name: name.to_owned() });
            }
        };
        let mut selected = self.none();
        let mut queue: Vec<usize> = task.into_iter().collect();
        while let Some(task) = queue.pop() {
            for (_, _, read) in self.reads.iter().filter(|read| read.0 == task && !read.1) {
                for write in self.writes.iter().filter(|write| write.2 == *read && !write.1) {
                    if !std::mem::replace(&mut selected[write.0], true) {
                        queue.push(write.0);
                    }
                }
            }
        }
        if let (true, Some(task)) = (inclusive, task) {
            selected[task] = true;
        }
        Ok(selected)
    }

    fn downstream(
        &self,
        start: Meaning<'_>,
        inclusive: bool,
    ) -> Result<Vec<bool>, TaskExpressionProblem> {
        let mut selected = self.none();
        let mut queue = Vec::new();
        match start {
            Meaning::Task(task) => {
                self.add_readers(task, &mut selected, &mut queue);
                selected[task] = inclusive;
            }
            Meaning::DatasetType(name) => {
                if let (true, Some(task)) = (inclusive, self.producer_if(name, inclusive)?) {
                    selected[task] = true;
                }
                // What is read at construction decides what a task does, too.
                for (task, ..) in self.reads.iter().filter(|read| read.2 == name) {
                    selected[*task] = true;
                    queue.push(*task);
                }
            }
            Meaning::Subset(name) => {
                return Err(TaskExpressionProblem::Subset { name: name.to_owned() });
            }
        }
        while let Some(task) = queue.pop() {
            self.add_readers(task, &mut selected, &mut queue);
        }
        Ok(selected)
    }

    fn producer_if(
        &self,
        name: &str,
        wanted: bool,
    ) -> Result<Option<usize>, TaskExpressionProblem> {
        if wanted { self.producer(name) } else { Ok(None) }
    }

    /// Adds the tasks whose quanta read what those of a task write.
    fn add_readers(&self, task: usize, selected: &mut [bool], queue: &mut Vec<usize>) {
        for (_, _, write) in self.writes.iter().filter(|write| write.0 == task && !write.1) {
            for read in self.reads.iter().filter(|read| read.2 == *write && !read.1) {
                if !std::mem::replace(&mut selected[read.0], true) {
                    queue.push(read.0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
