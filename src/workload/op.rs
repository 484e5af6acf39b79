//! `[op]`: one operation of libtorch on random inputs.
//!
//! A new operation is a variant here, with what it is given and what it costs, and an arm in the harness that calls it.

use serde::{Deserialize, Serialize};

use super::shape::Shape;

/// What is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pass {
    /// The outputs.
    #[default]
    Forward,
    /// The outputs, then the gradients of their sum.
    ForwardBackward,
}

impl Pass {
    /// The word for it, as in a workload.
    pub fn word(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::ForwardBackward => "forward-backward",
        }
    }
}

/// How inputs lie in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// The innermost dimension without gaps.
    #[default]
    Contiguous,
    /// The two innermost dimensions swapped.
    Transposed,
    /// The channels innermost, for a convolution.
    ChannelsLast,
}

/// The implementation of attention that is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// Whichever libtorch takes.
    #[default]
    Auto,
    /// Plain products and a softmax.
    Math,
    /// Flash attention.
    Flash,
    /// Memory-efficient attention; CUDA only.
    Efficient,
    /// cuDNN's; CUDA only.
    Cudnn,
}

/// What an optimiser does with gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// Gradient descent with momentum 0.9.
    Sgd,
    /// AdamW with decay 0.01.
    #[default]
    Adamw,
}

/// One operation, with the shapes of what it is given.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "name", deny_unknown_fields, rename_all = "kebab-case")]
pub enum Op {
    /// `a · b` of two matrices.
    Matmul {
        /// Rows × inner size.
        a: Shape,
        /// Inner size × columns.
        b: Shape,
    },
    /// `a · b` of two batches of matrices.
    BatchedMatmul {
        /// Batch × rows × inner size.
        a: Shape,
        /// Batch × inner size × columns.
        b: Shape,
    },
    /// Scaled dot-product attention.
    Attention {
        /// Batch × heads × queries × head size.
        query: Shape,
        /// Batch × heads × keys × head size.
        key: Shape,
        /// Batch × heads × keys × head size.
        value: Shape,
        /// Whether a query sees only the keys up to its own place.
        #[serde(default)]
        causal: bool,
        /// Whose implementation.
        #[serde(default)]
        backend: Backend,
    },
    /// Layer norm over the innermost dimension, with weight and bias.
    LayerNorm {
        /// Any sizes × width.
        input: Shape,
    },
    /// RMS norm over the innermost dimension, with weight.
    RmsNorm {
        /// Any sizes × width.
        input: Shape,
    },
    /// Softmax over the innermost dimension.
    Softmax {
        /// Any sizes × width.
        input: Shape,
    },
    /// Cross-entropy with class numbers, averaged.
    CrossEntropy {
        /// Rows × classes.
        logits: Shape,
    },
    /// Two-dimensional convolution without bias.
    Convolution {
        /// Batch × channels × height × width.
        input: Shape,
        /// Filters × channels of a group × height × width.
        weight: Shape,
        /// Pixels from one place to the next.
        #[serde(default = "one")]
        stride: i64,
        /// Pixels of zeros around the input.
        #[serde(default)]
        padding: i64,
        /// Groups of channels that do not mix.
        #[serde(default = "one")]
        groups: i64,
    },
    /// Rows of a table by their numbers.
    Embedding {
        /// Rows × width.
        table: Shape,
        /// Any sizes.
        indices: Shape,
    },
    /// One step of an optimiser, written with plain operations of libtorch.
    OptimizerStep {
        /// Each parameter's sizes.
        parameter: Shape,
        /// How many parameters.
        #[serde(default = "one")]
        parameters: i64,
        /// What it does with gradients.
        #[serde(default)]
        algorithm: Algorithm,
    },
}

fn one() -> i64 {
    1
}

/// What a tensor is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Random numbers of the setting's distribution.
    Random,
    /// Random whole numbers from 0 up to this, which is left out.
    Below(i64),
}

