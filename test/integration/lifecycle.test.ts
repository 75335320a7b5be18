import { mkdtemp, rm, access } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createDistiller, createModel, createSession, endProcess, loadDataset, Tensor } from "../../lib/index.js";
import type { Dataset, Distiller, Model, Session } from "../../lib/index.js";
import { failureOf } from "../support/errors.js";
import { runProgram } from "./child-program.js";

const NORMAL_END = { code: 0, signal: null, stderr: "" };

async function exists(path: string): Promise<boolean> {
  return access(path).then(() => true, () => false);
}

describe("use after dispose", () => {
  let teacher: Model;
  let student: Model;
  let distiller: Distiller;
  let session: Session;
  let data: Dataset;
  const images = Tensor.from(new Float32Array(2 * 3 * 8 * 8), [2, 3, 8, 8]);
  const labels = Tensor.from([0, 1], [2], { dtype: "int64" });
  const epoch = { epoch: 0, epochs: 1, batchSize: 2 } as const;

  beforeEach(async () => {
    [teacher, student] = [await createModel("resnet8", { numClasses: 4 }),
      await createModel("resnet8", { numClasses: 4, seed: 1 })];
    distiller = await createDistiller({ teacher, student });
    session = await createSession({ distiller, threads: 1 });
    const split = { images: new Uint8Array(4 * 3 * 64), labels: [0, 1, 2, 3] };
    data = await loadDataset({ kind: "arrays", numClasses: 4, height: 8, width: 8, train: split, test: split });
  });

  async function expectDisposed(what: string, uses: Readonly<Record<string, () => unknown>>): Promise<void> {
    for (const [name, use] of Object.entries(uses)) {
      const error = await failureOf("DISPOSED", use).catch((cause: unknown) => {
        throw new Error(`${what}: ${name}`, { cause });
      });
      expect(error.message, name).to.include(what);
    }
  }

  it("is an error for a tensor", async () => {
    const tensor = Tensor.from([1], [1]);
    tensor.dispose();
    await expectDisposed("Tensor", {
      toTypedArray: () => tensor.toTypedArray(),
      item: () => tensor.item(),
      "Model.forward": () => student.forward(tensor),
      "Distiller.forward": () => distiller.forward(tensor),
      "Session.step, images": () => session.step({ images: tensor, labels }),
      "Session.step, labels": () => session.step({ images, labels: tensor }),
      "Model.loadStateDict": () => student.loadStateDict({ "fc.bias": tensor }),
    });
    expect(tensor.shape).to.deep.equal([1]);
  });

  it("is an error for a model", async () => {
    student.dispose();
    await expectDisposed("Model", {
      forward: () => student.forward(images),
      featureSpecs: () => student.featureSpecs(8, 8),
      device: () => student.device,
      stateDict: () => student.stateDict(),
      loadStateDict: () => student.loadStateDict({}),
      save: () => student.save("never.safetensors"),
      load: () => student.load("never.safetensors"),
      evaluate: () => student.evaluate(data.test),
      createDistiller: () => createDistiller({ teacher, student }),
      createSession: () => createSession({ model: student }),
    });
    expect(await exists("never.safetensors")).to.equal(false);
  });

  it("is an error for a distiller", async () => {
    distiller.dispose();
    await expectDisposed("Distiller", {
      forward: () => distiller.forward(images),
      stateDict: () => distiller.stateDict(),
      loadStateDict: () => distiller.loadStateDict({}),
      trainingOnlyParameterCount: () => distiller.trainingOnlyParameterCount(),
      createSession: () => createSession({ distiller }),
    });
  });

  it("is an error for a session", async () => {
    session.dispose();
    await expectDisposed("Session", {
      step: () => session.step({ images, labels }),
      trainEpoch: () => session.trainEpoch(data, epoch),
      evaluate: () => session.evaluate(data.test),
      gradients: () => session.gradients(),
      position: () => session.position(),
      setEpoch: () => session.setEpoch(1),
      setLearningRate: () => session.setLearningRate(1),
      saveCheckpoint: () => session.saveCheckpoint("never.safetensors"),
      loadCheckpoint: () => session.loadCheckpoint("never.safetensors"),
    });
    expect(await exists("never.safetensors")).to.equal(false);
  });

  it("is an error for a data set", async () => {
    data.dispose();
    await expectDisposed("Dataset", {
      trainEpoch: () => session.trainEpoch(data, epoch),
      "Session.evaluate": () => session.evaluate(data.test),
      "Model.evaluate": () => student.evaluate(data.test),
      batches: () => data.train.batches().next(),
    });
  });

  it("twice is harmless", () => {
    for (const owner of [images, labels, session, distiller, student, teacher, data]) {
      const copy = owner instanceof Tensor ? Tensor.from([1], [1]) : owner;
      copy.dispose();
      copy.dispose();
      copy[Symbol.dispose]();
    }
  });

  it("follows `using` at the end of the block", async () => {
    let outside: Tensor;
    {
      using inside = Tensor.from([1], [1]);
      outside = inside;
      expect(outside.item()).to.equal(1);
    }
    await failureOf("DISPOSED", () => outside.item());
  });

  it("does not affect objects that others still use", async () => {
    teacher.dispose();
    student.dispose();
    distiller.dispose();
    expect((await session.step({ images, labels })).step).to.equal(1);
  });

  it("waits for running and queued work", async () => {
    const work = Promise.all([
      session.trainEpoch(data, epoch),
      session.evaluate(data.test),
      session.position(),
      student.forward(images),
      distiller.forward(images),
    ]);
    for (const owner of [session, distiller, student, teacher, data]) owner.dispose();
    const [{ images: trained }, { samples }, { totalSteps }] = await work;
    expect([trained, samples, totalSteps]).to.deep.equal([4, 4, 2]);
  });

  it("leaves the trained network usable after its session", async () => {
    await session.step({ images, labels });
    session.dispose();
    expect((await student.forward(images)).logits.shape).to.deep.equal([2, 4]);
    using another = await createSession({ model: student, threads: 1 });
    expect((await another.step({ images, labels })).step).to.equal(1);
  });
});

