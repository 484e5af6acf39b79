//! The model: its weights, and the way there and back through them.

use git_exp::workload::setting::Dtype;
use git_exp::workload::transformer::{Attention, Initial, NormKind, NormPlacement, Transformer};
use git_exp_torch_switches as switches;
use tch::{Kind, Reduction, TchError, Tensor};

use crate::failure::Failure;
use crate::place::Place;

/// What is added to the square before the root is taken.
const EPSILON: f64 = 1e-5;
/// The base of the wavelengths of rotary embeddings.
const BASE: f64 = 10_000.0;

/// A decoder-only transformer.
pub struct Model {
    task: Transformer,
    place: Place,
    /// Every parameter with its name, in the order in which they were drawn.
    parameters: Vec<(String, Tensor)>,
    embedding: Tensor,
    layers: Vec<Layer>,
    /// The norm at the end, where norms stand before.
    norm: Option<Norm>,
    head: Tensor,
    /// Places × half a head.
    cosines: Tensor,
    sines: Tensor,
    /// Places × places, true for keys that a query must not see; only for plain attention.
    unseen: Option<Tensor>,
}

struct Layer {
    attention_norm: Norm,
    attention_in: Tensor,
    attention_out: Tensor,
    feed_forward_norm: Norm,
    feed_forward_in: Tensor,
    feed_forward_out: Tensor,
}

struct Norm {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Layer {
    /// Its parameters, in the order in which they were drawn.
    fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        let attention = self.attention_norm.parameters().chain([&self.attention_in, &self.attention_out]);
        let feed_forward = self.feed_forward_norm.parameters();
        attention.chain(feed_forward).chain([&self.feed_forward_in, &self.feed_forward_out])
    }
}

impl Norm {
    fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        std::iter::once(&self.weight).chain(&self.bias)
    }

    fn of(&self, input: &Tensor) -> Result<Tensor, TchError> {
        let width = self.weight.size();
        match &self.bias {
            Some(bias) => input.f_layer_norm(width, Some(&self.weight), Some(bias), EPSILON, true),
            None => input.f_rms_norm(width, Some(&self.weight), EPSILON),
        }
    }
}

/// The keys and values of tokens that were read.
pub struct Cache {
    /// For each layer: batch × heads × places × head size, twice.
    layers: Vec<(Tensor, Tensor)>,
}

impl Cache {
    /// Room for every token of a workload.
    pub fn new(task: &Transformer, place: &Place) -> Result<Self, Failure> {
        // Products are of bf16 under autocast, and so are keys and values.
        let kind = if place.dtype == Dtype::Autocast { Kind::BFloat16 } else { place.kind };
        let sizes = [task.batch, task.heads, task.sequence, task.head_size()];
        let room = || Tensor::f_zeros(sizes, (kind, place.device));
        let layers = (0..task.layers).map(|_| Ok((room()?, room()?)));
        Ok(Self { layers: layers.collect::<Result<_, TchError>>()? })
    }

    /// The keys of the first layer.
    pub fn keys(&self) -> &Tensor {
        &self.layers[0].0
    }
}

impl Model {
    /// A model with weights drawn from the seed: the same numbers whatever the device and the dtype.
    pub fn draw(task: &Transformer, place: &Place) -> Result<Self, Failure> {
        let _guard = tch::no_grad_guard();
        let options = (Kind::Float, tch::Device::Cpu);
        let mut parameters = Vec::new();
        for parameter in task.parameters() {
            let drawn = match parameter.initial {
                Initial::Normal(deviation) => {
                    Tensor::f_randn(&parameter.sizes, options)?.f_mul_scalar_(deviation)?
                }
                Initial::Ones => Tensor::f_ones(&parameter.sizes, options)?,
                Initial::Zeros => Tensor::f_zeros(&parameter.sizes, options)?,
            };
            parameters.push((parameter.name, drawn.f_to_device_(place.device, place.kind, false, false)?));
        }
        Self::new(task, place, parameters)
    }

