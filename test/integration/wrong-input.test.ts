import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { createDistiller, createModel, findPreset, loadDataset, type Distiller, type ErrorCode,
  type Model } from "../../lib/index.js";
import { failureOf } from "../support/errors.js";
import { fail, useDirectory } from "./helpers.js";

describe("a wrong method, preset, stage or data set", () => {
  let teacher: Model;
  let student: Model;
  const directory = useDirectory();
  before(async () => {
    teacher = await createModel("vgg8", { numClasses: 4 });
    student = await createModel("resnet8", { numClasses: 4 });
  });
  after(() => {
    teacher.dispose();
    student.dispose();
  });

  // Arguments that a caller without types may pass.
  const distill = async (method: unknown): Promise<Distiller> =>
    createDistiller({ teacher, student, method: method as { kind: "review" } });
  const load = async (source: unknown): Promise<unknown> => loadDataset(source as { kind: "synthetic" });

  /** A wrong input, the error's code, and patterns of its message: the location and the fix. */
  const cases: [what: string, action: () => unknown, code: ErrorCode, ...says: RegExp[]][] = [
    ["an unknown method", () => distill({ kind: "reveiw" }), "INVALID_ARGUMENT", /"reveiw"/, /mean "review"/],
    ["an option that the method lacks", () => distill({ kind: "kd", fusion: "sum" }), "INVALID_ARGUMENT", /fusion/,
      /temperature/],
    ["a distance that there is not", () => distill({ kind: "review", distance: "l1" }), "INVALID_ARGUMENT",
      /^invalid distance in method/, /"hcl"/, /"l2"/],
    ["a sum within a sum", () => distill({ kind: "sum", of: [{ kind: "sum", of: [{ kind: "kd" }] }] }),
      "INVALID_ARGUMENT", /of\[0\]\.kind/, /to the outer one/],
    ["a stage beyond the matched ones", () => distill({ kind: "single-layer", stage: 5 }), "INVALID_ARGUMENT",
      /method\.stage/, /1: layer1~block2/, /received 5/],
    ["the stage 0", () => distill({ kind: "review-stage", stage: 0 }), "INVALID_ARGUMENT", /^invalid stage in method/,
      /counted from the shallowest/],
    ["a weight for a stage too few", () => distill({ kind: "review", stageWeights: [1, 1, 1] }), "INVALID_ARGUMENT",
      /4/, /stageWeights/, /4: pool~pool/],
    ["a preset that there is not", () => findPreset("resnet56-resnet21"), "UNKNOWN_NAME", /resnet56-resnet20/,
      /cifar100/],
    ["a data set that there is not", () => load({ kind: "cifar1000", root: "data" }), "INVALID_ARGUMENT", /"cifar100"/],
    ["a folder that is none of images", () => load({ kind: "image-folder", root: directory.path }), "FILE_NOT_FOUND",
      /train/],
    ["an IDX directory without its files", () => load({ kind: "idx", root: directory.path }), "FILE_NOT_FOUND",
      /train-images-idx3-ubyte/],
    [
      "the wrong number of class names",
      () =>
        load({
          kind: "arrays",
          numClasses: 3,
          height: 1,
          width: 1,
          classNames: ["cat", "dog"],
          train: { images: new Uint8Array(3), labels: [0] },
          test: { images: new Uint8Array(3), labels: [0] },
        }),
      "INVALID_ARGUMENT",
      /classNames/,
      /3/,
      /2/,
    ],
  ];
  for (const [what, action, code, ...says] of cases) {
    it(`rejects ${what} with ${code} and the fix`, async () => {
      const { message } = await failureOf(code, action);
      for (const saying of says) expect(message).to.match(saying);
    });
  }

  it("exits with 2 and the nearest name for a wrong method, preset or study on the command line", async () => {
    const data = ["--teacher", "vgg8", "--student", "resnet8", "--teacher-weights", "none.safetensors"];
    expect(await fail(["distill", ...data, "--method", "multi-layr"], { exit: 2, code: "CONFIG_INVALID" })).to.include(
      "multi-layer",
    );
    expect(await fail(["distill", ...data, "--preset", "cifar10"], { exit: 2, code: "UNKNOWN_NAME" })).to.include(
      "cifar100",
    );
    expect(await fail(["study", "stage"], { exit: 2, code: "UNKNOWN_NAME" })).to.include("stages");
  });

  it("names the file and the key of a wrong stage in a configuration", async () => {
    await mkdir(join(directory.path, "config"));
    const path = join(directory.path, "config", "wrong.yaml");
    await writeFile(path,
      "task: distill\nteacher: { name: vgg8, weights: t.safetensors }\nstudent: { name: resnet8 }\nmethod: { kind: sum, of: [{ kind: kd }, { kind: single-layer, stage: -1 }] }\n");
    expect(await fail(["distill", "--config", path], { exit: 2, code: "CONFIG_INVALID" })).to.include("wrong.yaml").and
      .include("method.of[1].stage");
  });
});
