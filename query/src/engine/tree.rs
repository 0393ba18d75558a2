//! Where the data IDs of each group of dimensions come from.
//!
//! A query can give data IDs of all dimensions but skypix dimensions other than the common one
//! (and of those too, if a dataset type that constrains the query has them). Groups with others are
//! generated: pixels from the regions of another dimension of the group, or from pixels of another
//! level or system; and what cannot be had like that by a join of groups that are there.

use qbb_dimensions::{DimensionGroup, ElementIx, Universe};

use crate::error::QueryError;

/// How data IDs of a group are made from those of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// The source's data IDs, each with the pixels that the region of `element` touches.
    Pixels { source: DimensionGroup, element: ElementIx, skypix: ElementIx },
    /// A natural join of two groups.
    Join(DimensionGroup, DimensionGroup),
}

/// One step after the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generator {
    pub target: DimensionGroup,
    pub method: Method,
    /// Groups that get the projections of the target's data IDs, besides what they have.
    pub projections: Vec<DimensionGroup>,
}

/// Sources of the data IDs of all groups of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DimensionTree {
    /// Projections of the query, larger ones first.
    pub queried: Vec<DimensionGroup>,
    /// Steps that make all other groups, in order.
    pub generators: Vec<Generator>,
}

impl DimensionTree {
    /// Finds a way to every group from what can be queried.
    pub fn new(
        universe: &Universe,
        groups: &[DimensionGroup],
        queryable: &DimensionGroup,
    ) -> Result<Self, QueryError> {
        let (queried, mut pending): (Vec<_>, Vec<_>) =
            groups.iter().cloned().partition(|group| group.is_subset(queryable));
        sort(&mut pending);
        let mut planner = Planner { universe, known: queried, pending, generators: Vec::new() };
        for target in planner.pending.clone() {
            let source = target.intersection(queryable);
            if !planner.known.contains(&source) {
                planner.known.push(source.clone());
            }
            if let Some((element, skypix)) = planner.pixels(&source, &target) {
                planner.append(&source, element, &target, skypix);
            }
        }
        let mut queried = planner.known.clone();
        queried.sort_by_key(|group| std::cmp::Reverse(group.names().len()));
        while !planner.pending.is_empty() {
            planner.project();
            if !planner.append_any() {
                break;
            }
        }
        while !planner.pending.is_empty() {
            planner.append_join()?;
        }
        Ok(Self { queried, generators: planner.generators })
    }
}

struct Planner<'a> {
    universe: &'a Universe,
    /// Groups that can be queried.
    known: Vec<DimensionGroup>,
    /// Groups that nothing gives yet, smaller ones first.
    pending: Vec<DimensionGroup>,
    generators: Vec<Generator>,
}

/// Smaller groups first; the rest of the order only serves that a pipeline gives one graph.
fn sort(groups: &mut [DimensionGroup]) {
    groups.sort_by(|a, b| {
        let (a, b) = (a.names(), b.names());
        a.len().cmp(&b.len()).then_with(|| a.cmp(b))
    });
}