    /// The same model in float64 on the processor; with plain attention if asked for.
    pub fn exact(&self, attention: Attention) -> Result<Self, Failure> {
        let place = self.place.exact();
        let copy = |(name, tensor): &(String, Tensor)| {
            let tensor = tensor.f_detach()?.f_to_device_(place.device, place.kind, false, true)?;
            Ok((name.clone(), tensor))
        };
        let parameters = self.parameters.iter().map(copy).collect::<Result<_, TchError>>()?;
        Self::new(&Transformer { attention, ..self.task.clone() }, &place, parameters)
    }

    fn new(task: &Transformer, place: &Place, parameters: Vec<(String, Tensor)>) -> Result<Self, Failure> {
        if task.mode.is_training() {
            for (_, parameter) in &parameters {
                let _ = parameter.f_set_requires_grad(true)?;
            }
        }
        let mut rest = parameters.iter().map(|(_, tensor)| tensor.shallow_clone());
        let mut next = || rest.next().expect("a workload lists all parameters of its model");
        let norm = |next: &mut dyn FnMut() -> Tensor| Norm {
            weight: next(),
            bias: (task.norm == NormKind::Layer).then(next),
        };
        let embedding = next();
        let layers = (0..task.layers)
            .map(|_| Layer {
                attention_norm: norm(&mut next),
                attention_in: next(),
                attention_out: next(),
                feed_forward_norm: norm(&mut next),
                feed_forward_in: next(),
                feed_forward_out: next(),
            })
            .collect();
        let is_pre = task.norm_placement == NormPlacement::Pre;
        let last = is_pre.then(|| norm(&mut next));
        let head = next();
        let (cosines, sines) = turns(task, place)?;
        let unseen = match task.attention {
            Attention::Fused => None,
            Attention::Plain => {
                let all = Tensor::f_ones([task.sequence, task.sequence], (Kind::Bool, place.device))?;
                Some(all.f_triu(1)?)
            }
        };
        Ok(Self {
            task: task.clone(),
            place: *place,
            embedding,
            layers,
            norm: last,
            head,
            cosines,
            sines,
            unseen,
            parameters,
        })
    }

    /// Every parameter with its name.
    pub fn parameters(&self) -> &[(String, Tensor)] {
        &self.parameters
    }

    /// What each token of a cache's sequences is followed by, after the last one that is read: batch × vocabulary.
    ///
    /// `tokens` is batch × places, and stands at the place `start` of the sequences: all of them from 0, or one token.
    pub fn read(&self, tokens: &Tensor, start: i64, cache: &mut Cache) -> Result<Tensor, Failure> {
        self.cast(|| {
            let mut stream = self.embed(tokens)?;
            for (layer, kept) in self.layers.iter().zip(&mut cache.layers) {
                stream = self.layer(layer, &stream, start, Some(kept))?;
            }
            let last = stream.f_narrow(1, tokens.size()[1] - 1, 1)?.f_squeeze_dim(1)?;
            self.logits(&last)
        })
    }

    /// The loss of the next token, averaged, in nats. `tokens` and `targets` are batch × places.
    pub fn loss(&self, tokens: &Tensor, targets: &Tensor) -> Result<Tensor, Failure> {
        let logits = self.cast(|| {
            let mut stream = self.embed(tokens)?;
            for layer in &self.layers {
                stream = self.layer(layer, &stream, 0, None)?;
            }
            self.logits(&stream)
        })?;
        Ok(self.cross_entropy(&logits, targets)?)
    }

    /// The loss, and the gradient of each parameter.
    pub fn learn(&self, tokens: &Tensor, targets: &Tensor) -> Result<(Tensor, Vec<Tensor>), Failure> {
        if self.task.checkpointing {
            return self.learn_again(tokens, targets);
        }
        let loss = self.loss(tokens, targets)?;
        let parameters: Vec<&Tensor> = self.parameters.iter().map(|(_, parameter)| parameter).collect();
        let gradients = Tensor::f_run_backward(&[&loss], &parameters, false, false)?;
        Ok((loss.f_detach()?, gradients))
    }