/// A tensor that an operation is given.
#[derive(Clone, Debug, PartialEq)]
pub struct OpInput {
    /// What it is called in reports.
    pub name: &'static str,
    /// Its sizes.
    pub shape: Shape,
    /// What it is drawn from.
    pub content: Content,
}

/// The section: an operation, what of it is computed, and how its inputs lie in memory.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpTask {
    /// The operation.
    #[serde(flatten)]
    pub op: Op,
    /// What is computed.
    pub pass: Pass,
    /// How inputs lie in memory.
    pub layout: Layout,
}

/// What one call costs at least, and by which formula.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// Floating-point operations.
    pub flop: f64,
    /// Elements read and written.
    pub elements: f64,
    /// How both were computed.
    pub formula: String,
}

impl Op {
    /// The word for it, as in a workload.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Matmul { .. } => "matmul",
            Self::BatchedMatmul { .. } => "batched-matmul",
            Self::Attention { .. } => "attention",
            Self::LayerNorm { .. } => "layer-norm",
            Self::RmsNorm { .. } => "rms-norm",
            Self::Softmax { .. } => "softmax",
            Self::CrossEntropy { .. } => "cross-entropy",
            Self::Convolution { .. } => "convolution",
            Self::Embedding { .. } => "embedding",
            Self::OptimizerStep { .. } => "optimizer-step",
        }
    }

    /// What it is given, in order.
    pub fn inputs(&self) -> Vec<OpInput> {
        let random = |name, shape: &Shape| OpInput { name, shape: shape.clone(), content: Content::Random };
        let row = |shape: &Shape| Shape::new([shape.width()]).expect("a shape's width is a size");
        let below = |name, shape, bound| OpInput { name, shape, content: Content::Below(bound) };
        match self {
            Self::Matmul { a, b } | Self::BatchedMatmul { a, b } => vec![random("a", a), random("b", b)],
            Self::Attention { query, key, value, .. } => {
                vec![random("query", query), random("key", key), random("value", value)]
            }
            Self::LayerNorm { input } => {
                vec![random("input", input), random("weight", &row(input)), random("bias", &row(input))]
            }
            Self::RmsNorm { input } => vec![random("input", input), random("weight", &row(input))],
            Self::Softmax { input } => vec![random("input", input)],
            Self::CrossEntropy { logits } => {
                let rows = Shape::new([logits.sizes()[0]]).expect("a shape's size is one");
                vec![random("logits", logits), below("classes", rows, logits.width())]
            }
            Self::Convolution { input, weight, .. } => vec![random("input", input), random("weight", weight)],
            Self::Embedding { table, indices } => {
                vec![random("table", table), below("indices", indices.clone(), table.sizes()[0])]
            }
            Self::OptimizerStep { parameter, .. } => {
                vec![random("parameter", parameter), random("gradient", parameter)]
            }
        }
    }
}

