// cuDNN's backend interface, through which libtorch convolves: descriptors store their attributes, heuristics propose
// one engine without a workspace, and executing a plan is recorded as one kernel named after its operations. (The
// real library may launch several.) Outputs are zeroed, so that results of the plugin's kernels stay finite.
//
// Numbers are those of cudnn_graph.h, which is not part of the download.

#include <driver_types.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuda/recording/memory.h"
#include "cuda/recording/streams.h"

using namespace reviewkd::recording;

namespace {

constexpr int kSuccess = 0, kExecutionFailed = 5000;

enum DescriptorType { kEngine = 2, kEngineConfig = 3, kHeuristics = 4, kPlan = 5, kOperationGraph = 15 };

enum Attribute {
  kPointwiseMode = 0,
  kHeuristicsGraph = 201,
  kHeuristicsResults = 202,
  kConfigEngine = 300,
  kConfigIntermediate = 301,
  kConfigKnobs = 302,
  kPlanConfig = 401,
  kPlanWorkspace = 402,
  kOperationPointwise = 750,
  kForwardOutput = 705,
  kDataOutput = 710,
  kFilterOutput = 715,
  kPointwiseOutput = 753,
  kGraphOperations = 801,
  kGraphEngineCount = 802,
  kTensorType = 901,
  kTensorSizes = 902,
  kTensorId = 906,
  kPackIds = 1000,
  kPackPointers = 1001,
  kEngineGraph = 1300,
  kEngineIndex = 1301,
};

constexpr int kTypeDescriptor = 15;

struct State {
  int type;
  std::map<int, std::vector<char>> values;
  std::map<int, std::vector<std::shared_ptr<State>>> descriptors;
};

struct Descriptor {
  std::shared_ptr<State> state;
};

struct Handle {
  cudaStream_t stream = nullptr;
};

size_t size_of_type(int type) {
  switch (type) {
    case 2: return 1;                              // BOOLEAN
    case 3:
    case 5:
    case 6:
    case 0: return 8;      // INT64, DOUBLE, VOID_PTR, HANDLE
    case 25: return 1;                             // CHAR
    default: return 4;                             // enumerations, FLOAT, INT32
  }
}

std::shared_ptr<State> first(const State& state, int attribute) {
  const auto found = state.descriptors.find(attribute);
  return found == state.descriptors.end() || found->second.empty() ? nullptr : found->second.front();
}

std::string pointwise_name(const State& operation) {
  const auto pointwise = first(operation, kOperationPointwise);
  const auto mode = pointwise ? pointwise->values.find(kPointwiseMode) : std::map<int, std::vector<char>>::iterator{};
  if (!pointwise || mode == pointwise->values.end()) return "pointwise";
  int value = 0;
  std::memcpy(&value, mode->second.data(), std::min(sizeof value, mode->second.size()));
  switch (value) {
    case 0: return "add";
    case 1: return "mul";
    case 100: return "relu";
    default: return "pointwise " + std::to_string(value);
  }
}

std::string operation_name(const State& operation) {
  switch (operation.type) {
    case 10: return "convolution forward";
    case 11: return "convolution backward filter";
    case 12: return "convolution backward data";
    case 13: return pointwise_name(operation);
    default: return "operation " + std::to_string(operation.type);
  }
}

/// In execution order.
std::vector<std::shared_ptr<State>> operations_of(const State& plan) {
  const auto config = first(plan, kPlanConfig);
  const auto engine = config ? first(*config, kConfigEngine) : nullptr;
  const auto graph = engine ? first(*engine, kEngineGraph) : nullptr;
  return graph ? graph->descriptors[kGraphOperations] : std::vector<std::shared_ptr<State>>();
}

std::string name_of_plan(const State& plan) {
  std::string name = "cudnn";
  for (const auto& operation : operations_of(plan))
    name += (name == "cudnn" ? " " : " + ") + operation_name(*operation);
  return name;
}

template <typename T>
std::vector<T> values_of(const State& state, int attribute) {
  const auto found = state.values.find(attribute);
  if (found == state.values.end()) return {};
  std::vector<T> values(found->second.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), found->second.data(), values.size() * sizeof(T));
  return values;
}

/// The tensor that an operation writes.
std::shared_ptr<State> output_of(const State& operation) {
  for (const int attribute : {kForwardOutput, kDataOutput, kFilterOutput, kPointwiseOutput}) {
    if (auto output = first(operation, attribute)) return output;
  }
  return nullptr;
}

/// Writes zeros to the output of the plan's last operation; null if that is unknown.
std::function<void()> zero_output(const State& plan, const State& pack) {
  const auto operations = operations_of(plan);
  const auto output = operations.empty() ? nullptr : output_of(*operations.back());
  if (!output) return {};
  const auto id = values_of<int64_t>(*output, kTensorId);
  const auto type = values_of<int>(*output, kTensorType);
  const auto ids = values_of<int64_t>(pack, kPackIds);
  const auto pointers = values_of<void*>(pack, kPackPointers);
  const size_t at =
      id.empty() ? ids.size() : static_cast<size_t>(std::find(ids.begin(), ids.end(), id[0]) - ids.begin());
  if (type.empty() || at >= pointers.size() || region_of(pointers[at]).place != Place::kDevice) return {};
  size_t bytes = type[0] == 1 ? 8 : type[0] == 2 || type[0] == 9 ? 2 : 4;  // DOUBLE; HALF and BFLOAT16
  for (const int64_t size : values_of<int64_t>(*output, kTensorSizes)) bytes *= static_cast<size_t>(size);
  return [=, memory = pointers[at]] { std::memset(memory, 0, bytes); };
}

