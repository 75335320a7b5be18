// A study as array jobs of a real SLURM, whose tasks are killed and queued again.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { StudyResult } from "../../lib/config/schemas/study.js";
import { hasSlurm, Slurm } from "../support/slurm.js";
import { uniforms } from "../support/uniforms.js";
import { succeed, useDirectory } from "./helpers.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

const SETTINGS = ["--teacher", "resnet8", "--student", "resnet8", "--method", "kd", "--seeds", "0,1", "--data",
  "synthetic:numClasses=4,trainSamples=2500,testSamples=32", "--epochs", "2", "--batch-size", "16", "--threads", "1",
  "--schedule", "constant"];
/** Saves all the time; no command line needs so many checkpoints. */
const OFTEN = ["--checkpoint-minutes", "0.005"];
const CELLS = ["teacher", "student-alone-seed0", "distilled-seed0", "student-alone-seed1", "distilled-seed1"];
const KILLS = 10;
/** Variables of the jobs. */
const PROGRAM = { OMP_NUM_THREADS: "1", REVIEWKD: `${process.execPath} ${join(root, "dist", "cli", "main.js")}` };

/** The process that trains the cell of an array's task. */
async function trainerOf(directory: string, task: string): Promise<number | undefined> {
  const index = task.split("_")[1];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const words = (await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "")).split("\0");
    if (words.includes("cell") && words.includes(directory) && words.at(-1) === "" &&
      (words.at(-2) === index || words.at(-3) === index)) return Number(name);
  }
  return undefined;
}

const missing = await hasSlurm() ? "" : " (skipped: needs root, slurmctld and slurmd: apt-get install slurm-wlm)";

(missing === "" ? describe : describe.skip)(`a study on SLURM${missing}`, () => {
  const directory = useDirectory();
  let slurm: Slurm;
  before(async function () {
    this.timeout(60_000);
    slurm = await Slurm.start();
  });
  after(async function () {
    this.timeout(60_000);
    await slurm.stop();
  });

  /** Submits the study with the example's script, as a user does. */
  function submit(study: string, ...words: readonly string[]): void {
    const { status, stdout, stderr } = spawnSync(join(root, "examples", "cluster", "submit-study.sh"), [study, "--kind",
      "seeds", ...SETTINGS, ...OFTEN, ...words], {
      cwd: directory.path,
      encoding: "utf8",
      env: slurm.environment(PROGRAM),
    });
    expect(status, `${stdout}\n${stderr}`).to.equal(0);
    expect(stdout).to.include("train cell 0 first").and.match(/Submitted batch job \d+\n$/);
  }

  /** Kills the program of a task, or has SLURM kill and queue it; false if the task has no program at the moment. */
  async function disturb(study: string, task: string, byRequeue: boolean): Promise<boolean> {
    const pid = await trainerOf(study, task);
    if (pid === undefined) return false;
    if (byRequeue) return slurm.run("scontrol", ["requeue", task]).then(() => true, () => false);
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      return false;
    }
    return true;
  }

  it(`whose tasks are killed or queued again ${KILLS} times has the bits of an undisturbed one`, async function () {
    this.timeout(300_000);
    const study = join(directory.path, "killed");
    submit(study);
    // Seeded, so that failures can be reproduced, except for timing.
    const chosen = uniforms(11, 2 * KILLS);
    for (let kill = 0; kill < KILLS;) {
      await delay(500 + chosen[2 * kill]! * 2000);
      const tasks = (await slurm.jobs("R")).filter((job) => job.includes("_"));
      expect(await slurm.jobs(), "the study ended before the last kill").to.not.deep.equal([]);
      const task = tasks[Math.floor(chosen[2 * kill + 1]! * tasks.length)];
      if (task === undefined) continue;
      // Half of them lose what they have trained, the others at any moment.
      const byRequeue = kill % 2 === 1;
      const hasSaved = existsSync(join(study, CELLS[Number(task.split("_")[1])]!, "last.safetensors"));
      if ((byRequeue || hasSaved) && await disturb(study, task, byRequeue)) kill++;
    }
    while ((await slurm.jobs()).length > 0) await delay(500);

    const logs = (await readdir(directory.path)).filter((name) => name.endsWith(".log"));
    const texts = await Promise.all(logs.map((name) => readFile(join(directory.path, name), "utf8")));
    const result = StudyResult.parse(JSON.parse(await readFile(join(study, "results.json"), "utf8")));
    expect(result.cells.map(({ id, status }) => [id, status]), texts.join("\n")).to.deep.equal(
      CELLS.map((id) => [id, "done"]),
    );
    expect(texts.join("\n")).to.include(", resuming");

    const undisturbed = join(directory.path, "undisturbed");
    await succeed(["study", "seeds", ...SETTINGS, "--study", undisturbed]);
    for (const cell of CELLS) {
      const [killed, alone] = await Promise.all(
        [study, undisturbed].map((each) => readFile(join(each, cell, "student.safetensors"))),
      );
      expect(killed!.equals(alone!), cell).to.equal(true);
    }
  });

  it("ends the task of a student whose teacher fails, instead of queueing it again and again", async function () {
    this.timeout(120_000);
    const study = join(directory.path, "diverging");
    await succeed(["study", "plan", study, "--kind", "seeds", ...SETTINGS, "--seeds", "0", "--teacher-learning-rate",
      "1e30"]);
    const { stdout } = await slurm.run("sbatch", ["--parsable", "--array=0,2",
      join(root, "examples", "cluster", "study-array.sbatch"), study], { cwd: directory.path, variables: PROGRAM });
    const array = stdout.trim();
    while ((await slurm.jobs()).length > 0) await delay(500);
    for (const index of [0, 2])
      expect(await slurm.job(`${array}_${index}`)).to.include({ state: "FAILED", exitCode: "1:0" });
    expect(await readFile(join(directory.path, `study-${array}_2.log`), "utf8")).to.include("error [TEACHER_FAILED]")
      .and.include("NON_FINITE_LOSS");
  });

  it("saves before the time limit of a task and queues it again, but not one that is cancelled", async function () {
    this.timeout(120_000);
    const study = join(directory.path, "signalled");
    submit(study, "--epochs", "100");
    for (const cell of ["teacher", "student-alone-seed0"])
      while (!existsSync(join(study, cell, "last.safetensors"))) await delay(200);
    const array = (await slurm.jobs("R")).find((job) => job.endsWith("_0"))!.split("_")[0]!;
    await slurm.run("scancel", [`${array}_0`]);
    // As SLURM signals the shell at the time that --signal=B:TERM sets.
    await slurm.run("scancel", ["--signal=TERM", "--batch", `${array}_1`]);
    while ((await slurm.job(`${array}_1`)).restarts === 0) await delay(200);
    while ((await slurm.job(`${array}_0`)).state === "COMPLETING") await delay(200);
    expect(await slurm.job(`${array}_0`)).to.include({ state: "CANCELLED", restarts: 0 });
    const log = join(directory.path, `study-${array}_1.log`);
    expect(await readFile(log, "utf8")).to.include("finishing the step and saving").and.include(
      `study cell ${study} 1`,
    );
    while (!/student alone, seed 0, resuming/.test(await readFile(log, "utf8"))) await delay(200);
  });
});
