//! Explanations of builds as tables.

use qbb_builder::{DataIdExplanation, Explanation};

use super::terminal::table;

/// What each constraint of a build took away, and what became of the quanta.
pub fn explanation_text(explanation: &Explanation) -> String {
    let mut text = String::new();
    for part in &explanation.parts {
        text.push_str(&format!("Initial query of {}\n", part.tasks.join(", ")));
        let emptying = part.smallest.clone().unwrap_or_default();
        let rows = part.constraints.iter().enumerate().map(|(at, effect)| {
            let mark = if emptying.contains(&at) { "*" } else { "" };
            [
                mark.to_owned(),
                effect.constraint.clone(),
                effect.before.to_string(),
                effect.after.to_string(),
                effect.example.clone().unwrap_or_default(),
            ]
        });
        text.push_str(&table(
            ["", "constraint", "before", "after", "taken away, for example"],
            5,
            rows,
        ));
        match part.smallest.as_deref() {
            Some([]) | None => {}
            Some([_]) => text.push_str("* leaves nothing by itself\n"),
            Some(_) => text.push_str("* leave nothing together, and none of them can be spared\n"),
        }
        for instead in part.constraints.iter().filter_map(|effect| effect.instead.as_ref()) {
            text.push_str(&format!("{instead}\n"));
        }
        if let Some(remark) = &part.remark {
            text.push_str(&format!("{remark}\n"));
        }
        text.push('\n');
    }
    let dropped = explanation.tasks.iter().flat_map(|task| {
        let kept =
            [task.task.clone(), "in the graph".to_owned(), task.after.to_string(), String::new()];
        let dropped = task.dropped.iter().map(|dropped| {
            let quanta = dropped.quanta.to_string();
            [String::new(), dropped.reason.clone(), quanta, dropped.example.clone()]
        });
        std::iter::once(kept).chain(dropped)
    });
    if !explanation.tasks.is_empty() {
        text.push_str(&table(["task", "quanta that", "number", "for example"], 4, dropped));
    }
    text
}

/// What became of a data ID.
pub fn data_id_text(tasks: &[&DataIdExplanation]) -> String {
    let mut text = String::new();
    for task in tasks {
        let sentence = match (task.kept, task.possible) {
            (0, 0) => "no quanta, because no data ID agrees with all of:".to_owned(),
            (0, possible) => format!("no quanta, though {possible} were possible:"),
            (kept, possible) if kept == possible => format!("{kept} quanta"),
            (kept, possible) => format!("{kept} quanta of {possible} that were possible:"),
        };
        text.push_str(&format!("{}: {sentence}\n", task.task));
        for because in &task.because {
            text.push_str(&format!("    {because}\n"));
        }
    }
    text
}
