//! Sizes of a tensor, outermost first.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most dimensions that a tensor may have.
const MOST_DIMENSIONS: usize = 8;
/// The most elements, so that no product of sizes overflows.
const MOST_ELEMENTS: i64 = 1 << 40;

/// The sizes of a tensor, outermost first: at least one, none of them zero.
///
/// Read and written as `8x1024`, as in the `INPUT` lines of the run protocol; a list of numbers is read too.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "String")]
pub struct Shape(Vec<i64>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    List(Vec<i64>),
    Size(i64),
}

impl Shape {
    /// The shape with these sizes, or why there is none.
    pub fn new(sizes: impl Into<Vec<i64>>) -> Result<Self, String> {
        let sizes = sizes.into();
        let shape = Self(sizes);
        if shape.0.is_empty() || shape.0.len() > MOST_DIMENSIONS {
            return Err(format!("the shape `{shape}` has not 1 to {MOST_DIMENSIONS} dimensions"));
        }
        if shape.0.iter().any(|size| *size < 1) {
            return Err(format!("the shape `{shape}` has a size below 1"));
        }
        let elements = shape.0.iter().try_fold(1_i64, |product, size| product.checked_mul(*size));
        match elements.filter(|elements| *elements <= MOST_ELEMENTS) {
            Some(_) => Ok(shape),
            None => Err(format!("the shape `{shape}` has more elements than any memory holds")),
        }
    }

    /// The sizes, outermost first.
    pub fn sizes(&self) -> &[i64] {
        &self.0
    }

    /// The number of elements.
    pub fn elements(&self) -> i64 {
        self.0.iter().product()
    }

    /// The size of the innermost dimension.
    pub fn width(&self) -> i64 {
        self.0[self.0.len() - 1]
    }

    /// The sizes, where there are as many as `N`; else what was expected of the tensor called `name`.
    pub fn of<const N: usize>(&self, name: &str, meaning: &str) -> Result<[i64; N], String> {
        <[i64; N]>::try_from(self.0.as_slice())
            .map_err(|_| format!("`{name}` is `{self}`, and it takes {N} sizes: {meaning}"))
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&sizes.join("x"))
    }
}

impl TryFrom<Written> for Shape {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::List(sizes) => Self::new(sizes),
            Written::Size(size) => Self::new([size]),
            Written::Text(text) => {
                let sizes: Result<Vec<i64>, _> = text.split('x').map(|size| size.trim().parse()).collect();
                Self::new(sizes.map_err(|_| format!("`{text}` is not a shape as `8x1024`"))?)
            }
        }
    }
}

impl From<Shape> for String {
    fn from(shape: Shape) -> Self {
        shape.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Shape, String> {
        Written::Text(text.to_owned()).try_into()
    }

    #[test]
    fn a_shape_reads_as_it_is_written() {
        assert_eq!(read("8x1024").unwrap().sizes(), [8, 1024]);
        assert_eq!(read(" 8 x 16 ").unwrap().to_string(), "8x16");
    }

    #[test]
    fn what_no_tensor_can_have_is_refused() {
        for text in ["", "8x", "8*4", "0x4", "-1", "99999999x99999999x9", "1x1x1x1x1x1x1x1x1"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
