//! Counts candidates by a sweep over the groups of their nodes, and draws them from what it has counted.
//!
//! A mask is valid if every kept node but the input has a kept source, every kept node but the output has a kept
//! target, and no layer keeps too many: in a graph without circles that puts each of them on a path. So a sweep in the
//! order of the links need not remember what it has kept, only the *state* that decides how it may go on: which groups to
//! come are fed, which kept groups still need a target, and how much room is left in layers that are half done. The
//! ways to each state are added up; paths through the states, from the last one back, are the candidates.

use super::groups::{Group, Groups, Room};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    rc::Rc,
};

/// The kept nodes of a candidate: groups, each with how many of its members.
pub(super) type Pattern = Vec<(usize, usize)>;

/// In how many ways a group's members can be kept.
#[derive(Clone, Debug)]
pub(super) struct Sizes {
    /// By how many are kept: the logarithm of the number of ways, or of their total weight.
    of: Vec<f64>,
    /// The same for "at least one, and at most so many".
    up_to: Vec<f64>,
    /// The sum of how many are kept over the latter, as a logarithm.
    kept_up_to: Vec<f64>,
    /// The number of ways, where it is known and not above what it holds.
    exact: Vec<Option<u128>>,
    exact_up_to: Vec<Option<u128>>,
}

impl Sizes {
    /// Of a group of which a candidate keeps at most `most` members; each is worth the factor e^`ln_weight`.
    pub(super) fn new(group: &Group, most: usize, ln_weight: f64) -> Self {
        let n = group.members.len();
        let weighted = ln_weight != 0.0;
        if group.pinned {
            // There is one way, which is taken with the weight of all.
            let mut exact = vec![None; n + 1];
            exact[n] = (!weighted).then_some(1);
            let mut of = vec![f64::NEG_INFINITY; n + 1];
            of[n] = ln_weight * n as f64;
            let kept = of.iter().map(|ways| ways + (n as f64).ln()).collect();
            return Self {
                up_to: of.clone(),
                of,
                kept_up_to: kept,
                exact_up_to: exact.clone(),
                exact,
            };
        }
        let most = most.min(n);
        let nothing = f64::NEG_INFINITY;
        let mut sizes = Self {
            of: vec![0.0],
            up_to: vec![nothing],
            kept_up_to: vec![nothing],
            exact: vec![Some(1)],
            exact_up_to: vec![Some(0)],
        };
        for k in 1..=most {
            let ways = sizes.of[k - 1] + ((n - k + 1) as f64 / k as f64).ln() + ln_weight;
            sizes.of.push(ways);
            sizes.up_to.push(ln_sum(sizes.up_to[k - 1], ways));
            sizes.kept_up_to.push(ln_sum(sizes.kept_up_to[k - 1], ways + (k as f64).ln()));
            let before = sizes.exact[k - 1].filter(|_| !weighted);
            let ways = before.and_then(|ways| ways.checked_mul((n - k + 1) as u128));
            let ways = ways.map(|ways| ways / k as u128);
            sizes.exact.push(ways);
            let sum =
                sizes.exact_up_to[k - 1].zip(ways).and_then(|(sum, ways)| sum.checked_add(ways));
            sizes.exact_up_to.push(sum);
        }
        sizes
    }

    fn ln(&self, Takes { low, high }: Takes) -> f64 {
        if low == high { self.of[low as usize] } else { self.up_to[high as usize] }
    }

    fn exact(&self, Takes { low, high }: Takes) -> Option<u128> {
        if low == high { self.exact[low as usize] } else { self.exact_up_to[high as usize] }
    }

    /// How many are kept on average.
    fn mean(&self, Takes { low, high }: Takes) -> f64 {
        if low == high {
            f64::from(low)
        } else {
            (self.kept_up_to[high as usize] - self.up_to[high as usize]).exp()
        }
    }

    fn draw(&self, Takes { low, high }: Takes, rng: &mut impl Rng) -> usize {
        let (low, high) = (low as usize, high as usize);
        if low == high {
            return low;
        }
        let wanted = self.up_to[high] + rng.random::<f64>().ln();
        let places = &self.up_to[low..high];
        low + places.partition_point(|&sum| sum < wanted)
    }
}

/// From `low` to `high` members of a group; if these differ, `low` is 1.
#[derive(Clone, Copy, Debug)]
struct Takes {
    low: u32,
    high: u32,
}

