import { expect } from "chai";
import { failureOf } from "../../support/errors.js";
import { ReviewKdError } from "../../../lib/errors.js";
import { meanAndDeviation } from "../../../lib/study/results/statistics.js";

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

  it("names the value that is no number", async () => {
    for (const [values, says] of [
      [[1, , 3], "values[1] in arguments of meanAndDeviation: expected a number, received nothing."],
      [5, "values in arguments of meanAndDeviation: expected an array, received 5."],
    ] as const) {
      const { message } = await failureOf("INVALID_ARGUMENT", () => meanAndDeviation(values as unknown as number[]));
      expect(message).to.equal(`invalid ${says}`);
    }
    expect(meanAndDeviation([Infinity])).to.deep.equal({ mean: Infinity, deviation: null });
    // The loss of a network that has diverged.
    expect(meanAndDeviation([NaN, 1]).mean).to.be.NaN;
  });
});
