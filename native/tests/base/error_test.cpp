// The core's exception type.
#include <gtest/gtest.h>

#include "core/base/error.h"
#include "tests/support/errors.h"

namespace reviewkd::tests::error {
namespace {

TEST(Errors, CarryTheirCodeAndAMessageOfSeveralParts) {
  const Error error =
      error_of([] { fail(ErrorCode::kShapeMismatch, "invalid shape: expected ", 3, " lengths, received ", 2.5, "."); });
  EXPECT_EQ(error.code(), ErrorCode::kShapeMismatch);
  EXPECT_STREQ(to_string(error.code()), "SHAPE_MISMATCH");
  EXPECT_STREQ(error.what(), "invalid shape: expected 3 lengths, received 2.5.");
  EXPECT_TRUE(error.valid().empty());
}

TEST(Errors, ListTheNamesThatWouldBeAccepted) {
  const Error error(ErrorCode::kUnknownName, "message", {"first", "second"});
  EXPECT_EQ(error.valid(), (std::vector<std::string>{"first", "second"}));
  EXPECT_EQ(joined(error.valid()), "first, second");
  EXPECT_EQ(joined({}), "");
  EXPECT_EQ(joined({"alone"}), "alone");
}

}  // namespace
}  // namespace reviewkd::tests::error
