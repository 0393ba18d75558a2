//! Where outputs go: the name of the output run, and what the output collections that exist
//! already mean for the inputs.

use qbb_query::engine::SearchedCollections;
use qbb_registry::{CollectionCatalog, CollectionIx, CollectionKind};

use crate::error::BuildError;
use crate::request::BuildRequest;

/// Why the collections that were asked for cannot be read from and written to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// Neither an output run nor an output collection was given.
    #[error("no output: give an output run, or an output collection to derive its name from")]
    NoOutput,
    /// Nothing to read from.
    #[error(
        "no input collections: give some with --input, or an existing CHAINED collection with \
         --output"
    )]
    NoInputs,
    /// The output run is there and the build was not told to extend it.
    #[error(
        "output run `{run}` exists already: give --extend-run to put more into it (quanta that are \
         done there are then skipped), or choose another --output-run"
    )]
    RunExists {
        /// The run.
        run: String,
    },
    /// The output run is not there, but the build was told to extend it.
    #[error("--extend-run: output run `{run}` does not exist; leave --extend-run out to make it")]
    NoRun {
        /// The run.
        run: String,
    },
    /// A collection of another type has the name of the output run.
    #[error("`{run}` cannot be the output run: it is a {kind} collection, not a RUN")]
    NotARun {
        /// The collection.
        run: String,
        /// Its type.
        kind: &'static str,
    },
    /// A collection of another type has the name of the output chain.
    #[error("`{output}` cannot be the output collection: it is a {kind} collection, not a CHAINED")]
    NotAChain {
        /// The collection.
        output: String,
        /// Its type.
        kind: &'static str,
    },
    /// The output chain is empty or not there.
    #[error(
        "--extend-run: output collection `{output}` {}, so there is no run to extend; name one with \
         --output-run",
        if *.exists { "has no children" } else { "does not exist" }
    )]
    NothingToExtend {
        /// The output collection.
        output: String,
        /// Whether it is there, without children.
        exists: bool,
    },
    /// The first child of the output chain is to be replaced, but there is none.
    #[error("--replace-run: --output must name an existing CHAINED collection with children")]
    NothingToReplace,
    /// A run cannot be extended and replaced.
    #[error("--extend-run and --replace-run exclude each other")]
    ExtendAndReplace,
    /// Pruning is about a run that is replaced.
    #[error("--prune-replaced requires --replace-run")]
    PruneWithoutReplace,
    /// Rebasing needs output runs that belong to the output chain by name.
    #[error("--rebase: output run `{run}` must begin with the output collection `{output}`")]
    RebaseElsewhere {
        /// The output run.
        run: String,
        /// The output collection.
        output: String,
    },
    /// The output chain was made with other inputs.
    #[error(
        "output collection `{output}` exists with the children {}, which do not include the inputs \
         {} one after another: leave --input out to read through `{output}`, give the inputs it was \
         made with, choose another --output, or give --rebase to put the inputs into it",
        .chain.join(", "), .inputs.join(", ")
    )]
    OtherInputs {
        /// The output collection.
        output: String,
        /// Its children.
        chain: Vec<String>,
        /// The inputs, without chains.
        inputs: Vec<String>,
    },
}

/// Names of collections, worked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutputCollections {
    /// The output run.
    pub(crate) run: String,
    /// The output run, if it exists already.
    pub(crate) existing_run: Option<CollectionIx>,
    /// Expressions of the collections to search for inputs.
    pub(crate) inputs: Vec<String>,
    /// The same as the graph's header names them; `None` for the collections in search order.
    pub(crate) header_inputs: Option<Vec<String>>,
    /// Expressions of the collections that are searched for finished quanta.
    pub(crate) skip_existing_in: Vec<String>,
}