/// A way to a state.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    /// The state before.
    from: u32,
    /// How many of the group's members are kept on this way.
    takes: Takes,
    /// The share of all ways to the state that come this way, in `0..=1`.
    share: f64,
}

/// The states after a group.
#[derive(Clone, Debug)]
struct Step {
    group: usize,
    /// Ways to the first state, to the second, and so on.
    arrivals: Vec<Arrival>,
    /// Where those of each state begin; one more at the end.
    starts: Vec<u32>,
}

impl Step {
    fn states(&self) -> usize {
        self.starts.len() - 1
    }

    fn arrivals(&self, state: usize) -> &[Arrival] {
        &self.arrivals[self.starts[state] as usize..self.starts[state + 1] as usize]
    }
}

/// How much a sweep may cost.
pub(super) enum Limit<'r> {
    /// It fails once it has looked at so much: ways to states, and what these remember.
    Work(usize),
    /// It goes on with a limited number of states after each group.
    States(Thinning<'r>),
}

/// Draws which states a sweep goes on with, so that every state counts on average as much as it would: the weightier ones
/// stay surely, of the others some, which then count for all (P. Fearnhead and P. Clifford, "On-line inference for hidden
/// Markov models via particle filters", JRSS B 65, 2003). What a state weighs is the ways to it, times a guess of how many
/// ways lead on from it; a bad guess makes the sweep noisier, and not wrong.
pub(super) struct Thinning<'r> {
    /// How many states there are at most.
    pub(super) states: usize,
    pub(super) rng: &'r mut ChaCha8Rng,
    /// For each group, about how often candidates keep any of it: strictly between 0 and 1.
    pub(super) chances: &'r [f64],
}

/// A guess of how many ways lead on from a state, compared with others after the same group.
struct Outlook<'a> {
    sets: &'a [(u32, u32)],
    rooms: &'a [Room],
    /// By position of the group: its layer and members, and the logarithm of the chance that it is left out.
    layers: Vec<usize>,
    members: Vec<usize>,
    ln_out: Vec<f64>,
    /// The same for all its sources that are to come.
    ln_sources_out: Vec<f64>,
    /// By layer: how many nodes are to come, and, where a part of it has to be counted, how likely each of them is left
    /// out, as a logarithm.
    to_come: Vec<usize>,
    ln_out_of_layer: Vec<Option<f64>>,
    /// By position: what it is worth that a group is fed, as a logarithm, if its layer need not be counted.
    gains: Vec<Option<f64>>,
    /// When a group was seen last, so that it counts once for each state.
    seen: Vec<u64>,
    states: u64,
}

impl<'a> Outlook<'a> {
    fn new(groups: &'a Groups, order: &[usize], sets: &'a [(u32, u32)], chances: &[f64]) -> Self {
        let of_sources = |&group: &usize| {
            let sources = groups.list[group].sources.iter();
            sources.map(|&source| (-chances[source]).ln_1p()).sum()
        };
        Self {
            sets,
            rooms: &groups.rooms,
            layers: order.iter().map(|&group| groups.list[group].layer).collect(),
            members: order.iter().map(|&group| groups.list[group].members.len()).collect(),
            ln_out: order.iter().map(|&group| (-chances[group]).ln_1p()).collect(),
            ln_sources_out: order.iter().map(of_sources).collect(),
            to_come: groups.rooms.iter().map(|room| room.nodes).collect(),
            ln_out_of_layer: vec![None; groups.rooms.len()],
            gains: vec![None; order.len()],
            seen: vec![0; order.len()],
            states: 0,
        }
    }

    /// The sweep has come past the group at this position, which has this set of targets.
    fn pass(&mut self, position: usize, mut targets: u32) {
        while targets != NONE {
            let (target, others) = self.sets[targets as usize];
            self.ln_sources_out[target as usize] -= self.ln_out[position];
            self.gains[target as usize] = None;
            targets = others;
        }
        let layer = self.layers[position];
        self.to_come[layer] -= self.members[position];
        self.leave_room(layer, 0);
    }

    /// Spreads the room that is left in a layer over its nodes to come.
    fn leave_room(&mut self, layer: usize, used: usize) {
        let (room, to_come) = (self.rooms[layer], self.to_come[layer]);
        self.ln_out_of_layer[layer] = (room.counted && to_come > 0).then(|| {
            let left = room.limit.saturating_sub(used) as f64;
            (-(left / to_come as f64).min(0.5)).ln_1p()
        });
    }

