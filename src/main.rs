//! git exp
fn main() {}
