//! What a device can do at best: a large product and a large copy, measured in the same run as the workload.

use std::time::Instant;

use serde::Serialize;
use tch::{Kind, Tensor};

use crate::failure::Failure;
use crate::place::Place;

/// How often each is tried; the best counts.
const TRIES: usize = 5;
/// The rows and columns of the matrices on the processor, and on anything else.
const ROWS: (i64, i64) = (1024, 8192);
/// The bytes that are copied on the processor, and on anything else.
const COPIED: (i64, i64) = (128 << 20, 1 << 30);

/// The most that a device did.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ceilings {
    /// Floating-point operations a second, by a product of square matrices.
    pub flop_per_second: f64,
    /// The rows and columns of those matrices.
    pub matmul_rows: i64,
    /// Bytes read and written a second, by a copy.
    pub bytes_per_second: f64,
    /// The bytes that were copied.
    pub copied_bytes: i64,
}

impl Ceilings {
    /// Measures both with the dtype and the switches that are in force.
    pub fn measure(place: &Place) -> Result<Self, Failure> {
        let is_processor = place.accelerator().is_none();
        let (matmul_rows, copied_bytes) = if is_processor { (ROWS.0, COPIED.0) } else { (ROWS.1, COPIED.1) };
        let _guard = tch::no_grad_guard();
        let matrix = Tensor::f_rand([matmul_rows, matmul_rows], (place.kind, place.device))?;
        let product = best(place, || matrix.f_matmul(&matrix).map(drop).map_err(Failure::from))?;
        let from = Tensor::f_ones([copied_bytes], (Kind::Uint8, place.device))?;
        let mut to = from.f_zeros_like()?;
        let copy = best(place, || Ok(to.f_copy_(&from)?))?;
        Ok(Self {
            flop_per_second: 2.0 * (matmul_rows as f64).powi(3) / product,
            matmul_rows,
            bytes_per_second: 2.0 * copied_bytes as f64 / copy,
            copied_bytes,
        })
    }
}

fn best(place: &Place, mut call: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    call()?;
    let mut best = f64::INFINITY;
    for _ in 0..TRIES {
        place.synchronize()?;
        let clock = Instant::now();
        call()?;
        place.synchronize()?;
        best = best.min(clock.elapsed().as_secs_f64());
    }
    Ok(best)
}
