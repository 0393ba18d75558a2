//! Sets of dimensions closed under their dependencies.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::universe::{DimensionElement, ElementIx, Universe};

/// A set of dimensions, closed under required and implied dependencies.
///
/// Cheap to clone. Two groups of one universe are equal if they have the same names.
#[derive(Clone)]
pub struct DimensionGroup(Arc<Inner>);

struct Inner {
    universe: Arc<Universe>,
    names: Vec<ElementIx>,
    keys: Vec<ElementIx>,
    n_required: usize,
    elements: Vec<ElementIx>,
}

impl DimensionGroup {
    /// Closes `members`, which must be dimensions of `universe`.
    pub(crate) fn conform(universe: &Arc<Universe>, mut members: Vec<ElementIx>) -> Self {
        let all = universe.elements();
        let (mut is_member, mut is_implied) = (vec![false; all.len()], vec![false; all.len()]);
        while let Some(ix) = members.pop() {
            if !std::mem::replace(&mut is_member[ix.index()], true) {
                let element = universe.element(ix);
                for &implied in &element.implied {
                    is_implied[implied.index()] = true;
                }
                members.extend(element.required.iter().chain(&element.implied));
            }
        }
        let marked = |element: &&DimensionElement| is_member[element.ix.index()];
        let names: Vec<_> = all.iter().filter(marked).map(|element| element.ix).collect();
        let (mut keys, tail): (Vec<_>, Vec<_>) =
            names.iter().partition(|ix| !is_implied[ix.index()]);
        let n_required = keys.len();
        keys.extend(tail);
        let elements = (all.iter())
            .filter(|element| element.required.iter().all(|ix| is_member[ix.index()]))
            .map(|element| element.ix)
            .collect();
        Self(Arc::new(Inner { universe: universe.clone(), names, keys, n_required, elements }))
    }

    /// The group without dimensions.
    pub fn empty(universe: &Arc<Universe>) -> Self {
        Self::conform(universe, Vec::new())
    }

    /// Closes a set of elements: the dimensions they require and imply, and all that follows from
    /// them.
    pub fn of_elements(
        universe: &Arc<Universe>,
        elements: impl IntoIterator<Item = ElementIx>,
    ) -> Self {
        let members = elements
            .into_iter()
            .flat_map(|ix| {
                let element = universe.element(ix);
                element.required.iter().chain(&element.implied).copied()
            })
            .collect();
        Self::conform(universe, members)
    }

    /// The universe it belongs to.
    pub fn universe(&self) -> &Arc<Universe> {
        &self.0.universe
    }

    /// All dimensions in universe order.
    pub fn names(&self) -> &[ElementIx] {
        &self.0.names
    }

    /// Dimensions in the order of data ID values: required ones, then implied ones.
    pub fn keys(&self) -> &[ElementIx] {
        &self.0.keys
    }

    /// Dimensions that no other member implies; they identify a data ID.
    pub fn required(&self) -> &[ElementIx] {
        &self.0.keys[..self.0.n_required]
    }

    /// Dimensions that some other member implies.
    pub fn implied(&self) -> &[ElementIx] {
        &self.0.keys[self.0.n_required..]
    }

    /// All elements of the universe whose required dimensions are in the group.
    pub fn elements(&self) -> &[ElementIx] {
        &self.0.elements
    }

    /// The elements themselves, in universe order.
    pub fn iter_elements(&self) -> impl Iterator<Item = &DimensionElement> {
        self.0.elements.iter().map(|&ix| self.0.universe.element(ix))
    }

    /// Names of all dimensions in universe order.
    pub fn iter_names(&self) -> impl Iterator<Item = &str> {
        self.0.names.iter().map(|&ix| self.0.universe.element(ix).name.as_str())
    }

    /// Names in the order of data ID values.
    pub fn iter_key_names(&self) -> impl Iterator<Item = &str> {
        self.0.keys.iter().map(|&ix| self.0.universe.element(ix).name.as_str())
    }

    /// Governor dimensions of the group.
    pub fn governors(&self) -> impl Iterator<Item = &DimensionElement> {
        self.0.names.iter().map(|&ix| self.0.universe.element(ix)).filter(|e| e.is_governor())
    }

