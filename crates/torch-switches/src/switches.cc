// What tch does not bind: global switches of libtorch, peak memory, and autocast on every device.

#include "git-exp-torch-switches/src/switches.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/DeviceType.h>
#include <c10/core/Event.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/version.h>
#include <ATen/DeviceAccelerator.h>

namespace git_exp {

void set_deterministic(bool is_on) {
  at::globalContext().setDeterministicAlgorithms(is_on, /*warn_only=*/false);
  at::globalContext().setDeterministicCuDNN(is_on);
}

bool is_deterministic() { return at::globalContext().deterministicAlgorithms(); }

void set_tf32(bool is_on) {
  at::globalContext().setAllowTF32CuBLAS(is_on);
  at::globalContext().setAllowTF32CuDNN(is_on);
}

bool is_tf32() { return at::globalContext().allowTF32CuBLAS(); }

void set_autotune(bool is_on) { at::globalContext().setBenchmarkCuDNN(is_on); }

bool set_flush_denormals(bool is_on) { return at::globalContext().setFlushDenormal(is_on); }

void set_attention_backends(bool flash, bool efficient, bool math, bool cudnn) {
  auto& context = at::globalContext();
  context.setSDPUseFlash(flash);
  context.setSDPUseMemEfficient(efficient);
  context.setSDPUseMath(math);
  context.setSDPUseCuDNN(cudnn);
}

void set_autocast(rust::Str device, bool is_on) {
  const auto type = c10::Device(std::string(device.data(), device.size())).type();
  at::autocast::set_autocast_enabled(type, is_on);
  if (is_on) {
    at::autocast::set_autocast_dtype(type, at::kBFloat16);
    at::autocast::increment_nesting();
  } else if (at::autocast::decrement_nesting() == 0) {
    at::autocast::clear_cache();
  }
}

uint64_t peak_memory_bytes(int32_t device) {
  if (!at::accelerator::getAccelerator().has_value()) return 0;
  const auto stats = at::accelerator::getDeviceStats(device);
  const auto total = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return static_cast<uint64_t>(stats.allocated_bytes[total].peak);
}

void reset_peak_memory(int32_t device) {
  if (at::accelerator::getAccelerator().has_value()) at::accelerator::resetPeakStats(device);
}

void synchronize(int32_t device) {
  if (at::accelerator::getAccelerator().has_value()) at::accelerator::synchronizeDevice(device);
}

struct Stopwatch::Events {
  c10::Event begin;
  c10::Event end;
};

Stopwatch::Stopwatch(int32_t device) : device_(device) {
  const auto type = at::accelerator::getAccelerator(/*checked=*/true).value();
  const auto flag = c10::EventFlag::BACKEND_DEFAULT;
  events_ = std::make_unique<Events>(Events{c10::Event(type, flag), c10::Event(type, flag)});
}

Stopwatch::~Stopwatch() = default;

void Stopwatch::begin() { events_->begin.record(at::accelerator::getCurrentStream(device_)); }

void Stopwatch::end() { events_->end.record(at::accelerator::getCurrentStream(device_)); }

double Stopwatch::seconds() const {
  events_->end.synchronize();
  return events_->begin.elapsedTime(events_->end) / 1e3;
}

std::unique_ptr<Stopwatch> new_stopwatch(int32_t device) { return std::make_unique<Stopwatch>(device); }

rust::String version() { return TORCH_VERSION; }

bool is_own_version() { return aoti_torch_abi_version() == TORCH_ABI_VERSION; }

rust::String cpu_capability() { return at::get_cpu_capability(); }

}  // namespace git_exp
