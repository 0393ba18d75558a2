//! Joins by time: validity ranges of calibrations and timespans of records that overlap.

use qbb_dimensions::expression::TemporalOperand;
use qbb_dimensions::{ElementIx, Timespan};

use crate::engine::contents::Contents;
use crate::engine::families::{Endpoint, Families};
use crate::engine::key_index::KeyGroups;
use crate::engine::layout::Layout;
use crate::engine::plan::QueryPlan;
use crate::engine::relation::Relation;
use crate::engine::row_limit::JoinSides;
use crate::engine::steps::{Step, StepSource};
use crate::error::QueryError;

/// The temporal joins of a component's query, each connected set of them as one relation, made of
/// rows that `others` can use.
pub fn temporal_steps(
    contents: &Contents,
    plan: &QueryPlan,
    others: &[Relation],
) -> Result<Vec<Step>, QueryError> {
    let mut steps = Vec::new();
    let mut pending = temporal_joins(contents, plan)?;
    while let Some((first, _)) = pending.first().copied() {
        let mut timed = TimedRows::of(contents, first, others);
        let connected = |timed: &TimedRows, endpoint: Endpoint| timed.position(endpoint).is_some();
        loop {
            let next = pending.iter().find_map(|&(a, b)| {
                match (connected(&timed, a), connected(&timed, b)) {
                    (true, false) => Some(b),
                    (false, true) => Some(a),
                    _ => None,
                }
            });
            let Some(next) = next else { break };
            let joins: Vec<usize> = (pending.iter())
                .filter_map(|&(a, b)| match (a == next, b == next) {
                    (true, false) => timed.position(b),
                    (false, true) => timed.position(a),
                    _ => None,
                })
                .collect();
            timed = timed.join(contents, TimedRows::of(contents, next, others), &joins)?;
        }
        pending.retain(|&(a, _)| !connected(&timed, a));
        let endpoints = timed.times.iter().map(|(endpoint, _)| *endpoint).collect();
        let dictionary = &contents.dictionary;
        let relation = timed.relation.project(dictionary, &timed.relation.group);
        steps.push(Step { source: StepSource::Validity(endpoints), relation });
    }
    Ok(steps)
}

/// What a query joins by time: validity ranges as conditions say, and what is joined
/// automatically. Timespans of two elements that a condition compares need no join, since the
/// condition itself is applied.
pub fn temporal_joins(
    contents: &Contents,
    plan: &QueryPlan,
) -> Result<Vec<(Endpoint, Endpoint)>, QueryError> {
    let universe = contents.dictionary.universe();
    let calibrations = (plan.constraints.iter().copied())
        .filter(|ix| contents.datasets.get(ix).is_some_and(|search| search.is_calibration));
    let mut families = Families::temporal(&plan.dimensions, calibrations);
    let endpoint = |operand: TemporalOperand| match operand {
        TemporalOperand::Element(ix) => Endpoint::Element(ix),
        TemporalOperand::Dataset(at) => Endpoint::Validity(plan.constraints[usize::from(at)]),
    };
    for (a, b) in plan.conditions.iter().flat_map(|conjunct| conjunct.temporal_joins()) {
        let (a, b) = (endpoint(a), endpoint(b));
        for endpoint in [a, b] {
            if let Endpoint::Validity(ix) = endpoint
                && !contents.datasets.get(&ix).is_some_and(|search| search.is_calibration)
            {
                let dataset_type = plan.dataset_type_name(ix);
                return Err(QueryError::NoValidity { dataset_type });
            }
        }
        families.connect(universe, a, b)?;
    }
    for operand in &plan.operands {
        families.connect_table(operand);
    }
    let name = |ix| plan.dataset_type_name(ix);
    Ok(families.automatic_join(universe, &name)?.into_iter().collect())
}

/// Data IDs with the timespans that belong to them.
struct TimedRows {
    relation: Relation,
    times: Vec<(Endpoint, Vec<Timespan>)>,
}