    /// The logarithm of the guess: kept groups that need a target are to get one, and groups that are not fed yet may
    /// have to be left out.
    fn of(&mut self, key: &[u64]) -> f64 {
        self.states += 1;
        // Counts of layers stand at the end.
        let counts = key.partition_point(|entry| entry & TAKEN == 0);
        let layer_of = |entry: u64| ((entry & !TAKEN) >> 32) as usize;
        for &entry in &key[counts..] {
            self.leave_room(layer_of(entry), (entry & 0xffff_ffff) as usize);
        }
        let mut guess = 0.0;
        for entry in &key[..counts] {
            let (mut set, mut ln_none) = ((entry >> 1) as u32, 0.0);
            while set != NONE {
                let (target, others) = self.sets[set as usize];
                let target = target as usize;
                let in_layer = self.ln_out_of_layer[self.layers[target]];
                let ln_out = in_layer
                    .map_or(self.ln_out[target], |ln_out| ln_out * self.members[target] as f64);
                ln_none += ln_out;
                if self.seen[target] != self.states {
                    self.seen[target] = self.states;
                    guess += match self.gains[target] {
                        Some(gain) if in_layer.is_none() => gain,
                        Some(_) | None => {
                            let unfed = self.ln_sources_out[target].min(0.0).exp();
                            let gain = -(1.0 - (1.0 - ln_out.exp()) * unfed).ln();
                            self.gains[target] = in_layer.is_none().then_some(gain);
                            gain
                        }
                    };
                }
                set = others;
            }
            if entry & 1 == 1 {
                guess += (-ln_none.exp()).ln_1p();
            }
        }
        for &entry in &key[counts..] {
            self.leave_room(layer_of(entry), 0);
        }
        guess
    }
}

/// All candidates as paths through states, or, where the states were limited, a fair choice of them.
#[derive(Clone, Debug)]
pub(super) struct Sweep {
    steps: Vec<Step>,
    /// The logarithm of how many candidates there are, or of their total weight; none: -∞.
    pub(super) ln_total: f64,
    /// How many there are, where that is known and not above what it holds.
    pub(super) total: Option<u128>,
}

struct State {
    /// Fed and needy groups as [`Targets`], then room that is taken in layers that are half done; sorted.
    key: Rc<[u64]>,
    ln: f64,
    ways: Option<u128>,
}

/// Marks how much of a layer is taken, among what a state remembers.
const TAKEN: u64 = 1 << 63;

fn taken(layer: usize, nodes: usize) -> u64 {
    TAKEN | (layer as u64) << 32 | nodes as u64
}

/// Sets of groups to come, each as its first group in the order of the sweep and the set of the others. A kept group is
/// remembered by the set of its targets that are to come; groups with the same ones are one.
#[derive(Default)]
struct Targets {
    sets: Vec<(u32, u32)>,
    known: HashMap<(u32, u32), u32>,
}

const NONE: u32 = u32::MAX;

impl Targets {
    fn set(&mut self, first: u32, others: u32) -> u32 {
        let sets = &mut self.sets;
        *self.known.entry((first, others)).or_insert_with(|| {
            sets.push((first, others));
            (sets.len() - 1) as u32
        })
    }
}

/// A group that the sweep has come to.
struct Visit<'a> {
    group: &'a Group,
    position: u32,
    sets: &'a [(u32, u32)],
    /// The set of its targets; [`NONE`] for the output.
    targets: u32,
    /// Whether the layer's nodes have to be counted, and are from here on.
    counted: bool,
    goes_on: bool,
}

