import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { locateFiles, withWorkingDirectory } from "../../../lib/runs/working-directory.js";
import { runExperiment } from "../../../lib/runs/experiment.js";
import type { RunConfigInput } from "../../../lib/config/schemas/run-config.js";
import { writeImageFolder } from "../../support/image-files.js";
import { failureOf } from "../../support/errors.js";
import { drain, ofType, scratchDirectory, SMALL_TRAINING } from "./small-run.js";

describe("the working directory of a run", () => {
  type Config = Parameters<typeof withWorkingDirectory>[0];
  const scratch = scratchDirectory();
  const before = process.cwd();
  afterEach(() => {
    process.chdir(before);
  });

  it("belongs to relative paths alone", async () => {
    const config: Config = { data: { kind: "synthetic" }, model: { name: "resnet8", weights: "/w.pt" } };
    expect(await withWorkingDirectory(config)).to.deep.equal(config);
    expect((await withWorkingDirectory({ ...config, data: { kind: "cifar10", root: "x" } })).workingDirectory).to.equal(
      before,
    );
  });

  it("is where files are looked up that are not below this process's", async () => {
    await mkdir(scratch("begun", "images"), { recursive: true });
    await writeFile(scratch("begun", "w.pt"), "");
    const workingDirectory = scratch("begun");
    const config = {
      data: { kind: "coco", images: { train: "images", val: "/abs" },
        annotations: { train: "w.pt", val: "package.json" } },
      student: { name: "resnet8", weights: "w.pt" },
      workingDirectory,
    };
    const { data, student } = await locateFiles(config);
    expect(data).to.deep.equal({ kind: "coco", images: { train: scratch("begun", "images"), val: "/abs" },
      annotations: { train: scratch("begun", "w.pt"), val: "package.json" } });
    expect(student.weights).to.equal(scratch("begun", "w.pt"));
    const { message } = await failureOf("FILE_NOT_FOUND",
      () => locateFiles({ data: { kind: "cifar10", root: "none" }, workingDirectory }));
    expect(message).to.include('"none"').and.include(before).and.include(workingDirectory);
  });

  it("lets a run be resumed from anywhere, without a change of its settings", async () => {
    await writeImageFolder(scratch("photos"), { a: { train: 4, val: 1 }, b: { train: 4, val: 1 } });
    await mkdir(scratch("away"));
    const config = (epochs: number): RunConfigInput => ({ task: "train", model: { name: "resnet8" },
      data: { kind: "image-folder", root: "photos", imageSize: 8 },
      training: { ...SMALL_TRAINING, batchSize: 4, epochs } });
    process.chdir(scratch());
    await drain(runExperiment(config(1), { runDirectory: scratch("run") }));
    const recorded = JSON.parse(await readFile(join(scratch("run"), "config.json"), "utf8")) as Record<string, unknown>;
    expect([recorded["workingDirectory"], (recorded["data"] as { root: string }).root]).to.deep.equal([process.cwd(),
      "photos"]);
    process.chdir(scratch("away"));
    const { events } = await drain(
      runExperiment(config(2), { runDirectory: scratch("run"), resume: true, override: true }),
    );
    expect(ofType(events, "resumed")[0]?.changes.map(({ key }) => key)).to.deep.equal(["training.epochs"]);
    expect(ofType(events, "end")).to.have.length(1);
  });
});
