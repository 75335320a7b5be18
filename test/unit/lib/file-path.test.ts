import { homedir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { expandHome, FilePath, withHome } from "../../../lib/config/file-path.js";
import { parseRunConfig } from "../../../lib/config/config-file.js";
import { loadDataset, listImages, readRunConfigInput, readWeightsInfo } from "../../../lib/index.js";
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
