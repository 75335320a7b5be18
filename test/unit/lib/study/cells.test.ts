import { resolve } from "node:path";
import { expect } from "chai";
import { RunConfig } from "../../../../lib/config/schemas/run-config.js";
import { cellsOf } from "../../../../lib/study/plan/cells.js";
import { conditionsOf } from "../../../../lib/study/plan/conditions.js";
import { configOf } from "./study-results.js";

const STAGES = { student: ["layer1"], teacher: ["block1"] };

const cells = (overrides: object): ReturnType<typeof cellsOf> => {
  const config = configOf("seeds", { seeds: [4, 7], ...overrides });
  return cellsOf(config, conditionsOf(config, STAGES), "runs/study");
};

describe("the cells of a study", () => {
  it("are every condition with every seed, after the teacher if it has no weights", () => {
    expect(cells({}).map(({ id }) => id)).to.deep.equal([
      "teacher",
      "student-alone-seed4",
      "distilled-seed4",
      "student-alone-seed7",
      "distilled-seed7",
    ]);
    expect(cells({ teacher: { name: "resnet56", weights: "t.safetensors" } }).map(({ id }) => id)).to.not.include(
      "teacher",
    );
  });

  it("are ordinary runs that learn from the same teacher", () => {
    for (const { config, runDirectory, seed, id } of cells({})) {
      expect(RunConfig.parse(config)).to.deep.equal(config);
      expect(config.training.seed).to.equal(seed);
      expect(runDirectory).to.equal(`runs/study/${id}`);
      if (config.task === "distill")
        expect(config.teacher.weights).to.equal(resolve("runs/study/teacher/student.safetensors"));
    }
    const given = cells({ teacher: { name: "resnet56", weights: "t.safetensors" } })[1]?.config;
    expect(given).to.deep.include({ task: "distill", teacher: { name: "resnet56", weights: "t.safetensors" } });
  });

  it("train the teacher for its own epochs, which the students' number of steps does not cut", () => {
    const teacher = (overrides: object): object =>
      cellsOf(configOf("seeds", { training: { maxSteps: 9 }, ...overrides }), [], "study")[0]!.config.training;
    expect(teacher({})).to.include({ epochs: null, maxSteps: 9 });
    expect(teacher({ teacherTraining: { epochs: 3 } })).to.include({ epochs: 3, maxSteps: null });
  });

  it("start a detector's teacher from a backbone that its students do not load again", () => {
    const own = { name: "retinanet-resnet18-fpn", flavor: "detectron2", detection: { minSize: 320 } };
    const given = { teacher: { ...own, backboneWeights: "r18.pth" },
      student: { name: "retinanet-mobilenetv2-fpn", backboneWeights: "mv2.pth" } };
    const [teacher, alone, distilled] = cells({ ...given, seeds: [0] }).map(({ config }) => config);
    expect(teacher).to.deep.include({ task: "train", model: given.teacher });
    expect(alone).to.deep.include({ task: "train", model: given.student });
    expect(distilled).to.deep.include({ task: "distill", student: given.student,
      teacher: { ...own, weights: resolve("runs/study/teacher/student.safetensors") } });
  });

  it("train the teacher with its own epochs and learning rate, and a seed that no student has", () => {
    const [teacher, student] = cells({ seeds: [0, 1000], teacherTraining: { epochs: 300, learningRate: 0.3 } });
    expect(teacher?.config.training).to.deep.include({ epochs: 300, seed: 2000 });
    expect(teacher?.config.training.optimizer.learningRate).to.equal(0.3);
    expect(student?.config.training.epochs).to.equal(240);
    expect(student?.config.training.optimizer.learningRate).to.equal(0.1);
  });
});
