// The application without a page: its main process, its preload script and the page's logic, with a real worker
// process.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { AskError } from "../src/renderer/ask.js";
import type { Failure } from "../src/shared/contract.js";
import { Bench, epochsOf, Listener, lives, SMALL_PLAN } from "./driver.js";
import { BridgeFront } from "./fronts.js";
import { runApplication } from "../src/application.js";
import { StandInElectron } from "./stand-in.js";

async function failureOf(action: () => Promise<unknown>): Promise<Failure> {
  try {
    await action();
  } catch (error) {
    if (error instanceof AskError) return error.failure;
    throw error;
  }
  throw new Error("the action did not fail");
}

describe("the Electron example's application", function () {
  this.timeout(120_000);
  this.slow(20_000);

  let bench: Bench;
  let electron: StandInElectron;
  let window: Listener;

  async function open(): Promise<void> {
    const started = await bench.start(new BridgeFront());
    electron = started.electron;
    window = new Listener(started.front);
  }

  async function close(): Promise<void> {
    electron.window.close();
    await electron.quit;
  }

  beforeEach(async () => {
    bench = new Bench();
    await open();
  });
  afterEach(async () => {
    await close();
    bench[Symbol.dispose]();
  });

  it("opens one sandboxed window that cannot navigate", async () => {
    const { window: shown } = electron;
    expect(shown.options.webPreferences).to.deep.include({ sandbox: true, contextIsolation: true,
      nodeIntegration: false, webSecurity: true });
    expect(shown.shown).to.equal(true);
    expect(shown.openHandler?.()).to.deep.equal({ action: "deny" });
    let prevented = 0;
    shown.webContents.emit("will-navigate", { preventDefault: () => {
      ++prevented;
    } });
    expect(prevented).to.equal(1);
    const allowed: boolean[] = [];
    shown.permissionHandler?.(undefined, "media", (allow) => {
      allowed.push(allow);
    });
    expect(allowed).to.deep.equal([false]);

    electron.app.emit("second-instance");
    expect(shown.focused).to.equal(1);
    const second = new StandInElectron(bench.userData, () => new BridgeFront(), false);
    await runApplication(second.platform, { page: "", preload: "", via: "process" });
    await second.quit;
    expect(second.windows).to.deep.equal([]);
  });

  it("reports networks, methods and the trainer's process", async () => {
    const { networks, methods, pid } = await window.asker.ask("describe", {});
    expect(networks.map(({ name }) => name)).to.include.members(["resnet8", "resnet56", "mobilenetv1"]);
    expect(methods.map(({ kind }) => kind)).to.include.members(["review", "kd", "dkd"]).and.not.include("sum");
    expect(pid).to.not.equal(process.pid);
    expect(lives(pid)).to.equal(true);
  });

  it("trains teacher and student, stops within one, resumes and exports", async () => {
    const plan = { ...SMALL_PLAN, epochs: 12 };
    const { name, status, parts } = await window.start(plan);
    expect(status).to.equal("running");
    expect(parts.map(({ part }) => part)).to.deep.equal(["teacher", "alone", "distilled"]);
    expect((await failureOf(() => window.asker.ask("start", plan))).code).to.equal("RUN_LOCKED");

    await window.until(name, (run) => epochsOf(run, "distilled") >= 2);
    expect(window.state.live[name]?.distilled?.progress.imagesPerSecond).to.be.above(0);
    await window.asker.ask("stop", {});
    const stopped = await window.until(name, (run) => run.status === "stopped");
    const before = epochsOf(stopped, "distilled");
    expect(before).to.be.within(2, 11);
    expect(stopped.parts.map(({ done }) => done)).to.deep.equal([true, true, false]);
    // Distilled losses have the method's part, the others have none.
    expect(stopped.parts.map(({ epochs }) => epochs[0]!.losses.terms.map(({ kind }) => kind))).to.deep.equal([[], [], [
      "review",
    ]]);

    await window.resume(name);
    const finished = await window.until(name, (run) => run.status === "finished");
    expect(finished.parts.map(({ epochs }) => epochs.length)).to.deep.equal([12, 12, 12]);
    // Epochs before the stop were not trained again.
    expect(finished.parts[2]!.epochs.slice(0, before)).to.deep.equal(stopped.parts[2]!.epochs);
    expect(await window.asker.ask("runs", {})).to.deep.equal([finished]);

    for (const [format, expected] of [["safetensors", "resnet8"], ["pt", "resnet8"]] as const) {
      const wanted = join(bench.directory, `exported-${format}`);
      electron.choices.push(wanted);
      const saved = await window.asker.ask("exportStudent", { run: name, checkpoint: "last", format });
      expect(saved).to.deep.equal({ path: `${wanted}.${format}` });
      expect(electron.dialogs.at(-1)).to.deep.equal({ kind: "save", defaultPath: `resnet8-last.${format}` });
      electron.choices.push(`${wanted}.${format}`);
      expect(await window.asker.ask("chooseWeights", {})).to.deep.equal({ path: `${wanted}.${format}`,
        network: expected, numClasses: 4 });
    }
    expect(await window.asker.ask("exportStudent", { run: name, checkpoint: "best", format: "pt" })).to.equal(null);
  });

  it("takes a teacher's weights from a file, and reports its accuracy", async () => {
    const { name } = await window.start({ ...SMALL_PLAN, alone: false, epochs: 2 });
    await window.until(name, (run) => run.status === "finished");
    const weights = join(bench.userData, "runs", name, "teacher", "student.safetensors");
    const plan = { ...SMALL_PLAN, alone: false, epochs: 1, teacherWeights: weights };
    expect((await failureOf(() => window.asker.ask("start", plan))).message).to.include(
      "a path that was chosen in a dialog",
    );
    electron.choices.push(weights);
    expect(await window.asker.ask("chooseWeights", {})).to.deep.include({ network: "resnet14", numClasses: 4 });
    const second = await window.start(plan);
    const finished = await window.until(second.name, (run) => run.status === "finished");
    expect(finished.parts.map(({ part }) => part)).to.deep.equal(["distilled"]);
    // The same network on the same images.
    expect(finished.teacherTop1).to.be.closeTo(window.run(name).parts[0]!.epochs.at(-1)!.top1, 1e-9);
  });

  it("survives the death of its trainer, and resumes", async () => {
    const { pid } = await window.asker.ask("describe", {});
    const { name } = await window.start({ ...SMALL_PLAN, alone: false, epochs: 8 });
    await window.until(name, (run) => epochsOf(run, "teacher") >= 1);
    process.kill(pid, "SIGKILL");
    const failed = await window.until(name, (run) => run.status === "failed");
    expect(failed.failure?.code).to.equal("WORKER_EXITED");
    expect(failed.failure?.message).to.include("SIGKILL");
    await window.resume(name);
    const finished = await window.until(name, (run) => run.status === "finished");
    expect(finished.parts.map(({ epochs }) => epochs.length)).to.deep.equal([8, 8]);
    expect((await window.asker.ask("describe", {})).pid).to.not.equal(pid);
  });

  it("saves and exits when its window is closed during training", async () => {
    const { pid } = await window.asker.ask("describe", {});
    const { name } = await window.start({ ...SMALL_PLAN, epochs: 500 });
    const known = epochsOf(await window.until(name, (run) => epochsOf(run, "teacher") >= 2), "teacher");
    electron.window.close();
    electron.window.close();
    expect(window.state.closing).to.equal(true);
    await electron.quit;
    expect(electron.errorBoxes).to.deep.equal([]);
    expect(lives(pid)).to.equal(false);
    expect(existsSync(join(bench.userData, "runs", name, "teacher", "last.safetensors"))).to.equal(true);

    await open();
    const [run, ...others] = await window.asker.ask("runs", {});
    expect(others).to.deep.equal([]);
    expect(run?.status).to.equal("stopped");
    expect(epochsOf(run!, "teacher")).to.be.at.least(known);
    await window.resume(name);
    await window.until(name, (resumed) => epochsOf(resumed, "teacher") > epochsOf(run!, "teacher"));
  });

  it("refuses invalid requests, and requests of other pages", async () => {
    const { asker } = window;
    const wrong: readonly [string, () => Promise<unknown>][] = [
      ["learningRate", () => asker.ask("start", { ...SMALL_PLAN, learningRate: 0 })],
      ["epochs", () => asker.ask("start", { ...SMALL_PLAN, epochs: 1.5 })],
      ["run", () => asker.ask("open", { run: "../../outside" })],
      ["Unrecognized key", () => asker.ask("start", { ...SMALL_PLAN, device: "cuda" } as never)],
      ["a path that was chosen in a dialog",
        () => asker.ask("start", { ...SMALL_PLAN, data: { kind: "cifar10", root: "/" } })],
    ];
    for (const [what, action] of wrong)
      expect(await failureOf(action)).to.include({ code: "INVALID_ARGUMENT" }).and.have.property("message").that
        .includes(what);
    expect(await failureOf(() => asker.ask("start", { ...SMALL_PLAN, student: "resnet9" }))).to.have.property("code",
      "UNKNOWN_NAME");
    expect(await failureOf(() => asker.ask("start", { ...SMALL_PLAN, method: "osmosis" }))).to.have.property("code",
      "CONFIG_INVALID");
    expect(await failureOf(() => asker.ask("open", { run: "2026-01-01_00-00-00" }))).to.have.property("code",
      "RUN_DIRECTORY");
    expect(await electron.invoke("describe", {}, "https://elsewhere.example/")).to.deep.include({ ok: false });
    expect(await asker.ask("runs", {})).to.deep.equal([]);
  });
});