impl Visit<'_> {
    /// How many nodes of the layer are kept already.
    fn used(&self, key: &[u64]) -> usize {
        let layer = taken(self.group.layer, 0);
        let here = |&&entry: &&u64| entry & !0xffff_ffff == layer;
        if !self.counted {
            0
        } else {
            key.iter().find(here).map_or(0, |e| (e & 0xffff_ffff) as usize)
        }
    }

    fn is_fed(&self, key: &[u64]) -> bool {
        let feeds = |&&entry: &&u64| {
            entry & TAKEN == 0 && self.sets[(entry >> 1) as usize].0 == self.position
        };
        self.group.sources.is_empty() || key.iter().find(feeds).is_some()
    }

    /// Writes the state that follows `key` into `next`, once `kept` nodes of this group are kept and the layer has
    /// `used`; `false` where a kept group needs this one, which is left out.
    fn after(&self, key: &[u64], kept: usize, used: usize, next: &mut Vec<u64>) -> bool {
        next.clear();
        for &entry in key {
            if entry & TAKEN != 0 {
                if self.counted && (entry & !TAKEN) >> 32 == self.group.layer as u64 {
                    continue;
                }
                next.push(entry);
                continue;
            }
            let (first, others) = self.sets[(entry >> 1) as usize];
            if first != self.position {
                next.push(entry);
                continue;
            }
            let needy = if kept > 0 { 0 } else { entry & 1 };
            if others != NONE {
                next.push(u64::from(others) << 1 | needy);
            } else if needy == 1 {
                return false;
            }
        }
        if kept > 0 && self.targets != NONE {
            next.push(u64::from(self.targets) << 1 | 1);
        }
        if self.counted && self.goes_on && used > 0 {
            next.push(taken(self.group.layer, used));
        }
        next.sort_unstable();
        // Of two groups with the same targets to come, the one that needs them counts.
        next.dedup_by(|later, earlier| {
            let same = *later & TAKEN == 0 && *later >> 1 == *earlier >> 1;
            if same {
                *earlier |= *later & 1;
            }
            same
        });
        true
    }
}

impl Sweep {
    /// Sweeps over all groups in this `order`, in which sources come before their targets.
    ///
    /// # Errors
    /// How many groups it came past before it reached its limit of work.
    pub(super) fn new(
        groups: &Groups,
        sizes: &[Sizes],
        order: &[usize],
        mut limit: Limit<'_>,
    ) -> Result<Self, usize> {
        let (sets, targets) = targets(groups, order);
        let mut outlook = match &limit {
            Limit::Work(_) => None,
            Limit::States(thinning) => Some(Outlook::new(groups, order, &sets, thinning.chances)),
        };
        let mut left: Vec<_> = groups.rooms.iter().map(|room| room.groups).collect();
        let mut states = vec![State { key: Rc::from([]), ln: 0.0, ways: Some(1) }];
        let mut steps = Vec::with_capacity(order.len());
        let mut looked_at = 0;
        for (position, &at) in order.iter().enumerate() {
            let group = &groups.list[at];
            let room = groups.rooms[group.layer];
            left[group.layer] -= 1;
            let visit = Visit {
                group,
                position: position as u32,
                sets: &sets,
                targets: targets[at],
                counted: room.counted,
                goes_on: left[group.layer] > 0,
            };
            let mut next = Next::default();
            for (from, state) in states.iter().enumerate() {
                next.leave(&visit, &sizes[at], room.limit, from, state);
                looked_at += 2 * (1 + state.key.len());
                if let Limit::Work(most) = limit
                    && looked_at > most
                {
                    return Err(position);
                }
            }
            next.add_up();
            if let (Limit::States(thinning), Some(outlook)) = (&mut limit, &mut outlook) {
                outlook.pass(position, targets[at]);
                next.thin_out(thinning, outlook);
            }
            let (step, after) = next.into_step(at);
            steps.push(step);
            states = after;
        }
        // Nothing is left to remember: there is one state, or none.
        let end = states.first();
        Ok(Self {
            steps,
            ln_total: end.map_or(f64::NEG_INFINITY, |state| state.ln),
            total: end.map_or(Some(0), |state| state.ways),
        })
    }

    /// A candidate, each with the same probability; there is at least one.
    pub(super) fn draw(&self, sizes: &[Sizes], rng: &mut impl Rng) -> Pattern {
        let mut pattern = Pattern::new();
        let mut state = 0;
        for step in self.steps.iter().rev() {
            let Some(way) = pick(step.arrivals(state), rng) else { break };
            if way.takes.high > 0 {
                pattern.push((step.group, sizes[step.group].draw(way.takes, rng)));
            }
            state = way.from as usize;
        }
        pattern
    }

    /// For each group the share of candidates that keep any of it, and how many members they keep on average.
    pub(super) fn inclusion(&self, sizes: &[Sizes]) -> (Vec<f64>, Vec<f64>) {
        let (mut any, mut kept) = (vec![0.0; sizes.len()], vec![0.0; sizes.len()]);
        let mut chances = vec![1.0];
        for (place, step) in self.steps.iter().enumerate().rev() {
            let before = if place == 0 { 1 } else { self.steps[place - 1].states() };
            let mut chances_before = vec![0.0; before];
            for (state, chance) in chances.iter().enumerate() {
                for way in step.arrivals(state) {
                    let chance = chance * way.share;
                    chances_before[way.from as usize] += chance;
                    if way.takes.high > 0 {
                        any[step.group] += chance;
                        kept[step.group] += chance * sizes[step.group].mean(way.takes);
                    }
                }
            }
            chances = chances_before;
        }
        (any, kept)
    }

