import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { writeVocFolder } from "../support/voc-folder.js";

const examples = fileURLToPath(new URL("../../examples", import.meta.url));

describe("the examples", function () {
  this.timeout(180_000);
  this.slow(30_000);

  let directory: string;
  let child: ChildProcess | undefined;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "reviewkd-examples-"));
  });
  afterEach(() => {
    child?.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  });

  function start(name: string, ...words: string[]) {
    const env: NodeJS.ProcessEnv = { ...process.env, NODE_OPTIONS: "" };
    const started = spawn(process.execPath, ["--import", "tsx", join(examples, name), ...words], { env,
      stdio: ["ignore", "pipe", "pipe"] });
    child = started;
    const said = { stdout: "", stderr: "" };
    started.stdout.setEncoding("utf8").on("data", (text: string) => {
      said.stdout += text;
    });
    started.stderr.setEncoding("utf8").on("data", (text: string) => {
      said.stderr += text;
    });
    return { started, said };
  }

  async function run(name: string, ...words: string[]): Promise<string> {
    const { started, said } = start(name, ...words);
    const [code] = (await once(started, "close")) as [number | null];
    expect(code, said.stderr).to.equal(0);
    expect(said.stderr).to.equal("");
    return said.stdout;
  }

  it("are each tested, and listed in their README", () => {
    expect(readdirSync(examples).sort()).to.deep.equal(["README.md", "browser", "cluster", "detector.ts", "electron",
      "express-server.ts", "own-loop.ts", "plain-script.ts", "worker-pool.mjs"]);
    expect(readdirSync(join(examples, "browser", "test"))).to.include("page.test.ts");
    // The Electron application has its own tests, and those of clusters: cluster-examples.test.ts.
    expect(readdirSync(join(examples, "electron", "test")).filter((name) => name.endsWith(".test.ts"))).to.include
      .members(["application.test.ts", "chromium.test.ts", "electron.test.ts"]);
  });

  it("plain-script.ts trains, distills and saves", async () => {
    const stdout = await run("plain-script.ts", directory);
    expect(stdout).to.match(/^teacher, epoch 1: \d+\.\d %$/m).and.match(/^student, epoch 1: \d+\.\d %, loss \d/m);
    expect(existsSync(join(directory, "student.safetensors"))).to.equal(true);
    expect(existsSync(join(directory, "plain-script", "last.safetensors"))).to.equal(true);
  });

  it("detector.ts distills a detector from a folder of photographs, in at most 40 lines, and continues where it was", async () => {
    expect(readFileSync(join(examples, "detector.ts"), "utf8").trimEnd().split("\n")).to.have.length.at.most(40);
    const [photographs, out] = [join(directory, "voc"), join(directory, "out")];
    await writeVocFolder(photographs, { train: 4, val: 2 });
    const words = [photographs, "--epochs", "1", "--size", "64", "--out", out];
    const stdout = await run("detector.ts", ...words);
    expect(stdout).to.match(/^4 photographs to learn from, 2 to test on: cat,dog$/m)
      .and.match(/^teacher, epoch 1: AP \d\.\d{3}$/m).and.match(/^student, epoch 1: AP \d\.\d{3}$/m);
    for (const name of ["student.pth", "found.png", "teacher/best.safetensors", "student/config.json"])
      expect(existsSync(join(out, name)), name).to.equal(true);
    const again = await run("detector.ts", ...words);
    expect(again).to.match(/^student: AP \d\.\d{3}$/m).and.include("wrote ");
    expect(again).to.not.include("epoch");
  });

  it("own-loop.ts follows its own schedule up and down", async () => {
    const stdout = await run("own-loop.ts");
    const rates = [...stdout.matchAll(/rate (\d\.\d+)/g)].map(([, rate]) => Number(rate));
    expect(rates).to.have.lengthOf(4);
    expect(rates[1]).to.be.above(rates[0]!);
    expect(rates[3]).to.be.below(rates[2]!);
    expect(stdout).to.match(/^epoch 1: \d+\.\d %$/m);
  });

  it("worker-pool.mjs fills in every cell of its study", async () => {
    const stdout = await run("worker-pool.mjs");
    expect(stdout.match(/^learning rate 0\.0[15], seed [01]: \d+\.\d %$/gm)).to.have.lengthOf(4);
  });

  it("express-server.ts streams a run, stops and resumes it, and rejects invalid requests", async () => {
    const { started, said } = start("express-server.ts", "0", directory);
    while (!said.stdout.includes("listening")) await once(started.stdout, "data");
    const [url] = /http:\S+/.exec(said.stdout)!;
    const post = (name: string, body: object) =>
      fetch(`${url}/runs/${name}`, { method: "POST", headers: { "content-type": "application/json" },
        body: JSON.stringify(body) });
    const typesOf = (text: string): string[] => [...text.matchAll(/^event: (.*)$/gm)].map(([, type]) => type!);

    expect((await post("..%2Foutside", {})).status).to.equal(400);
    expect((await post("first", { epochs: 0 })).status).to.equal(400);
    const unknown = await (await post("unknown", { student: "resnet9" })).text();
    expect(unknown).to.include('"code":"UNKNOWN_NAME"');

    const first = await post("first", { epochs: 100 });
    const reader = first.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("event: checkpoint")) text += (await reader.read()).value ?? "";
    // The server answers during training.
    expect(await (await fetch(`${url}/runs`)).json()).to.deep.equal(["first"]);
    expect((await post("first", { epochs: 100 })).status).to.equal(409);
    expect((await fetch(`${url}/runs/first`, { method: "DELETE" })).status).to.equal(202);
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      text += value;
    }
    expect(typesOf(text)).to.include.members(["start", "progress", "epoch", "interrupted"]);
    expect(text).to.include('"code":"ABORTED"');

    const again = await post("first", { epochs: 100 });
    const resumed = again.body!.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await resumed.read();
    expect(/"startEpoch":(\d+)/.exec(value!)?.[1]).to.not.equal("0");
    await resumed.cancel();
    started.kill("SIGTERM");
    const [code] = (await once(started, "close")) as [number | null];
    expect(code, said.stderr).to.equal(0);
  });
});
