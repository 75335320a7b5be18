// Runs on a substitute for Electron's utility processes; see electron-package.ts.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { run } from "../../lib/install/process.js";
import { installElectron } from "./electron-package.js";
import { install, installPlatform } from "./installed.js";

const PROGRAM = `
import { startWorker } from "reviewkd/worker";
const rk = await startWorker({ via: "utilityProcess" });
const model = await rk.createModel("resnet8", { numClasses: 4 });
const data = await rk.loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 32, testSamples: 16 });
const types = [];
for await (const event of rk.fit({ model, data, epochs: 1, batchSize: 16 })) types.push(event.type);
const values = await rk.Tensor.from([1, 2], [2]).toTypedArray();
const end = await rk.close();
const another = await startWorker({ via: "utilityProcess" });
const waiting = another.listModels().catch((error) => error.code);
another.kill();
console.log(JSON.stringify({ types, values: [...values], end, code: await waiting }));
`;

describe("a worker via utilityProcess", function () {
  this.timeout(120_000);
  let project: string;
  beforeEach(() => {
    project = mkdtempSync(join(tmpdir(), "reviewkd-electron-"));
  });
  afterEach(() => {
    rmSync(project, { recursive: true, force: true });
  });

  it("communicates through the ports that Electron documents", async () => {
    installPlatform(install(project));
    installElectron(project);
    writeFileSync(join(project, "program.mjs"), PROGRAM);
    const { status, stdout, output } = await run(process.execPath, ["program.mjs"], { cwd: project,
      env: { ...process.env, NODE_OPTIONS: "", REVIEWKD_LIBTORCH: "" } });
    expect(status, output).to.equal(0);
    const { types, values, end, code } = JSON.parse(stdout) as { types: string[]; values: number[]; end: object;
      code: string };
    expect(types.filter((type) => type !== "progress" && type !== "notice")).to.deep.equal(["start", "epoch", "end"]);
    expect(values).to.deep.equal([1, 2]);
    expect(end).to.deep.equal({ signal: null, exitCode: 0, checkpoint: null, closed: true });
    expect(code).to.equal("WORKER_EXITED");
  });
});
