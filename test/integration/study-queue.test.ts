// Studies over BullMQ on a real Redis, with real workers that are killed.
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Job, Queue } from "bullmq";
import { expect } from "chai";
import { Redis } from "ioredis";
import { runStudy } from "../../lib/study/run-study.js";
import { parseStudyConfig } from "../../lib/study/plan/study-config.js";
import type { StudyResult } from "../../lib/config/schemas/study.js";
import { cifarRecords } from "../support/cifar-records.js";
import { REDIS_MISSING, TestRedis } from "../support/redis.js";
import { uniforms } from "../support/uniforms.js";
import { fail, jsonEvents, reviewkd, start, succeed, useDirectory, type JsonEvent, type Running } from "./helpers.js";

/** Cells of a few seconds that save all the time. `trainSamples`: of each epoch. */
function settings(trainSamples: number, overrides: object = {}) {
  return parseStudyConfig({
    kind: "seeds",
    teacher: { name: "resnet8" },
    student: { name: "resnet8" },
    method: { kind: "kd" },
    seeds: [0, 1],
    data: { kind: "synthetic", numClasses: 4, trainSamples, testSamples: 32 },
    training: { epochs: 2, batchSize: 16, threads: 1, checkpointMinutes: 0.005, schedule: { kind: "constant" } },
    ...overrides,
  });
}

const CELLS = ["teacher", "student-alone-seed0", "distilled-seed0", "student-alone-seed1", "distilled-seed1"];
const WORKERS = 3;
const KILLS = 10;

/** Short, so that a lost worker is soon noticed, but longer than a busy machine takes to load libtorch. */
const WORK = ["--lock-seconds", "5"];

const suite = REDIS_MISSING === undefined ? describe : describe.skip;

