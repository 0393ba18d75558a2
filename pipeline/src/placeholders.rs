//! Placeholders of command lines.

/// What stands between braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placeholder<'a> {
    /// `{inputs.NAME}`: paths of a connection's datasets.
    Input(&'a str),
    /// `{outputs.NAME}`: paths of a connection's datasets.
    Output(&'a str),
    /// `{data_id.DIMENSION}`: a value of the quantum's data ID.
    DataId(&'a str),
    /// `{quantum}`: path of the description.
    Quantum,
    /// Anything else.
    Unknown(&'a str),
}

impl<'a> Placeholder<'a> {
    fn of(text: &'a str) -> Self {
        match text.split_once('.') {
            Some(("inputs", name)) => Self::Input(name),
            Some(("outputs", name)) => Self::Output(name),
            Some(("data_id", name)) => Self::DataId(name),
            None if text == "quantum" => Self::Quantum,
            _ => Self::Unknown(text),
        }
    }
}

/// The placeholders of an argument, in order; the brace that lacks its partner if one does.
pub(crate) fn placeholders(argument: &str) -> Result<Vec<Placeholder<'_>>, char> {
    let mut found = Vec::new();
    let mut rest = argument;
    while let Some(at) = rest.find(['{', '}']) {
        let tail = &rest[at..];
        if tail.starts_with("{{") || tail.starts_with("}}") {
            rest = &tail[2..];
        } else if let Some(inner) = tail.strip_prefix('{') {
            let end = inner.find(['{', '}']).filter(|&end| inner[end..].starts_with('}'));
            let end = end.ok_or('{')?;
            found.push(Placeholder::of(&inner[..end]));
            rest = &inner[end + 1..];
        } else {
            return Err('}');
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_between_single_braces() {
        use Placeholder::{DataId, Input, Output, Quantum, Unknown};
        for (argument, expected) in [
            ("plain", vec![]),
            ("{{x}}", vec![]),
            ("{inputs.a}", vec![Input("a")]),
            ("-o={outputs.b}_{data_id.visit}", vec![Output("b"), DataId("visit")]),
            ("{{{quantum}}}", vec![Quantum]),
            ("{what}{inputs}", vec![Unknown("what"), Unknown("inputs")]),
        ] {
            assert_eq!(placeholders(argument).unwrap(), expected, "{argument}");
        }
        assert_eq!(placeholders("a{b"), Err('{'));
        assert_eq!(placeholders("a}b"), Err('}'));
        assert_eq!(placeholders("{a{quantum}}"), Err('{'));
    }
}
