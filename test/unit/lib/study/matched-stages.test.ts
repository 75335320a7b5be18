import { expect } from "chai";
import { createDistiller } from "../../../../lib/api/distiller.js";
import { ReviewKdError } from "../../../../lib/errors.js";
import { createDetector } from "../../../../lib/api/detection/create-detector.js";
import { createModel } from "../../../../lib/api/model.js";
import { matchedStages } from "../../../../lib/study/plan/matched-stages.js";

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

  for (const [studentName, teacherName, levels] of [
    ["faster-rcnn-mobilenetv2-fpn", "mask-rcnn-resnet18-fpn", ["p2", "p3", "p4", "p5", "p6"]],
    ["retinanet-mobilenetv2-fpn", "retinanet-resnet18-fpn", ["p3", "p4", "p5", "p6", "p7"]],
    ["retinanet-mobilenetv2-fpn", "faster-rcnn-mobilenetv2-fpn", ["p3", "p4", "p5", "p6"]],
  ] as const) {
    it(`lists the levels of the same name that a distillation of ${studentName} with ${teacherName} matches`, async () => {
      using student = await createDetector(studentName, { numClasses: 3 });
      using teacher = await createDetector(teacherName, { numClasses: 3 });
      using distiller = await createDistiller({ teacher, student });
      expect(matchedStages(studentName, teacherName)).to.deep.equal({ student: levels, teacher: levels });
      expect(distiller.matching.stages).to.deep.equal(levels.map((level) => ({ student: level, teacher: level })));
    });
  }

  it("refuses a classifier with a detector, and names both", () => {
    for (const [student, teacher] of [["retinanet-resnet18-fpn", "resnet18"], ["resnet18",
      "retinanet-resnet18-fpn"]] as const) {
      expect(() => matchedStages(student, teacher)).to.throw(ReviewKdError,
        new RegExp(`^invalid teacher: expected a .* as the student ${student} is, received ${teacher}\\.`))
        .with.property("code", "INVALID_ARGUMENT");
    }
  });

  it("suggests the detector that was meant, with or without its form", () => {
    for (const name of ["retinanet-resnet19-fpn", "retinanet_resnet18_fpn"]) {
      expect(() => matchedStages(name, "retinanet-resnet18-fpn")).to.throw(ReviewKdError,
        /^invalid student: .*; did you mean "retinanet-resnet18-fpn"\?$/).with.property("code", "UNKNOWN_NAME");
    }
  });

  it("lists the networks for an unknown one, and names its role", () => {
    expect(() => matchedStages("resnet9", "resnet56")).to.throw(ReviewKdError,
      /^invalid student: expected .*, received "resnet9"; did you mean "resnet8"\?/);
    expect(() => matchedStages("resnet8", "resnet9")).to.throw(ReviewKdError, /^invalid teacher: /).with.property(
      "code",
      "UNKNOWN_NAME",
    );
  });
});
