// Packages of AOTInductor, which tch does not load.
#pragma once

#include <memory>

#include "rust/cxx.h"

namespace torch::inductor {
class AOTIModelPackageLoader;
}

namespace git_exp {

class Loader {
 public:
  Loader(rust::Str file, rust::Str device, int8_t index);
  ~Loader();
  // Takes addresses of tensors and gives addresses of tensors, which whoever calls deletes.
  rust::Vec<size_t> run(rust::Slice<const size_t> inputs) const;

 private:
  std::unique_ptr<torch::inductor::AOTIModelPackageLoader> loader_;
};

std::unique_ptr<Loader> load_package(rust::Str file, rust::Str device, int8_t index);

}  // namespace git_exp