impl OpTask {
    /// Says why the shapes or options do not fit together.
    pub(super) fn check(&self) -> Result<(), String> {
        let unfit = |one: &str, of: &Shape, other: &str, shape: &Shape, why: &str| {
            Err(format!("`{one}` is `{of}` and `{other}` is `{shape}`: {why}"))
        };
        match &self.op {
            Op::Matmul { a, b } => {
                let [_, inner] = a.of("a", "rows × inner size")?;
                let [rows, _] = b.of("b", "inner size × columns")?;
                if inner != rows {
                    return unfit("a", a, "b", b, "the last size of `a` must be the first of `b`");
                }
            }
            Op::BatchedMatmul { a, b } => {
                let [batch, _, inner] = a.of("a", "batch × rows × inner size")?;
                let [others, rows, _] = b.of("b", "batch × inner size × columns")?;
                if (batch, inner) != (others, rows) {
                    return unfit("a", a, "b", b, "batches and inner sizes must be equal");
                }
            }
            Op::Attention { query, key, value, .. } => {
                let meaning = "batch × heads × places × head size";
                let [batch, heads, _, size] = query.of("query", meaning)?;
                let [key_batch, key_heads, keys, key_size] = key.of("key", meaning)?;
                let [value_batch, value_heads, values, _] = value.of("value", meaning)?;
                if (batch, heads, size) != (key_batch, key_heads, key_size) {
                    return unfit("query", query, "key", key, "batch, heads and head size must be equal");
                }
                if (key_batch, key_heads, keys) != (value_batch, value_heads, values) {
                    return unfit("key", key, "value", value, "batch, heads and places must be equal");
                }
            }
            Op::CrossEntropy { logits } => {
                logits.of::<2>("logits", "rows × classes")?;
            }
            Op::Convolution { input, weight, stride, padding, groups } => {
                let [_, channels, height, width] = input.of("input", "batch × channels × height × width")?;
                let [filters, own, rows, columns] =
                    weight.of("weight", "filters × channels of a group × height × width")?;
                if *stride < 1 || *padding < 0 || *groups < 1 {
                    return Err("`stride` and `groups` take at least 1, `padding` at least 0".to_owned());
                }
                if channels != own * groups || filters % groups != 0 {
                    return unfit("input", input, "weight", weight, "the channels do not fit the groups");
                }
                if rows > height + 2 * padding || columns > width + 2 * padding {
                    return unfit(
                        "input",
                        input,
                        "weight",
                        weight,
                        "the filter is larger than the padded input",
                    );
                }
            }
            Op::Embedding { table, .. } => {
                table.of::<2>("table", "rows × width")?;
            }
            Op::OptimizerStep { parameters, .. } => {
                if *parameters < 1 {
                    return Err("`parameters` takes at least 1".to_owned());
                }
                if self.pass == Pass::ForwardBackward {
                    return Err("`optimizer-step` has no backward pass; leave `pass` out".to_owned());
                }
            }
            Op::LayerNorm { .. } | Op::RmsNorm { .. } | Op::Softmax { .. } => {}
        }
        let takes_transposed =
            matches!(self.op, Op::Matmul { .. } | Op::BatchedMatmul { .. } | Op::Attention { .. });
        match self.layout {
            Layout::Transposed if !takes_transposed => {
                Err(format!("`{}` has no layout `transposed`", self.op.word()))
            }
            Layout::ChannelsLast if !matches!(self.op, Op::Convolution { .. }) => {
                Err(format!("`{}` has no layout `channels-last`", self.op.word()))
            }
            _ => Ok(()),
        }
    }

