// Checkpoints that other libraries write, by scripts/fixtures/write_tool_checkpoints.py: REVIEWKD_TEST_PYTHON, or else
// python3, with torch and these libraries. test/unit/checkpoint/entry-names.test.ts has their names without them.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { createModel, inspectWeights, readStateDict } from "../../lib/index.js";
import { failureOf } from "../support/errors.js";
import { valuesOf } from "../support/numeric.js";
import { pythonWithTorch } from "../support/python-torch.js";

const SCRIPT = "scripts/fixtures/write_tool_checkpoints.py";

interface Checkpoint {
  readonly file: string;
  readonly network: string;
  readonly numClasses: number;
  readonly expected: string;
  readonly differs: boolean;
}

/** Tools and the modules that writing their files needs. */
const TOOLS = { torch: "torchvision", lightning: "lightning, torchmetrics, torchvision", timm: "timm",
  transformers: "transformers, timm", mmengine: "mmengine, torchvision" };

// Float32 sums of another order; the logits are of size 1 to 10.
const TOLERANCE = 1e-4;

describe("checkpoints of other libraries", function () {
  this.timeout(600_000);

  for (const [tool, modules] of Object.entries(TOOLS)) {
    it(`of ${tool} give the same logits, or are refused for what differs`, async function () {
      const python = await pythonWithTorch(`torch, safetensors, ${modules}`);
      if (python === undefined) {
        console.warn(`      no Python with ${modules} found (set REVIEWKD_TEST_PYTHON)`);
        this.skip();
      }
      const folder = await mkdtemp(join(tmpdir(), "reviewkd-tools-"));
      try {
        const { stdout } = await promisify(execFile)(python, [SCRIPT, folder, tool], { maxBuffer: 1e8 });
        const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
        expect(lines).not.to.have.length(0);
        for (const line of lines) await expectCheckpoint(JSON.parse(line) as Checkpoint);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  }
});

async function expectCheckpoint({ file, network, numClasses, expected, differs }: Checkpoint): Promise<void> {
  const { fit } = await inspectWeights(file);
  expect(fit, file).to.include({ name: network, numClasses, matching: fit!.entries });
  expect(fit!.difference === "", file).to.equal(!differs);
  if (differs) {
    const { message } = await failureOf("FILE_UNSUPPORTED", () => createModel(network, { numClasses, weights: file }));
    expect(message).to.contain(fit!.layout).and.to.contain("strict: false");
  }
  using model = await createModel(network, { numClasses, weights: file, strict: !differs });
  expect(model.loadReport, file).to.deep.include({ missing: [], unexpected: [], mismatched: [] });
  if (differs) return;
  const { state: { images, logits } } = await readStateDict(expected);
  const output = await model.forward(images!);
  const [got, wanted] = [valuesOf(output.logits), valuesOf(logits!)];
  const error = Math.max(...wanted.map((value, index) => Math.abs(value - got[index]!)));
  expect(error / Math.max(...wanted.map(Math.abs)), file).to.be.below(TOLERANCE);
}
