//! `git-exp-bench`, the harness behind `git exp bench run`: the only program that links libtorch.

mod switches;

fn main() {
    println!("{} {}", switches::version(), switches::cpu_capability());
    let t = tch::Tensor::rand([8, 8], (tch::Kind::Float, tch::Device::Cpu));
    println!("{}", t.matmul(&t).sum(tch::Kind::Double).double_value(&[]));
}
