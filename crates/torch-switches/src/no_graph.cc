// CUDA graphs, for a libtorch that has none: whoever asks for one is told so.

#include "git-exp-torch-switches/src/graph.h"

#include <stdexcept>

namespace git_exp {

struct Graph::State {};

Graph::Graph(int32_t) { throw std::runtime_error("there are no CUDA graphs in this libtorch"); }

Graph::~Graph() = default;

void Graph::enter() {}

void Graph::begin() {}

void Graph::end() {}

void Graph::leave() {}

void Graph::replay() {}

std::unique_ptr<Graph> new_graph(int32_t device) { return std::make_unique<Graph>(device); }

}  // namespace git_exp
