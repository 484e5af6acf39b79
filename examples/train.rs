//! Trains a small classifier on real data, as something for `git exp run` to record.
//!
//! The data is the red-wine quality set (Cortez et al., 2009): 1,599 wines, 11 measurements of each, and the grade that
//! tasters gave it. The model is a network with one hidden layer, trained by mini-batch gradient descent on the
//! cross-entropy. All of it is here to be read; the same seed gives the same losses, bit by bit.
//!
//! Hyperparameters come from, the weakest first: the defaults, the file named by `--config`, the JSON file that
//! `git exp run --param` names in `$GIT_EXP_PARAMS`, and the options. The seed is `--seed`, else `$GIT_EXP_SEED`.
//!
//! ```text
//! cargo run --release --example train -- --epochs 50
//! git exp run -n 3 --param hidden=64 -- target/release/examples/train
//! ```
#![allow(clippy::disallowed_methods, reason = "a program of its own, which reads files and the clock itself")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use ndarray::{Array1, Array2, Axis};

/// The lowest grade that a wine of the data set has.
const LOWEST_GRADE: usize = 3;
/// The number of different grades, from 3 to 8.
const GRADES: usize = 6;
/// The share of the wines that the model is trained on.
const TRAINING_SHARE: f64 = 0.8;
/// The seed of the split into training and validation, the same for every run so that losses can be compared.
const SPLIT_SEED: u64 = 20_260_101;
/// The seed of a run that is given none.
const DEFAULT_SEED: u64 = 1;

/// Train a small classifier on the red-wine quality data
#[derive(Parser)]
struct Options {
    /// A TOML file with hyperparameters
    #[arg(long)]
    config: Option<PathBuf>,
    /// The learning rate
    #[arg(long)]
    lr: Option<String>,
    /// How often the training data is gone through
    #[arg(long)]
    epochs: Option<String>,
    /// The width of the hidden layer
    #[arg(long)]
    hidden: Option<String>,
    /// How many wines one step looks at
    #[arg(long)]
    batch: Option<String>,
    /// The seed of the weights and of the order of the data
    #[arg(long)]
    seed: Option<u64>,
}

/// What a training run can be varied in.
#[derive(Debug)]
struct Hyperparameters {
    learning_rate: f32,
    epochs: u32,
    hidden: usize,
    batch: usize,
}

impl Default for Hyperparameters {
    fn default() -> Self {
        Self { learning_rate: 0.05, epochs: 60, hidden: 16, batch: 32 }
    }
}

impl Hyperparameters {
    /// Sets one by its name.
    fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        fn positive<N: std::str::FromStr + PartialOrd + Default>(
            name: &str,
            text: &str,
        ) -> Result<N, String> {
            text.parse()
                .ok()
                .filter(|number| *number > N::default())
                .ok_or_else(|| format!("`{name}` must be a number above 0, not `{text}`"))
        }
        match name {
            "lr" => self.learning_rate = positive(name, text)?,
            "epochs" => self.epochs = positive(name, text)?,
            "hidden" => self.hidden = positive(name, text)?,
            "batch" => self.batch = positive(name, text)?,
            _ => {
                return Err(format!(
                    "there is no hyperparameter `{name}`, only lr, epochs, hidden and batch"
                ));
            }
        }
        Ok(())
    }

    /// Collects them from every place that may set them.
    fn collect(options: &Options) -> Result<Self, String> {
        let mut all = Self::default();
        if let Some(path) = &options.config {
            let table: toml::Table = toml::from_str(&read(path)?).map_err(|error| error.to_string())?;
            for (name, value) in &table {
                all.set(name, &value.to_string())?;
            }
        }
        if let Some(path) = std::env::var_os("GIT_EXP_PARAMS") {
            let text = read(Path::new(&path))?;
            let object: serde_json::Map<_, _> =
                serde_json::from_str(&text).map_err(|error| error.to_string())?;
            for (name, value) in &object {
                // What was typed as text comes as text.
                let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
                all.set(name, &text)?;
            }
        }
        let given = [
            ("lr", &options.lr),
            ("epochs", &options.epochs),
            ("hidden", &options.hidden),
            ("batch", &options.batch),
        ];
        for (name, text) in given {
            if let Some(text) = text {
                all.set(name, text)?;
            }
        }
        Ok(all)
    }
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))
}

