// The losses over a pyramid of grids, compared with their reference in double.
#include <gtest/gtest.h>

#include "core/ops/backend/dispatch.h"
#include "core/ops/pyramid_loss/pyramid_loss.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::pyramid_loss {
namespace {

struct PyramidLossCase {
  const char* name;
  std::vector<int64_t> sizes;
  std::vector<ops::PyramidLevel> levels;
};

std::ostream& operator<<(std::ostream& out, const PyramidLossCase& pyramid) { return out << pyramid.name; }

// Shapes of test/unit/ops/review-operations.test.ts, which runs them on devices as well, with the grids of the
// hierarchical context loss, and grids of other kinds.
const PyramidLossCase kPyramids[] = {
    {"three_grids", {3, 64, 8, 8}, {{4, 0.5}, {2, 0.25}, {1, 0.125}}},
    {"a_map_that_is_not_square", {2, 32, 16, 8}, {{4, 0.5}, {2, 0.25}, {1, 0.125}}},
    {"two_grids", {2, 16, 4, 4}, {{2, 0.5}, {1, 0.25}}},
    {"a_single_pixel", {5, 64, 1, 1}, {}},
    {"grids_that_do_not_divide_the_map", {2, 16, 7, 6}, {{4, 0.5}, {2, 0.25}, {1, 0.125}}},
    {"channels_that_fill_no_vector", {2, 20, 8, 8}, {{4, 0.5}, {2, 0.25}, {1, 0.125}}},
    {"many_channels", {2, 512, 8, 8}, {{4, 0.5}, {2, 0.25}, {1, 0.125}}},
    {"windows_of_a_single_pixel", {2, 16, 4, 8}, {{4, 0.5}, {2, 0.25}, {1, 0.125}}},
    {"one_grid_of_a_single_window", {4, 16, 2, 2}, {{1, 0.5}}},
    {"multiples_of_eight_channels", {2, 24, 8, 12}, {{4, 0.5}, {2, 0.25}, {1, 0.125}}},
    {"grids_that_do_not_nest", {2, 16, 6, 6}, {{3, 0.5}, {2, 0.25}}},
};

class PyramidLoss : public testing::TestWithParam<PyramidLossCase> {
 protected:
  at::Tensor student(at::ScalarType type) const { return leaf(noise_tensor(GetParam().sizes, 1), type); }
  at::Tensor teacher(at::ScalarType type) const { return noise_tensor(GetParam().sizes, 2, type); }
};

TEST_P(PyramidLoss, AgreesWithDouble) {
  const at::Tensor fast = student(at::kFloat), exact = student(at::kDouble);
  const at::Tensor loss = ops::pyramid_loss(fast, teacher(at::kFloat), 0.75, GetParam().levels);
  const at::Tensor expected = ops::pyramid_loss_reference(exact, teacher(at::kDouble), 0.75, GetParam().levels);
  expect_close(loss, expected, 1e-6, "loss");
  // An upstream gradient that is not 1.
  const auto gradients = gradients_of(loss, at::scalar_tensor(3.0), {fast}),
             wanted = gradients_of(expected, at::scalar_tensor(3.0), {exact});
  EXPECT_LT((gradients[0] - wanted[0]).abs().max().item<double>(), 1e-6 * wanted[0].abs().max().item<double>() + 1e-9);
}

TEST_P(PyramidLoss, IsTakenInFloat32OfBfloat16Maps) {
  const at::Tensor map = noise_tensor(GetParam().sizes, 1).to(at::kBFloat16).requires_grad_(true),
                   other = teacher(at::kFloat).to(at::kBFloat16);
  const at::Tensor loss = ops::pyramid_loss(map, other, 0.75, GetParam().levels);
  EXPECT_EQ(loss.scalar_type(), at::kFloat);
  const at::Tensor exact = leaf(map, at::kDouble);
  const at::Tensor expected = ops::pyramid_loss_reference(exact, other.to(at::kDouble), 0.75, GetParam().levels);
  expect_close(loss, expected, 1e-6, "loss");
  const auto gradients = gradients_of(loss, at::scalar_tensor(1.0), {map}),
             wanted = gradients_of(expected, at::scalar_tensor(1.0), {exact});
  EXPECT_EQ(gradients[0].scalar_type(), at::kBFloat16);
  // The gradient is rounded once, by half of the last of eight bits at most, or for each of its terms.
  EXPECT_LT((gradients[0].to(at::kDouble) - wanted[0]).abs().max().item<double>(),
            0x1p-7 * wanted[0].abs().max().item<double>());
}

TEST_P(PyramidLoss, TakesTheReferencePathBitForBitInItsScope) {
  const ops::ReferenceScope scope(true);
  const at::Tensor map = student(at::kFloat);
  EXPECT_TRUE(ops::pyramid_loss(map, teacher(at::kFloat), 0.75, GetParam().levels)
                  .equal(ops::pyramid_loss_reference(map, teacher(at::kFloat), 0.75, GetParam().levels)));
}

INSTANTIATE_TEST_SUITE_P(Pyramids, PyramidLoss, testing::ValuesIn(kPyramids),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(PyramidLossByHand, WeighsErrorsAndTheirAverages) {
  // Differences 1 and 3 in each of 16 channels: their squares average to 5, their average squared is 4.
  at::Tensor student = at::zeros({1, 16, 1, 2}).contiguous(at::MemoryFormat::ChannelsLast);
  student.select(3, 0).fill_(1);
  student.select(3, 1).fill_(3);
  const at::Tensor teacher = at::zeros_like(student);
  EXPECT_FLOAT_EQ(ops::pyramid_loss(student, teacher, 2.0, {{1, 0.5}}).item<float>(), 2.0f * 5 + 0.5f * 4);
}

TEST(PyramidLossByHand, DifferentiatesByATeacherThatTrains) {
  const at::Tensor student = leaf(noise_tensor({2, 16, 4, 4}, 1), at::kFloat),
                   teacher = leaf(noise_tensor({2, 16, 4, 4}, 2), at::kFloat);
  const auto gradients =
      gradients_of(ops::pyramid_loss(student, teacher, 1.0, {{2, 0.5}}), at::scalar_tensor(1.0), {student, teacher});
  expect_close(gradients[0], -gradients[1], 1e-7, "gradients of opposite sign");
}

}  // namespace
}  // namespace reviewkd::tests::pyramid_loss
