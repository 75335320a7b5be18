import { expect } from "chai";
import { createDistiller } from "../../../../lib/api/distiller.js";
import { ReviewKdError } from "../../../../lib/errors.js";
import { createModel } from "../../../../lib/api/model.js";
import { matchedStages } from "../../../../lib/study/matched-stages.js";

describe("matchedStages", () => {
  for (const [studentName, teacherName] of [["resnet8", "resnet14"], ["resnet8", "vgg8"], ["vgg8",
    "resnet8"]] as const) {
    it(`lists the stages that a distillation of ${studentName} with ${teacherName} matches`, async () => {
      using student = await createModel(studentName, { numClasses: 4 });
      using teacher = await createModel(teacherName, { numClasses: 4 });
      using distiller = await createDistiller({ teacher, student });
      const { stages } = distiller.matching;
      expect(stages.length).to.be.above(1);
      expect(matchedStages(studentName, teacherName)).to.deep.equal({
        student: stages.map((pair) => pair.student),
        teacher: stages.map((pair) => pair.teacher),
      });
    });
  }

  it("lists the networks for an unknown one, and names its role", () => {
    expect(() => matchedStages("resnet9", "resnet56")).to.throw(ReviewKdError,
      /^invalid student: expected .*, received "resnet9"; did you mean "resnet8"\?/);
    expect(() => matchedStages("resnet8", "resnet9")).to.throw(ReviewKdError, /^invalid teacher: /).with.property(
      "code",
      "UNKNOWN_NAME",
    );
  });
});
