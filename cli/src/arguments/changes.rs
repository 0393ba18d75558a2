//! Changes to a pipeline, in the order of the command line.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// A value of a field of a task's configuration.
    Config,
    /// A file of configuration overrides of a task.
    ConfigFile,
    /// An instrument whose overrides apply.
    Instrument,
    /// A task to add.
    Task,
    /// A task to leave out.
    Delete,
}

/// Short option, long option, name of the value, help.
type Definition = (ChangeKind, Option<char>, &'static str, &'static str, &'static str);

const DEFINITIONS: [Definition; 5] = [
    (
        ChangeKind::Config,
        Some('c'),
        "config",
        "LABEL:FIELD=VALUE",
        "Configuration override of a task; Python pipelines only. This and the following options \
         apply in the order in which they are given",
    ),
    (
        ChangeKind::ConfigFile,
        Some('C'),
        "config-file",
        "LABEL:FILE",
        "File of configuration overrides of a task; Python pipelines only",
    ),
    (
        ChangeKind::Instrument,
        None,
        "instrument",
        "CLASS",
        "Instrument whose configuration overrides apply; Python pipelines only",
    ),
    (
        ChangeKind::Task,
        Some('t'),
        "task",
        "CLASS[:LABEL]",
        "Task class to add to the pipeline, or to make one of; Python pipelines only",
    ),
    (ChangeKind::Delete, None, "delete", "LABEL", "Task to leave out of the pipeline"),
];

/// Changes to a pipeline, in the order of the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes(pub Vec<(ChangeKind, String)>);

impl Changes {
    /// The changes as options of the exporter.
    pub fn exporter_options(&self) -> Vec<String> {
        let option = |(kind, value): &(ChangeKind, String)| {
            let long = DEFINITIONS.iter().find(|definition| definition.0 == *kind);
            [format!("--{}", long.map_or("config", |definition| definition.2)), value.clone()]
        };
        self.0.iter().flat_map(option).collect()
    }
}

impl FromArgMatches for Changes {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut changes = Self::default();
        changes.update_from_arg_matches(matches)?;
        Ok(changes)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        let mut placed = Vec::new();
        for (kind, _, long, ..) in DEFINITIONS {
            let values = matches.get_many::<String>(long).into_iter().flatten();
            let places = matches.indices_of(long).into_iter().flatten();
            placed.extend(places.zip(values).map(|(place, value)| (place, kind, value)));
        }
        placed.sort_by_key(|(place, ..)| *place);
        self.0.extend(placed.into_iter().map(|(_, kind, value)| (kind, value.clone())));
        Ok(())
    }
}

impl Args for Changes {
    fn augment_args(mut command: Command) -> Command {
        for (_, short, long, value, help) in DEFINITIONS {
            let mut arg =
                Arg::new(long).long(long).value_name(value).action(ArgAction::Append).help(help);
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

/// Values separated by commas; commas inside of brackets separate nothing.
pub fn split_commas(text: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let mut inside = false;
    for char in text.chars() {
        match char {
            ',' if !inside => {
                values.push(String::new());
                continue;
            }
            '[' => inside = true,
            ']' => inside = false,
            _ => {}
        }
        if let Some(last) = values.last_mut() {
            last.push(char);
        }
    }
    values.retain(|value| !value.is_empty());
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_keep_the_order_of_the_command_line() {
        let command = Changes::augment_args(Command::new("x"));
        let words =
            ["x", "-C", "a:f", "-c", "a:x=1", "--delete", "b", "-t", "m.T:d", "-c", "d:y=2"];
        let changes = Changes::from_arg_matches(&command.get_matches_from(words)).unwrap();
        let options = changes.exporter_options();
        assert_eq!(
            options.join(" "),
            "--config-file a:f --config a:x=1 --delete b --task m.T:d --config d:y=2"
        );
    }

    #[test]
    fn commas_inside_of_brackets_separate_nothing() {
        assert_eq!(split_commas("a,b[1,2],,c"), ["a", "b[1,2]", "c"]);
    }
}
