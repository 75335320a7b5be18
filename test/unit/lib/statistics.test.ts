import { expect } from "chai";
import { ReviewKdError } from "../../../lib/errors.js";
import { meanAndDeviation } from "../../../lib/study/statistics.js";

describe("meanAndDeviation", () => {
  it("computes mean and sample deviation", () => {
    expect(meanAndDeviation([1, 2, 3, 4])).to.deep.equal({ mean: 2.5, deviation: Math.sqrt(5 / 3) });
  });

  it("has no deviation for a single value, and rejects an empty list", () => {
    expect(meanAndDeviation([7])).to.deep.equal({ mean: 7, deviation: null });
    expect(() => meanAndDeviation([])).to.throw(ReviewKdError, "expected one or more, received none").with.property(
      "code",
      "INVALID_ARGUMENT",
    );
  });
});
