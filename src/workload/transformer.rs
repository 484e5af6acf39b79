//! `[transformer]`: a decoder-only transformer with rotary embeddings, as it reads, writes and learns.
//!
//! Rotary embeddings: Su et al. (2021), the two halves of a head as pairs. Initialisation: normal with deviation 0.02, of what
//! is added to the residual stream divided by √(2 · layers), as in GPT-2 (Radford et al. 2019).

use serde::{Deserialize, Serialize};

use super::op::Cost;

/// The deviation of initial weights.
const DEVIATION: f64 = 0.02;
/// The most of anything that is counted here, so that no product overflows a float's whole numbers.
const MOST: i64 = 1 << 24;
/// The most parameters.
const MOST_PARAMETERS: i128 = 1 << 40;
/// How many tokens a text of bytes has.
const BYTES: i64 = 256;

/// What the model does in one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Reads whole sequences, and keeps their keys and values.
    Prefill,
    /// Writes the last token of each sequence, with the keys and values of those before it.
    Decode,
    /// A step of training on random tokens.
    #[default]
    TrainStep,
    /// A step of training on a text; and so many of them from the start, with the loss on text that was held out.
    Train,
}

impl Mode {
    /// The word for it, as in a workload.
    pub fn word(self) -> &'static str {
        match self {
            Self::Prefill => "prefill",
            Self::Decode => "decode",
            Self::TrainStep => "train-step",
            Self::Train => "train",
        }
    }

    /// Whether weights change.
    pub fn is_training(self) -> bool {
        matches!(self, Self::TrainStep | Self::Train)
    }
}

/// What brings activations to one scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormKind {
    /// By mean and deviation, with weight and bias.
    Layer,
    /// By the root of the mean square, with weight.
    #[default]
    Rms,
}

/// Where norms stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormPlacement {
    /// Before attention and feed-forward, and once at the end.
    #[default]
    Pre,
    /// After each sum with the residual stream.
    Post,
}

/// How attention is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attention {
    /// By libtorch's scaled dot-product attention.
    #[default]
    Fused,
    /// By products, a mask and a softmax.
    Plain,
}

/// A decoder-only transformer and what it does.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Transformer {
    /// What one call does.
    #[serde(default)]
    pub mode: Mode,
    /// How many layers.
    pub layers: i64,
    /// The size of the residual stream.
    pub width: i64,
    /// How many heads attention has.
    pub heads: i64,
    /// How many times as wide as the residual stream the feed-forward is.
    #[serde(default = "four")]
    pub expansion: i64,
    /// How many tokens there are.
    #[serde(default = "bytes")]
    pub vocabulary: i64,
    /// How many tokens a sequence has.
    pub sequence: i64,
    /// How many sequences are computed at once.
    pub batch: i64,
    /// What brings activations to one scale.
    #[serde(default)]
    pub norm: NormKind,
    /// Where norms stand.
    #[serde(default)]
    pub norm_placement: NormPlacement,
    /// How attention is written.
    #[serde(default)]
    pub attention: Attention,
    /// Keeps only what goes into each layer, and computes the rest again on the way back.
    #[serde(default)]
    pub checkpointing: bool,
    /// The steps after which the loss is looked at.
    #[serde(default = "fifty")]
    pub steps: i64,
    /// The rate of `AdamW`, whose decay is 0.01.
    #[serde(default = "rate")]
    pub learning_rate: f64,
    /// The text to learn, relative to the top of the repository; empty for the one that comes with the program.
    #[serde(default)]
    pub text: String,
    /// Where to write the initial weights and the batches, for other programs to begin from; empty for nowhere.
    #[serde(default)]
    pub export: String,
    /// Holds gradients in float64 against finite differences.
    #[serde(default)]
    pub check_gradients: bool,
}

fn four() -> i64 {
    4
}

fn bytes() -> i64 {
    BYTES
}

fn fifty() -> i64 {
    50
}

fn rate() -> f64 {
    1e-3
}

/// What a parameter is before it has learnt anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// Normal, with mean 0 and this deviation.
    Normal(f64),
    /// One everywhere.
    Ones,
    /// Zero everywhere.
    Zeros,
}

/// A parameter of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name, as `layers.3.attention.in`.
    pub name: String,
    /// Its sizes; of a matrix: outputs × inputs.
    pub sizes: Vec<i64>,
    /// What it begins as.
    pub initial: Initial,
}

