// CUDA graphs, for a libtorch that has CUDA.

#include "git-exp-torch-switches/src/graph.h"

#include <optional>

#include <ATen/DeviceAccelerator.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace git_exp {

struct Graph::State {
  c10::DeviceIndex device;
  c10::Stream aside;
  // The stream that was left; nothing while it is the current one.
  std::optional<c10::Stream> left;
  bool is_capturing = false;
  at::cuda::CUDAGraph graph;
};

Graph::Graph(int32_t device) {
  const auto index = static_cast<c10::DeviceIndex>(device);
  // A graph captures on the current device.
  at::accelerator::setDeviceIndex(index);
  const c10::impl::VirtualGuardImpl guard(c10::DeviceType::CUDA);
  state_.reset(new State{index, guard.getStreamFromGlobalPool(c10::Device(c10::DeviceType::CUDA, index))});
}

Graph::~Graph() {
  try {
    if (state_->is_capturing) state_->graph.capture_end();
  } catch (...) {
    // What made the capture fail was told already.
  }
  try {
    if (state_->left) at::accelerator::setCurrentStream(*state_->left);
  } catch (...) {
  }
}

void Graph::enter() {
  at::accelerator::synchronizeDevice(state_->device);
  state_->left = at::accelerator::getCurrentStream(state_->device);
  at::accelerator::setCurrentStream(state_->aside);
}

void Graph::begin() {
  at::accelerator::synchronizeDevice(state_->device);
  // A graph has memory of its own, and what other calls left cannot be given back to the device while it is captured.
  at::accelerator::emptyCache();
  state_->graph.capture_begin();
  state_->is_capturing = true;
}

void Graph::end() {
  state_->is_capturing = false;
  state_->graph.capture_end();
}

void Graph::leave() {
  at::accelerator::synchronizeDevice(state_->device);
  at::accelerator::setCurrentStream(*state_->left);
  state_->left.reset();
}

void Graph::replay() { state_->graph.replay(); }

std::unique_ptr<Graph> new_graph(int32_t device) { return std::make_unique<Graph>(device); }

}  // namespace git_exp