    /// As [`Model::learn`], with only what goes into each layer kept from the way there.
    fn learn_again(&self, tokens: &Tensor, targets: &Tensor) -> Result<(Tensor, Vec<Tensor>), Failure> {
        let mut entries = Vec::new();
        let stream = self.cast(|| {
            let _guard = tch::no_grad_guard();
            let mut stream = self.embed(tokens)?;
            for layer in &self.layers {
                let next = self.layer(layer, &stream, 0, None)?;
                entries.push(std::mem::replace(&mut stream, next));
            }
            Ok(stream)
        })?;
        let stream = stream.f_set_requires_grad(true)?;
        let logits = self.cast(|| self.logits(&stream))?;
        let loss = self.cross_entropy(&logits, targets)?;
        let last = self.norm.iter().flat_map(Norm::parameters).chain([&self.head]);
        let (mut upstream, last) = back(&loss, &stream, last)?;
        let mut parts = vec![last];
        for (layer, entry) in self.layers.iter().zip(entries).rev() {
            let entry = entry.f_set_requires_grad(true)?;
            let output = self.cast(|| self.layer(layer, &entry, 0, None))?;
            let (above, part) = back(&against(&output, &upstream)?, &entry, layer.parameters())?;
            upstream = above;
            parts.push(part);
        }
        let embedded = self.cast(|| self.embed(tokens))?;
        let (embedding, _) = back(&against(&embedded, &upstream)?, &self.embedding, [])?;
        parts.push(vec![embedding]);
        Ok((loss.f_detach()?, parts.into_iter().rev().flatten().collect()))
    }

    fn embed(&self, tokens: &Tensor) -> Result<Tensor, TchError> {
        Tensor::f_embedding(&self.embedding, tokens, -1, false, false)
    }

    fn logits(&self, stream: &Tensor) -> Result<Tensor, TchError> {
        match &self.norm {
            Some(norm) => norm.of(stream)?.f_linear(&self.head, None::<Tensor>),
            None => stream.f_linear(&self.head, None::<Tensor>),
        }
    }