    /// Sky pixel dimensions of the group.
    pub fn skypix(&self) -> impl Iterator<Item = &DimensionElement> {
        self.0.names.iter().map(|&ix| self.0.universe.element(ix)).filter(|e| e.skypix().is_some())
    }

    /// Whether the dimension is a member.
    pub fn contains(&self, dimension: ElementIx) -> bool {
        self.0.names.binary_search(&dimension).is_ok()
    }

    /// Position of a dimension among the data ID values.
    pub fn key_position(&self, dimension: ElementIx) -> Option<usize> {
        self.0.keys.iter().position(|&ix| ix == dimension)
    }

    /// Whether every member is also in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.names.iter().all(|&ix| other.contains(ix))
    }

    /// The group of all members of both.
    pub fn union(&self, other: &Self) -> Self {
        let members = self.0.names.iter().chain(&other.0.names).copied().collect();
        Self::conform(&self.0.universe, members)
    }

    /// The group of the members that both have.
    pub fn intersection(&self, other: &Self) -> Self {
        let members = self.0.names.iter().copied().filter(|&ix| other.contains(ix)).collect();
        Self::conform(&self.0.universe, members)
    }

    /// Whether there are no dimensions.
    pub fn is_empty(&self) -> bool {
        self.0.names.is_empty()
    }

    /// For each spatial family with an element in the group, the finest such element.
    pub fn spatial(&self) -> Vec<ElementIx> {
        self.finest(
            |element| element.spatial,
            self.0.universe.spatial_families().len(),
            |family| &self.0.universe.spatial_families()[family].members,
        )
    }

    /// For each temporal family with an element in the group, the finest such element.
    pub fn temporal(&self) -> Vec<ElementIx> {
        self.finest(
            |element| element.temporal,
            self.0.universe.temporal_families().len(),
            |family| &self.0.universe.temporal_families()[family].members,
        )
    }

    fn finest<'a>(
        &'a self,
        family_of: impl Fn(&DimensionElement) -> Option<u16>,
        n_families: usize,
        members: impl Fn(usize) -> &'a [ElementIx],
    ) -> Vec<ElementIx> {
        let mut present = vec![false; n_families];
        for element in self.iter_elements() {
            if let Some(family) = family_of(element) {
                present[usize::from(family)] = true;
            }
        }
        (0..n_families)
            .filter(|&family| present[family])
            .filter_map(|family| {
                members(family).iter().copied().find(|ix| self.0.elements.contains(ix))
            })
            .collect()
    }

    /// Elements in the order in which records can be looked up when a data ID is expanded: each
    /// after the dimensions it requires and directly after the one that implies it, what no
    /// dimension leads to last.
    pub fn lookup_order(&self) -> Vec<ElementIx> {
        let mut order = Vec::with_capacity(self.elements().len());
        loop {
            let before = order.len();
            for &dimension in self.required() {
                self.look_up(dimension, &mut order);
            }
            // A dimension may require one that a later dimension implies.
            if order.len() == before || self.required().iter().all(|ix| order.contains(ix)) {
                break;
            }
        }
        for &element in self.elements() {
            if !order.contains(&element) {
                order.push(element);
            }
        }
        order
    }

    fn look_up(&self, dimension: ElementIx, order: &mut Vec<ElementIx>) {
        let element = self.0.universe.element(dimension);
        let is_ready = |ix: &ElementIx| *ix == dimension || order.contains(ix);
        if !order.contains(&dimension) && element.required.iter().all(is_ready) {
            order.push(dimension);
            for &implied in &element.implied {
                self.look_up(implied, order);
            }
        }
    }
}

impl PartialEq for DimensionGroup {
    fn eq(&self, other: &Self) -> bool {
        self.0.names == other.0.names
    }
}

impl Eq for DimensionGroup {}

impl Hash for DimensionGroup {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.names.hash(state);
    }
}

impl fmt::Display for DimensionGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, name) in self.iter_names().enumerate() {
            write!(f, "{}{name}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for DimensionGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
