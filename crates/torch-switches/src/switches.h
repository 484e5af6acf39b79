// What tch does not bind: global switches of libtorch, peak memory, and autocast on every device.
#pragma once

#include <memory>

#include "rust/cxx.h"

namespace git_exp {

void set_deterministic(bool is_on);
bool is_deterministic();
void set_tf32(bool is_on);
bool is_tf32();
void set_autotune(bool is_on);
bool set_flush_denormals(bool is_on);
void set_attention_backends(bool flash, bool efficient, bool math, bool cudnn);
void set_autocast(rust::Str device, bool is_on);
uint64_t peak_memory_bytes(int32_t device);
void reset_peak_memory(int32_t device);
void synchronize(int32_t device);

// Two events on the current stream of an accelerator.
class Stopwatch {
 public:
  explicit Stopwatch(int32_t device);
  ~Stopwatch();
  void begin();
  void end();
  double seconds() const;

 private:
  struct Events;
  int32_t device_;
  std::unique_ptr<Events> events_;
};

std::unique_ptr<Stopwatch> new_stopwatch(int32_t device);
rust::String version();
bool is_own_version();
rust::String cpu_capability();

}  // namespace git_exp
