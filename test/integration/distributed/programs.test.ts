// Groups in programs of their own: texts, steps, errors, and ends of all kinds.
import { join } from "node:path";
import { expect } from "chai";
import { useDirectory, type Finished, type JsonEvent } from "../helpers.js";
import { allFinished, reportsOf, startOne, startRanks, succeedTogether, textOf } from "./ranks.js";

interface Within {
  readonly isSaved: boolean;
  readonly begun: { readonly epoch: number; readonly step: number; readonly steps: number };
  readonly losses: readonly number[];
  readonly steps: readonly number[];
  readonly same: boolean;
}

describe("a program with a group of processes", function () {
  this.timeout(120_000);

  const directory = useDirectory();

  const resultOf = ({ stdout }: Finished): JsonEvent => JSON.parse(stdout.trimEnd().split("\n").at(-1)!) as JsonEvent;
  const together = async (size: number, ...words: string[]): Promise<JsonEvent[]> =>
    (await succeedTogether(size, { program: "loop.mjs", words })).map(resultOf);

  it("exchanges texts, compares settings, and has the errors of the first in all", async () => {
    const results = await together(3, "texts");
    const pids = results.map(({ pid }) => pid);
    for (const [rank, result] of results.entries()) {
      expect(result).to.deep.include({ rank, calls: rank === 0 ? 1 : 0, first: { calls: 1, by: 0 },
        again: ["0", "1", "2"], same: {}, launcher: "variables", members: pids.map((pid, other) => [other, pid]) });
      expect(result["texts"]).to.deep.equal([["from 0, ü", 9], ["from 1, ü", 1009], ["from 2, ü", 2009]]);
      expect(result["failed"]).to.deep.equal({ ...(rank === 0 ? {} : { code: "INTERNAL" }), message: "no luck" });
      const { code, message } = result["differing"] as { code: string; message: string };
      expect(code).to.equal("PROCESSES_DIFFER");
      expect(message).to.match(
        /invalid settings: .* received 1 difference:\n {2}- b.*: .*0.* in rank 0 .*1.* in rank 1/,
      );
    }
  });

  it("has one process without a launcher", async () => {
    const result = await startOne({ program: "loop.mjs", words: ["texts"] }).finished;
    expect(result.code, textOf([result])).to.equal(0);
    expect(resultOf(result)).to.deep.include({ rank: 0, calls: 1, again: ["0"], same: {}, differing: {},
      launcher: null });
  });

  it("takes the steps of one process in a loop of its own, over its part of each batch", async () => {
    const ended = await startOne({ program: "loop.mjs", words: ["steps"] }).finished;
    expect(ended.code, textOf([ended])).to.equal(0);
    const alone = resultOf(ended);
    const [first, second] = await together(2, "steps");
    expect(first!["images"]).to.deep.equal([4, 4, 2, 4, 4, 2]);
    expect(second!["images"]).to.deep.equal([4, 4, 3, 4, 4, 3]);
    for (const result of [second!, first!])
      for (const key of ["losses", "top1", "loss", "weights", "position"])
        expect(result[key], key).to.deep.equal(first![key]);
    expect(first!["position"]).to.deep.equal(alone["position"]);
    // Statistics are those of each process.
    expect((first!["losses"] as number[])[0]).to.be.closeTo((alone["losses"] as number[])[0]!, 0.2);
  });

  it("saves within an epoch, from which all resume", async () => {
    const results = await together(2, "within", "60", join(directory.path, "within.safetensors"));
    for (const { isSaved, begun, losses, steps, same } of results as unknown as Within[]) {
      expect(isSaved).to.equal(true);
      expect(begun).to.include({ epoch: 0, steps: 10 });
      expect(begun.step).to.be.within(1, 9);
      expect(steps).to.deep.equal([10, 10]);
      expect(losses[1]).to.equal(losses[0]);
      expect(same).to.equal(true);
    }
  });

  it("has the error of a loss that is not finite in all processes, which names the one, and continues", async () => {
    for (const result of await together(2, "nan")) {
      const { code, message } = result["failed"] as { code: string; message: string };
      expect(code).to.equal("NON_FINITE_LOSS");
      expect(message).to.match(/^rank 1 \(.+, process \d+\): /);
      expect(result).to.deep.include({ kept: true, texts: ["0", "1"] });
    }
  });

  it("refuses parts of batches of which one process would have more", async () => {
    for (const { step, failed } of await together(2, "uneven")) {
      expect(step).to.equal(1);
      expect(failed).to.have.property("code", "INVALID_ARGUMENT");
      expect((failed as Error).message).to.include("received 2 images in one process and 5 in another");
    }
  });

  it("compares positions and learning rates", async () => {
    for (const { failed } of await together(2, "rate")) {
      expect(failed).to.have.property("code", "PROCESSES_DIFFER");
      expect((failed as Error).message).to.match(/invalid position of rank 1 .*rate 0\.1.* received .*rate 0\.5/);
    }
  });

  it("resumes from steps outside an epoch, under a teacher", async () => {
    const [first, second] = await together(2, "resumed", "60", join(directory.path, "outside.safetensors"));
    expect(first!["position"]).to.deep.include({ totalSteps: 2 });
    expect(first!["total"]).to.be.a("number").and.above(0);
    expect({ ...second, rank: 0 }).to.deep.equal({ ...first, rank: 0 });
  });

  it("knows errors that all processes have from those of one alone", async () => {
    const [first, second] = await together(2, "common");
    const both = { epoch: ["ABORTED", true], evaluation: ["ABORTED", true], differing: ["PROCESSES_DIFFER", true],
      alone: ["ABORTED", false], other: false };
    // Of the error in a callback, by which one process stops all, the others know as a stop.
    expect(first).to.deep.equal({ ...both, callback: ["ABORTED", true] });
    expect(second).to.deep.equal({ ...both, callback: ["ABORTED", false] });
  });

  it("disposes a session that cannot begin in all processes", async () => {
    for (const result of await together(2, "teachers")) {
      expect(result["failed"]).to.have.property("code", "PROCESSES_DIFFER");
      expect(result).to.have.property("disposed", 1);
    }
  });

  it("leaves at the end of a block, once, and waits for the others", async () => {
    for (const result of await together(2, "using")) {
      expect(result["texts"]).to.deep.equal({ value: ["0", "1"] });
      expect(result["disposed"]).to.have.property("code", "DISPOSED");
    }
  });

  it("learns why another process cannot continue", async () => {
    const [first, second] = await together(2, "wrong");
    expect(second!["failed"]).to.have.property("code", "LABEL_OUT_OF_RANGE");
    for (const failed of [first!["failed"], first!["next"]] as { code: string }[])
      expect(failed.code).to.equal("PROCESS_LOST");
    expect((first!["failed"] as { message: string }).message).to.match(
      /^rank 1 \(.+, process \d+\) ended with LABEL_OUT_OF_RANGE: .*7/,
    );
  });

  it("has the same events in all processes, but for those of files and clocks, also when it resumes", async () => {
    const run = join(directory.path, "events");
    const results = await succeedTogether(2, { program: "events.mjs", words: [run] });
    const [first, second] = results.map((result) => reportsOf(result));
    const common = ["start", "resumed", "teacher", "epoch", "interrupted", "stopped", "end"];
    const of = (events: readonly JsonEvent[]): unknown[] =>
      events.filter(({ type }) => common.includes(type)).map((
        { type, test, losses, epoch, startEpoch, checkpoint },
      ) => ({
        type,
        test,
        losses,
        epoch,
        startEpoch,
        checkpoint,
      }));
    expect(of(second!)).to.deep.equal(of(first!));
    expect(of(first!).map((event) => (event as JsonEvent).type)).to.deep.equal(["start", "teacher", "epoch", "epoch",
      "interrupted", "stopped", "start", "resumed", "epoch", "end"]);
    const others = (events: readonly JsonEvent[]): string[] =>
      [...new Set(events.map(({ type }) => type))].filter((type) => type.startsWith("checkpoint"));
    expect(others(first!)).to.deep.equal(["checkpoint"]);
    expect(others(second!)).to.deep.equal([]);
    for (const events of [first!, second!]) {
      const { seconds, earlierSeconds } = events.at(-1) as unknown as { seconds: number; earlierSeconds: number };
      expect(earlierSeconds).to.be.above(2);
      expect(seconds).to.be.above(earlierSeconds);
    }
  });

  it("learns why the first one has ended, however long it was at work itself", async () => {
    const [, second] = await together(2, "busy");
    expect(second).to.have.property("code", "PROCESS_LOST");
    expect(second!["message"]).to.match(/^rank 0 \(.+, process \d+\) ended with \w+: .*no disk/);
  });

  it("joins again and again, also while it is in another group", async () => {
    for (const { own, ranks } of await together(2, "again")) {
      expect(ranks).to.deep.equal(["0,1", "0,1", "0,1", "0,1"]);
      expect(own).to.deep.equal(["still here", "still here"]);
    }
  });

  it("ends by process.exit() while it waits for others, who learn that it is gone", async () => {
    const ranks = await startRanks(2, { program: "loop.mjs", words: ["exit"] });
    const [first, second] = await allFinished(ranks);
    expect(first?.code, textOf([first!])).to.equal(7);
    expect(second?.code, textOf([second!])).to.equal(0);
  });

  it("ends by process.exit() while it connects a session with one that does not come", async () => {
    const ranks = await startRanks(2, { program: "loop.mjs", words: ["absent", "100", "exit"] });
    const results = await allFinished(ranks);
    expect(results.map(({ code }) => code), textOf(results)).to.deep.equal([7, 7]);
  });

  it("is stopped while it connects a session with one that does not come", async () => {
    const ranks = await startRanks(2, { program: "loop.mjs", words: ["absent", "100", "stop"] });
    const first = await ranks[0]!.finished;
    ranks[1]!.child.kill("SIGKILL");
    expect(resultOf(first)["failed"], textOf([first])).to.include({ code: "ABORTED" });
    await ranks[1]!.finished;
  });

  it("closes sessions, and continues", async () => {
    for (const { texts } of await together(2, "dispose")) expect(texts).to.deep.equal(["0", "1"]);
  });

  it("ends without leaving", async () => {
    await succeedTogether(2, { program: "loop.mjs", words: ["forget"] });
  });

  it("ends a thread that waits for others", async () => {
    for (const result of await together(2, "terminate")) expect(result).to.deep.equal({ terminated: 1 });
  });
});