impl OutputCollections {
    /// Works out what is read and written, by the rules of the middleware's `pipetask qgraph`.
    pub(crate) fn new(
        catalog: &CollectionCatalog,
        request: &BuildRequest,
    ) -> Result<Self, BuildError> {
        let output = request.output.as_deref();
        if request.extend_run && request.replace_run {
            return Err(OutputError::ExtendAndReplace.into());
        }
        if request.prune_replaced && !request.replace_run {
            return Err(OutputError::PruneWithoutReplace.into());
        }
        let chain = output.and_then(|name| catalog.find(name));
        let children = match chain {
            Some(ix) if catalog.get(ix).kind == CollectionKind::Chained => {
                let children = &catalog.get(ix).children;
                children.iter().map(|&child| catalog.get(child).name.clone()).collect()
            }
            Some(ix) => {
                let kind = kind_name(catalog.get(ix).kind);
                let output = catalog.get(ix).name.clone();
                return Err(OutputError::NotAChain { output, kind }.into());
            }
            None => Vec::new(),
        };
        let run = output_run(request, chain.is_some(), &children)?;
        let existing_run = catalog.find(&run);
        if let Some(ix) = existing_run
            && catalog.get(ix).kind != CollectionKind::Run
        {
            let kind = kind_name(catalog.get(ix).kind);
            return Err(OutputError::NotARun { run, kind }.into());
        }
        if let (Some(output), true) = (output, chain.is_some() && !request.rebase) {
            check_inputs(catalog, request, output, &children)?;
        }
        match (request.extend_run, existing_run) {
            (true, None) => return Err(OutputError::NoRun { run }.into()),
            (false, Some(_)) => return Err(OutputError::RunExists { run }.into()),
            _ => {}
        }
        let first = request.extend_run.then(|| run.clone());
        let (inputs, header_inputs) = match (output, chain) {
            (Some(output), Some(_)) => {
                let read = if request.replace_run {
                    match children.split_first() {
                        Some((_, kept)) => kept.to_vec(),
                        None => return Err(OutputError::NothingToReplace.into()),
                    }
                } else {
                    vec![output.to_owned()]
                };
                let inputs: Vec<String> = first.into_iter().chain(read).collect();
                (inputs.clone(), Some(inputs))
            }
            _ if request.replace_run => return Err(OutputError::NothingToReplace.into()),
            _ => (first.into_iter().chain(request.inputs.iter().cloned()).collect(), None),
        };
        if inputs.iter().all(|input| input.trim().is_empty()) {
            return Err(OutputError::NoInputs.into());
        }
        let mut skip_existing_in = request.skip_existing_in.clone();
        if request.skip_existing || request.extend_run {
            skip_existing_in.push(run.clone());
        }
        Ok(Self { run, existing_run, inputs, header_inputs, skip_existing_in })
    }
}

/// The output run as given, the run to extend, or the output collection followed by the time.
fn output_run(
    request: &BuildRequest,
    exists: bool,
    children: &[String],
) -> Result<String, OutputError> {
    if let Some(run) = &request.output_run {
        if let (true, Some(output)) = (request.rebase, &request.output)
            && !run.starts_with(output.as_str())
        {
            let (run, output) = (run.clone(), output.clone());
            return Err(OutputError::RebaseElsewhere { run, output });
        }
        return Ok(run.clone());
    }
    let output = request.output.as_ref().ok_or(OutputError::NoOutput)?;
    if request.extend_run {
        let nothing = OutputError::NothingToExtend { output: output.clone(), exists };
        return children.first().cloned().ok_or(nothing);
    }
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    Ok(format!("{output}/{now}"))
}

/// An existing output chain must contain the inputs, if some were given, one after another.
fn check_inputs(
    catalog: &CollectionCatalog,
    request: &BuildRequest,
    output: &str,
    children: &[String],
) -> Result<(), BuildError> {
    if request.inputs.iter().all(|input| input.trim().is_empty()) {
        return Ok(());
    }
    let inputs = SearchedCollections::new(catalog.clone(), &request.inputs)?.names();
    if inputs.is_empty() || children.windows(inputs.len()).any(|window| window == inputs) {
        return Ok(());
    }
    let (output, chain) = (output.to_owned(), children.to_vec());
    Err(OutputError::OtherInputs { output, chain, inputs }.into())
}

fn kind_name(kind: CollectionKind) -> &'static str {
    match kind {
        CollectionKind::Run => "RUN",
        CollectionKind::Tagged => "TAGGED",
        CollectionKind::Chained => "CHAINED",
        CollectionKind::Calibration => "CALIBRATION",
    }
}

#[cfg(test)]
mod tests {
    use qbb_registry::RegistryReader as _;