describe("a process", () => {
  let directory: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "reviewkd-lifecycle-"));
  });
  after(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  it("ends by itself with undisposed sessions, networks and data", async () => {
    const { stdout, ...end } = await runProgram("end-undisposed.mjs");
    expect(end).to.deep.equal(NORMAL_END);
    expect(stdout).to.equal("stepped\n");
  });

  it("stays alive until its last step is done", async () => {
    const { stdout, ...end } = await runProgram("end-with-pending-step.mjs");
    expect(end).to.deep.equal(NORMAL_END);
    expect(stdout).to.equal("asked\nstepped\n");
  });

  it("ends with the code of process.exit() during an epoch", async () => {
    const { stdout, ...end } = await runProgram("exit-in-epoch.mjs", { words: ["7"] });
    expect(end).to.deep.equal({ ...NORMAL_END, code: 7 });
    expect(stdout).to.equal("training\n");
  });

  it("ends with the code of process.exit() while an epoch waits for images that never come", async () => {
    const { stdout, ...end } = await runProgram("exit-with-stuck-stream.mjs", { words: ["5"] });
    expect(end).to.deep.equal({ ...NORMAL_END, code: 5 });
    expect(stdout).to.equal("stuck\n");
  });

  for (const where of ["this thread", "a worker thread"]) {
    it(`ends with endProcess() while images are drawn in ${where}, after the listeners for its end`, async () => {
      const began = performance.now();
      const words = ["9", ...(where === "this thread" ? [] : ["worker"])];
      const { stdout, ...end } = await runProgram("end-while-drawing.mjs", { words });
      expect(end).to.deep.equal({ ...NORMAL_END, code: 9 });
      expect(stdout).to.equal("exit 9\n");
      // Drawing takes half a minute.
      expect(performance.now() - began).to.be.below(15_000);
    });
  }

  it("does not end with endProcess() of another value than an exit code", async () => {
    for (const value of [-1, 256, 1.5, NaN, "9", undefined])
      await failureOf("INVALID_ARGUMENT", () => endProcess(value as number));
  });

  it("ends by itself with a producer that waits for room", async () => {
    const { stdout, ...end } = await runProgram("end-with-idle-stream.mjs");
    expect(end).to.deep.equal(NORMAL_END);
    expect(stdout).to.equal("4\n");
  });

  it("continues after a pass that was stopped while its producer waited for room", async () => {
    const { stdout, ...end } = await runProgram("end-with-idle-stream.mjs", { words: ["stop"] });
    expect(end).to.deep.equal(NORMAL_END);
    expect(stdout).to.equal("4\nstopped\n");
  });

  it("does not end while a training that was stopped before its first image still has to settle", async () => {
    const { stdout, ...end } = await runProgram("abort-before-images.mjs", { words: ["20"] });
    expect(end).to.deep.equal(NORMAL_END);
    expect(stdout.trim().split("\n")).to.deep.equal(Array.from({ length: 20 }, () => "ABORTED"));
  });

  it("drops work that waits behind the step it is in", async () => {
    const path = join(directory, "never.safetensors");
    const { stdout, ...end } = await runProgram("exit-with-queue.mjs", { words: [path] });
    expect(end).to.deep.equal({ ...NORMAL_END, code: 3 });
    expect(stdout).to.equal("queued\n");
    expect(await exists(path)).to.equal(false);
  });

  it("ends on an uncaught error during an epoch, as Node does", async () => {
    const { code, signal, stderr } = await runProgram("throw-in-epoch.mjs");
    expect({ code, signal }).to.deep.equal({ code: 1, signal: null });
    expect(stderr).to.include("the program's own error");
  });

  it("names objects of another copy of the package, such as that of require next to import", async () => {
    const { stdout, code } = await runProgram("mix-import-and-require.mjs");
    expect(code).to.equal(0);
    const expected = ["model in session options: expected a Model or a Detector, received a Model",
      "student: expected a Model or a Detector, received a Model", "images: expected a Tensor, received a Tensor",
      "images[0]: expected a Tensor, an encoded image or the path of an image file, received a Tensor",
      "data: expected a split of a data set, received a DatasetSplit",
      "model in session options: expected a Model or a Detector, received a Model"];
    const messages = JSON.parse(stdout) as string[];
    for (const [index, text] of expected.entries()) {
      expect(messages[index]).to.include(`INVALID_ARGUMENT: invalid ${text} of another copy of this package. Use one`);
    }
    expect(messages[expected.length]).to.include("received a Tensor. Create it with createModel");
    expect(messages).to.have.length(expected.length + 1);
  });

  it("collects unreachable objects, also during work", async () => {
    const { stdout, ...end } = await runProgram("collect-garbage.mjs", { nodeOptions: ["--expose-gc"] });
    expect(end).to.deep.equal(NORMAL_END);
    const { total, grown } = JSON.parse(stdout) as { total: number; grown: number };
    // Compares the bytes of created and dropped tensors with the growth of the process.
    expect(grown).to.be.below(total / 3);
  });
});
