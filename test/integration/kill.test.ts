// A training that is killed repeatedly ends like an uninterrupted one.
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { uniforms } from "../support/uniforms.js";
import { FaultyFiles, outcomeOf, startFit, untilEvent, type Ended, type Fault } from "./fit-programs.js";

const KILLS = 50;
/** After this many kills a run may finish, and another one starts. */
const KILLS_IN_A_RUN = 7;

/** Runs of about a second that write most of the time. */
const SHARED = { epochs: 10, trainSamples: 96, checkpointEvery: 3, keepCheckpoints: 2, checkpointMinutes: 1e-6 };

/** The trainings; one process of each at a time, because the machine has at least two cores. */
const TRAININGS = [
  { ...SHARED, clipNorm: 5, microBatches: 2 },
  {
    ...SHARED,
    precision: "bfloat16",
    method: { kind: "sum", teacherMode: "train",
      of: [{ kind: "kd", weight: 0.5 }, { kind: "review", midChannels: 8, warmupEpochs: 3 }] },
  },
];

/**
 * The moment at which a process is killed: some time after it started training, or before one of its file operations.
 */
type Moment = { readonly afterMs: number } | { readonly beforeCall: number };

/** Seeded, so that failures can be reproduced, except for timing. */
function moments(seed: number, count: number): Moment[] {
  return uniforms(seed, count).map((value,
    index) => (index % 2 === 0 ? { afterMs: Math.floor(value * 400) } : { beforeCall: Math.floor(value * 90) })
  );
}

describe("a training that is killed", () => {
  let scratch: string;
  let files: FaultyFiles;
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), "reviewkd-kill-"));
    files = new FaultyFiles();
  });
  after(async () => {
    files.remove();
    await rm(scratch, { recursive: true, force: true });
  });

  /** Runs a training until it ends or its moment comes. */
  async function runUntil(directory: string, options: object, moment: Moment): Promise<Ended> {
    if ("beforeCall" in moment) {
      const rule: Fault = `any * ${moment.beforeCall} kill`;
      return startFit(directory, { options, env: files.environment(directory, [rule]) }).ended;
    }
    const training = startFit(directory, { options });
    await untilEvent(training, "start");
    await delay(moment.afterMs);
    training.child.kill("SIGKILL");
    return training.ended;
  }

  it(`at ${KILLS} random moments, also while it writes, resumes each time and ends with the same bytes`, async function () {
    this.timeout(300_000);
    const count = { kills: 0, halfWritten: 0, runs: 0, resumedWithin: 0 };

    const keepKilling = async (options: object, index: number): Promise<void> => {
      const calm = join(scratch, `calm-${index}`);
      const uninterrupted = await startFit(calm, { options }).ended;
      expect(uninterrupted.code, `${uninterrupted.stderr}\n${JSON.stringify(uninterrupted.error)}`).to.equal(0);
      const expected = await outcomeOf(calm);
      const plan = moments(index + 1, 2 * KILLS);
      for (let run = 0; count.kills < KILLS; ++run) {
        const directory = join(scratch, `run-${index}-${run}`);
        const killedAt: Moment[] = [];
        for (let over = false; !over;) {
          const moment = count.kills < KILLS && killedAt.length < KILLS_IN_A_RUN ? plan.shift() : undefined;
          const ended = await (moment === undefined ? startFit(directory, { options }).ended
            : runUntil(directory, options, moment));
          const context = `training ${index}, killed at ${JSON.stringify(killedAt)}\n${ended.stderr}\n${JSON.stringify(ended.error)}`;
          expect(ended.error, context).to.equal(undefined);
          count.resumedWithin += ended.events.some((event) => event.type === "start" && event.startStep > 0) ? 1 : 0;
          over = ended.signal !== "SIGKILL";
          if (over) {
            expect(ended.code, context).to.equal(0);
            expect(await outcomeOf(directory), context).to.deep.equal(expected);
            expect((await readdir(directory)).sort(), context).to.deep.equal((await readdir(calm)).sort());
            ++count.runs;
          } else {
            if (moment !== undefined) killedAt.push(moment);
            ++count.kills;
            count.halfWritten += (await readdir(directory).catch(() => [])).some((name) => name.includes(".tmp-")) ? 1
              : 0;
          }
        }
      }
    };
    await Promise.all(TRAININGS.map(keepKilling));
    console.log(
      `      ${count.kills} kills in ${count.runs} runs; ${count.halfWritten} left a half-written file, ${count.resumedWithin} resumed within an epoch`,
    );
    expect(count.kills).to.be.at.least(KILLS);
    expect(count.halfWritten, "kills while a file was written").to.be.at.least(5);
    expect(count.resumedWithin, "resumed within an epoch").to.be.at.least(1);
  });
});
