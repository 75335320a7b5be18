import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { fail, jsonEvents, start, succeed, TINY, useDirectory, type JsonEvent, type Running } from "./helpers.js";

/** Hundreds of epochs: none of these tests waits for their end. */
const LONG = ["train", "--model", "resnet8", ...TINY, "--epochs", "1000", "--json"] as const;

describe("command line: launch", () => {
  const directory = useDirectory();
  const at = (...names: string[]): string => join(directory.path, ...names);

  /** The process that writes to a run directory. */
  const writerOf = async (run: string): Promise<number> =>
    (JSON.parse(await readFile(join(run, "run.lock"), "utf8")) as { pid: number }).pid;

  async function startTraining(run: string, ...flags: readonly string[]): Promise<Running> {
    const running = start(["launch", "--processes", "1", ...flags, "--", ...LONG, "--run", run, "--resume", "auto"]);
    await running.until(/"type":"epoch"/);
    return running;
  }

  const untilEnded = async (pid: number): Promise<void> => {
    for (;;) {
      const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
      if (status === "" || /^State:\s*Z/m.test(status)) return;
      await delay(50);
    }
  };

  it("runs a command several times, and passes their output through", async () => {
    const { code, stdout, stderr } = await start(["launch", "--processes", "2", "--", "train", "--help"]).finished;
    expect(code, stderr).to.equal(0);
    expect(stdout.match(/^Usage: reviewkd train/gm)).to.have.length(2);
    expect(stderr).to.equal("");
  });

  it("returns the exit code of the first that failed, and says which", async () => {
    const running = start(["launch", "--processes", "2", "--max-restarts", "1", "--", "train", "--resume", "auto",
      "--epoch", "3"]);
    const { code, stderr } = await running.finished;
    expect(code).to.equal(2);
    expect(stderr.match(/process [01] ended with exit code 2; stopping the others/g)).to.have.length(1);
    // Wrong usage stays wrong.
    expect(stderr).to.not.include("starting all processes again");
    expect(stderr).to.include("error [INVALID_ARGUMENT]").and.not.match(/^\s+at /m);
  });

  for (const signal of ["SIGINT", "SIGTERM", "SIGUSR1"] as const) {
    it(`saves and stops on ${signal}, and does not start again`, async function () {
      if (process.platform === "win32") this.skip();
      const run = at(signal);
      const running = await startTraining(run, "--max-restarts", "3");
      running.child.kill(signal);
      const { code, stdout, stderr } = await running.finished;
      expect(code, stderr).to.equal(130);
      const interrupted = jsonEvents(stdout).find(({ type }) => type === "interrupted");
      expect(interrupted?.["checkpoint"]).to.equal(join(run, "last.safetensors"));
      expect(stderr).to.not.include("starting all processes again");
      expect(existsSync(join(run, "run.lock"))).to.equal(false);
    });
  }

  it("takes a key press in a terminal, which reaches a whole group of processes, for one", async function () {
    // A terminal by util-linux' script.
    if (process.platform !== "linux" || spawnSync("script", ["--version"]).status !== 0) this.skip();
    const [run, exit] = [at("terminal"), at("exit-code")];
    const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
    const words = [process.execPath, program, "launch", "--processes", "2", "--", ...LONG, "--run", run];
    // The shell survives the key press to write the exit code.
    const script = `trap : INT; ${words.map((word) => `'${word}'`).join(" ")}; echo $? > ${exit}`;
    const env = { ...process.env, NODE_OPTIONS: "", SHELL: "/bin/sh", _: "/bin/sh" };
    const terminal = spawn("script", ["-qec", script, "/dev/null"], { env });
    let shown = "";
    terminal.stdout.setEncoding("utf8").on("data", (text: string) => {
      shown += text;
    });
    while (!shown.includes('"type":"epoch"')) await once(terminal.stdout, "data");
    terminal.stdin.write("\u0003");
    await once(terminal, "close");
    expect(await readFile(exit, "utf8")).to.equal("130\n");
    expect(shown).to.include('"type":"interrupted"');
    expect(existsSync(join(run, "run.lock"))).to.equal(false);
  });

  it("resumes by itself after a process was killed", async function () {
    if (process.platform !== "linux") this.skip();
    const run = at("killed");
    const running = await startTraining(run, "--max-restarts", "1", "--json");
    process.kill(await writerOf(run), "SIGKILL");
    await running.until(/"type":"resumed"/);
    running.child.kill("SIGTERM");
    const { code, stdout } = await running.finished;
    expect(code).to.equal(130);
    const types = ["processes-start", "process-failed"];
    const events = jsonEvents(stdout).filter(({ type }: JsonEvent) => types.includes(type));
    expect(events.map(({ type, restarts, exitCode, signal }) => ({ type, restarts, exitCode, signal }))).to.deep.equal([
      { type: "processes-start", restarts: 0, exitCode: undefined, signal: undefined },
      { type: "process-failed", restarts: undefined, exitCode: 137, signal: "SIGKILL" },
      { type: "processes-start", restarts: 1, exitCode: undefined, signal: undefined },
    ]);
  });

  it("leaves no process behind when it is killed: they save and end", async function () {
    if (process.platform !== "linux") this.skip();
    const run = at("orphan");
    const running = await startTraining(run);
    const pid = await writerOf(run);
    expect(pid).to.not.equal(running.child.pid);
    running.child.kill("SIGKILL");
    await untilEnded(pid);
    expect(existsSync(join(run, "run.lock")), "it released its lock").to.equal(false);
    const resumed = start(["train", "--run", run, "--resume", "--json"]);
    await resumed.until(/"type":"resumed"/);
    resumed.child.kill("SIGTERM");
    const [event] = jsonEvents((await resumed.finished).stdout);
    // Saved within an epoch or after one, not only at the end of the last.
    expect(event).to.include({ type: "start" });
    expect(Number(event?.["startEpoch"])).to.be.at.least(1);
  });

  /** Starts two processes that train together, and waits for their first epoch. */
  async function startTogether(run: string,
    ...flags: readonly string[]): Promise<{ running: Running; pids: number[] }> {
    const running = start(["launch", "--processes", "2", "--json", ...flags, "--", ...LONG, "--run", run, "--resume",
      "auto"]);
    let stdout = "";
    running.child.stdout.on("data", (text: string) => {
      stdout += text;
    });
    await running.until(/"type":"epoch"/);
    return { running, pids: (JSON.parse(stdout.split("\n", 1)[0] ?? "") as { pids: number[] }).pids };
  }

  it("starts all processes of a training again when one is killed: they continue together", async function () {
    if (process.platform !== "linux") this.skip();
    const { running, pids } = await startTogether(at("together"), "--max-restarts", "1");
    process.kill(pids[1]!, "SIGKILL");
    await running.until(/"type":"resumed"[^]*"type":"epoch"/);
    running.child.kill("SIGUSR1");
    const { code, stdout, stderr } = await running.finished;
    expect(code, stderr).to.equal(130);
    const events = jsonEvents(stdout);
    expect(events.find(({ type }) => type === "process-failed")).to.include({ rank: 1, signal: "SIGKILL" });
    expect(events.filter(({ type }) => type === "interrupted")).to.not.deep.equal([]);
    expect(existsSync(at("together", "run.lock"))).to.equal(false);
  });

  it("leaves those who lose a process the time to say which one, and where to resume", async function () {
    if (process.platform !== "linux") this.skip();
    const { running, pids } = await startTogether(at("lost"));
    process.kill(pids[1]!, "SIGKILL");
    const { code, stderr } = await running.finished;
    expect(code, stderr).to.equal(137);
    expect(stderr).to.not.include("finishing the step");
    expect(stderr).to.match(/error \[PROCESS_LOST\]: .*lost rank 1 /).and.include("last.safetensors");
  });

  it("stops processes that do not listen yet when the signal comes", async function () {
    if (process.platform === "win32") this.skip();
    const running = start(["launch", "--processes", "2", "--json", "--stop-seconds", "8", "--", ...LONG, "--run",
      at("early"), "--resume", "auto"]);
    await running.until(/"processes-start"/);
    running.child.kill("SIGUSR1");
    const { code, stdout, stderr } = await running.finished;
    expect(code, stderr).to.equal(130);
    expect(stdout).to.not.include("processes-killed");
  });

  for (const rank of [0, 1]) {
    it(`stops all processes of a training when process ${rank} receives a signal`, async function () {
      if (process.platform === "win32") this.skip();
      const { running, pids } = await startTogether(at(`signal-${rank}`), "--max-restarts", "3");
      process.kill(pids[rank]!, "SIGTERM");
      const { code, stdout, stderr } = await running.finished;
      expect(code, stderr).to.equal(130);
      const types = jsonEvents(stdout).map(({ type }) => type);
      expect(types).to.include("interrupted").and.to.not.include("processes-killed");
      expect(types.filter((type) => type === "processes-start")).to.have.length(1);
      expect(existsSync(at(`signal-${rank}`, "run.lock"))).to.equal(false);
    });
  }

  it("leaves no process of a training behind when it is killed", async function () {
    if (process.platform !== "linux") this.skip();
    const { running, pids } = await startTogether(at("orphans"));
    running.child.kill("SIGKILL");
    for (const pid of pids) await untilEnded(pid);
    expect(existsSync(at("orphans", "last.safetensors"))).to.equal(true);
    expect(existsSync(at("orphans", "run.lock"))).to.equal(false);
  });

  it("takes no end of another parent for that of the launcher", async () => {
    const script = fileURLToPath(new URL("programs/fork-in-launched.mjs", import.meta.url));
    const { code, stdout, stderr } = await start([], { script }).finished;
    expect(code, stderr).to.equal(0);
    expect(stdout).to.equal("grandchild: done\nchild: done\n");
  });

  it("leaves none behind that does not stop in time", async function () {
    if (process.platform !== "linux") this.skip();
    // Drawing the data takes half a minute, in which nothing can be stopped.
    const running = start(["launch", "--processes", "2", "--json", "--stop-seconds", "0.5", "--", "train", "--model",
      "resnet8", "--data", "synthetic:trainSamples=400000", "--run", at("drawing")]);
    let stdout = "";
    running.child.stdout.on("data", (text: string) => {
      stdout += text;
    });
    await running.until(/"processes-start".*\n/);
    await delay(2_000);
    running.child.kill("SIGKILL");
    const { pids } = JSON.parse(stdout.split("\n", 1)[0] ?? "") as { pids: number[] };
    expect(pids).to.have.length(2);
    const began = performance.now();
    for (const pid of pids) await untilEnded(pid);
    expect(performance.now() - began, "long before the data are drawn").to.be.below(15_000);
  });

  it("explains what it requires", async () => {
    const usage = { exit: 2, code: "INVALID_ARGUMENT" };
    expect(await fail(["launch", "--processes", "2", "train", "--model", "resnet8"], usage)).to.include(
      "unknown option '--model'. The command that is launched and its options follow after --.",
    );
    expect(await fail(["launch", "--process", "2", "--", "train"], usage)).to.include("Did you mean --processes?");
    expect(await fail(["launch", "--processes", "2"], usage)).to.include("missing required argument 'command'");
    expect(await fail(["launch", "--processes", "0", "--", "train"], usage)).to.include("--processes");
    expect(await fail(["launch", "--processes", "2", "--master", "node01", "--", "train"], usage)).to.include(
      'invalid --master: expected HOST:PORT, received "node01"',
    );
    expect(await fail(["launch", "--processes", "2", "--nodes", "2", "--", "train"], usage)).to.include(
      'invalid --nodes: expected 1 without --master HOST:PORT, received "2". Pass the address of machine 0',
    );
    expect(await fail(["launch", "--processes", "2", "--", "presets"], usage)).to.include(
      'invalid command: expected train or distill after --, received "presets". Start others without launch',
    );
    expect(await fail(["launch", "--processes", "2", "--", "trian"], usage)).to.include("Did you mean train?");
    expect(await fail(["launch", "--processes", "2", "--", "node_modules/.bin/reviewkd", "train"], usage)).to.include(
      "Leave it out",
    );
    expect(await fail(["launch", "--processes", "2", "--max-restarts", "1", "--", "train"], usage)).to.include(
      'invalid --max-restarts: expected a command with --resume auto, received "1". Add it',
    );
    for (const name of ["study", "work"])
      expect(await fail(["launch", "--processes", "2", "--", name, "seeds"], usage)).to.include(
        `expected train or distill after --, received "${name}". Start \`reviewkd study cell\``,
      );
    const { stdout } = await succeed(["launch", "--help"]);
    expect(stdout).to.include("--resume auto").and.to.include("--max-restarts");
  });
});
