//! Several variants in one process, in turn, each built anew in every pass.
//!
//! Where a tensor happens to lie in memory changes times by more than a percent and stays as it is for as long as the tensor
//! lives. So each pass builds every variant anew, in random order, and the medians of the passes are what is compared, not the
//! samples within them.

use super::{Plan, Reading, warm_up};
use crate::domain::metric::{Kind, Scale};
use crate::domain::statistics::describe::quantile;
use crate::domain::statistics::random::Random;
use crate::domain::statistics::{Design, Estimate, EstimateError, Sample, choose, estimate};

/// How variants are measured in turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turns {
    /// How often each variant is built anew.
    pub passes: usize,
    /// How long the variants together are sampled in each pass.
    pub pass_seconds: f64,
    /// How each is warmed up, and how long its samples last.
    pub plan: Plan,
}

/// A variant against the first one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Versus {
    /// The change of its time, relative to that of the first one.
    pub estimate: Estimate,
}

/// What came of measuring variants in turn.
#[derive(Clone, Debug, PartialEq)]
pub struct InTurn {
    /// For each variant, the median of each pass in seconds a call.
    pub passes: Vec<Vec<f64>>,
    /// For each variant and each of its passes, every sample in seconds a call, in the order in which they were taken.
    pub samples: Vec<Vec<Vec<f64>>>,
    /// For each variant, the medians of the passes by events on the device; empty where there are none.
    pub device_passes: Vec<Vec<f64>>,
    /// For each variant and each of its passes, every sample by events on the device.
    pub device_samples: Vec<Vec<Vec<f64>>>,
    /// Rounds that were thrown away because the machine was slowed down.
    pub throttled: usize,
}

impl InTurn {
    /// A variant against the first one, by the medians of their passes.
    pub fn versus(&self, variant: usize) -> Result<Versus, EstimateError> {
        let sample = |side: usize| Sample::new(self.passes[side].as_slice());
        let baseline = sample(0).map_err(EstimateError::Baseline)?;
        let candidate = sample(variant).map_err(EstimateError::Candidate)?;
        let method = choose(Design::Paired, Kind::Measured, Scale::Ratio, baseline.size(), candidate.size());
        Ok(Versus { estimate: estimate(method, &baseline, &candidate)? })
    }
}

/// Measures `variants` variants in turn; `build` makes one anew for a pass, `sample` calls it so many times, `end` takes it back.
pub fn measure_in_turn<S, E>(
    turns: &Turns,
    variants: usize,
    random: &mut Random,
    mut build: impl FnMut(usize, usize) -> Result<S, E>,
    mut sample: impl FnMut(&mut S, u64) -> Result<Reading, E>,
    mut end: impl FnMut(S) -> Result<(), E>,
) -> Result<InTurn, E> {
    let none = vec![Vec::new(); variants];
    let mut result = InTurn {
        passes: none.clone(),
        samples: vec![Vec::new(); variants],
        device_passes: none.clone(),
        device_samples: vec![Vec::new(); variants],
        throttled: 0,
    };
    let mut order: Vec<usize> = (0..variants).collect();
    for pass in 0..turns.passes {
        random.shuffle(&mut order);
        let mut built: Vec<Option<S>> = (0..variants).map(|_| None).collect();
        let mut calls = vec![1; variants];
        for variant in order.iter().copied() {
            let mut subject = build(pass, variant)?;
            calls[variant] = warm_up(&turns.plan, &mut |calls| sample(&mut subject, calls))?.calls_per_sample;
            built[variant] = Some(subject);
        }
        let (mut taken, mut taken_on_device) = (none.clone(), none.clone());
        let mut seconds = 0.0;
        // At least one round, however long it takes, and no more throttled ones than there is time for.
        while seconds < turns.pass_seconds {
            random.shuffle(&mut order);
            let mut round = vec![Reading::default(); variants];
            for variant in order.iter().copied() {
                let subject = built[variant].as_mut().expect("every variant was built");
                round[variant] = sample(subject, calls[variant])?;
                seconds += round[variant].seconds + round[variant].aside_seconds;
            }
            if round.iter().any(|reading| reading.is_throttled) {
                result.throttled += 1;
                continue;
            }
            for (variant, reading) in round.iter().enumerate() {
                taken[variant].push(reading.seconds / calls[variant] as f64);
                taken_on_device[variant]
                    .extend(reading.device_seconds.map(|seconds| seconds / calls[variant] as f64));
            }
        }
        built.into_iter().flatten().try_for_each(&mut end)?;
        keep(taken, &mut result.passes, &mut result.samples);
        keep(taken_on_device, &mut result.device_passes, &mut result.device_samples);
    }
    Ok(result)
}