impl Transformer {
    /// Says why there is no such model, or why it cannot do what it should.
    pub(super) fn check(&self) -> Result<(), String> {
        let sizes = [
            ("layers", self.layers),
            ("width", self.width),
            ("heads", self.heads),
            ("expansion", self.expansion),
            ("vocabulary", self.vocabulary),
            ("sequence", self.sequence),
            ("batch", self.batch),
            ("steps", self.steps),
        ];
        if let Some((name, size)) = sizes.into_iter().find(|(_, size)| !(1..=MOST).contains(size)) {
            return Err(format!("`{name}` is {size}, and it takes 1 to {MOST}"));
        }
        if self.width % self.heads != 0 {
            return Err(format!(
                "`width` is {} and `heads` {}, which do not divide it",
                self.width, self.heads
            ));
        }
        if self.head_size() % 2 != 0 {
            return Err(format!(
                "each head has {} dimensions (`width` / `heads`), and rotary embeddings turn them in pairs: it takes an even number",
                self.head_size()
            ));
        }
        if self.all_parameters() > MOST_PARAMETERS {
            return Err("the model has more parameters than any memory holds".to_owned());
        }
        if self.mode == Mode::Train && self.vocabulary < BYTES {
            return Err(format!("`vocabulary` is {}, and a text of bytes has {BYTES}", self.vocabulary));
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return Err(format!(
                "`learning-rate` is {}, and it takes a number above zero",
                self.learning_rate
            ));
        }
        let only = |is_set: bool, name: &str, holds: bool, modes: &str| match is_set && !holds {
            true => Err(format!("`{name}` is for {modes}, and `mode` is `{}`", self.mode.word())),
            false => Ok(()),
        };
        let (training, train) = (self.mode.is_training(), self.mode == Mode::Train);
        only(self.checkpointing, "checkpointing", training, "`train-step` and `train`")?;
        only(self.check_gradients, "check-gradients", training, "`train-step` and `train`")?;
        only(!self.text.is_empty(), "text", train, "`train`")?;
        only(!self.export.is_empty(), "export", train, "`train`")
    }

    /// The dimensions of a head.
    pub fn head_size(&self) -> i64 {
        self.width / self.heads
    }

    /// The number of parameters.
    pub fn parameter_count(&self) -> i64 {
        i64::try_from(self.all_parameters()).expect("a workload's parameters were counted")
    }

    fn all_parameters(&self) -> i128 {
        let [layers, width, expansion, vocabulary] =
            [self.layers, self.width, self.expansion, self.vocabulary].map(i128::from);
        let norm = width * if self.norm == NormKind::Layer { 2 } else { 1 };
        let last = if self.norm_placement == NormPlacement::Pre { norm } else { 0 };
        layers * ((4 + 2 * expansion) * width * width + 2 * norm) + 2 * vocabulary * width + last
    }

    /// Every parameter in the order in which they are drawn.
    pub fn parameters(&self) -> Vec<Parameter> {
        let (width, inner) = (self.width, self.expansion * self.width);
        let residual = Initial::Normal(DEVIATION / (2.0 * self.layers as f64).sqrt());
        let plain = Initial::Normal(DEVIATION);
        let mut all = Vec::new();
        let mut push = |name: String, sizes: &[i64], initial| {
            all.push(Parameter { name, sizes: sizes.to_vec(), initial });
        };
        let norm = |push: &mut dyn FnMut(String, &[i64], Initial), name: &str| {
            push(format!("{name}.weight"), &[width], Initial::Ones);
            if self.norm == NormKind::Layer {
                push(format!("{name}.bias"), &[width], Initial::Zeros);
            }
        };
        push("embedding".to_owned(), &[self.vocabulary, width], plain);
        for layer in 0..self.layers {
            norm(&mut push, &format!("layers.{layer}.attention.norm"));
            push(format!("layers.{layer}.attention.in"), &[3 * width, width], plain);
            push(format!("layers.{layer}.attention.out"), &[width, width], residual);
            norm(&mut push, &format!("layers.{layer}.feed-forward.norm"));
            push(format!("layers.{layer}.feed-forward.in"), &[inner, width], plain);
            push(format!("layers.{layer}.feed-forward.out"), &[width, inner], residual);
        }
        if self.norm_placement == NormPlacement::Pre {
            norm(&mut push, "norm");
        }
        push("head".to_owned(), &[self.vocabulary, width], plain);
        all
    }

    /// The tokens of a call.
    pub fn tokens(&self) -> i64 {
        match self.mode {
            Mode::Decode => self.batch,
            _ => self.batch * self.sequence,
        }
    }

