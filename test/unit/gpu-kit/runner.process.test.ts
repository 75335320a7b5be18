import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { StepRunner, type Row } from "../../../scripts/gpu/device/runner.mjs";
import { useTemporaryDirectory } from "../lib/install/fake-libtorch.js";

// Real processes run here.
describe("steps on a GPU machine", function () {
  before(function () {
    if (process.platform !== "linux") this.skip();
  }); // the kit is for Linux, and process groups are specific to POSIX
  const directory = useTemporaryDirectory();
  const program = (code: string): string[] => [process.execPath, "-e", code];
  const print = (text: string): string[] => program(`console.log(${JSON.stringify(text)})`);
  const runner = (options: Partial<ConstructorParameters<typeof StepRunner>[0]> = {}): StepRunner =>
    new StepRunner({ directory: directory(), seconds: 60, ...options });
  /**
   * Whether a process runs. One that has exited may stay in the table until its parent, here the init process, has read
   * its status.
   */
  const isRunning = (pid: number): boolean =>
    existsSync(`/proc/${pid}/stat`) && !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  const shown = ({ name, status, detail }: Row): string => `${name}: ${status}: ${detail}`;

  it("records the last line of a successful step, and its complete output in a log", async () => {
    const steps = runner();
    expect(await steps.run("greet", { limit: 30, commands: [print("one\ntwo\n\n")] })).to.equal(true);
    expect(steps.rows.map(shown)).to.deep.equal(["greet: ok: two"]);
    expect(readFileSync(steps.logOf("greet"), "utf8")).to.equal("one\ntwo\n\n\n");
  });

  it("runs the next step after a failed one, and records its exit status and message", async () => {
    const steps = runner();
    await steps.run("exit", { limit: 30, commands: [program("process.exit(3)"), print("never")] });
    await steps.run("throw", { limit: 30,
      commands: [program("throw new TypeError('invalid map: expected 3, received 4.')")] });
    await steps.run("absent", { limit: 30, commands: [["/nowhere/program"]] });
    await steps.run("next", { limit: 30, commands: [print("done")] });
    expect(steps.rows.map(shown)).to.deep.equal([
      "exit: failed: exit status 3; ",
      "throw: failed: exit status 1; TypeError: invalid map: expected 3, received 4.",
      "absent: failed: exit status 127; spawn /nowhere/program ENOENT",
      "next: ok: done",
    ]);
  });

  it("stops a step at its limit with all of its processes, and runs the next one", async () => {
    const steps = runner();
    const child = "setInterval(() => {}, 1000); console.log(process.pid)";
    await steps.run("endless", { limit: 1, commands: [
      program(
        `require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}], { stdio: "inherit" }); setInterval(() => {}, 1000)`,
      ),
    ] });
    await steps.run("next", { limit: 30, commands: [print("done")] });
    const pid = Number(readFileSync(steps.logOf("endless"), "utf8"));
    expect(steps.rows.map(shown)).to.deep.equal([`endless: timeout: stopped after 1 s; ${pid}`, "next: ok: done"]);
    expect(isRunning(pid)).to.equal(false);
  });

  it("reports what the machine lacks instead of running", async () => {
    const steps = runner({ missing: (need) => need === "device" });
    expect(await steps.run("tests", { limit: 30, needs: ["device"], commands: [print("never")] })).to.equal(false);
    expect(await steps.run("build", { limit: 30, needs: ["nvcc"], commands: [print("built")] })).to.equal(true);
    expect(steps.rows.map(shown)).to.deep.equal(["tests: no device: this machine has no device, which the step needs",
      "build: ok: built"]);
  });

  it("skips steps when no time is left, and lets the caller replace a limit", async () => {
    const steps = runner({ seconds: 6, limits: { slow: 1.5 } });
    await steps.run("slow", { limit: 100, commands: [program("setInterval(() => {}, 1000)")] });
    await steps.run("late", { limit: 100, commands: [print("never")] });
    expect(steps.rows.map(shown)).to.deep.equal(["slow: timeout: stopped after 2 s; ",
      "late: skipped: no time was left"]);
  });

  it("finishes a step that was started in the background", async () => {
    const steps = runner();
    const building = steps.start("build", { limit: 30, commands: [print("built")], env: { UNUSED: "1" } });
    await steps.run("meanwhile", { limit: 30, commands: [print("tested")] });
    expect(await steps.finish(building, 30)).to.equal(true);
    expect(steps.rows.map(shown)).to.deep.equal(["meanwhile: ok: tested", "build: ok: built"]);
  });

  it("writes the table as tab-separated values after each step", async () => {
    const steps = runner();
    const table = (): string[] => readFileSync(join(directory(), "steps.tsv"), "utf8").split("\n");
    expect(table()).to.deep.equal(["step\tstatus\tseconds\tlast line", ""]);
    await steps.run("tabs", { limit: 30, commands: [print("a\tb")] });
    expect(table()[1]).to.match(/^tabs\tok\t[\d.]+\ta b$/);
  });
});
