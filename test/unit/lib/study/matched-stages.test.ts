import { expect } from "chai";
import { ReviewKdError } from "../../../../lib/errors.js";
import { matchedStages } from "../../../../lib/study/matched-stages.js";

describe("matchedStages", () => {
  it("names as many stages of each network", () => {
    const { student, teacher } = matchedStages("resnet8", "resnet56");
    expect(student).to.have.lengthOf(4);
    expect(teacher).to.have.lengthOf(4);
  });

  it("says which networks there are where one is unknown, and for which of the two", () => {
    expect(() => matchedStages("resnet9", "resnet56")).to.throw(ReviewKdError, /for the student, got "resnet9"; did you mean "resnet8"\?/);
    expect(() => matchedStages("resnet8", "resnet9")).to.throw(ReviewKdError, /for the teacher/).with.property("code", "UNKNOWN_NAME");
  });
});
