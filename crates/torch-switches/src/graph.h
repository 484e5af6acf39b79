// CUDA graphs: what a call launches, captured once and launched as a whole.
#pragma once

#include <memory>

#include "rust/cxx.h"

namespace git_exp {

class Graph {
 public:
  explicit Graph(int32_t device);
  ~Graph();
  void enter();
  void begin();
  void end();
  void leave();
  void replay();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::unique_ptr<Graph> new_graph(int32_t device);

}  // namespace git_exp