    /// The candidate with the largest sum of weights, which `top` gives for the best so many members of a group.
    pub(super) fn heaviest(&self, top: &dyn Fn(usize, usize) -> f64) -> (f64, Pattern) {
        let mut best = vec![0.0];
        let mut chosen: Vec<Vec<Arrival>> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let weight =
                |way: &Arrival| best[way.from as usize] + top(step.group, way.takes.high as usize);
            let of_state = |state: usize| {
                let ways = step.arrivals(state).iter();
                ways.map(|way| (weight(way), *way)).max_by(|a, b| a.0.total_cmp(&b.0))
            };
            let ways: Vec<_> = (0..step.states()).filter_map(of_state).collect();
            best = ways.iter().map(|way| way.0).collect();
            chosen.push(ways.into_iter().map(|way| way.1).collect());
        }
        let mut pattern = Pattern::new();
        let mut state = 0;
        for (step, ways) in self.steps.iter().zip(&chosen).rev() {
            let Some(way) = ways.get(state) else { break };
            if way.takes.high > 0 {
                pattern.push((step.group, way.takes.high as usize));
            }
            state = way.from as usize;
        }
        (best.first().copied().unwrap_or(f64::NEG_INFINITY), pattern)
    }
}

/// For each group the set of its targets.
fn targets(groups: &Groups, order: &[usize]) -> (Vec<(u32, u32)>, Vec<u32>) {
    let mut places = vec![0; order.len()];
    for (place, &group) in order.iter().enumerate() {
        places[group] = place as u32;
    }
    let mut known = Targets::default();
    let mut set_of = |group: &Group| {
        let mut to_come: Vec<_> = group.targets.iter().map(|&target| places[target]).collect();
        to_come.sort_unstable();
        to_come.into_iter().rev().fold(NONE, |others, first| known.set(first, others))
    };
    let of_groups = groups.list.iter().map(&mut set_of).collect();
    (known.sets, of_groups)
}

/// A hash of states, of which there are many. It is short, and good enough for keys that no attacker chooses.
#[derive(Default)]
struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        // The multiplier is 2^64 over the golden ratio; 1 is added, since 0 would stay 0.
        let product = u128::from((self.0 ^ word).wrapping_add(1)) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}

/// The states after a group, while they are found.
#[derive(Default)]
struct Next {
    known: HashMap<Rc<[u64]>, u32, BuildHasherDefault<Fold>>,
    /// The state that is looked for.
    key: Vec<u64>,
    states: Vec<State>,
    /// With the state that each leads to; shares are logarithms of ways until they are added up.
    arrivals: Vec<(u32, Arrival)>,
}

impl Next {
    /// Adds what can be done about the group after this state.
    fn leave(
        &mut self,
        visit: &Visit<'_>,
        sizes: &Sizes,
        limit: usize,
        from: usize,
        state: &State,
    ) {
        let used = visit.used(&state.key);
        let n = visit.group.members.len();
        let mut go = |kept: usize, takes: Takes| {
            if visit.after(&state.key, kept, used + kept, &mut self.key) {
                self.arrive(from, takes, sizes, state);
            }
        };
        if !visit.group.pinned {
            go(0, Takes { low: 0, high: 0 });
        }
        let most = limit.saturating_sub(used).min(n);
        if most == 0 || !visit.is_fed(&state.key) {
            return;
        }
        if visit.group.pinned {
            if most == n {
                go(n, Takes { low: n as u32, high: n as u32 });
            }
        } else if visit.counted && visit.goes_on {
            for kept in 1..=most as u32 {
                go(kept as usize, Takes { low: kept, high: kept });
            }
        } else {
            go(1, Takes { low: 1, high: most as u32 });
        }
    }