/// A sequence of random numbers that is the same for the same seed on every machine.
///
/// `SplitMix64`; Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators".
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`.
    #[expect(clippy::cast_possible_truncation, reason = "less than a bound that fits")]
    fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound as u64) as usize
    }

    /// A number between −1 and 1.
    fn symmetric(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// The numbers below `length` in random order; Fisher and Yates.
    fn order(&mut self, length: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..length).collect();
        for place in (1..length).rev() {
            order.swap(place, self.below(place + 1));
        }
        order
    }
}

/// Measurements, a wine a row, and the grade of each, counted from 0.
struct Wines {
    measurements: Array2<f32>,
    grades: Vec<usize>,
}

impl Wines {
    fn pick(&self, rows: &[usize]) -> Self {
        Self {
            measurements: self.measurements.select(Axis(0), rows),
            grades: rows.iter().map(|&row| self.grades[row]).collect(),
        }
    }

    fn len(&self) -> usize {
        self.grades.len()
    }
}

/// The training and the validation part, scaled so that each measurement has mean 0 and spread 1 over the training part.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a length, and f64 data"
)]
fn split_data() -> (Wines, Wines) {
    let data = linfa_datasets::winequality();
    let all = Wines {
        measurements: data.records().mapv(|value| value as f32),
        grades: data.targets().iter().map(|grade| grade - LOWEST_GRADE).collect(),
    };
    let order = Random(SPLIT_SEED).order(all.len());
    let cut = (all.len() as f64 * TRAINING_SHARE) as usize;
    let (mut training, mut validation) = (all.pick(&order[..cut]), all.pick(&order[cut..]));
    let mean = training.measurements.mean_axis(Axis(0)).expect("there are wines to train on");
    let spread = training.measurements.std_axis(Axis(0), 0.0);
    for part in [&mut training, &mut validation] {
        part.measurements = (&part.measurements - &mean) / &spread;
    }
    (training, validation)
}

/// A network with one hidden layer of rectified units and a softmax over the grades.
struct Network {
    hidden_weights: Array2<f32>,
    hidden_bias: Array1<f32>,
    grade_weights: Array2<f32>,
    grade_bias: Array1<f32>,
}

impl Network {
    fn new(inputs: usize, hidden: usize, random: &mut Random) -> Self {
        // He et al. (2015): the spread that keeps the signal's size from layer to layer.
        let mut weights = |rows: usize, columns: usize| {
            let bound = (6.0 / rows as f32).sqrt();
            Array2::from_shape_simple_fn((rows, columns), || bound * random.symmetric())
        };
        Self {
            hidden_weights: weights(inputs, hidden),
            grade_weights: weights(hidden, GRADES),
            hidden_bias: Array1::zeros(hidden),
            grade_bias: Array1::zeros(GRADES),
        }
    }

    /// The hidden units, and the probability of each grade.
    fn forward(&self, measurements: &Array2<f32>) -> (Array2<f32>, Array2<f32>) {
        let hidden = (measurements.dot(&self.hidden_weights) + &self.hidden_bias).mapv(|unit| unit.max(0.0));
        let mut scores = hidden.dot(&self.grade_weights) + &self.grade_bias;
        for mut row in scores.rows_mut() {
            let highest = row.fold(f32::NEG_INFINITY, |highest, &score| highest.max(score));
            row.mapv_inplace(|score| (score - highest).exp());
            let sum = row.sum();
            row.mapv_inplace(|score| score / sum);
        }
        (hidden, scores)
    }

    /// Takes one step down the gradient of the mean loss over `wines`; gives that loss.
    fn step(&mut self, wines: &Wines, learning_rate: f32) -> f32 {
        let (hidden, probabilities) = self.forward(&wines.measurements);
        let loss = mean_loss(&probabilities, &wines.grades);
        let mut gradient = probabilities;
        for (mut row, &grade) in gradient.rows_mut().into_iter().zip(&wines.grades) {
            row[grade] -= 1.0;
        }
        gradient /= wines.len() as f32;
        let mut hidden_gradient = gradient.dot(&self.grade_weights.t());
        hidden_gradient.zip_mut_with(&hidden, |gradient, &unit| {
            if unit <= 0.0 {
                *gradient = 0.0;
            }
        });
        self.grade_weights.scaled_add(-learning_rate, &hidden.t().dot(&gradient));
        self.grade_bias.scaled_add(-learning_rate, &gradient.sum_axis(Axis(0)));
        self.hidden_weights.scaled_add(-learning_rate, &wines.measurements.t().dot(&hidden_gradient));
        self.hidden_bias.scaled_add(-learning_rate, &hidden_gradient.sum_axis(Axis(0)));
        loss
    }

    /// The mean loss over `wines`, and the share that is graded as the tasters did.
    fn judge(&self, wines: &Wines) -> (f32, f32) {
        let (_, probabilities) = self.forward(&wines.measurements);
        let is_right = |(row, &grade): (ndarray::ArrayView1<'_, f32>, &usize)| {
            row.iter().enumerate().all(|(other, &probability)| other == grade || probability < row[grade])
        };
        let right =
            probabilities.rows().into_iter().zip(&wines.grades).filter(|pair| is_right(*pair)).count();
        (mean_loss(&probabilities, &wines.grades), right as f32 / wines.len() as f32)
    }
}

/// The mean cross-entropy in nats.
fn mean_loss(probabilities: &Array2<f32>, grades: &[usize]) -> f32 {
    let losses = probabilities.rows().into_iter().zip(grades).map(|(row, &grade)| -row[grade].ln());
    losses.sum::<f32>() / grades.len() as f32
}

/// Trains, and reports after each epoch in the lines that `git exp run` reads.
fn train(chosen: &Hyperparameters, seed: u64) {
    let (training, validation) = split_data();
    let mut random = Random(seed);
    let mut network = Network::new(training.measurements.ncols(), chosen.hidden, &mut random);
    let features = training.measurements.ncols();
    println!("INPUT name=x shape={}x{features} dtype=f32 device=cpu", chosen.batch.min(training.len()));
    println!("{} wines to train on, {} to validate, seed {seed}", training.len(), validation.len());
    let mut steps = 0;
    for _ in 0..chosen.epochs {
        let order = random.order(training.len());
        let began = Instant::now();
        let mut loss = 0.0;
        let batches = order.chunks(chosen.batch);
        let in_epoch = batches.len();
        for rows in batches {
            loss += network.step(&training.pick(rows), chosen.learning_rate);
        }
        let milliseconds = began.elapsed().as_secs_f64() * 1e3 / in_epoch as f64;
        steps += in_epoch;
        let (validation_loss, accuracy) = network.judge(&validation);
        println!("METRIC train_loss={:.6} step={steps} better=lower", loss / in_epoch as f32);
        println!("METRIC val_loss={validation_loss:.6} step={steps} better=lower");
        println!("METRIC accuracy={accuracy:.6} step={steps} better=higher");
        println!("METRIC step_time={milliseconds:.6} step={steps} unit=ms better=lower");
    }
    let (loss, accuracy) = network.judge(&validation);
    let (_, probabilities) = network.forward(&validation.pick(&[0]).measurements);
    let likeliest = probabilities.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    let (grade, probability) = likeliest.expect("there are grades");
    println!("validation loss {loss:.4}, accuracy {accuracy:.4}");
    println!(
        "the first wine gets grade {} with probability {probability:.2}; the tasters gave {}",
        grade + LOWEST_GRADE,
        validation.grades[0] + LOWEST_GRADE
    );
}

fn main() -> ExitCode {
    let options = Options::parse();
    let from_environment = std::env::var("GIT_EXP_SEED").ok().and_then(|text| text.parse().ok());
    match Hyperparameters::collect(&options) {
        Ok(chosen) => {
            train(&chosen, options.seed.or(from_environment).unwrap_or(DEFAULT_SEED));
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("train: {problem}");
            ExitCode::from(2)
        }
    }
}
