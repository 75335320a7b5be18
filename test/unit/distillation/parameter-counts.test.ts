// The parameters that were published: of the student, and of the modules that exist in training alone.
import { expect } from "chai";
import { createDistiller, createModel } from "../../../lib/index.js";

// In millions, to the digits that were published, from "Distilling Knowledge via Knowledge Review" and its code.
const PUBLISHED = [
  { teacher: "resnet56", student: "resnet20", parameters: 0.278, trainingOnly: 0.114, digits: 3 },
  { teacher: "resnet32x4", student: "resnet8x4", parameters: 1.234, trainingOnly: 1.809, digits: 3 },
  { teacher: "wrn-40-2", student: "wrn-16-2", parameters: 0.703, trainingOnly: 0.454, digits: 3 },
  { teacher: "wrn-40-2", student: "wrn-40-1", parameters: 0.57, trainingOnly: 0.216, digits: 3 },
  { teacher: "vgg13", student: "vgg8", parameters: 3.965, trainingOnly: 9.848, digits: 3 },
  { teacher: "resnet34", student: "resnet18", numClasses: 1000, parameters: 11.69, trainingOnly: 7.55, digits: 2 },
] as const;

describe("the published numbers of parameters", () => {
  for (const { teacher: teacherName, student: studentName, parameters, trainingOnly, digits, ...rest } of PUBLISHED) {
    it(`are met by ${studentName} under ${teacherName}`, async () => {
      const numClasses = "numClasses" in rest ? rest.numClasses : 100;
      using teacher = await createModel(teacherName, { numClasses });
      using student = await createModel(studentName, { numClasses });
      using distiller = await createDistiller({ teacher, student });
      const inMillions = (count: number): string => (count / 1e6).toFixed(digits);
      expect(inMillions(student.parameterCount())).to.equal(parameters.toFixed(digits));
      expect(inMillions(distiller.trainingOnlyParameterCount())).to.equal(trainingOnly.toFixed(digits));
    });
  }
});