    /// What one call costs at least. What checkpointing computes again is not counted, nor are norms and softmax.
    pub fn cost(&self) -> Cost {
        let [layers, width, sequence, batch] =
            [self.layers, self.width, self.sequence, self.batch].map(|size| size as f64);
        let tokens = self.tokens() as f64;
        let matrices = layers * (4.0 + 2.0 * self.expansion as f64) * width * width;
        let head = self.vocabulary as f64 * width;
        let attention = 2.0 * layers * sequence * width;
        let names = "matrices = layers · (4 + 2 · expansion) · width², head = vocabulary · width, attention = 2 · layers · sequence · width";
        let (flop, formula, elements) = match self.mode {
            Mode::Prefill => (
                tokens * (2.0 * matrices + attention) + 2.0 * batch * head,
                "flop = tokens · (2 · matrices + attention) + 2 · batch · head",
                0.0,
            ),
            // The last token sees all the others, where one in the middle sees half of them.
            Mode::Decode => (
                tokens * (2.0 * (matrices + head) + 2.0 * attention),
                "flop = tokens · (2 · (matrices + head) + 2 · attention); elements = matrices + head + batch · attention",
                matrices + head + batch * attention,
            ),
            Mode::TrainStep | Mode::Train => (
                3.0 * tokens * (2.0 * (matrices + head) + attention),
                "flop = 3 · tokens · (2 · (matrices + head) + attention)",
                0.0,
            ),
        };
        Cost { flop, elements, formula: format!("{formula}; {names}") }
    }
}

#[cfg(test)]
mod tests {
    use crate::workload::{Change, Task, preset, read};

    use super::*;

    fn model(changes: &[&str]) -> Result<Transformer, String> {
        let changes: Vec<Change> = changes.iter().map(|it| it.parse().unwrap()).collect();
        let text = preset::named("smoke").unwrap().text;
        match read("smoke", text, &changes).map_err(|error| error.problem.to_string())?.task {
            Task::Transformer(model) => Ok(model),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn parameters_are_counted_as_they_are_made() {
        for changes in
            [&["norm=rms"][..], &["norm=layer"], &["norm-placement=post", "norm=layer", "expansion=3"]]
        {
            let model = model(changes).unwrap();
            let made: i64 = model.parameters().iter().map(|it| it.sizes.iter().product::<i64>()).sum();
            assert_eq!(model.parameter_count(), made, "{changes:?}");
        }
    }

    #[test]
    fn the_deep_preset_has_60_layers_and_about_60_million_parameters() {
        let text = preset::named("deep-60m").unwrap().text;
        let Task::Transformer(model) = read("deep-60m", text, &[]).unwrap().task else { panic!("a model") };
        assert_eq!((model.layers, model.parameter_count()), (60, 59_901_984));
    }

    #[test]
    fn what_is_added_to_the_residual_stream_begins_smaller_in_deeper_models() {
        let deviation = |layers: &str| {
            let parameters = model(&[layers]).unwrap().parameters();
            let initial =
                parameters.iter().find(|it| it.name == "layers.0.feed-forward.out").unwrap().initial;
            let Initial::Normal(deviation) = initial else { panic!("{initial:?}") };
            deviation
        };
        assert!((deviation("layers=2") - 0.01).abs() < 1e-12);
        assert!((deviation("layers=8") - 0.005).abs() < 1e-12);
    }

    #[test]
    fn what_makes_no_model_is_refused() {
        let refused = |changes: &[&str], because: &str| {
            let problem = model(changes).unwrap_err();
            assert!(problem.contains(because), "{changes:?}: {problem}");
        };
        refused(&["heads=3"], "`width` is 64 and `heads` 3, which do not divide it");
        refused(&["width=60", "heads=12"], "each head has 5 dimensions");
        refused(&["sequence=0"], "`sequence` is 0, and it takes 1 to");
        refused(&["width=16777216", "layers=16777216"], "more parameters than any memory holds");
        refused(&["vocabulary=100"], "a text of bytes has 256");
        refused(&["learning-rate=0"], "`learning-rate` is 0");
        refused(&["mode=decode", "checkpointing=true"], "`checkpointing` is for");
        refused(&["mode=sleep"], "unknown value `sleep`");
        refused(&["hedas=4"], "did you mean `heads`?");
    }

    #[test]
    fn a_decoded_token_costs_what_is_read_and_a_step_three_times_the_way_there() {
        let small = ["layers=1", "width=8", "heads=2", "sequence=4", "batch=1"];
        let cost = |mode: &str| model(&[&small[..], &[mode]].concat()).unwrap().cost();
        let (matrices, head, attention) = (12.0 * 64.0, 256.0 * 8.0, 2.0 * 4.0 * 8.0);
        assert!((cost("mode=train").flop - 3.0 * 4.0 * (2.0 * (matrices + head) + attention)).abs() < 1e-9);
        assert!((cost("mode=decode").flop - (2.0 * (matrices + head) + 2.0 * attention)).abs() < 1e-9);
        assert!((cost("mode=decode").elements - (matrices + head + attention)).abs() < 1e-9);
    }
}
