// Exports of networks that lie on a GPU: `npm run test:gpu` runs this.
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createDetector, createModel } from "../../lib/index.js";
import { TEST_DEVICE } from "../support/device.js";

describe("an export of a network on a GPU", function () {
  this.timeout(300_000);
  let directory: string;

  before(async function () {
    if (TEST_DEVICE !== "cuda") this.skip();
    directory = await mkdtemp(join(tmpdir(), "reviewkd-export-"));
  });

  after(async () => {
    // Undefined where the tests were skipped.
    if (TEST_DEVICE === "cuda") await rm(directory, { recursive: true, force: true });
  });

  it("writes the file of the same classifier on the CPU", async () => {
    const files = await Promise.all((["cpu", "cuda"] as const).map(async (device) => {
      using model = await createModel("resnet20", { numClasses: 10, seed: 1, device });
      const path = join(directory, `${device}.onnx`);
      await model.exportOnnx(path);
      return readFileSync(path);
    }));
    expect(files[1]!.equals(files[0]!)).to.equal(true);
  });

  it("writes a detector of the same operations and size", async () => {
    const files = await Promise.all((["cpu", "cuda"] as const).map(async (device) => {
      using detector = await createDetector("mask-rcnn-resnet18-fpn", { numClasses: 3, seed: 1, device });
      const { bytes, operators } = await detector.exportOnnx(join(directory, `${device}-detector.onnx`), {
        imageSize: [96, 128],
      });
      return { bytes, operators };
    }));
    expect(files[1]).to.deep.equal(files[0]);
  });
});
