import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { jsonEvents, start, succeed, useDirectory, type Running } from "./helpers.js";

/** Long enough for a signal to arrive within an epoch, short enough to run several times. */
const WORDS = [
  "train",
  "--model",
  "resnet8",
  "--data",
  "synthetic:numClasses=4,trainSamples=640,testSamples=32",
  "--batch-size",
  "16",
  "--learning-rate",
  "0.02",
  "--schedule",
  "cosine",
  "--epochs",
  "2",
  "--threads",
  "1",
  "--seed",
  "1",
  "--json",
] as const;

/** The tensors of a safetensors file: everything after its header. */
async function tensorBytes(path: string): Promise<Buffer> {
  const file = await readFile(path);
  return file.subarray(8 + Number(file.readBigUInt64LE(0)));
}

describe("command line: interruption", () => {
  const directory = useDirectory();

  async function startTraining(run: string, env: Record<string, string> = {}): Promise<Running> {
    const running = start([...WORDS, "--run", run], { env });
    await running.until(/"type":"progress"/);
    return running;
  }

  it("saves on Ctrl-C, explains how to resume, and ends like an uninterrupted run", async () => {
    const run = join(directory.path, "stopped");
    const running = await startTraining(run);
    running.child.kill("SIGINT");
    const { code, stdout, stderr } = await running.finished;

    expect(code, stderr).to.equal(130);
    expect(stderr).to.include("finishing the step and saving").and.not.match(/^\s+at /m);
    const events = jsonEvents(stdout);
    const interrupted = events.find(({ type }) => type === "interrupted");
    expect(interrupted?.["checkpoint"]).to.equal(join(run, "last.safetensors"));
    expect(events.at(-1)).to.include({ type: "error", code: "ABORTED" });
    expect(stderr).to.include(`train --run ${run} --resume`);

    const resumed = jsonEvents((await succeed(["train", "--run", run, "--resume", "--json"])).stdout);
    expect(resumed[0]).to.include({ type: "start", startEpoch: interrupted?.["epoch"],
      startStep: interrupted?.["step"] });
    expect(resumed.at(-1)).to.include({ type: "end", epochs: 2 });

    const whole = join(directory.path, "whole");
    await succeed([...WORDS, "--run", whole]);
    expect(await tensorBytes(join(run, "student.safetensors"))).to.deep.equal(
      await tensorBytes(join(whole, "student.safetensors")),
    );
    const metrics = (await readFile(join(run, "metrics.jsonl"), "utf8")).trimEnd().split("\n");
    expect(metrics).to.have.length(2);
  });

  for (const signal of ["SIGTERM", "SIGHUP", "SIGUSR1"] as const) {
    it(`saves on ${signal} as well`, async function () {
      if (signal === "SIGUSR1" && process.platform === "win32") this.skip();
      const run = join(directory.path, signal);
      const running = await startTraining(run, { _: "/usr/bin/node" });
      running.child.kill(signal);
      const { code, stderr } = await running.finished;
      expect(code).to.equal(130);
      // Node's answer to SIGUSR1.
      expect(stderr).to.not.include("Debugger listening");
      expect(existsSync(join(run, "last.safetensors"))).to.equal(true);
    });
  }

  it("saves and ends with its exit code when its terminal is closed", async function () {
    // A terminal by util-linux' script, which is then killed.
    if (process.platform !== "linux" || spawnSync("script", ["--version"]).status !== 0) this.skip();
    const run = join(directory.path, "closed");
    const exit = join(directory.path, "exit-code");
    const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
    const words = [process.execPath, program, ...WORDS.filter((word) => word !== "--json"), "--run", run];
    const env = { ...process.env, NODE_OPTIONS: "" };
    // A shell that passes the signal on, as interactive ones do, and survives to write the exit code.
    const script = `${words.map((word) => `'${word}'`).join(" ")} & trap "kill -HUP $!" HUP; wait $!; wait $!; echo $? > ${exit}`;
    const terminal = spawn("script", ["-qec", script, "/dev/null"], {
      env: { ...env, SHELL: "/bin/sh", _: "/bin/sh" },
    });
    let shown = "";
    terminal.stdout.setEncoding("utf8").on("data", (text: string) => {
      shown += text;
    });
    while (!/epoch {2}/.test(shown)) await once(terminal.stdout, "data");
    terminal.kill("SIGKILL");
    while (!existsSync(exit) || (await readFile(exit, "utf8")) === "") await delay(50);
    expect(await readFile(exit, "utf8")).to.equal("130\n");
    expect(existsSync(join(run, "last.safetensors"))).to.equal(true);
  });

  it("takes further hang-ups for the same closed terminal", async () => {
    const run = join(directory.path, "hung-up");
    const running = await startTraining(run, { _: "/usr/bin/node" });
    for (const signal of ["SIGHUP", "SIGHUP", "SIGTERM", "SIGHUP"] as const) running.child.kill(signal);
    const { code, stdout } = await running.finished;
    expect(code).to.equal(130);
    expect(jsonEvents(stdout).map(({ type }) => type)).to.include("interrupted");
    expect(existsSync(join(run, "last.safetensors"))).to.equal(true);
  });

  it("saves on the warning of a scheduler, also when its SIGTERM follows meanwhile", async function () {
    if (process.platform === "win32") this.skip();
    const run = join(directory.path, "warned");
    const running = await startTraining(run);
    for (const signal of ["SIGUSR1", "SIGUSR1", "SIGTERM"] as const) running.child.kill(signal);
    const { code, stdout } = await running.finished;
    expect(code).to.equal(130);
    expect(jsonEvents(stdout).map(({ type }) => type)).to.include("interrupted");
    expect(existsSync(join(run, "last.safetensors"))).to.equal(true);
  });

  it("continues after a hang-up under nohup", async () => {
    const run = join(directory.path, "nohup");
    const running = await startTraining(run, { _: "/usr/bin/nohup" });
    running.child.kill("SIGHUP");
    const { code, stdout, stderr } = await running.finished;
    expect(code, stderr).to.equal(0);
    expect(jsonEvents(stdout).at(-1)).to.include({ type: "end", epochs: 2 });
  });

  it("saves however often SIGTERM follows, which launchers and schedulers send again meanwhile", async () => {
    const run = join(directory.path, "terminated");
    const running = await startTraining(run);
    running.child.kill("SIGTERM");
    await running.until(/finishing the step and saving/);
    // Within the step and the writing of two files; until the process has ended.
    while (running.child.kill("SIGTERM")) await delay(10);
    const { code, signal, stdout, stderr } = await running.finished;
    expect({ code, signal }, stderr).to.deep.equal({ code: 130, signal: null });
    expect(jsonEvents(stdout).map(({ type }) => type)).to.include("interrupted");
    expect(stderr.match(/finishing the step and saving/g)).to.have.length(1);
    expect(existsSync(join(run, "last.safetensors"))).to.equal(true);
  });

  it("stops immediately on a second Ctrl-C", async () => {
    // Evaluating all these images takes a while, in which the first one is not yet answered.
    const running = start([...WORDS.slice(0, 4), "synthetic:numClasses=4,trainSamples=64,testSamples=8000",
      ...WORDS.slice(5), "--evaluation-batch-size", "8000", "--run", join(directory.path, "twice")]);
    await running.until(/"type":"progress"/);
    await delay(500);
    running.child.kill("SIGINT");
    await delay(500);
    running.child.kill("SIGINT");
    const { code, signal, stdout } = await running.finished;
    expect({ code, signal }).to.deep.equal({ code: 130, signal: null });
    expect(jsonEvents(stdout).map(({ type }) => type)).to.not.include("interrupted");
  });

  it("stops immediately on a second signal while data are drawn", async () => {
    // Drawing them takes half a minute.
    const running = start(["train", "--model", "resnet8", "--data", "synthetic:trainSamples=400000", "--run",
      join(directory.path, "drawing")]);
    await delay(3_000);
    running.child.kill("SIGINT");
    await delay(500);
    const began = performance.now();
    running.child.kill("SIGINT");
    const { code, signal } = await running.finished;
    expect({ code, signal }).to.deep.equal({ code: 130, signal: null });
    expect(performance.now() - began).to.be.below(5_000);
  });

  it("treats a key press that arrives twice, as under npm, as one", async () => {
    const run = join(directory.path, "npm");
    const running = await startTraining(run);
    running.child.kill("SIGINT");
    running.child.kill("SIGINT");
    const { code, stdout } = await running.finished;
    expect(code).to.equal(130);
    expect(jsonEvents(stdout).map(({ type }) => type)).to.include("interrupted");
    expect(existsSync(join(run, "last.safetensors"))).to.equal(true);
  });
});
