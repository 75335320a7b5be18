// Studies over BullMQ on a real Redis, with real workers that are killed.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Job } from "bullmq";
import { expect } from "chai";
import { runStudy } from "../../lib/study/run-study.js";
import type { StudyResult } from "../../lib/config/schemas/study.js";
import { uniforms } from "../support/uniforms.js";
import { fail, jsonEvents, reviewkd, start, succeed, type JsonEvent } from "./helpers.js";
import { WORK, describeWithRedis, ofType, settings, useStudyQueue } from "./study-queue.js";

const CELLS = ["teacher", "student-alone-seed0", "distilled-seed0", "student-alone-seed1", "distilled-seed1"];
const WORKERS = 3;
const KILLS = 10;

describeWithRedis("a study in a queue", () => {
  const queue = useStudyQueue();
  const { directory, running, begin, work, queueing, withQueue, student } = queue;

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
    expect(stopped.stderr).to.include(`--queue ${queue.redis.url}`);
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
    const idle = start(["work", queue.redis.url, ...WORK]);
    running.add(idle);
    await idle.until(/^waiting for cells$/m);
    const { code, stdout } = await study.finished;
    expect(code).to.equal(0);
    expect(ofType(jsonEvents(stdout), "study-notice").map(({ message }) => message)).to.deep.equal([
      `the queue has no worker yet: start \`reviewkd work ${queue.redis.url}\`, here or on other machines.`,
    ]);
    const other = begin(await queueing("continued", settings(3000, { seeds: [0] })));
    await idle.until(/\[1\/3\] teacher resnet8[^]*continued|continued[^]*\[1\/3\] teacher resnet8/);
    other.child.kill("SIGINT");
    expect(jsonEvents((await other.finished).stdout).at(-1)?.["message"]).to.include("its workers continue");
    idle.child.kill("SIGINT");
    expect((await idle.finished).stderr).to.include("finishing the step, saving and giving the cell back");
  });

  it("lets a worker without a cell end without a word of one", async () => {
    const idle = start(["work", queue.redis.url, ...WORK]);
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
    const fragile = ["work", queue.redis.url, "--lock-seconds", "2", "--max-stalled", "1"];
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
    await queue.redis.kill();
    await delay(1500);
    await queue.redis.run();
    const { code, stderr } = await worker.finished;
    expect(code, stderr).to.equal(0);
    expect((await study.finished).code).to.equal(0);
  });

  it("ends with what to do, after saving, if Redis stays away", async function () {
    this.timeout(120_000);
    // Longer than the worker waits for Redis, also on a fast machine.
    const study = begin(await queueing("gone", settings(30_000, { seeds: [0] })));
    await study.until(/"study-progress"/);
    const worker = begin(["work", queue.redis.url, "--lock-seconds", "2"]);
    await worker.until(/"progress"/);
    await queue.redis.kill();
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

  it("does not show a password when it says how to continue", async () => {
    const words = await queueing("secret", settings(64, { seeds: [0] }));
    const url = `redis://default:p@ss@127.0.0.1:${queue.redis.port}`;
    const study = begin([...words.slice(0, -1), url]);
    await study.until(/"study-progress"/);
    study.child.kill("SIGINT");
    const watched = await study.finished;
    expect(watched.code, watched.stderr).to.equal(130);
    expect(watched.stderr).to.include(`--queue redis://USER:PASSWORD@127.0.0.1:${queue.redis.port}`);
    const worker = await begin(["work", url, "--until-empty"]).finished;
    expect(jsonEvents(worker.stdout)[0]).to.include({ queue: `redis://…@127.0.0.1:${queue.redis.port}` });
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
    await queue.redis.stop();
    for (const words of [["work", `redis://user:secret@127.0.0.1:${queue.redis.port}`],
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
    const { code, stderr } = await reviewkd(["work", queue.redis.url], {
      env: { NODE_OPTIONS: `--import ${preload}` },
    });
    expect(code).to.equal(1);
    expect(stderr).to.include("error [DEPENDENCY_MISSING]").and.include("npm install bullmq ioredis");
  });
});
