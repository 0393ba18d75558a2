//! The log: what is told, to whom, and what is never told.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use super::failure::Failure;
use super::progress::above_bars;
use super::redaction::redacted;
use crate::arguments::{LogFormat, LoggingArguments};

/// Parts of the program that have levels of their own. Each is a crate, `qbb_` left out.
const COMPONENTS: [&str; 13] = [
    "builder",
    "cli",
    "datastore",
    "demo",
    "dimensions",
    "executor",
    "exports",
    "graph",
    "hooks",
    "pipeline",
    "registry",
    "submit_dirs",
    "transfer",
];

/// Begins to log, if any option asks for it. Without, nothing listens, and an event costs no more
/// than finding that out.
///
/// # Errors
/// If a level or a component is none, or the file cannot be opened.
pub fn start_logging(arguments: &LoggingArguments) -> Result<(), Failure> {
    if arguments.log_level.is_empty() && arguments.log_file.is_none() {
        return Ok(());
    }
    let targets = targets(&arguments.log_level)?;
    let sink = match &arguments.log_file {
        None => Sink::StandardError,
        Some(path) => {
            let file = File::options().create(true).append(true).open(path);
            let file =
                file.map_err(|error| Failure::unwritable(path, error).of_option("--log-file"))?;
            Sink::File(Arc::new(Mutex::new(file)))
        }
    };
    let builder = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(sink);
    let set = match arguments.log_format {
        LogFormat::Text => tracing::subscriber::set_global_default(builder.finish().with(targets)),
        LogFormat::Json => {
            tracing::subscriber::set_global_default(builder.json().finish().with(targets))
        }
    };
    set.map_err(Failure::internal)
}

fn targets(wanted: &[String]) -> Result<Targets, Failure> {
    // Other people's libraries are heard only if they have something to complain about.
    let mut targets = Targets::new().with_default(LevelFilter::WARN);
    let ours = |targets: Targets, level| targets.with_target("qbb", level);
    targets = ours(targets, LevelFilter::INFO);
    for wanted in wanted.iter().flat_map(|wanted| wanted.split(',')) {
        targets = match wanted.split_once('=') {
            None => ours(targets, level(wanted)?),
            // Loggers of Python, see `python_levels`.
            Some((component, wanted)) if is_python(component) => level(wanted).map(|_| targets)?,
            Some((component, wanted)) => targets.with_target(target(component)?, level(wanted)?),
        };
    }
    Ok(targets)
}

/// Levels that loggers of Python tasks are to have: those of components of the middleware, and the
/// one for everything, as `pipetask` understands them. `None` stands for all of the middleware.
pub fn python_levels(wanted: &[String]) -> Vec<(Option<String>, String)> {
    let mut levels = Vec::new();
    for wanted in wanted.iter().flat_map(|wanted| wanted.split(',')) {
        let (component, level) = match wanted.split_once('=') {
            None => (None, wanted),
            Some((component, level)) if is_python(component) => {
                (Some(component.trim().to_owned()), level)
            }
            Some(_) => continue,
        };
        let level = match level.trim().to_ascii_uppercase().as_str() {
            "WARN" => "WARNING".to_owned(),
            // Python knows no such level.
            "OFF" | "FATAL" => "CRITICAL".to_owned(),
            level => level.to_owned(),
        };
        levels.push((component, level));
    }
    levels
}

/// A level by any of the names that the middleware's commands know.
fn level(name: &str) -> Result<LevelFilter, Failure> {
    Ok(match name.trim().to_ascii_uppercase().as_str() {
        "CRITICAL" | "FATAL" | "ERROR" => LevelFilter::ERROR,
        "WARNING" | "WARN" => LevelFilter::WARN,
        "INFO" => LevelFilter::INFO,
        "VERBOSE" | "DEBUG" => LevelFilter::DEBUG,
        "TRACE" => LevelFilter::TRACE,
        "OFF" => LevelFilter::OFF,
        _ => {
            return Err(Failure::usage(format!("{name} is no level of logging"))
                .with_hint("ERROR, WARNING, INFO, VERBOSE, DEBUG, TRACE or OFF"));
        }
    })
}

