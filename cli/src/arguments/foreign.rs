//! Options of `pipetask qgraph` that do nothing here, or that are refused with advice.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::output::Failure;

/// What happens to an option.
#[derive(Clone, Copy)]
enum Treatment {
    /// It asks for what is done anyway, or for nothing that matters here.
    Accepted,
    /// Refused, with what to do instead.
    Refused(&'static str),
}

use Treatment::{Accepted, Refused};

/// Short option, long option, whether it has a value, treatment.
const OPTIONS: [(Option<char>, &str, bool, Treatment); 20] = [
    // Without records the graph could not be executed, so they are always there.
    (None, "qgraph-datastore-records", false, Accepted),
    (None, "cov-report", false, Accepted),
    (None, "no-cov-report", false, Accepted),
    (None, "cov-packages", true, Accepted),
    (None, "coverage", false, Refused("there is no Python code to cover here; leave it out")),
    (
        None,
        "show",
        true,
        Refused(
            "see `qbb graph show GRAPH`, `qbb graph quanta GRAPH` and `qbb graph dot GRAPH` after the \
             build, and `pipetask build --show` for configuration",
        ),
    ),
    (
        Some('s'),
        "save-pipeline",
        true,
        Refused(
            "`qbb pipeline export` keeps a pipeline with all changes for later builds; `pipetask \
             build --save-pipeline` writes YAML",
        ),
    ),
    (None, "pipeline-dot", true, Refused("use `qbb graph dot GRAPH` after the build")),
    (None, "pipeline-mermaid", true, Refused("use `qbb graph mermaid GRAPH` after the build")),
    (None, "qgraph-dot", true, Refused("use `qbb graph dot GRAPH` after the build")),
    (None, "qgraph-mermaid", true, Refused("use `qbb graph mermaid GRAPH` after the build")),
    (
        Some('g'),
        "qgraph",
        true,
        Refused("to look at a graph that exists use `qbb graph show GRAPH`"),
    ),
    (None, "qgraph-id", true, Refused("it is about loading a graph; use `qbb graph show GRAPH`")),
    (
        None,
        "qgraph-node-id",
        true,
        Refused("it is about loading a graph; use `qbb graph show GRAPH`"),
    ),
    (None, "summary", true, Refused("use `qbb graph summary --format json GRAPH` after the build")),
    (None, "mock", false, Refused("mock pipelines can only be built by `pipetask qgraph --mock`")),
    (None, "mock-failure", true, Refused("mock pipelines can only be built by `pipetask qgraph`")),
    (
        None,
        "unmocked-dataset-types",
        true,
        Refused("mock pipelines can only be built by `pipetask qgraph`"),
    ),
    (
        Some('@'),
        "options-file",
        true,
        Refused("write the options of the file's `qgraph` section on the command line"),
    ),
    (None, "long-log", false, Accepted),
];

/// Options of `pipetask qgraph` that were given and cannot be followed, with advice.
#[derive(Debug, Clone, Default)]
pub struct ForeignOptions(Vec<(&'static str, &'static str)>);

impl ForeignOptions {
    /// Refuses what cannot be followed.
    pub fn check(&self) -> Result<(), Failure> {
        match self.0.as_slice() {
            [] => Ok(()),
            [(option, advice), ..] => {
                Err(Failure::usage(format!("--{option} is an option of `pipetask qgraph` only"))
                    .with_hint(*advice))
            }
        }
    }
}

impl FromArgMatches for ForeignOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut found = Self::default();
        found.update_from_arg_matches(matches)?;
        Ok(found)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for (_, long, has_value, treatment) in OPTIONS {
            let given = match has_value {
                true => matches.contains_id(long),
                false => matches.get_flag(long),
            };
            if let (true, Refused(advice)) = (given, treatment) {
                self.0.push((long, advice));
            }
        }
        Ok(())
    }
}

impl Args for ForeignOptions {
    fn augment_args(mut command: Command) -> Command {
        for (short, long, has_value, _) in OPTIONS {
            let action = if has_value { ArgAction::Append } else { ArgAction::SetTrue };
            let mut arg = Arg::new(long).long(long).hide(true).action(action);
            if let Some(short) = short {
                arg = arg.short(short);
            }
            command = command.arg(arg);
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_followed_is_refused_with_advice() {
        let check = |words: &[&str]| {
            let command = ForeignOptions::augment_args(Command::new("x"));
            let matches = command.get_matches_from([&["x"], words].concat());
            ForeignOptions::from_arg_matches(&matches).unwrap().check()
        };
        assert!(check(&["--qgraph-datastore-records", "--no-cov-report"]).is_ok());
        for words in [&["-s", "x.yaml"][..], &["--mock"], &["--show", "tasks"], &["-@", "f.yaml"]] {
            assert!(check(words).unwrap_err().to_string().contains("pipetask qgraph"), "{words:?}");
        }
    }
}
