// Workers that lack the directory or the data, and directories that are damaged or locked by lost machines.
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { cifarRecords } from "../support/cifar-records.js";
import { fail, jsonEvents, start, succeed } from "./helpers.js";
import { WORK, describeWithRedis, ofType, settings, useStudyQueue } from "./study-queue.js";

describeWithRedis("a study in a queue of unequal machines", () => {
  const queue = useStudyQueue();
  const { directory, running, begin, work, queueing, changeJobs } = queue;

  /** Runs the study once more with one worker, to its end. */
  async function finish(words: readonly string[], ...options: string[]): Promise<void> {
    const study = begin(words);
    await study.until(/"study-progress"/);
    await work("--until-empty", ...options).finished;
    expect((await study.finished).code).to.equal(0);
  }

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
    await finish(words);
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
    await finish(words);
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
    const waiting = start(["work", queue.redis.url, ...WORK]);
    running.add(waiting);
    await waiting.until(/^cell 0 of \S+ is locked, and tried again later: .*elsewhere\.invalid.*--force-unlock/m);
    waiting.child.kill("SIGTERM");
    await waiting.finished;
    await changeJobs({ locked: 100, lockedSince: Date.now() - 90 * 60_000 });
    const tired = jsonEvents((await work("--until-empty").finished).stdout);
    expect(ofType(tired, "work-failed").map(({ index, code }) => [index, code])).to.deep.equal([[0, "RUN_LOCKED"], [2,
      "TEACHER_FAILED"]]);
    expect(ofType(tired, "work-failed")[0]?.["message"]).to.include("elsewhere.invalid").and.include("for 90 minutes")
      .and.include("`reviewkd work --force-unlock`");
    expect((await study.finished).code).to.equal(1);
    await finish(words, "--force-unlock");
    expect(await fail([...words, "--force-unlock"], { exit: 2, code: "INVALID_ARGUMENT" })).to.include(
      "pass it to `reviewkd work`",
    );
  });
});
