import { expect } from "chai";
import { createDistiller, createModel } from "../../../lib/index.js";

// Millions as published: the student, and the fusions, which exist only in training.
const PAIRS = [
  { teacher: "resnet56", student: "resnet20", numClasses: 100, parameters: "0.278", trainingOnly: "0.114" },
  { teacher: "resnet32x4", student: "resnet8x4", numClasses: 100, parameters: "1.234", trainingOnly: "1.809" },
  { teacher: "wrn-40-2", student: "wrn-16-2", numClasses: 100, parameters: "0.703", trainingOnly: "0.454" },
  { teacher: "wrn-40-2", student: "wrn-40-1", numClasses: 100, parameters: "0.570", trainingOnly: "0.216" },
  { teacher: "wrn-40-2", student: "shufflenetv1", numClasses: 100, parameters: "0.949", trainingOnly: "2.985" },
  { teacher: "resnet32x4", student: "shufflenetv1", numClasses: 100, parameters: "0.949", trainingOnly: "4.607" },
  { teacher: "resnet32x4", student: "shufflenetv2", numClasses: 100, parameters: "1.356", trainingOnly: "4.196" },
  { teacher: "vgg13", student: "vgg8", numClasses: 100, parameters: "3.965", trainingOnly: "9.848" },
  { teacher: "resnet34", student: "resnet18", numClasses: 1000, parameters: "11.69", trainingOnly: "7.55" },
  { teacher: "resnet50", student: "mobilenetv1", numClasses: 1000, parameters: "4.23", trainingOnly: "14.34",
    midChannels: 256 },
] as const;

const decimals = (text: string): number => text.length - text.indexOf(".") - 1;

describe("the parameters of review", () => {
  for (const { teacher: teacherName, student: studentName, numClasses, parameters, trainingOnly, ...method } of PAIRS) {
    it(`are the published ${parameters} + ${trainingOnly} million for ${studentName} under ${teacherName}`, async () => {
      using teacher = await createModel(teacherName, { numClasses });
      using student = await createModel(studentName, { numClasses });
      using distiller = await createDistiller({ teacher, student, method: { kind: "review", ...method } });
      expect((student.parameterCount() / 1e6).toFixed(decimals(parameters))).to.equal(parameters);
      expect((distiller.trainingOnlyParameterCount() / 1e6).toFixed(decimals(trainingOnly))).to.equal(trainingOnly);
    });
  }
});