impl TimedRows {
    /// Rows of one endpoint that have a timespan.
    fn of(contents: &Contents, endpoint: Endpoint, others: &[Relation]) -> Self {
        let dictionary = &contents.dictionary;
        let (mut relation, times): (Relation, Vec<Option<Timespan>>) = match endpoint {
            Endpoint::Element(element) => {
                let relation = match dictionary.combination(element) {
                    Some((relation, _)) => relation,
                    None => Relation::all(dictionary, element),
                };
                let times = timespans(contents, element, &relation);
                (relation, times)
            }
            Endpoint::Validity(ix) => match contents.datasets.get(&ix) {
                // Datasets of RUN and TAGGED collections are valid at all times.
                Some(search) => {
                    let validity = search.validity.iter();
                    let times = validity.map(|v| Some(v.unwrap_or(Timespan::UNBOUNDED))).collect();
                    (search.relation.clone(), times)
                }
                None => {
                    let nothing = qbb_dimensions::DimensionGroup::empty(dictionary.universe());
                    (Relation::new(dictionary, nothing, Vec::new(), 0), Vec::new())
                }
            },
        };
        let mut keep = relation.agrees(dictionary, others);
        for (keep, time) in keep.iter_mut().zip(&times) {
            *keep &= time.is_some();
        }
        relation.retain(&keep);
        let times = times.iter().zip(&keep).filter_map(|(time, &kept)| time.filter(|_| kept));
        Self { relation, times: vec![(endpoint, times.collect())] }
    }

    fn position(&self, endpoint: Endpoint) -> Option<usize> {
        self.times.iter().position(|(other, _)| *other == endpoint)
    }

    /// Pairs of rows that agree on the shared dimensions and in which the timespan of `other`
    /// overlaps all those at the given positions.
    fn join(self, contents: &Contents, other: Self, joins: &[usize]) -> Result<Self, QueryError> {
        let dictionary = &contents.dictionary;
        let layout =
            Layout::new(dictionary, &self.relation.group.intersection(&other.relation.group));
        let (endpoint, spans) = &other.times[0];
        // In the order of their begins, the candidates of a key are a range.
        let mut order: Vec<u32> = (0..other.relation.len as u32).collect();
        order.sort_by_key(|&row| spans[row as usize].begin);
        let keys = other.relation.keys(dictionary, &layout);
        let ordered: Vec<u64> = order.iter().map(|&row| keys[row as usize]).collect();
        let groups = KeyGroups::new(&ordered, layout.total_bits());
        let span = |place: u32| spans[order[place as usize] as usize];
        let longest = spans.iter().map(|span| span.end.0.saturating_sub(span.begin.0)).max();
        let (mut rows, mut partners) = (Vec::new(), Vec::new());
        for (row, key) in self.relation.keys(dictionary, &layout).into_iter().enumerate() {
            let times = joins.iter().map(|&at| self.times[at].1[row]);
            let (begin, end) = times.clone().fold(
                (Timespan::UNBOUNDED.begin.0, Timespan::UNBOUNDED.end.0),
                |(begin, end), time| (begin.max(time.begin.0), end.min(time.end.0)),
            );
            let places = groups.rows(key);
            let earliest = begin.saturating_sub(longest.unwrap_or(0));
            let from = places.partition_point(|&place| span(place).begin.0 < earliest);
            let to = places.partition_point(|&place| span(place).begin.0 < end);
            for &place in &places[from.min(to)..to] {
                if times.clone().all(|time| time.overlaps(span(place))) {
                    rows.push(row as u32);
                    partners.push(order[place as usize]);
                }
            }
            dictionary.row_limit.check(rows.len(), || {
                let [a, b] = [&self.relation, &other.relation];
                let what = format!(
                    "validity ranges or timespans of {} data IDs {} and {} data IDs {}",
                    a.len, a.group, b.len, b.group
                );
                JoinSides::overlap(what, &a.group, &b.group)
            })?;
        }
        let mut relation =
            Relation::of_pairs(dictionary, [&self.relation, &other.relation], [&rows, &partners]);
        let taken = |spans: &[Timespan], rows: &[u32]| -> Vec<Timespan> {
            rows.iter().map(|&row| spans[row as usize]).collect()
        };
        let mut times: Vec<(Endpoint, Vec<Timespan>)> =
            self.times.iter().map(|(endpoint, spans)| (*endpoint, taken(spans, &rows))).collect();
        times.push((*endpoint, taken(spans, &partners)));
        if let Some(keep) = relation.consistent_rows(dictionary) {
            relation.retain(&keep);
            for (_, spans) in &mut times {
                let mut kept = keep.iter();
                spans.retain(|_| kept.next().copied().unwrap_or(false));
            }
        }
        Ok(Self { relation, times })
    }
}

/// Timespan of the record of an element for each row.
pub fn timespans(
    contents: &Contents,
    element: ElementIx,
    rows: &Relation,
) -> Vec<Option<Timespan>> {
    let dictionary = &contents.dictionary;
    let Some(table) = dictionary.records(element) else { return vec![None; rows.len] };
    let view = rows.rows(dictionary);
    let timespan = |row: u32| table.timespan(view.record_row(element, row)?);
    (0..rows.len as u32).map(timespan).collect()
}