    use super::*;
    use crate::testing::MemoryRelease;

    fn catalog() -> CollectionCatalog {
        let mut release = MemoryRelease::new(1);
        release.collections.extend([
            ("u/me", CollectionKind::Chained, vec!["u/me/run2", "u/me/run1", "raw", "shared"]),
            ("u/me/run1", CollectionKind::Run, vec![]),
            ("u/me/run2", CollectionKind::Run, vec![]),
            ("u/none", CollectionKind::Chained, vec![]),
        ]);
        release.snapshot().unwrap().collections().unwrap()
    }

    fn request(inputs: &[&str], output: Option<&str>, run: Option<&str>) -> BuildRequest {
        BuildRequest {
            inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: output.map(str::to_owned),
            output_run: run.map(str::to_owned),
            ..Default::default()
        }
    }

    fn worked_out(request: &BuildRequest) -> Result<OutputCollections, String> {
        OutputCollections::new(&catalog(), request).map_err(|error| error.to_string())
    }

    #[test]
    fn an_existing_output_is_read_through() {
        let plain = worked_out(&request(&[], Some("u/me"), None)).unwrap();
        assert!(plain.run.starts_with("u/me/20") && plain.run.ends_with('Z'), "{}", plain.run);
        assert_eq!(plain.header_inputs.as_deref(), Some(&["u/me".to_owned()][..]));
        let extended = BuildRequest { extend_run: true, ..request(&[], Some("u/me"), None) };
        let extended = worked_out(&extended).unwrap();
        assert_eq!((extended.run.as_str(), extended.existing_run.is_some()), ("u/me/run2", true));
        assert_eq!(extended.inputs, ["u/me/run2", "u/me"]);
        assert_eq!(extended.skip_existing_in, ["u/me/run2"]);
        let replaced = BuildRequest { replace_run: true, ..request(&[], Some("u/me"), None) };
        assert_eq!(worked_out(&replaced).unwrap().inputs, ["u/me/run1", "raw", "shared"]);
    }

    #[test]
    fn inputs_that_an_existing_output_was_made_with_are_accepted() {
        for inputs in [&["raw", "shared"][..], &["raw"], &["u/me/run1,raw"]] {
            let found = worked_out(&request(inputs, Some("u/me"), Some("u/me/new"))).unwrap();
            assert_eq!(found.inputs, ["u/me"]);
        }
        let other = request(&["shared", "raw"], Some("u/me"), Some("u/me/new"));
        insta::assert_snapshot!(worked_out(&other).unwrap_err());
        assert!(worked_out(&BuildRequest { rebase: true, ..other }).is_ok());
    }

    #[test]
    fn a_new_output_has_the_inputs() {
        let found = worked_out(&request(&["defaults"], Some("u/new"), Some("u/new/a"))).unwrap();
        assert_eq!((found.inputs, found.header_inputs), (vec!["defaults".to_owned()], None));
        let extended = request(&["raw"], Some("u/new"), Some("u/me/run1"));
        let extended = worked_out(&BuildRequest { extend_run: true, ..extended }).unwrap();
        assert_eq!(extended.inputs, ["u/me/run1", "raw"]);
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_advice() {
        let me = || request(&[], Some("u/me"), None);
        let extend = |request| BuildRequest { extend_run: true, ..request };
        let refused = [
            request(&["raw"], None, None),
            request(&[], Some("u/new"), None),
            request(&["raw"], None, Some("u/me/run1")),
            request(&["raw"], None, Some("u/me")),
            request(&["raw"], Some("raw"), None),
            extend(request(&["raw"], None, Some("u/new"))),
            extend(request(&["raw"], Some("u/new"), None)),
            extend(request(&["raw"], Some("u/none"), None)),
            BuildRequest { replace_run: true, ..request(&["raw"], Some("u/new"), None) },
            extend(BuildRequest { replace_run: true, ..me() }),
            BuildRequest { prune_replaced: true, ..me() },
            BuildRequest { rebase: true, output_run: Some("x".to_owned()), ..me() },
        ];
        let texts: Vec<String> =
            refused.iter().map(|request| worked_out(request).unwrap_err()).collect();
        insta::assert_snapshot!(texts.join("\n"));
    }
}