/// Adds what a pass took to the medians of passes and to the samples of each variant.
fn keep(taken: Vec<Vec<f64>>, passes: &mut [Vec<f64>], samples: &mut [Vec<Vec<f64>>]) {
    for (variant, taken) in taken.into_iter().enumerate().filter(|(_, taken)| !taken.is_empty()) {
        let mut sorted = taken.clone();
        sorted.sort_by(f64::total_cmp);
        passes[variant].push(quantile(&sorted, 0.5));
        samples[variant].push(taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::timing::tests::PLAN;

    const TURNS: Turns = Turns {
        passes: 12,
        pass_seconds: 0.05,
        plan: Plan { min_seconds: 0.0, max_seconds: 1.0, min_samples: 1, max_samples: 1_000, ..PLAN },
    };

    /// Times with noise of 3 % from call to call and of 1 % from one building to the next.
    fn simulated(slow_down: f64, seed: u64) -> InTurn {
        let mut noise = Random::from_seed(seed);
        let mut places = Random::from_seed(seed + 1_000);
        let build = |_: usize, variant: usize| {
            let factor = if variant == 1 { 1.0 + slow_down } else { 1.0 };
            Ok::<_, ()>(1e-3 * factor * (1.0 + 0.02 * (places.unit() - 0.5)))
        };
        let sample = |seconds: &mut f64, calls: u64| {
            let spent = *seconds * calls as f64 * (1.0 + 0.06 * (noise.unit() - 0.5));
            Ok(Reading { seconds: spent, ..Reading::default() })
        };
        measure_in_turn(&TURNS, 2, &mut Random::from_seed(seed), build, sample, |_| Ok(())).unwrap()
    }

    fn finds(in_turn: &InTurn) -> bool {
        !in_turn.versus(1).unwrap().estimate.interval.unwrap().contains(0.0)
    }

    #[test]
    fn a_slow_down_of_two_percent_is_found() {
        let found = (0..40).filter(|seed| finds(&simulated(0.02, *seed))).count();
        assert!(found >= 38, "{found} of 40");
    }

    #[test]
    fn where_a_tensor_lies_is_not_taken_for_an_effect() {
        let found = (0..200).filter(|seed| finds(&simulated(0.0, *seed))).count();
        assert!(found <= 20, "{found} of 200");
    }

    #[test]
    fn what_variants_share_in_a_pass_cancels() {
        let found = |seed: u64| {
            let mut noise = Random::from_seed(seed);
            // Layouts differ by 20 %, ten times as much as the variants.
            let mut places = Random::from_seed(seed + 1_000);
            let layouts: Vec<f64> = (0..TURNS.passes).map(|_| 1.0 + 0.2 * places.unit()).collect();
            let build = |pass: usize, variant: usize| {
                Ok::<_, ()>(1e-3 * layouts[pass] * if variant == 1 { 1.02 } else { 1.0 })
            };
            let sample = |seconds: &mut f64, calls: u64| {
                let spent = *seconds * calls as f64 * (1.0 + 0.06 * (noise.unit() - 0.5));
                Ok(Reading { seconds: spent, ..Reading::default() })
            };
            finds(
                &measure_in_turn(&TURNS, 2, &mut Random::from_seed(seed), build, sample, |_| Ok(())).unwrap(),
            )
        };
        let found = (0..40).filter(|seed| found(*seed)).count();
        assert!(found >= 38, "{found} of 40");
    }

    #[test]
    fn what_the_device_tells_is_kept_beside_the_clock_of_the_host() {
        let sample = |factor: &mut f64, calls: u64| {
            let seconds = 1e-3 * *factor * calls as f64;
            Ok::<_, ()>(Reading { seconds, device_seconds: Some(0.5 * seconds), ..Reading::default() })
        };
        let build = |_, variant| Ok(if variant == 1 { 2.0 } else { 1.0 });
        let in_turn =
            measure_in_turn(&TURNS, 2, &mut Random::from_seed(1), build, sample, |_| Ok(())).unwrap();
        assert_eq!(in_turn.device_passes[0].len(), TURNS.passes);
        assert_eq!(in_turn.device_samples[1].concat().len(), in_turn.samples[1].concat().len());
        assert!(in_turn.device_passes[1].iter().all(|seconds| (seconds - 1e-3).abs() < 1e-12));
    }

    #[test]
    fn without_a_device_there_is_nothing_by_its_events() {
        let in_turn = simulated(0.0, 1);
        assert!(in_turn.device_passes.concat().is_empty() && in_turn.device_samples.concat().is_empty());
    }

    #[test]
    fn throttled_rounds_are_dropped_on_both_sides() {
        let mut at = 0;
        let sample = |(): &mut (), calls: u64| {
            at += 1;
            Ok::<_, ()>(Reading {
                seconds: 1e-3 * calls as f64,
                is_throttled: at % 5 == 0,
                ..Reading::default()
            })
        };
        let in_turn =
            measure_in_turn(&TURNS, 2, &mut Random::from_seed(1), |_, _| Ok(()), sample, |()| Ok(()))
                .unwrap();
        assert!(in_turn.throttled > 0);
        assert_eq!(in_turn.samples[0].concat().len(), in_turn.samples[1].concat().len());
    }
}