    fn arrive(&mut self, from: usize, takes: Takes, sizes: &Sizes, before: &State) {
        let ways = before.ways.zip(sizes.exact(takes)).and_then(|(a, b)| a.checked_mul(b));
        let to = match self.known.get(self.key.as_slice()) {
            Some(&to) => {
                let state = &mut self.states[to as usize];
                state.ways = state.ways.zip(ways).and_then(|(a, b)| a.checked_add(b));
                to
            }
            None => {
                let to = self.states.len() as u32;
                let key: Rc<[u64]> = self.key.as_slice().into();
                self.known.insert(Rc::clone(&key), to);
                self.states.push(State { key, ln: f64::NEG_INFINITY, ways });
                to
            }
        };
        let share = before.ln + sizes.ln(takes);
        self.arrivals.push((to, Arrival { from: from as u32, takes, share }));
    }

    /// Adds up the ways to each state, and turns those of each arrival into shares of them.
    fn add_up(&mut self) {
        let mut largest = vec![f64::NEG_INFINITY; self.states.len()];
        for &(to, way) in &self.arrivals {
            largest[to as usize] = largest[to as usize].max(way.share);
        }
        let mut sums = vec![0.0; self.states.len()];
        for (to, way) in &mut self.arrivals {
            way.share = (way.share - largest[*to as usize]).exp();
            sums[*to as usize] += way.share;
        }
        for (to, way) in &mut self.arrivals {
            way.share /= sums[*to as usize];
        }
        for (state, (largest, sum)) in self.states.iter_mut().zip(largest.into_iter().zip(sums)) {
            state.ln = largest + sum.ln();
        }
    }

    /// Leaves at most so many states.
    fn thin_out(&mut self, thinning: &mut Thinning<'_>, outlook: &mut Outlook<'_>) {
        let most = thinning.states;
        if self.states.len() <= most {
            return;
        }
        let weights: Vec<_> =
            self.states.iter().map(|state| state.ln + outlook.of(&state.key)).collect();
        let largest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            // None of them can be a candidate's.
            (self.states, self.arrivals) = (Vec::new(), Vec::new());
            return;
        }
        let weights: Vec<_> = weights.into_iter().map(|weight| (weight - largest).exp()).collect();
        let mut order: Vec<_> = (0..weights.len()).collect();
        order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]).then(a.cmp(&b)));
        // States above the threshold stay; of the others, as many as there is room for.
        let mut rest: f64 = weights.iter().sum();
        let mut sure = 0;
        while sure + 1 < most && weights[order[sure]] * (most - sure) as f64 >= rest {
            rest -= weights[order[sure]];
            sure += 1;
        }
        let threshold = rest.max(f64::MIN_POSITIVE) / (most - sure) as f64;
        let mut places = vec![NONE; weights.len()];
        let (mut sum, mut next) = (0.0, thinning.rng.random::<f64>());
        let mut kept = Vec::new();
        for (place, &state) in order.iter().enumerate() {
            if place >= sure {
                let chance = weights[state] / threshold;
                sum += chance;
                if sum <= next {
                    continue;
                }
                next += 1.0;
                self.states[state].ln -= chance.min(1.0).ln();
            }
            places[state] = kept.len() as u32;
            kept.push(state);
        }
        let mut states: Vec<_> = self.states.drain(..).map(Some).collect();
        self.states = kept.into_iter().filter_map(|state| states[state].take()).collect();
        for state in &mut self.states {
            state.ways = None;
        }
        self.arrivals.retain_mut(|(to, _)| {
            *to = places[*to as usize];
            *to != NONE
        });
    }

    fn into_step(self, group: usize) -> (Step, Vec<State>) {
        let mut starts = vec![0_u32; self.states.len() + 1];
        for (to, _) in &self.arrivals {
            starts[*to as usize + 1] += 1;
        }
        for state in 0..self.states.len() {
            starts[state + 1] += starts[state];
        }
        let mut arrivals = self.arrivals;
        // Stable, so that the order of draws is the same on every run.
        arrivals.sort_by_key(|&(to, _)| to);
        let arrivals = arrivals.into_iter().map(|(_, way)| way).collect();
        (Step { group, arrivals, starts }, self.states)
    }
}

fn pick<'a>(ways: &'a [Arrival], rng: &mut impl Rng) -> Option<&'a Arrival> {
    if ways.len() > 1 {
        let mut rest = rng.random::<f64>();
        for way in ways {
            rest -= way.share;
            if rest < 0.0 {
                return Some(way);
            }
        }
    }
    ways.last()
}

/// The logarithm of e^a + e^b.
pub(super) fn ln_sum(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}