/// The content of a configuration proposed by the heuristics.
std::shared_ptr<State> proposed_config(const std::shared_ptr<State>& graph) {
  auto engine = std::make_shared<State>(State{kEngine, {}, {}});
  engine->descriptors[kEngineGraph] = {graph};
  engine->values[kEngineIndex] = std::vector<char>(sizeof(int64_t), 0);
  auto config = std::make_shared<State>(State{kEngineConfig, {}, {}});
  config->descriptors[kConfigEngine] = {engine};
  return config;
}

template <typename Value>
int give(Value value, int64_t requested, int64_t* count, void* array) {
  if (count != nullptr) *count = 1;
  if (requested > 0 && array != nullptr) std::memcpy(array, &value, sizeof value);
  return kSuccess;
}

int give_descriptors(const std::vector<std::shared_ptr<State>>& states, int64_t requested, int64_t* count,
                     void* array) {
  const auto size = static_cast<int64_t>(states.size());
  const int64_t given = array == nullptr ? 0 : std::min(size, requested);
  for (int64_t k = 0; k < given; ++k) static_cast<Descriptor**>(array)[k]->state = states[static_cast<size_t>(k)];
  if (count != nullptr) *count = array == nullptr || requested == 0 ? size : given;
  return kSuccess;
}

}  // namespace

extern "C" {

size_t cudnnGetVersion() { return 92400; }
size_t cudnnGetCudartVersion() { return 13000; }
const char* cudnnGetErrorString(int status) {
  return status == kSuccess ? "CUDNN_STATUS_SUCCESS" : "a status of the recording cuDNN";
}
void cudnnGetLastErrorString(char* text, size_t size) { std::strncpy(text, "see the recording", size); }

int cudnnCreate(void** handle) {
  *handle = new Handle();
  return kSuccess;
}

int cudnnSetStream(void* handle, cudaStream_t stream) {
  static_cast<Handle*>(handle)->stream = stream;
  return kSuccess;
}

int cudnnGetStream(void* handle, cudaStream_t* stream) {
  *stream = static_cast<Handle*>(handle)->stream;
  return kSuccess;
}

int cudnnBackendCreateDescriptor(int type, Descriptor** descriptor) {
  *descriptor = new Descriptor{std::make_shared<State>(State{type, {}, {}})};
  return kSuccess;
}

int cudnnBackendDestroyDescriptor(Descriptor* descriptor) {
  delete descriptor;
  return kSuccess;
}

int cudnnBackendFinalize(Descriptor*) { return kSuccess; }

int cudnnBackendSetAttribute(Descriptor* descriptor, int attribute, int type, int64_t count, const void* array) {
  const RuntimeLock lock(runtime_mutex());
  State& state = *descriptor->state;
  if (type == kTypeDescriptor) {
    auto& list = state.descriptors[attribute];
    list.clear();
    for (int64_t k = 0; k < count; ++k) list.push_back(static_cast<Descriptor* const*>(array)[k]->state);
  } else {
    const auto* bytes = static_cast<const char*>(array);
    state.values[attribute].assign(bytes, bytes + static_cast<size_t>(count) * size_of_type(type));
  }
  return kSuccess;
}

int cudnnBackendGetAttribute(Descriptor* descriptor, int attribute, int type, int64_t requested, int64_t* count,
                             void* array) {
  const RuntimeLock lock(runtime_mutex());
  State& state = *descriptor->state;
  if (state.type == kHeuristics && attribute == kHeuristicsResults) {
    return give_descriptors({proposed_config(first(state, kHeuristicsGraph))}, requested, count, array);
  }
  if (state.type == kPlan && attribute == kPlanWorkspace) return give(int64_t{0}, requested, count, array);
  if (state.type == kOperationGraph && attribute == kGraphEngineCount) return give(int64_t{1}, requested, count, array);
  if (type == kTypeDescriptor) return give_descriptors(state.descriptors[attribute], requested, count, array);
  const auto found = state.values.find(attribute);
  const size_t size = size_of_type(type);
  // The engine has no notes.
  const int64_t there = found == state.values.end() ? 0 : static_cast<int64_t>(found->second.size() / size);
  const int64_t given = array == nullptr ? 0 : std::min(requested, there);
  if (given > 0) std::memcpy(array, found->second.data(), static_cast<size_t>(given) * size);
  if (count != nullptr) *count = requested == 0 ? there : given;
  return kSuccess;
}

int cudnnBackendExecute(void* handle, Descriptor* plan, Descriptor* pack) {
  const RuntimeLock lock(runtime_mutex());
  Work work{"cudnnBackendExecute",
            "kernel",
            name_of_plan(*plan->state),
            0,
            {0, 0, 0},
            {0, 0, 0},
            zero_output(*plan->state, *pack->state)};
  return submit_for_library(static_cast<Handle*>(handle)->stream, std::move(work)) ? kSuccess : kExecutionFailed;
}

}  // extern "C"