    /// What one call costs at least.
    pub fn cost(&self) -> Cost {
        let inputs: f64 = self.op.inputs().iter().map(|input| input.shape.elements() as f64).sum();
        let both = self.pass == Pass::ForwardBackward;
        // A product's two gradients are a product each.
        let products = if both { 3.0 } else { 1.0 };
        // The way back reads what the way there wrote, and the other way round.
        let ways = if both { 3.0 } else { 1.0 };
        let product = |flop: f64, output: f64, formula: &str| Cost {
            flop: products * flop,
            elements: ways * (inputs + output),
            formula: format!("flop = {products} · {formula}; elements = {ways} · (inputs + output)"),
        };
        let streaming = |each: f64, output: f64, formula: &str| Cost {
            flop: ways * each,
            elements: ways * (inputs + output),
            formula: format!("flop = {ways} · {formula}; elements = {ways} · (inputs + output)"),
        };
        let sizes = |shape: &Shape| -> Vec<f64> { shape.sizes().iter().map(|size| *size as f64).collect() };
        match &self.op {
            Op::Matmul { a, b } => {
                let (a, b) = (sizes(a), sizes(b));
                product(2.0 * a[0] * a[1] * b[1], a[0] * b[1], "2 · rows · inner · columns")
            }
            Op::BatchedMatmul { a, b } => {
                let (a, b) = (sizes(a), sizes(b));
                let formula = "2 · batch · rows · inner · columns";
                product(2.0 * a[0] * a[1] * a[2] * b[2], a[0] * a[1] * b[2], formula)
            }
            Op::Attention { query, value, causal, .. } => {
                let (q, v) = (sizes(query), sizes(value));
                let seen = if *causal { 0.5 } else { 1.0 };
                let flop = 2.0 * seen * q[0] * q[1] * q[2] * v[2] * (q[3] + v[3]);
                let formula = "2 · batch · heads · queries · keys · (head size of keys + of values), half of it if causal";
                product(flop, q[0] * q[1] * q[2] * v[3], formula)
            }
            Op::Convolution { input, weight, stride, padding, .. } => {
                let (x, w) = (sizes(input), sizes(weight));
                let places = |size: f64, filter: f64| {
                    ((size + 2.0 * *padding as f64 - filter) / *stride as f64).floor() + 1.0
                };
                let output = x[0] * w[0] * places(x[2], w[2]) * places(x[3], w[3]);
                product(
                    2.0 * output * w[1] * w[2] * w[3],
                    output,
                    "2 · outputs · channels of a group · filter",
                )
            }
            Op::LayerNorm { input } => {
                let each = input.elements() as f64;
                streaming(8.0 * each, each, "8 · elements")
            }
            Op::RmsNorm { input } => {
                let each = input.elements() as f64;
                streaming(4.0 * each, each, "4 · elements")
            }
            Op::Softmax { input } => {
                let each = input.elements() as f64;
                streaming(5.0 * each, each, "5 · elements")
            }
            Op::CrossEntropy { logits } => streaming(5.0 * logits.elements() as f64, 1.0, "5 · logits"),
            Op::Embedding { table, indices } => {
                let rows = indices.elements() as f64;
                let moved = ways * rows * (2.0 * table.width() as f64 + 1.0);
                // The gradient of a table has all of its rows.
                let (dense, more) = match self.pass {
                    Pass::Forward => (0.0, ""),
                    Pass::ForwardBackward => (table.elements() as f64, " + table"),
                };
                let moved = moved + dense;
                let formula = format!("flop = 0; elements = {ways} · indices · (2 · width + 1){more}");
                Cost { flop: 0.0, elements: moved, formula }
            }
            Op::OptimizerStep { parameter, parameters, algorithm } => {
                let each = parameter.elements() as f64 * *parameters as f64;
                let (flop, moved) = match algorithm {
                    Algorithm::Sgd => (4.0, 5.0),
                    Algorithm::Adamw => (14.0, 7.0),
                };
                let formula = format!("flop = {flop} · parameters; elements = {moved} · parameters");
                Cost { flop: flop * each, elements: moved * each, formula }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(sizes: &[i64]) -> Shape {
        Shape::new(sizes).unwrap()
    }

    fn task(op: Op, pass: Pass) -> OpTask {
        OpTask { op, pass, layout: Layout::Contiguous }
    }

    #[test]
    fn a_product_and_its_gradients_cost_three_products() {
        let op = Op::Matmul { a: shape(&[2, 3]), b: shape(&[3, 5]) };
        assert!((task(op.clone(), Pass::Forward).cost().flop - 60.0).abs() < 1e-9);
        assert!((task(op, Pass::ForwardBackward).cost().flop - 180.0).abs() < 1e-9);
    }

    #[test]
    fn a_convolution_counts_only_the_places_where_the_filter_fits() {
        let op = Op::Convolution {
            input: shape(&[1, 1, 5, 5]),
            weight: shape(&[1, 1, 3, 3]),
            stride: 2,
            padding: 0,
            groups: 1,
        };
        assert!((task(op, Pass::Forward).cost().flop - 2.0 * 4.0 * 9.0).abs() < 1e-9);
    }

    #[test]
    fn shapes_that_do_not_fit_are_named() {
        let op = Op::Matmul { a: shape(&[2, 3]), b: shape(&[4, 5]) };
        let problem = task(op, Pass::Forward).check().unwrap_err();
        assert_eq!(problem, "`a` is `2x3` and `b` is `4x5`: the last size of `a` must be the first of `b`");
        let op = Op::Matmul { a: shape(&[2, 3, 4]), b: shape(&[4, 5]) };
        let problem = task(op, Pass::Forward).check().unwrap_err();
        assert_eq!(problem, "`a` is `2x3x4`, and it takes 2 sizes: rows × inner size");
    }
}
