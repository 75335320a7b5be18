// Compatibility with a Python that has torch: REVIEWKD_TEST_PYTHON, or else python3. Without one, the committed files
// in test/fixtures/checkpoints are used.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { convertWeights, createModel, type Model } from "../../lib/index.js";
import { CHECKPOINTS, expectCheckpoint, expectedIn } from "../support/checkpoints.js";
import { loadInPython, pythonWithTorch, writeCheckpoints, type LoadedInPython } from "../support/python-torch.js";
import { filledModel } from "../support/networks.js";
import { valuesOf } from "../support/numeric.js";

describe("with Python's torch", function () {
  this.timeout(180_000);
  let folder: string | undefined;
  let python: string;

  before(async function () {
    const found = await pythonWithTorch();
    if (found === undefined) {
      console.warn("      no Python with torch found (set REVIEWKD_TEST_PYTHON): only the committed files are read");
      this.skip();
    }
    python = found;
    folder = await mkdtemp(join(tmpdir(), "reviewkd-python-"));
  });
  after(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  /** A path in the folder of these tests. */
  function file(name: string): string {
    if (folder === undefined) throw new Error("missing folder of these tests");
    return join(folder, name);
  }

  it("reads every variant that it writes, which are the committed ones", async () => {
    await writeCheckpoints(python, file("written"));
    const { files } = expectedIn(file("written"));
    expect(Object.keys(files)).to.include.members(
      Object.keys(expectedIn(CHECKPOINTS).files).filter((name) => !name.startsWith("numpy")),
    );
    for (const [name, expected] of Object.entries(files)) await expectCheckpoint(join(file("written"), name), expected);
  });

  async function expectEqual({ class: kind, tensors }: LoadedInPython, model: Model): Promise<void> {
    expect(kind).to.equal("OrderedDict");
    const state = await model.stateDict();
    expect(Object.keys(tensors)).to.deep.equal(Object.keys(state));
    for (const [name, tensor] of Object.entries(state)) {
      expect(tensors[name], name).to.deep.equal({ dtype: tensor.dtype, shape: tensor.shape, values: valuesOf(tensor) });
    }
  }

  it("loads our networks with weights_only=True, in float64 and float32, including metadata", async () => {
    using double = await filledModel("resnet8", 3);
    using single = await createModel("wrn-16-1", { numClasses: 10, seed: 3 });
    const paths = [file("double.pt"), file("single.pth")];
    await double.save(paths[0]!, { metadata: { note: "ünï 猫" } });
    await single.save(paths[1]!);
    const [ofDouble, ofSingle] = await loadInPython(python, paths);
    await expectEqual(ofDouble!, double);
    await expectEqual(ofSingle!, single);
    expect(ofDouble!.metadata).to.deep.equal({ model: "resnet8", numClasses: "3", note: "ünï 猫" });
  });

  it("loads every converted variant with equal values", async () => {
    const files = Object.entries(expectedIn(CHECKPOINTS).files);
    const paths = files.map(([name]) => file(`converted-${name}`));
    for (const [index, [name]] of files.entries()) await convertWeights(join(CHECKPOINTS, name), paths[index]!);
    const loaded = await loadInPython(python, paths);
    for (const [index, [name, expected]] of files.entries())
      expect(loaded[index]!.tensors, name).to.deep.equal(expected);
  });
});
