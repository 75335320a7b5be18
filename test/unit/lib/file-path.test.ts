import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { expandHome, FilePath, withHome } from "../../../lib/config/file-path.js";
import { parseRunConfig } from "../../../lib/config/config-file.js";
import { convertWeights, createModel, createSession, exportStudent, fit, inspectWeights, loadDataset, listImages,
  makeDirectory, readCocoAnnotations, readRunConfigInput, readWeightsInfo,
  writeStateDict } from "../../../lib/index.js";
import { useDirectory } from "../../integration/helpers.js";
import { failureOf } from "../../support/errors.js";

describe("the home directory in paths", () => {
  it("is written ~, alone or before a slash, at the beginning", () => {
    expect(["~", "~/data", "~/~", "./~", "a/~/b", "", "data"].map(expandHome)).to.deep.equal([homedir(),
      join(homedir(), "data"), join(homedir(), "~"), "./~", "a/~/b", "", "data"]);
  });

  it("of another user is an error that says what to write", async () => {
    const { message } = await failureOf("INVALID_ARGUMENT", () => withHome("~ann/data", "run directory"));
    expect(message).to.equal(
      "invalid run directory: expected a whole path instead of ~user, or ./~name for a file of that name, " +
        'received "~ann/data".',
    );
    expect(FilePath.safeParse("./~ann").data).to.equal("./~ann");
  });

  it("is expanded in configurations", () => {
    const { data, model } = parseRunConfig({ task: "train", model: { name: "resnet8", weights: "~/w.pt" },
      data: { kind: "image-folder", root: "~/photos" } }) as { data: { root?: string }; model: { weights?: string } };
    expect([data.root, model.weights]).to.deep.equal([join(homedir(), "photos"), join(homedir(), "w.pt")]);
  });

  it("is expanded where a function takes a path", async () => {
    const missing = "~/reviewkd-has-no-such-file";
    const calls: readonly (() => Promise<unknown>)[] = [
      () => loadDataset({ kind: "image-folder", root: missing }),
      () => loadDataset({ kind: "cifar10", root: missing }),
      () => loadDataset({ kind: "coco", root: missing }),
      () => loadDataset({ kind: "voc", root: missing }),
      () => listImages(missing),
      () => readWeightsInfo(`${missing}.pt`),
      () => readRunConfigInput(`${missing}.yaml`),
    ];
    for (const call of calls) expect((await failureOf("FILE_NOT_FOUND", call)).message).to.include(homedir());
  });
});

describe("a path with a NUL character, which the system would cut off", () => {
  const directory = useDirectory();

  it("is refused before anything is read or written", async () => {
    using model = await createModel("resnet8", { numClasses: 2 });
    using session = await createSession({ model, threads: 1 });
    const whole = join(directory.path, "w.safetensors");
    const path = `${whole}\0.x`;
    await model.save(whole);
    const calls: readonly (() => unknown)[] = [
      () => withHome(path),
      () => model.save(path),
      () => model.load(path),
      () => model.classify(path),
      () => session.saveCheckpoint(path),
      () => session.saveCheckpoint(join(directory.path, "c"), {}, { keepAs: path }),
      () => session.saveWithinEpoch(path),
      () => session.loadCheckpoint(path),
      () => createModel("resnet8", { weights: path }),
      () => inspectWeights(path),
      () => writeStateDict(path, {}),
      () => convertWeights(whole, path),
      () => exportStudent(path),
      () => loadDataset({ kind: "cifar100", root: path }),
      () => loadDataset({ kind: "image-folder", root: path }),
      () => readCocoAnnotations(path),
      () => listImages([path]),
      () => makeDirectory(path),
      () => readRunConfigInput(path),
      async () => {
        using data = await loadDataset({ kind: "synthetic", numClasses: 2, trainSamples: 4, testSamples: 2 });
        await fit({ model, data, runDirectory: path }).next();
      },
    ];
    for (const call of calls) {
      const { message } = await failureOf("INVALID_ARGUMENT", call);
      expect(message).to.include("expected a path without a NUL character, received ").and.to.not.include("\0");
    }
    expect(await readdir(directory.path)).to.deep.equal(["w.safetensors"]);
  });

  it("is none of the names of metadata either", async () => {
    using model = await createModel("resnet8", { numClasses: 2 });
    using session = await createSession({ model, threads: 1 });
    const path = join(directory.path, "m.pt");
    const metadata = { "a\0b": "1" };
    for (const call of [() => model.save(path, { metadata }), () => session.saveCheckpoint(path, metadata),
      () => writeStateDict(path, {}, metadata)]) {
      const { message } = await failureOf("INVALID_ARGUMENT", call);
      expect(message).to.include("expected names without a NUL character");
    }
  });
});
