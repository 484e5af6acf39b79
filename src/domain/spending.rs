//! What runs have cost, held against a budget.

use super::brief::Budget;
use super::state::Tally;

/// What runs have cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spending {
    /// Wall-clock seconds.
    pub wall_seconds: f64,
    /// Wall-clock seconds times the accelerators that each run is charged for.
    pub accelerator_seconds: f64,
    /// How many there were, however they ended.
    pub runs: u64,
}

impl Spending {
    /// What the runs of `tally` have cost.
    pub fn of(tally: &Tally) -> Self {
        Self {
            wall_seconds: tally.wall_seconds,
            accelerator_seconds: tally.accelerator_seconds,
            runs: tally.total(),
        }
    }

    /// With one more run, which took so long on so many accelerators.
    #[must_use]
    pub fn with_run(self, wall_seconds: f64, accelerators: u32) -> Self {
        Self {
            wall_seconds: self.wall_seconds + wall_seconds,
            accelerator_seconds: self.accelerator_seconds + wall_seconds * f64::from(accelerators),
            runs: self.runs + 1,
        }
    }
}

impl Budget {
    /// Those parts of the budget that are spent, alone; what is not spent is without limit in it.
    #[must_use]
    pub fn spent_by(&self, spending: &Spending) -> Self {
        Self { runs: self.runs.filter(|all| spending.runs >= *all), ..self.time_spent_by(spending) }
    }

    /// Those parts of the budget that a run can pass while it is under way, and that are spent.
    #[must_use]
    pub fn time_spent_by(&self, spending: &Spending) -> Self {
        Self {
            wall_seconds: self.wall_seconds.filter(|all| spending.wall_seconds >= *all),
            accelerator_seconds: self.accelerator_seconds.filter(|all| spending.accelerator_seconds >= *all),
            runs: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget =
        Budget { wall_seconds: Some(10.0), accelerator_seconds: Some(30.0), runs: Some(2) };

    #[test]
    fn a_run_costs_its_time_on_each_of_its_accelerators() {
        let spending = Spending::default().with_run(4.0, 2).with_run(1.0, 0);
        assert_eq!(spending, Spending { wall_seconds: 5.0, accelerator_seconds: 8.0, runs: 2 });
    }

    #[test]
    fn each_part_of_a_budget_is_spent_by_itself() {
        let spent = |spending: Spending| BUDGET.spent_by(&spending);
        assert!(spent(Spending::default().with_run(9.9, 3)).is_empty());
        assert_eq!(
            spent(Spending::default().with_run(10.0, 1)),
            Budget { wall_seconds: Some(10.0), ..Budget::default() }
        );
        assert_eq!(
            spent(Spending::default().with_run(1.0, 30).with_run(1.0, 0)),
            Budget { wall_seconds: None, ..BUDGET }
        );
    }

    #[test]
    fn the_number_of_runs_stops_none_that_is_under_way() {
        let spending = Spending::default().with_run(1.0, 0).with_run(1.0, 0);
        assert!(!BUDGET.spent_by(&spending).is_empty());
        assert!(BUDGET.time_spent_by(&spending).is_empty());
    }

    #[test]
    fn what_has_no_limit_is_never_spent() {
        assert!(Budget::default().spent_by(&Spending::default().with_run(1e9, 8)).is_empty());
    }
}
