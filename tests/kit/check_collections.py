"""Checks of collections: chains, summaries and what is found through them."""

from __future__ import annotations

from lsst.daf.butler import Butler, CollectionType, DatasetRef

from check_findings import Contents, Findings


def check_chains(butler: Butler, findings: Findings) -> None:
    """Check that every chain has children that exist and can be flattened."""
    problems = []
    infos = butler.collections.query_info("*", include_chains=True)
    names = {info.name for info in infos}
    for info in infos:
        if info.type is not CollectionType.CHAINED:
            continue
        missing = [child for child in info.children if child not in names]
        if missing:
            problems.append(f"{info.name} has children that do not exist: {missing}")
        if len(set(info.children)) < len(info.children):
            problems.append(f"{info.name} has a child twice: {info.children}")
        try:
            flat = butler.collections.query(info.name, flatten_chains=True)
        except Exception as err:  # a cycle shows as whatever the middleware makes of it
            problems.append(f"{info.name} cannot be flattened: {type(err).__name__}: {err}")
            continue
        if any(butler.collections.get_info(name).type is CollectionType.CHAINED for name in flat):
            problems.append(f"{info.name} flattens to chains: {flat}")
    findings.add("chains", problems, f"{len(infos)} collections")


def check_summaries(contents: Contents, findings: Findings) -> None:
    """Check that each run's summary covers the dataset types and governors in it.

    A summary may name more than there is, as removal does not shrink it; what
    it does not name cannot be found.
    """
    problems = []
    for run in contents.runs:
        refs = [ref for ref in contents.refs.values() if ref.run == run]
        summary = contents.butler.registry.getCollectionSummary(run)
        found = {ref.datasetType.name for ref in refs}
        unnamed = found - {dataset_type.name for dataset_type in summary.dataset_types}
        if unnamed:
            problems.append(f"{run} holds {sorted(unnamed)}, which its summary does not name")
        for governor in contents.butler.dimensions.governor_dimensions.names:
            governed = {ref.dataId[governor] for ref in refs if governor in ref.dataId}
            unnamed = {str(value) for value in governed} - set(summary.governors.get(governor, ()))
            if unnamed:
                problems.append(
                    f"{run} has {governor} {sorted(unnamed)}, which its summary does not name"
                )
    findings.add("summaries", problems, f"{len(contents.runs)} runs")


def _first_found(contents: dict[str, list[DatasetRef]], path: list[str]) -> dict[tuple, DatasetRef]:
    """Walk a search path and keep the first dataset of each data ID."""
    found: dict[tuple, DatasetRef] = {}
    for collection in path:
        for ref in contents.get(collection, ()):
            found.setdefault((ref.datasetType.name, ref.dataId.required_values), ref)
    return found


def check_find_first(butler: Butler, findings: Findings, sample: int) -> None:
    """Check that searching each chain finds what walking its children finds.

    All datasets are compared by query, and some of each chain by one look-up
    each, which takes another path through the middleware.  Calibrations are
    left out: without a time, no first one is defined.

    Parameters
    ----------
    butler : `lsst.daf.butler.Butler`
        The repository.
    findings : `Findings`
        Where to report.
    sample : `int`
        Number of single look-ups for each chain.
    """
    problems: list[str] = []
    flat_types = {CollectionType.RUN, CollectionType.TAGGED}
    contents = {
        info.name: [
            ref
            for ref in butler.query_all_datasets(info.name, find_first=False, limit=None)
            if not ref.datasetType.isCalibration()
        ]
        for info in butler.collections.query_info("*")
        if info.type in flat_types
    }
    chains = butler.collections.query("*", CollectionType.CHAINED)
    n_compared = n_lookups = 0
    for chain in chains:
        path = list(butler.collections.query(chain, flatten_chains=True))
        expected = _first_found(contents, path)
        for name in sorted({name for name, _ in expected}):
            wanted = {key[1]: ref.id for key, ref in expected.items() if key[0] == name}
            refs = butler.query_datasets(name, collections=chain, limit=None, explain=False)
            got = {ref.dataId.required_values: ref.id for ref in refs}
            n_compared += len(wanted)
            for data_id in wanted.keys() | got.keys():
                if wanted.get(data_id) != got.get(data_id):
                    problems.append(
                        f"{name} {data_id} in {chain}: "
                        f"the query finds {got.get(data_id)}, the first is {wanted.get(data_id)}"
                    )
        step = max(1, len(expected) // sample) if sample else 1
        for ref in list(expected.values())[::step]:
            n_lookups += 1
            found = butler.find_dataset(ref.datasetType, ref.dataId, collections=chain)
            if found is None or found.id != ref.id:
                problems.append(f"{ref} in {chain}: the look-up finds {found}")
    findings.add(
        "find-first",
        problems,
        f"{len(chains)} chains, {n_compared} datasets, {n_lookups} single look-ups",
    )
