//! Which regions and timespans a query must join.
//!
//! Spatial elements fall into families of nested regions, temporal ones into families of nested
//! timespans, and the validity ranges of each searched calibration dataset type are a temporal
//! family of their own. All families of a query must hang together: through tables that have
//! several of them, through conditions, or, if exactly two families are left apart, through a join
//! that is added automatically. Anything else is ambiguous.

use crate::engine::plan::SearchIx;
use qbb_dimensions::{DimensionGroup, ElementIx, Universe};

use crate::error::QueryError;

/// Something with a region or a timespan that can be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// Records of an element.
    Element(ElementIx),
    /// Validity ranges of a calibration dataset type.
    Validity(SearchIx),
}

/// What families are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    Spatial,
    Temporal,
}

/// The families of a query, in connected parts.
#[derive(Debug)]
pub struct Families {
    space: Space,
    /// The finest member of each family.
    endpoints: Vec<Endpoint>,
    /// The part that each belongs to.
    part: Vec<usize>,
}

impl Families {
    /// Spatial families with elements in a query.
    pub fn spatial(dimensions: &DimensionGroup) -> Self {
        let endpoints = dimensions.spatial().into_iter().map(Endpoint::Element);
        Self::new(Space::Spatial, endpoints.collect())
    }

    /// Temporal families with elements in a query, and those of calibration dataset types that it
    /// searches.
    pub fn temporal(
        dimensions: &DimensionGroup,
        calibrations: impl Iterator<Item = SearchIx>,
    ) -> Self {
        let elements = dimensions.temporal().into_iter().map(Endpoint::Element);
        Self::new(Space::Temporal, calibrations.map(Endpoint::Validity).chain(elements).collect())
    }

    fn new(space: Space, endpoints: Vec<Endpoint>) -> Self {
        let part = (0..endpoints.len()).collect();
        Self { space, endpoints, part }
    }

    /// A table with elements of several families has its own joins between them.
    pub fn connect_table(&mut self, dimensions: &DimensionGroup) {
        let inside: Vec<usize> = (0..self.endpoints.len())
            .filter(|&at| match self.endpoints[at] {
                Endpoint::Element(ix) => dimensions.elements().contains(&ix),
                Endpoint::Validity(_) => false,
            })
            .collect();
        for pair in inside.windows(2) {
            self.merge(pair[0], pair[1]);
        }
    }

    /// A condition joins two families, whichever of their elements it names.
    pub fn connect(
        &mut self,
        universe: &Universe,
        a: Endpoint,
        b: Endpoint,
    ) -> Result<(), QueryError> {
        let family = |endpoint: Endpoint| match (endpoint, self.space) {
            (Endpoint::Element(ix), Space::Spatial) => universe.element(ix).spatial,
            (Endpoint::Element(ix), Space::Temporal) => universe.element(ix).temporal,
            (Endpoint::Validity(_), _) => None,
        };
        let position = |endpoint: Endpoint| {
            let wanted = family(endpoint);
            self.endpoints
                .iter()
                .position(|&other| other == endpoint || wanted.is_some() && family(other) == wanted)
        };
        let (Some(a_at), Some(b_at)) = (position(a), position(b)) else { return Ok(()) };
        if a_at == b_at {
            let names = [a, b].map(|endpoint| name(universe, endpoint, &|_| String::new()));
            return Err(QueryError::JoinWithinFamily { a: names[0].clone(), b: names[1].clone() });
        }
        self.merge(a_at, b_at);
        Ok(())
    }

    fn merge(&mut self, a: usize, b: usize) {
        let (keep, replace) = (self.part[a], self.part[b]);
        self.part.iter_mut().filter(|part| **part == replace).for_each(|part| *part = keep);
    }

    /// The join that is needed besides those that are there.
    pub fn automatic_join(
        &self,
        universe: &Universe,
        dataset_type: &dyn Fn(SearchIx) -> String,
    ) -> Result<Option<(Endpoint, Endpoint)>, QueryError> {
        let mut parts: Vec<(usize, Vec<Endpoint>)> = Vec::new();
        for (&endpoint, &part) in self.endpoints.iter().zip(&self.part) {
            match parts.iter_mut().find(|(other, _)| *other == part) {
                Some((_, members)) => members.push(endpoint),
                None => parts.push((part, vec![endpoint])),
            }
        }
        let parts: Vec<Vec<Endpoint>> = parts.into_iter().map(|(_, members)| members).collect();
        match parts.as_slice() {
            [] | [_] => Ok(None),
            [a, b] if a.len() == 1 && b.len() == 1 => Ok(Some((a[0], b[0]))),
            _ => {
                let name = |endpoint: &Endpoint| name(universe, *endpoint, dataset_type);
                let parts: Vec<String> = (parts.iter())
                    .map(|part| part.iter().map(name).collect::<Vec<_>>().join(" with "))
                    .collect();
                let (kind, column) = match self.space {
                    Space::Spatial => ("spatial", "region"),
                    Space::Temporal => ("temporal", "timespan"),
                };
                let first = |part: &str| {
                    part.split(" with ").next().unwrap_or_default().trim_matches('`').to_owned()
                };
                let example =
                    format!("{}.{column} OVERLAPS {}.{column}", first(&parts[0]), first(&parts[1]));
                let apart = parts.join(", ");
                Err(QueryError::AmbiguousJoin { kind, apart, example })
            }
        }
    }
}

fn name(
    universe: &Universe,
    endpoint: Endpoint,
    dataset_type: &dyn Fn(SearchIx) -> String,
) -> String {
    match endpoint {
        Endpoint::Element(ix) => format!("`{}`", universe.element(ix).name),
        Endpoint::Validity(ix) => format!("`{}`", dataset_type(ix)),
    }
}