impl Planner<'_> {
    /// If the target is the source and one skypix dimension, and the source has one kind of region:
    /// the element with that region, and the dimension.
    fn pixels(
        &self,
        source: &DimensionGroup,
        target: &DimensionGroup,
    ) -> Option<(ElementIx, ElementIx)> {
        let mut added = target.names().iter().copied().filter(|&ix| !source.contains(ix));
        let (skypix, more) = (added.next()?, added.next());
        let is_skypix = self.universe.element(skypix).skypix().is_some();
        match source.spatial().as_slice() {
            &[element] if is_skypix && more.is_none() => Some((element, skypix)),
            _ => None,
        }
    }

    fn done(&self) -> Vec<DimensionGroup> {
        let generated = self
            .generators
            .iter()
            .flat_map(|generator| std::iter::once(&generator.target).chain(&generator.projections));
        let mut done: Vec<DimensionGroup> = self.known.clone();
        for group in generated {
            if !done.contains(group) {
                done.push(group.clone());
            }
        }
        sort(&mut done);
        done
    }

    /// Pixels are found for the smallest group that has the region; other dimensions are joined.
    fn append(
        &mut self,
        source: &DimensionGroup,
        element: ElementIx,
        target: &DimensionGroup,
        skypix: ElementIx,
    ) {
        let universe = target.universe();
        let with_region = DimensionGroup::of_elements(universe, [element]);
        let pixel = DimensionGroup::of_elements(universe, [skypix]);
        let overlap = with_region.union(&pixel);
        self.pending.retain(|group| group != target);
        if overlap == *target {
            self.pending.retain(|group| *group != pixel);
            let method = Method::Pixels { source: source.clone(), element, skypix };
            self.generators.push(Generator {
                target: target.clone(),
                method,
                projections: vec![pixel],
            });
            return;
        }
        if !self.done().contains(&overlap) {
            self.append(&with_region, element, &overlap, skypix);
        }
        self.generators.push(Generator {
            target: target.clone(),
            method: Method::Join(source.clone(), overlap),
            projections: Vec::new(),
        });
    }

    /// Groups that some generated group contains are projections of all such.
    fn project(&mut self) {
        let generators = &mut self.generators;
        self.pending.retain(|target| {
            let mut found = false;
            for generator in generators.iter_mut().filter(|g| target.is_subset(&g.target)) {
                generator.projections.push(target.clone());
                found = true;
            }
            !found
        });
    }

    /// Adds one generator of pixels to anything that is there; false if none is possible.
    fn append_any(&mut self) -> bool {
        for source in self.done() {
            let found = self.pending.iter().find_map(|target| {
                let found = self.pixels(&source, target)?;
                source.is_subset(target).then(|| (target.clone(), found))
            });
            if let Some((target, (element, skypix))) = found {
                self.append(&source, element, &target, skypix);
                return true;
            }
        }
        false
    }

    /// Adds a join of two groups that are there, of those with the most in common.
    fn append_join(&mut self) -> Result<(), QueryError> {
        let done = self.done();
        for target in self.pending.clone() {
            let mut best: Option<(DimensionGroup, Method)> = None;
            for (at, a) in done.iter().enumerate().filter(|(_, a)| a.is_subset(&target)) {
                for b in done[at + 1..].iter().filter(|b| a.union(b) == target) {
                    let common = a.intersection(b);
                    if best.as_ref().is_none_or(|(best, _)| best.is_subset(&common)) {
                        best = Some((common, Method::Join(a.clone(), b.clone())));
                    }
                }
            }
            if let Some((_, method)) = best {
                self.pending.retain(|group| *group != target);
                self.generators.push(Generator { target, method, projections: Vec::new() });
                return Ok(());
            }
        }
        let groups: Vec<String> = self.pending.iter().map(ToString::to_string).collect();
        Err(QueryError::NoDataIds { groups: groups.join(", ") })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn universe() -> Arc<Universe> {
        Universe::from_json(include_str!("../../../dimensions/tests/data/universe8.json")).unwrap()
    }

    /// The generators of groups given by their dimensions, as text.
    fn generators(groups: &[&[&str]], queryable: &[&str]) -> Result<Vec<String>, QueryError> {
        let universe = universe();
        let group = |names: &[&str]| universe.conform(names.iter().copied()).unwrap();
        let groups: Vec<DimensionGroup> = groups.iter().map(|names| group(names)).collect();
        let short = |group: &DimensionGroup| {
            let names = group.required().iter().map(|&ix| universe.element(ix).name.as_str());
            names
                .filter(|name| !matches!(*name, "instrument" | "skymap"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let tree = DimensionTree::new(&universe, &groups, &group(queryable))?;
        Ok((tree.generators.iter())
            .map(|generator| {
                let from = match &generator.method {
                    Method::Pixels { source, element, .. } => {
                        format!("{} by {}", short(source), universe.element(*element).name)
                    }
                    Method::Join(a, b) => format!("{} & {}", short(a), short(b)),
                };
                let projections: Vec<String> = generator.projections.iter().map(short).collect();
                format!("{} <- {from}; {}", short(&generator.target), projections.join(", "))
            })
            .collect())
    }

    #[test]
    fn pixels_come_from_regions() {
        let made = generators(
            &[&["visit", "detector"], &["visit", "detector", "htm9"], &["htm9"]],
            &["visit", "detector"],
        );
        assert_eq!(
            made.unwrap(),
            ["htm9 detector visit <- detector visit by visit_detector_region; htm9"]
        );
    }

    #[test]
    fn other_dimensions_are_joined_to_regions_with_pixels() {
        let made = generators(
            &[&["tract", "patch", "band", "htm9"], &["htm9"], &["band", "htm9"]],
            &["tract", "patch", "band"],
        );
        assert_eq!(
            made.unwrap(),
            [
                "htm9 tract patch <- tract patch by patch; htm9",
                "band htm9 tract patch <- band tract patch & htm9 tract patch; band htm9",
            ]
        );
    }

    #[test]
    fn pixels_come_from_other_pixels_and_projections_from_all_that_have_them() {
        let made = generators(
            &[
                &["visit", "htm9"],
                &["tract", "htm9"],
                &["htm9", "healpix5"],
                &["htm9"],
                &["healpix5"],
            ],
            &["visit", "tract"],
        );
        assert_eq!(
            made.unwrap(),
            [
                "htm9 tract <- tract by tract; htm9",
                "htm9 visit <- visit by visit; htm9",
                "healpix5 htm9 <- htm9 by htm9; healpix5",
            ]
        );
    }

    #[test]
    fn pixels_out_of_nowhere_are_refused() {
        let error = generators(&[&["htm9"], &["band"]], &["band"]).unwrap_err();
        assert!(error.to_string().contains("{htm9}"), "{error}");
    }
}
