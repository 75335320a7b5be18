#include "cuda/recording/host_kernels.h"

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace reviewkd::recording {
namespace {

bool contains(const std::string& name, std::string_view part) { return name.find(part) != std::string::npos; }

/// vectorized_elementwise_kernel(int count, FillFunctor<T>{T value}, std::array<char*, 1>{output})
template <typename T>
std::function<void()> fill(void** parameters) {
  const int count = *static_cast<const int*>(parameters[0]);
  const T value = *static_cast<const T*>(parameters[1]);
  T* out = *static_cast<T* const*>(parameters[2]);
  return [=] {
    for (int i = 0; i < count; ++i) out[i] = value;
  };
}

std::function<void()> fill_of(const std::string& name, void** parameters) {
  const auto fills = [&](std::string_view type) { return contains(name, "FillFunctor<" + std::string(type) + ">"); };
  if (fills("float")) return fill<float>(parameters);
  if (fills("double")) return fill<double>(parameters);
  if (fills("long")) return fill<int64_t>(parameters);
  if (fills("int")) return fill<int32_t>(parameters);
  if (fills("bool")) return fill<bool>(parameters);
  return {};
}

/// c10::ScalarType
enum class ScalarType : int8_t { kInt = 3, kLong = 4, kFloat = 6, kDouble = 7, kBool = 11 };

template <typename T>
double read(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return static_cast<double>(value);
}

template <typename T>
void write(char* to, double value) {
  const T converted = static_cast<T>(value);
  std::memcpy(to, &converted, sizeof converted);
}

/// unrolled_elementwise_kernel(int count, functor, std::array<char*, 2>{output, input}, offsets, offsets,
/// LoadWithCast<1>, StoreWithCast<1>), where the last two begin with the type.
std::function<void()> converted_copy(void** parameters) {
  const int count = *static_cast<const int*>(parameters[0]);
  char* const* data = static_cast<char* const*>(parameters[2]);
  char* out = data[0];
  const char* in = data[1];
  const auto from = *static_cast<const ScalarType*>(parameters[5]);
  const auto to = *static_cast<const ScalarType*>(parameters[6]);
  const auto visit = [](ScalarType type, auto work) {
    switch (type) {
      case ScalarType::kInt: work(int32_t{}); break;
      case ScalarType::kLong: work(int64_t{}); break;
      case ScalarType::kFloat: work(float{}); break;
      case ScalarType::kDouble: work(double{}); break;
      case ScalarType::kBool: work(bool{}); break;
    }
  };
  return [=] {
    visit(from, [&](auto source) {
      visit(to, [&](auto target) {
        for (int i = 0; i < count; ++i)
          write<decltype(target)>(out + static_cast<size_t>(i) * sizeof target,
                                  read<decltype(source)>(in + static_cast<size_t>(i) * sizeof source));
      });
    });
  };
}

/// CatArrInputTensorMetadata<T, unsigned, 128, 1>, only the fields that are read.
struct CatInputs {
  const int64_t* input[128];
  unsigned offset[128], dimension[128], count[128];
};

/// For one-dimensional tensors of 8-byte values: (T* output, inputs, sizes and strides, dimension, stride), one grid
/// row each.
std::function<void()> concatenation(dim3 grid, void** parameters) {
  int64_t* out = *static_cast<int64_t* const*>(parameters[0]);
  const auto* inputs = static_cast<const CatInputs*>(parameters[1]);
  struct Part {
    int64_t* to;
    const int64_t* from;
    size_t bytes;
  };
  std::vector<Part> parts;
  for (unsigned k = 0; k < grid.y; ++k)
    parts.push_back({out + inputs->offset[k], inputs->input[k], inputs->count[k] * sizeof(int64_t)});
  return [parts] {
    for (const Part& part : parts) std::memcpy(part.to, part.from, part.bytes);
  };
}

}  // namespace

std::function<void()> host_execution(const std::string& name, dim3 grid, void** parameters) {
  if (contains(name, "vectorized_elementwise_kernel<")) return fill_of(name, parameters);
  if (contains(name, "unrolled_elementwise_kernel<at::native::direct_copy_kernel_cuda") &&
      contains(name, "LoadWithCast<1>"))
    return converted_copy(parameters);
  if (contains(name, "OpaqueType<8u>, unsigned int, 1, 128, 1")) return concatenation(grid, parameters);
  return {};
}

}  // namespace reviewkd::recording