fn is_python(component: &str) -> bool {
    let component = component.trim();
    // Other packages have loggers, too; components of this program are written without dots.
    matches!(component, "" | "lsst") || component.contains('.')
}

/// The target of a component; all of them begin with `qbb`.
fn target(component: &str) -> Result<String, Failure> {
    let name = component.trim().replace('-', "_");
    let short = name.strip_prefix("qbb_").unwrap_or(&name);
    let (krate, module) = match short.split_once("::") {
        Some((krate, module)) => (krate, format!("::{module}")),
        None => (short, String::new()),
    };
    if krate == "qbb" {
        return Ok(name);
    }
    if COMPONENTS.contains(&krate) {
        // The command's own crate is called like the program.
        return Ok(if krate == "cli" { "qbb".to_owned() } else { format!("qbb_{krate}{module}") });
    }
    Err(Failure::usage(format!("{component} is no component of this program"))
        .with_hint(format!("one of {}", COMPONENTS.join(", "))))
}

/// Where events go.
#[derive(Debug, Clone)]
enum Sink {
    StandardError,
    File(Arc<Mutex<File>>),
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Sink {
    /// Takes a whole event, which is how events are formatted.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = redacted(&text);
        match self {
            Self::StandardError => above_bars(|| io::stderr().lock().write_all(text.as_bytes()))?,
            Self::File(file) => {
                file.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes())?;
            }
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn enabled(wanted: &[&str], target: &str, level: Level) -> bool {
        let wanted: Vec<String> = wanted.iter().map(|&wanted| wanted.to_owned()).collect();
        targets(&wanted).unwrap().would_enable(target, &level)
    }

    #[test]
    fn levels_are_for_everything_or_for_a_component() {
        assert!(enabled(&[], "qbb_executor", Level::INFO));
        assert!(!enabled(&[], "qbb_executor", Level::DEBUG));
        assert!(enabled(&["debug"], "qbb_graph::open", Level::DEBUG));
        assert!(!enabled(&["debug"], "rustls", Level::INFO));
        let wanted = ["WARNING,executor=VERBOSE", "qbb-graph=TRACE"];
        assert!(enabled(&wanted, "qbb_executor::run", Level::DEBUG));
        assert!(enabled(&wanted, "qbb_graph", Level::TRACE));
        assert!(!enabled(&wanted, "qbb_registry", Level::INFO));
        assert!(enabled(&["executor::python=TRACE"], "qbb_executor::python::pool", Level::TRACE));
        assert!(!enabled(&["executor::python=TRACE"], "qbb_executor::run", Level::DEBUG));
        assert!(!enabled(&["lsst.isr=TRACE"], "qbb_executor::run", Level::DEBUG));
    }

    #[test]
    fn loggers_of_python_have_the_levels_that_concern_them() {
        let wanted =
            ["lsst.isr=debug,executor=TRACE", "verbose", ".=WARN", "lsst=OFF", "my.task=INFO"];
        let told = python_levels(&wanted.map(str::to_owned));
        let told: Vec<(Option<&str>, &str)> =
            told.iter().map(|(name, level)| (name.as_deref(), level.as_str())).collect();
        let expected = [
            (Some("lsst.isr"), "DEBUG"),
            (None, "VERBOSE"),
            (Some("."), "WARNING"),
            (Some("lsst"), "CRITICAL"),
            (Some("my.task"), "INFO"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_no_level_or_component_is_refused() {
        for wanted in ["LOUD", "executor=LOUD", "lsst.isr=LOUD", "kitchen=INFO"] {
            assert!(targets(&[wanted.to_owned()]).is_err(), "{wanted}");
        }
    }
}
