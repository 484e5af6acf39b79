// Packages of AOTInductor, which tch does not load.

#include "git-exp-torch-switches/src/package.h"

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include <ATen/Tensor.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/csrc/inductor/aoti_runner/model_container_runner.h>

namespace git_exp {

Loader::Loader(rust::Str file, rust::Str device, int8_t index) {
  const std::string path(file);
  const auto metadata = torch::inductor::AOTIModelPackageLoader::load_metadata_from_package(path, "model");
  const auto found = metadata.find("AOTI_DEVICE_KEY");
  if (found != metadata.end() && found->second != std::string(device)) {
    throw std::runtime_error("it was compiled for the device `" + found->second + "`, not for `" + std::string(device) + "`");
  }
  // Without it a package reads past the end of inputs that are smaller than those it was compiled for.
  setenv("AOTI_RUNTIME_CHECK_INPUTS", "1", /*overwrite=*/1);
  loader_ = std::make_unique<torch::inductor::AOTIModelPackageLoader>(
      path, "model", /*run_single_threaded=*/false, /*num_runners=*/1, index);
}

Loader::~Loader() = default;

rust::Vec<size_t> Loader::run(rust::Slice<const size_t> inputs) const {
  std::vector<at::Tensor> tensors;
  for (const auto address : inputs) tensors.push_back(*reinterpret_cast<const at::Tensor*>(address));
  rust::Vec<size_t> outputs;
  for (auto& output : loader_->run(tensors)) {
    outputs.push_back(reinterpret_cast<size_t>(new at::Tensor(std::move(output))));
  }
  return outputs;
}

std::unique_ptr<Loader> load_package(rust::Str file, rust::Str device, int8_t index) {
  return std::make_unique<Loader>(file, device, index);
}

}  // namespace git_exp