    fn cross_entropy(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor, TchError> {
        let kind = if self.place.kind == Kind::Double { Kind::Double } else { Kind::Float };
        let logits = logits.f_to_dtype(kind, false, false)?.f_reshape([-1, self.task.vocabulary])?;
        let targets = targets.f_reshape([-1])?;
        logits.f_cross_entropy_loss(&targets, None::<Tensor>, Reduction::Mean, -100, 0.0)
    }

    fn layer(
        &self,
        layer: &Layer,
        input: &Tensor,
        start: i64,
        kept: Option<&mut (Tensor, Tensor)>,
    ) -> Result<Tensor, TchError> {
        match self.task.norm_placement {
            NormPlacement::Pre => {
                let attended = self.attention(layer, &layer.attention_norm.of(input)?, start, kept)?;
                let stream = input.f_add(&attended)?;
                stream.f_add(&feed_forward(layer, &layer.feed_forward_norm.of(&stream)?)?)
            }
            NormPlacement::Post => {
                let attended = self.attention(layer, input, start, kept)?;
                let stream = layer.attention_norm.of(&input.f_add(&attended)?)?;
                layer.feed_forward_norm.of(&stream.f_add(&feed_forward(layer, &stream)?)?)
            }
        }
    }

    fn attention(
        &self,
        layer: &Layer,
        input: &Tensor,
        start: i64,
        kept: Option<&mut (Tensor, Tensor)>,
    ) -> Result<Tensor, TchError> {
        let (heads, size) = (self.task.heads, self.task.head_size());
        let [batch, places] = [0, 1].map(|dimension| input.size()[dimension]);
        let mixed = input.f_linear(&layer.attention_in, None::<Tensor>)?;
        // Three × batch × heads × places × head size.
        let mixed = mixed.f_view([batch, places, 3, heads, size])?.f_permute([2, 0, 3, 1, 4])?;
        let query = self.turn(&mixed.f_select(0, 0)?, start)?;
        let mut key = self.turn(&mixed.f_select(0, 1)?, start)?;
        let mut value = mixed.f_select(0, 2)?;
        if let Some((keys, values)) = kept {
            keys.f_narrow(2, start, places)?.f_copy_(&key)?;
            values.f_narrow(2, start, places)?.f_copy_(&value)?;
            key = keys.f_narrow(2, 0, start + places)?;
            value = values.f_narrow(2, 0, start + places)?;
        }
        // A single token is the last one, and sees them all.
        let is_causal = places > 1;
        let seen = match &self.unseen {
            None => Tensor::f_scaled_dot_product_attention(
                &query,
                &key,
                &value,
                None::<Tensor>,
                0.0,
                is_causal,
                None::<f64>,
                false,
            )?,
            Some(unseen) => {
                let scores = query.f_matmul(&key.f_transpose(-2, -1)?)?;
                let scores = scores.f_mul_scalar((size as f64).powf(-0.5))?;
                let scores = match is_causal {
                    true => {
                        let unseen = unseen.f_narrow(0, 0, places)?.f_narrow(1, 0, places)?;
                        scores.f_masked_fill(&unseen, f64::NEG_INFINITY)?
                    }
                    false => scores,
                };
                scores.f_softmax(-1, None::<Kind>)?.f_matmul(&value)?
            }
        };
        let joined = seen.f_transpose(1, 2)?.f_reshape([batch, places, heads * size])?;
        joined.f_linear(&layer.attention_out, None::<Tensor>)
    }

    /// Turns each pair of dimensions by an angle that grows with the place.
    ///
    /// A short dtype is computed in f32 and rounded once, there and on the way back.
    fn turn(&self, heads: &Tensor, start: i64) -> Result<Tensor, TchError> {
        let half = self.task.head_size() / 2;
        let places = heads.size()[2];
        let of = |table: &Tensor| table.f_narrow(0, start, places);
        let (cosines, sines) = (of(&self.cosines)?, of(&self.sines)?);
        let exact = heads.f_to_dtype(cosines.kind(), false, false)?;
        let (low, high) = (exact.f_narrow(-1, 0, half)?, exact.f_narrow(-1, half, half)?);
        let turned = [
            low.f_mul(&cosines)?.f_sub(&high.f_mul(&sines)?)?,
            low.f_mul(&sines)?.f_add(&high.f_mul(&cosines)?)?,
        ];
        Tensor::f_cat(&turned, -1)?.f_to_dtype(heads.kind(), false, false)
    }

    /// Computes under autocast, where that is the dtype.
    fn cast<T>(&self, compute: impl FnOnce() -> Result<T, TchError>) -> Result<T, Failure> {
        switches::set_attention_backends(true, true, true, true)?;
        if self.place.dtype != Dtype::Autocast {
            return Ok(compute()?);
        }
        let device = self.place.named.kind();
        switches::set_autocast(device, true)?;
        let computed = compute();
        switches::set_autocast(device, false)?;
        Ok(computed?)
    }
}

fn feed_forward(layer: &Layer, input: &Tensor) -> Result<Tensor, TchError> {
    let inner = input.f_linear(&layer.feed_forward_in, None::<Tensor>)?.f_gelu("none")?;
    inner.f_linear(&layer.feed_forward_out, None::<Tensor>)
}

/// A number whose gradient for `output` is `upstream`: the sum of their product.
fn against(output: &Tensor, upstream: &Tensor) -> Result<Tensor, TchError> {
    output.f_mul(upstream)?.f_sum(None::<Kind>)
}

/// The gradient of `loss` for `entry`, and those for `parameters`.
fn back<'a>(
    loss: &Tensor,
    entry: &'a Tensor,
    parameters: impl IntoIterator<Item = &'a Tensor>,
) -> Result<(Tensor, Vec<Tensor>), TchError> {
    let inputs: Vec<&Tensor> = std::iter::once(entry).chain(parameters).collect();
    let mut gradients = Tensor::f_run_backward(&[loss], &inputs, false, false)?;
    let rest = gradients.split_off(1);
    Ok((gradients.remove(0), rest))
}

/// The cosines and sines of every place and pair: places × half a head.
fn turns(task: &Transformer, place: &Place) -> Result<(Tensor, Tensor), TchError> {
    let half = task.head_size() / 2;
    let kind = if place.kind == Kind::Double { Kind::Double } else { Kind::Float };
    let options = (Kind::Double, tch::Device::Cpu);
    let pairs = Tensor::f_arange(half, options)?;
    let speeds = pairs.f_mul_scalar(-BASE.ln() / half as f64)?.f_exp()?;
    let angles = Tensor::f_arange(task.sequence, options)?.f_outer(&speeds)?;
    let there = |table: Tensor| table.f_to_dtype(kind, false, false)?.f_to_device(place.device);
    Ok((there(angles.f_cos()?)?, there(angles.f_sin()?)?))
}