suite(`a study in a queue${REDIS_MISSING === undefined ? "" : ` (skipped: ${REDIS_MISSING})`}`, () => {
  const directory = useDirectory();
  let redis: TestRedis;
  const running = new Set<Running>();
  beforeEach(async () => {
    redis = await TestRedis.start();
  });
  afterEach(async () => {
    for (const { child, finished } of running) {
      child.kill("SIGKILL");
      await finished;
    }
    running.clear();
    await redis.stop();
  });

  function begin(words: readonly string[]): Running {
    const process = start([...words, "--json"], { cwd: directory.path });
    running.add(process);
    return process;
  }

  const work = (...words: string[]): Running => begin(["work", redis.url, ...WORK, ...words]);

  /** The words that queue a study of these settings in a directory. */
  async function queueing(study: string, config: object): Promise<string[]> {
    const file = join(directory.path, `${study}.json`);
    await writeFile(file, JSON.stringify(config));
    return ["study", "seeds", "--config", file, "--study", join(directory.path, study), "--queue", redis.url];
  }

  /** The queue as another program sees it. */
  async function withQueue(use: (queue: Queue, connection: Redis) => Promise<void>): Promise<void> {
    const connection = new Redis(redis.url, { maxRetriesPerRequest: null });
    const queue = new Queue("cells", { connection, prefix: "reviewkd" });
    try {
      await use(queue, connection);
    } finally {
      await queue.close();
      connection.disconnect();
    }
  }

  /** Changes what the jobs that wait know of their cells, and ends their wait. */
  async function changeJobs(change: object): Promise<void> {
    await withQueue(async (queue) => {
      for (const job of await queue.getJobs(["wait", "prioritized", "delayed"]))
        await job.updateData({ ...job.data as object, ...change });
      await queue.promoteJobs();
    });
  }

  const student = (study: string, cell: string): Promise<Buffer> =>
    readFile(join(directory.path, study, cell, "student.safetensors"));

  const ofType = (events: readonly JsonEvent[], type: string): JsonEvent[] =>
    events.filter((event) => event.type === type);

  it(`of which ${WORKERS} workers train the cells, one of them killed ${KILLS} times, has the bits of an undisturbed one`, async function () {
    this.timeout(240_000);
    const config = settings(3000);
    const study = begin(await queueing("killed", config));
    await study.until(/"study-progress"/);
    const workers = Array.from({ length: WORKERS }, () => work());
    // Seeded, so that failures can be reproduced, except for timing.
    const chosen = uniforms(7, 2 * KILLS);
    const outputs: string[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      const index = Math.floor(chosen[2 * kill]! * WORKERS);
      const victim = workers[index]!;
      await victim.until(/"work-start"/);
      await delay(chosen[2 * kill + 1]! * 2500);
      expect(study.child.exitCode, "the study ended before the last kill").to.equal(null);
      victim.child.kill("SIGKILL");
      const killed = await victim.finished;
      expect(killed.signal).to.equal("SIGKILL");
      outputs.push(killed.stdout);
      running.delete(victim);
      workers[index] = work();
    }
    const { code, stdout, stderr } = await study.finished;
    expect(code, `${stdout}\n${stderr}`).to.equal(0);
    const { result } = jsonEvents(stdout).at(-1) as unknown as { result: StudyResult };
    expect(result.cells.map(({ id, status }) => [id, status])).to.deep.equal(CELLS.map((id) => [id, "done"]));
    for (const { child, finished } of workers) {
      child.kill("SIGTERM");
      const ended = await finished;
      expect(ended.code, ended.stderr).to.equal(130);
      outputs.push(ended.stdout);
    }
    expect(outputs.join("").match(/"type":"cell-start"[^{}]*"resumed":true/g) ?? [], "no kill has hit a cell").to.not
      .deep
      .equal([]);

    const undisturbed: StudyResult[] = [];
    for await (const event of runStudy(config, { directory: join(directory.path, "undisturbed") }))
      if (event.type === "study-end") undisturbed.push(event.result);
    for (const cell of CELLS)
      expect((await student("killed", cell)).equals(await student("undisturbed", cell)), cell).to.equal(true);
    expect(result.conditions).to.deep.equal(undisturbed[0]!.conditions);
    expect(result.teacherMetric).to.equal(undisturbed[0]!.teacherMetric).and.not.equal(null);
  });

  it("is watched again by the same command, which adds no cell twice, and trains none again", async () => {
    const words = await queueing("watched", settings(640));
    const first = begin(words);
    await first.until(/"study-progress"/);
    first.child.kill("SIGINT");
    const stopped = await first.finished;
    expect(stopped.code, stopped.stderr).to.equal(130);
    expect(stopped.stderr).to.include(`--queue ${redis.url}`);
    expect(jsonEvents(stopped.stdout).at(-1)?.["message"]).to.include(
      "no longer watched; its cells stay in the queue, which has no worker",
    );
    const second = begin(words);
    const third = begin(words);
    for (const watcher of [second, third]) await watcher.until(/"study-progress"/);
    const events = jsonEvents((await work("--until-empty").finished).stdout);
    expect(events.at(-1)).to.include({ type: "work-end", done: CELLS.length, failed: 0 });
    for (const { finished } of [second, third]) {
      const { code, stdout } = await finished;
      expect(code).to.equal(0);
      const seen = jsonEvents(stdout);
      expect(ofType(seen, "cell-end").map(({ cell }) => cell).sort()).to.deep.equal([...CELLS].sort());
      expect(ofType(seen, "study-progress").at(-1)).to.include({ done: CELLS.length, waiting: 0 });
    }
    const again = jsonEvents((await succeed([...words, "--json"])).stdout);
    expect(ofType(again, "cell-start")).to.deep.equal([]);
    expect(again.at(-1)).to.include({ type: "study-end" });
  });

  it("says that it has no worker, until there is one", async () => {
    const study = begin(await queueing("workerless", settings(64, { seeds: [0] })));
    await study.until(/"study-notice"/);
    const idle = start(["work", redis.url, ...WORK]);
    running.add(idle);
    await idle.until(/^waiting for cells$/m);
    const { code, stdout } = await study.finished;
    expect(code).to.equal(0);
    expect(ofType(jsonEvents(stdout), "study-notice").map(({ message }) => message)).to.deep.equal([
      `the queue has no worker yet: start \`reviewkd work ${redis.url}\`, here or on other machines.`,
    ]);
    const other = begin(await queueing("continued", settings(3000, { seeds: [0] })));
    await idle.until(/\[1\/3\] teacher resnet8[^]*continued|continued[^]*\[1\/3\] teacher resnet8/);
    other.child.kill("SIGINT");
    expect(jsonEvents((await other.finished).stdout).at(-1)?.["message"]).to.include("its workers continue");
    idle.child.kill("SIGINT");
    expect((await idle.finished).stderr).to.include("finishing the step, saving and giving the cell back");
  });

  it("lets a worker without a cell end without a word of one", async () => {
    const idle = start(["work", redis.url, ...WORK]);
    running.add(idle);
    await idle.until(/^waiting for cells$/m);
    idle.child.kill("SIGINT");
    const { code, stderr } = await idle.finished;
    expect(code, stderr).to.equal(130);
    expect(stderr).to.include("no cell is being trained here").and.not.include("saving");
  });

  it("gives the cell of a worker that is stopped to another one, which resumes it", async () => {
    const study = begin(await queueing("stopped", settings(3000, { seeds: [0] })));
    await study.until(/"study-progress"/);
    const first = work();
    await first.until(/"progress"/);
    first.child.kill("SIGINT");
    const { code, stdout, stderr } = await first.finished;
    expect(code, stderr).to.equal(130);
    expect(jsonEvents(stdout).filter(({ type }) => type === "work-returned")).to.have.lengthOf(1);
    expect(jsonEvents(stdout).find(({ type }) => type === "work-returned")).to.include({ index: 0, reason: "stopped" });
    const second = jsonEvents((await work("--until-empty").finished).stdout);
    const starts = ofType(second, "work-cell").map(({ event }) => event as JsonEvent).filter(({ type }) =>
      type === "cell-start"
    );
    expect(starts[0]).to.include({ cell: "teacher", resumed: true });
    expect((await study.finished).code).to.equal(0);
  });

  it("reports a cell that fails by itself once, and tries it again with the same command", async function () {
    this.timeout(120_000);
    const diverging = settings(64, { seeds: [0], method: { kind: "review", warmupEpochs: 0, weight: 1e38 } });
    const words = await queueing("failing", diverging);
    for (let attempt = 0; attempt < 2; attempt++) {
      const study = begin(words);
      await study.until(/"study-progress"/);
      const worker = jsonEvents((await work("--until-empty").finished).stdout);
      expect(ofType(worker, "work-failed").map(({ index, code }) => [index, code])).to.deep.equal([[2,
        "NON_FINITE_LOSS"]]);
      const { code, stdout, stderr } = await study.finished;
      expect(code).to.equal(1);
      expect(jsonEvents(stdout).at(-1)).to.include({ type: "error", code: "NON_FINITE_LOSS" });
      expect(stderr).to.include("1 of 3 cells failed: distilled-seed0");
    }
    // As if another process that watches the study had added it again, and a worker had it.
    await withQueue(async (queue, connection) => {
      const [job] = await queue.getJobs(["failed"]);
      await connection.set(queue.toKey(`${job!.id!}:lock`), "another worker's");
    });
    const refused = jsonEvents((await begin(words).finished).stdout);
    expect(refused.at(-1)).to.include({ type: "error", code: "NON_FINITE_LOSS" });
  });

  it("gives up a cell whose workers are lost again and again", async () => {
    const words = await queueing("lost", settings(1500, { seeds: [0] }));
    const study = begin(words);
    await study.until(/"study-progress"/);
    const fragile = ["work", redis.url, "--lock-seconds", "2", "--max-stalled", "1"];
    for (let loss = 0; loss < 2; loss++) {
      const worker = begin(fragile);
      await worker.until(/"cell":"teacher"[^\n]*"type":"progress"/);
      worker.child.kill("SIGKILL");
      await worker.finished;
    }
    await begin([...fragile, "--until-empty"]).finished;
    const { code, stdout } = await study.finished;
    expect(code).to.equal(1);
    expect(ofType(jsonEvents(stdout), "cell-failed")[0]).to.include({ cell: "teacher", code: "WORKER_EXITED" });
  });

  it("lets students of a teacher that fails fail with it, instead of waiting for ever", async () => {
    const words = await queueing("teacherless",
      settings(64, { seeds: [0], teacherTraining: { learningRate: 1e30, epochs: 3 } }));
    const study = begin(words);
    await study.until(/"study-progress"/);
    const worker = jsonEvents((await work("--until-empty").finished).stdout);
    expect(ofType(worker, "work-failed").map(({ index, code }) => [index, code])).to.deep.equal([[0, "NON_FINITE_LOSS"],
      [2, "TEACHER_FAILED"]]);
    expect(ofType(worker, "work-failed")[1]?.["message"]).to.include("the teacher, cell 0, which has failed").and
      .include(
        "NON_FINITE_LOSS",
      );
    expect((await study.finished).code).to.equal(1);
  });

  it("survives a Redis that is killed and comes back", async function () {
    this.timeout(120_000);
    const study = begin(await queueing("redis", settings(3000, { seeds: [0] })));
    await study.until(/"study-progress"/);
    const worker = work("--until-empty");
    await worker.until(/"progress"/);
    await redis.kill();
    await delay(1500);
    await redis.run();
    const { code, stderr } = await worker.finished;
    expect(code, stderr).to.equal(0);
    expect((await study.finished).code).to.equal(0);
  });

  it("ends with what to do, after saving, if Redis stays away", async function () {
    this.timeout(120_000);
    // Longer than the worker waits for Redis, also on a fast machine.
    const study = begin(await queueing("gone", settings(30_000, { seeds: [0] })));
    await study.until(/"study-progress"/);
    const worker = begin(["work", redis.url, "--lock-seconds", "2"]);
    await worker.until(/"progress"/);
    await redis.kill();
    const { code, stdout, stderr } = await worker.finished;
    expect(code, stderr).to.equal(1);
    expect(stderr).to.include("QUEUE_UNREACHABLE").and.include("run the same command again");
    expect(ofType(jsonEvents(stdout), "work-returned")[0]).to.include({ index: 0, reason: "lost" });
    await begin(["study", "cell", join(directory.path, "gone"), "0"]).until(/"cell-start"[^\n]*"resumed":true/);
  });

  it("fails a job that is none of a study, and continues", async () => {
    const study = begin(await queueing("foreign", settings(64, { seeds: [0] })));
    await study.until(/"study-progress"/);
    await withQueue(async (queue) => {
      const job = await queue.add("foreign", { command: "anything" });
      expect(jsonEvents((await work("--until-empty").finished).stdout).at(-1)).to.include({ done: 3, failed: 1 });
      expect((await Job.fromId(queue, job.id!))?.failedReason).to.include("[INVALID_ARGUMENT] invalid job: expected a");
    });
    expect((await study.finished).code).to.equal(0);
  });

  it("ends a worker that does not see the directory, and leaves the cell to those that do", async () => {
    const words = await queueing("unseen", settings(64, { seeds: [0] }));
    const study = begin(words);
    await study.until(/"study-progress"/);
    study.child.kill("SIGINT");
    await study.finished;
    const [path, away] = [join(directory.path, "unseen"), join(directory.path, "away")];
    await rename(path, away);
    const { code, stdout, stderr } = await work("--until-empty").finished;
    expect(code).to.equal(1);
    expect(stderr).to.include("RUN_DIRECTORY").and.include("no study at").and.include("as this machine sees it");
    const [returned, ...others] = jsonEvents(stdout).filter(({ type }) => /^work-(?:returned|failed)$/.test(type));
    expect(returned).to.include({ type: "work-returned", index: 0, reason: "unreadable" });
    expect(others).to.deep.equal([]);
    await rename(away, path);
    expect(jsonEvents((await work("--until-empty").finished).stdout).at(-1)).to.include({ done: 3, failed: 0 });
    await succeed([...words, "--json"]);
  });

  it("ends a worker without the data, and fails the cells whose data no worker has", async function () {
    this.timeout(120_000);
    const root = join(directory.path, "data");
    await mkdir(root);
    for (const name of ["train.bin", "test.bin"]) await writeFile(join(root, name), cifarRecords(100));
    const words = await queueing("dataless", settings(64, { seeds: [0], data: { kind: "cifar100", root } }));
    const study = begin(words);
    await study.until(/"study-progress"/);
    await rename(root, `${root}-away`);
    const ended = await work("--until-empty").finished;
    expect(ended.code).to.equal(1);
    expect(ended.stderr).to.include("FILE_NOT_FOUND");
    const events = jsonEvents(ended.stdout);
    expect(ofType(events, "work-returned")).to.have.lengthOf(1);
    expect(ofType(events, "work-returned")[0]).to.include({ index: 0, reason: "unreadable" });
    expect(ofType(events, "work-failed")).to.deep.equal([]);
    expect(await readdir(join(directory.path, "dataless"))).to.deep.equal(["study.json"]);
    // As if ten workers had tried each.
    await changeJobs({ unreadable: 10 });
    const last = jsonEvents((await work("--until-empty").finished).stdout);
    expect(ofType(last, "work-failed").map(({ index, code }) => [index, code]).sort()).to.deep.equal([[0,
      "FILE_NOT_FOUND"], [1, "FILE_NOT_FOUND"], [2, "FILE_NOT_FOUND"]]);
    expect(last.at(-1)).to.include({ type: "work-end", failed: 3 });
    expect((await study.finished).code).to.equal(1);
    await rename(`${root}-away`, root);
    const again = begin(words);
    await again.until(/"study-progress"/);
    await work("--until-empty").finished;
    expect((await again.finished).code).to.equal(0);
  });

  it("reports a teacher whose directory cannot be read at the start, and ends", async function () {
    this.timeout(120_000);
    const words = await queueing("damaged", settings(64, { seeds: [0] }));
    const path = join(directory.path, "damaged");
    await succeed(["study", "plan", path, "--config", `${path}.json`]);
    await succeed(["study", "cell", path, "0"]);
    for (const name of await readdir(join(path, "teacher")))
      if (/^(?:last|previous)/.test(name)) await writeFile(join(path, "teacher", name), "damaged");
    for (let attempt = 0; attempt < 2; attempt++) {
      const study = begin(words);
      await study.until(/"study-progress"/);
      const worker = await work("--until-empty").finished;
      expect(worker.code, worker.stderr).to.equal(0);
      const { code, stdout } = await study.finished;
      expect(code).to.equal(1);
      const events = jsonEvents(stdout);
      expect(ofType(events, "cell-failed").map(({ cell, code: each }) => [cell, each])).to.deep.equal([["teacher",
        "FILE_CORRUPT"], ["distilled-seed0", "TEACHER_FAILED"]]);
      expect(events.at(-1)).to.include({ type: "error", code: "FILE_CORRUPT" });
    }
    // The remedy of the message.
    await rm(join(path, "teacher"), { recursive: true });
    const study = begin(words);
    await study.until(/"study-progress"/);
    await work("--until-empty").finished;
    expect((await study.finished).code).to.equal(0);
  });

  it("takes over what a lost machine has locked only by force, and gives up after many tries", async function () {
    this.timeout(120_000);
    const words = await queueing("locked", settings(64, { seeds: [0] }));
    const path = join(directory.path, "locked");
    await succeed(["study", "plan", path, "--config", `${path}.json`]);
    await mkdir(join(path, "teacher"));
    await writeFile(join(path, "teacher", "run.lock"),
      JSON.stringify({ pid: 7, startTicks: 1, host: "elsewhere.invalid", bootId: "x",
        since: "2020-01-01T00:00:00.000Z" }));
    const study = begin(words);
    await study.until(/"study-progress"/);
    const waiting = start(["work", redis.url, ...WORK]);
    running.add(waiting);
    await waiting.until(/^cell 0 of \S+ is locked, and tried again later: .*elsewhere\.invalid.*--force-unlock/m);
    waiting.child.kill("SIGTERM");
    await waiting.finished;
    await changeJobs({ locked: 100 });
    const tired = jsonEvents((await work("--until-empty").finished).stdout);
    expect(ofType(tired, "work-failed").map(({ index, code }) => [index, code])).to.deep.equal([[0, "RUN_LOCKED"], [2,
      "TEACHER_FAILED"]]);
    expect(ofType(tired, "work-failed")[0]?.["message"]).to.include("elsewhere.invalid").and.include("at 100 tries")
      .and.include("`reviewkd work --force-unlock`");
    expect((await study.finished).code).to.equal(1);
    const again = begin(words);
    await again.until(/"study-progress"/);
    await work("--until-empty", "--force-unlock").finished;
    expect((await again.finished).code).to.equal(0);
    expect(await fail([...words, "--force-unlock"], { exit: 2, code: "INVALID_ARGUMENT" })).to.include(
      "pass it to `reviewkd work`",
    );
  });

  it("does not show a password when it says how to continue", async () => {
    const words = await queueing("secret", settings(64, { seeds: [0] }));
    const url = `redis://default:p@ss@127.0.0.1:${redis.port}`;
    const study = begin([...words.slice(0, -1), url]);
    await study.until(/"study-progress"/);
    study.child.kill("SIGINT");
    const watched = await study.finished;
    expect(watched.code, watched.stderr).to.equal(130);
    expect(watched.stderr).to.include(`--queue redis://USER:PASSWORD@127.0.0.1:${redis.port}`);
    const worker = await begin(["work", url, "--until-empty"]).finished;
    expect(jsonEvents(worker.stdout)[0]).to.include({ queue: `redis://…@127.0.0.1:${redis.port}` });
    for (const { stdout, stderr } of [watched, worker]) expect(stdout + stderr).to.not.include("ss@");
  });

  it("names an address that is none, and a Redis that does not answer", async () => {
    for (const [words, message] of [
      [["work", "http://user:secret@127.0.0.1:1"],
        /invalid <url>: expected the address of a Redis, redis:\/\/HOST:PORT .*, received "http:\/\/…@127\.0\.0\.1:1"/],
      [["work", "localhost:7411"], /invalid <url>: .* Did you mean redis:\/\/localhost:7411\?/],
      [["study", "seeds", "--teacher", "resnet8", "--student", "resnet8", "--queue", "localhost"],
        /invalid --queue: .* Did you mean redis:\/\/localhost\?/],
    ] as const) {
      const error = await fail(words, { exit: 2, code: "INVALID_ARGUMENT" });
      expect(error).to.match(message).and.not.include("secret");
    }
    await redis.stop();
    for (const words of [["work", `redis://user:secret@127.0.0.1:${redis.port}`],
      await queueing("nowhere", settings(64))]) {
      const message = await fail(words, { exit: 1, code: "QUEUE_UNREACHABLE" });
      expect(message).to.include("127.0.0.1").and.include("ECONNREFUSED").and.not.include("secret");
    }
  });

  it("names the packages if they are not installed", async () => {
    const hook = "export const resolve = (name, context, next) => name === 'bullmq' " +
      "? Promise.reject(Object.assign(new Error('not installed'), { code: 'ERR_MODULE_NOT_FOUND' })) : next(name, context);";
    const register = `import { register } from "node:module"; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});`;
    const preload = join(directory.path, "without-bullmq.mjs");
    await writeFile(preload, register);
    const { code, stderr } = await reviewkd(["work", redis.url], { env: { NODE_OPTIONS: `--import ${preload}` } });
    expect(code).to.equal(1);
    expect(stderr).to.include("error [DEPENDENCY_MISSING]").and.include("npm install bullmq ioredis");
  });
});
