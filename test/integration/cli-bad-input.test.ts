import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { systemInfo } from "../../lib/index.js";
import { fail, succeed, useDirectory, TINY } from "./helpers.js";

const PIXELS = 3 * 32 * 32;

/** A CIFAR-100 directory of a few grey images with these fine labels. */
async function writeCifar100(directory: string, labels: readonly number[]): Promise<string> {
  await mkdir(directory, { recursive: true });
  const records = labels.flatMap((label) => [Buffer.from([0, label]), Buffer.alloc(PIXELS, 128)]);
  await writeFile(join(directory, "train.bin"), Buffer.concat(records));
  await writeFile(join(directory, "test.bin"), Buffer.concat(records));
  return directory;
}

describe("command line: bad input", () => {
  const directory = useDirectory();

  const train = (...words: string[]): string[] => ["train", "--model", "resnet8", ...TINY, "--epochs", "1", ...words];

  it("proposes the nearest network for an unknown one, or lists all", async () => {
    const messageFor = (name: string): Promise<string> =>
      fail(["train", "--model", name, ...TINY, "--run", join(directory.path, "a")], { exit: 2, code: "UNKNOWN_NAME" });
    expect(await messageFor("resnet21")).to.include('received "resnet21"; did you mean "resnet20"?');
    expect(await messageFor("zzz")).to.match(/`reviewkd models` lists all networks\.\naccepted: resnet8, /).and.include(
      "resnet32x4",
    );
  });

  it("names a missing data file and explains how to get it", async () => {
    const words = train("--data", `cifar100:${join(directory.path, "nowhere")}`, "--run", join(directory.path, "b"));
    expect(await fail(words, { exit: 1, code: "FILE_NOT_FOUND" })).to.include("train.bin").and.include(
      "reviewkd data fetch cifar100",
    );
  });

  it("rejects a truncated data file", async () => {
    const root = await writeCifar100(join(directory.path, "short"), [1, 2]);
    await writeFile(join(root, "train.bin"), Buffer.alloc(2 * (PIXELS + 2) - 1));
    const message = await fail(["data", "info", `cifar100:${root}`], { exit: 1, code: "FILE_CORRUPT" });
    expect(message).to.include("train.bin").and.include(String(2 * (PIXELS + 2) - 1));
  });

  it("rejects labels out of range", async () => {
    const root = await writeCifar100(join(directory.path, "labels"), [1, 100]);
    const message = await fail(["data", "info", `cifar100:${root}`], { exit: 1, code: "LABEL_OUT_OF_RANGE" });
    expect(message).to.include("record 1").and.include("100");
  });

  it("rejects a run directory that cannot be written", async () => {
    const file = join(directory.path, "file");
    await writeFile(file, "");
    expect(await fail(train("--run", join(file, "run")), { exit: 1, code: "RUN_DIRECTORY" })).to.include(
      join(file, "run"),
    );
  });

  it("rejects weights that are missing, truncated or in another format", async () => {
    const evaluate = (weights: string): string[] => ["eval", "--model", "resnet8", "--weights", weights];
    const missing = join(directory.path, "no.safetensors");
    expect(await fail(evaluate(missing), { exit: 1, code: "FILE_NOT_FOUND" })).to.include(missing);
    const garbage = join(directory.path, "garbage.safetensors");
    await writeFile(garbage, "not a header");
    expect(await fail(evaluate(garbage), { exit: 1, code: "FILE_UNSUPPORTED" })).to.include(garbage);
    const pickle = join(directory.path, "pickle.pth");
    await writeFile(pickle, Buffer.of(0x80, 2, 0x7d, 0x2e)); // an empty dictionary that torch.save did not write
    expect(await fail(evaluate(pickle), { exit: 1, code: "FILE_UNSUPPORTED" })).to.include(
      "torch.save(model.state_dict()",
    );
  });

  it("uses CUDA if requested and available, or explains why it is not", async () => {
    const words = train("--device", "cuda", "--run", join(directory.path, "c"));
    const { cuda } = await systemInfo();
    if (cuda.available) await succeed(words);
    else expect(await fail(words, { exit: 1, code: "CUDA_UNAVAILABLE" })).to.include(cuda.reason ?? "no reason");
  });

  it("validates settings of the synthetic data by their schema", async () => {
    const words = ["data", "info", "synthetic:numClass=4"];
    expect(await fail(words, { exit: 2, code: "INVALID_ARGUMENT" })).to.include("numClass").and.include("numClasses");
    expect(await fail(["data", "info", "synthetic:numClasses=1"], { exit: 2, code: "INVALID_ARGUMENT" })).to.include(
      "numClasses",
    );
  });

  it("stops if the loss is not finite", async () => {
    const words = train("--learning-rate", "1e30", "--epochs", "3", "--run", join(directory.path, "d"));
    expect(await fail(words, { exit: 1, code: "NON_FINITE_LOSS" })).to.match(/step \d+/);
  });
});
