//! Noise to simulate with: seeded, multiplicative, and of the shapes that run times and losses have.

use git_exp::domain::statistics::random::Random;
use std::f64::consts::TAU;

/// A standard normal number, by Box and Muller (1958).
pub fn normal(random: &mut Random) -> f64 {
    (-2.0 * random.unit().ln()).sqrt() * (TAU * random.unit()).cos()
}

/// A shape of noise; each draws factors around 1.
#[derive(Clone, Copy, Debug)]
pub enum Noise {
    /// Normal, 3 % wide.
    Normal,
    /// The exponential of a normal number 30 % wide: skewed.
    LogNormal,
    /// Student's t with 3 degrees of freedom on logarithms: heavy tails.
    Heavy,
    /// Normal, 1 % wide, but for one in ten that takes 15 % longer.
    Spikes,
}

impl Noise {
    pub const ALL: [Self; 4] = [Self::Normal, Self::LogNormal, Self::Heavy, Self::Spikes];

    /// One factor.
    pub fn factor(self, random: &mut Random) -> f64 {
        match self {
            Self::Normal => (1.0 + 0.03 * normal(random)).max(0.5),
            Self::LogNormal => (0.3 * normal(random)).exp(),
            Self::Heavy => {
                let squares: f64 = (0..3).map(|_| normal(random).powi(2)).sum();
                (0.02 * normal(random) / (squares / 3.0).sqrt()).exp()
            }
            Self::Spikes => {
                let spike = if random.below(10) == 0 { 1.15 } else { 1.0 };
                (1.0 + 0.01 * normal(random)) * spike
            }
        }
    }

    /// So many factors.
    pub fn factors(self, size: usize, random: &mut Random) -> Vec<f64> {
        (0..size).map(|_| self.factor(random)).collect()
    }
}

/// How a machine changes over time, in steps of one run; each gives logarithms.
#[derive(Clone, Copy, Debug)]
pub enum Machine {
    /// Autoregressive with a coefficient of 0.5: what slows one run slows the next.
    Sways,
    /// Slower and slower, by the noise of three runs over the whole series.
    Drifts,
    /// Two speeds 5 % apart, changing every ten runs or so.
    Steps,
}

impl Machine {
    pub const ALL: [Self; 3] = [Self::Sways, Self::Drifts, Self::Steps];

    /// The values of consecutive runs of the same program.
    pub fn runs(self, count: usize, random: &mut Random) -> Vec<f64> {
        let mut state = normal(random) * (1.0_f64 / 0.75).sqrt();
        let mut slow = random.below(2) == 0;
        (0..count)
            .map(|run| {
                let log = match self {
                    Self::Sways => {
                        state = 0.5 * state + normal(random);
                        0.02 * state
                    }
                    Self::Drifts => 0.02 * (normal(random) + 3.0 * run as f64 / count as f64),
                    Self::Steps => {
                        slow ^= random.below(10) == 0;
                        0.01 * normal(random) + if slow { 0.05 } else { 0.0 }
                    }
                };
                log.exp()
            })
            .collect()
    }
}
