// The GPU kit as far as a CPU goes: packed from this checkout, brought to an empty directory with an empty environment,
// and run there with the Node of the kit.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync,
  writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect } from "chai";
import { createModel } from "../../lib/index.js";
import { rehearse } from "../../scripts/gpu/rehearse.js";
import { python } from "../../lib/install/pip.js";
import { lastLines, run } from "../../lib/install/process.js";
import { cifarRecords } from "../support/cifar-records.js";

const ROOT = resolve(import.meta.dirname, "../..");
/** The only tools of a GPU machine; it has no Node. */
const TOOLS = ["bash", "cp", "dirname", "env", "mkdir", "nice", "rm", "sh", "tar", "touch", "uname", "which", "xz",
  "gzip"];
/** Less than Node and libtorch take to start. */
const LIMIT_SECONDS = 0.3;

describe("the GPU kit on a CPU", function () {
  this.timeout(240_000);
  let directory: string;
  let kit: string;
  let path: string;
  let libtorch: string;

  before(async function () {
    if (process.platform !== "linux" || process.arch !== "x64") this.skip();
    if ((await run("xz", ["--version"])).status !== 0) {
      console.warn("      no xz on this machine: the GPU kit is not rehearsed");
      this.skip();
    }
    directory = mkdtempSync(join(tmpdir(), "reviewkd-gpu-kit-"));
    path = join(directory, "bin");
    mkdirSync(path);
    for (const tool of TOOLS) symlinkSync(execFileSync("which", [tool], { encoding: "utf8" }).trim(), join(path, tool));
    const interpreter = execFileSync(python, ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" }).trim();
    writeFileSync(join(path, "python3"), `#!/bin/sh\nexec "${interpreter}" "$@"\n`, { mode: 0o755 });
    ({ directory: libtorch } = JSON.parse(readFileSync(join(ROOT, "build/Release/libtorch.json"), "utf8")) as {
      directory: string;
    });

    const data = join(directory, "cifar");
    mkdirSync(data);
    writeFileSync(join(data, "train.bin"), cifarRecords(32));
    writeFileSync(join(data, "test.bin"), cifarRecords(20, 5));
    kit = join(directory, ".gpu");
    const { status, output } = await run(process.execPath, ["--import", "tsx", join(ROOT, "scripts/gpu-kit.ts"),
      "--level", "0", "--prebuilt", join(ROOT, "build/Release"), "--data", data, "--out", kit], {
      env: { ...process.env, REVIEWKD_CACHE: join(directory, "cache") },
    });
    expect(status, lastLines(output, 30)).to.equal(0);
    expect(output).to.match(/working tree +[\d.]+ MiB\n\.gpu +[\d.]+ MiB\n\.gpu-data-1 +[\d.]+ MiB\n/);
  });
  after(() => {
    if (directory) rmSync(directory, { recursive: true, force: true });
  });

  /** Runs the device's half with one of the packed directories and gives the table of its steps. */
  async function onDevice(packed: string,
    ...parameters: string[]): Promise<{ status: Record<string, string>; detail: Record<string, string>; out: string }> {
    const { status, out, output } = await rehearse({ root: ROOT, kit: packed, directory: join(directory, "device"),
      path, parameters: [...parameters, "--device", "cpu", "--libtorch", libtorch] });
    expect(status, lastLines(output, 30)).to.equal(0);
    const rows = readFileSync(join(out, "steps.tsv"), "utf8").trimEnd().split("\n").slice(1).map((line) =>
      line.split("\t")
    );
    const column = (index: number): Record<string, string> =>
      Object.fromEntries(rows.map((row): [string, string] => [row[0]!, row[index]!]));
    return { status: column(1), detail: column(3), out };
  }

  it("packs Node, the modules, the binaries and the data", () => {
    expect(readdirSync(kit).sort()).to.deep.equal(["modules.tar.xz", "node.tar.xz", "prebuilt.tar.xz"]);
    expect(readdirSync(`${kit}-data-1`).sort()).to.deep.equal(["index.json", "test-00.cifar", "train-00.cifar"]);
  });

  it("runs every step that needs no GPU, cuts one off at its limit, and reports the others", async () => {
    const { status, detail, out } = await onDevice(kit, "proof", "--limit", `speed=${LIMIT_SECONDS}`);
    const { build, ...others } = status;
    expect(build).to.be.oneOf(["no nvcc", "failed"]); // failed: a machine with nvcc, but without the other half of libtorch
    expect(others, JSON.stringify(detail)).to.deep.equal({
      facts: "ok",
      unpack: "ok",
      doctor: "ok",
      tests: "no device",
      scenarios: "ok",
      speed: "timeout",
      bench: "no device",
      figures: "no device",
      profile: "no device",
      memcheck: "no device",
      racecheck: "no device",
      compiled: "no device",
      "bench-large": "no device",
      autotune: "no device",
    });
    expect(detail["scenarios"]).to.equal("6 of 6 scenarios hold");
    expect(detail["speed"]).to.match(/^stopped after \d+ s/);
    expect(readdirSync(out).sort()).to.deep.equal(["log.txt", "steps.tsv"]);
    const log = readFileSync(join(out, "log.txt"), "utf8");
    for (const step of ["facts", "unpack", "doctor", "scenarios", "speed"])
      expect(log).to.contain(`===== ${step} =====`);
  });

  it("trains the teacher and the student under it, and brings both weights home", async () => {
    expect((await onDevice(`${kit}-data-1`, "data")).status).to.deep.equal({ "keep-data": "ok" });
    const { status, detail, out } = await onDevice(`${kit}-data-1`, "train", "--epochs", "2", "--seconds", "120");
    expect(status, JSON.stringify(detail)).to.deep.equal({ "unpack-data": "ok", teacher: "ok", student: "ok" });
    expect(readdirSync(out).sort()).to.deep.equal(["log.txt", "steps.tsv", "student.safetensors", "teacher.safetensors",
      "train.jsonl"]);
    const events = readFileSync(join(out, "train.jsonl"), "utf8").trimEnd().split("\n").map((line) =>
      JSON.parse(line) as { role: string; type: string; epoch?: number }
    );
    expect(events.filter(({ type }) => type === "epoch").map(({ role, epoch }) => [role, epoch])).to.deep.equal([[
      "teacher",
      0,
    ], ["teacher", 1], ["student", 0], ["student", 1]]);
    for (const [name, file] of [["resnet56", "teacher"], ["resnet20", "student"]] as const) {
      using model = await createModel(name, { numClasses: 100, weights: join(out, `${file}.safetensors`) });
      expect(model.name).to.equal(name);
    }
  });

  it("names what to bring when Node is missing, and the modes when none is given", async () => {
    const empty = join(directory, "empty");
    mkdirSync(empty);
    const script = join(ROOT, "scripts/gpu/device/run.sh");
    const env = { PATH: path, HOME: empty, OUT: join(empty, "out"), GPU_WORK: join(empty, "work") };
    const missing = await run("bash", [script, "proof"], { cwd: empty, env });
    expect(missing.status).to.equal(1);
    expect(missing.output).to.match(
      /^invalid kit: expected \.gpu\/node\.tar\.xz, received none in .*\. Copy \.gpu, which `npm run gpu:kit` packs\.\n$/,
    );
    const checkout = join(directory, "device/checkout");
    const usage = await run("bash", [script, "prove"], { cwd: checkout,
      env: { ...env, GPU_WORK: join(directory, "device/work") } });
    expect(usage.status).to.equal(2);
    expect(usage.output).to.contain("USAGE: invalid mode: expected proof, quick, data, train, received prove.");
    expect(existsSync(join(checkout, "dist/index.js"))).to.equal(true);
  });

  it("rejects options that contradict each other or name nothing", async () => {
    const outcome = async (...parameters: string[]): Promise<string> =>
      (await run(process.execPath, ["--import", "tsx", join(ROOT, "scripts/gpu-kit.ts"), ...parameters])).output;
    expect(await outcome("--level", "12")).to.equal(
      "USAGE: invalid --level: expected 0 to 9, received 12. The best compression is 9.\n",
    );
    expect(await outcome("--data", "/nowhere")).to.equal(
      "USAGE: invalid --data: expected an existing path, received /nowhere. Check its spelling.\n",
    );
    expect(await outcome("--prebuilt", ROOT, "--no-prebuilt")).to.contain(
      "invalid --no-prebuilt: expected one of --prebuilt and --no-prebuilt, received both.",
    );
    expect(await outcome("--help")).to.match(/^Usage: npm run gpu:kit -- \[options\]/);
  });
});
