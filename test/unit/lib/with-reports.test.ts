import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { withReports } from "../../../lib/fit/with-reports.js";

async function collect<Report, Result>(
  run: AsyncGenerator<Report, Result, void>,
): Promise<{ reports: Report[]; result: Result }> {
  const reports: Report[] = [];
  for (;;) {
    const next = await run.next();
    if (next.done === true) return { reports, result: next.value };
    reports.push(next.value);
  }
}

describe("withReports", () => {
  it("yields the newest of many reports, including the last, and returns the result", async () => {
    const run = withReports<number, string>(async (report) => {
      for (let i = 0; i < 1000; i++) report(i);
      await sleep(5);
      report(1000);
      return "done";
    }, { intervalMs: 10_000 });
    expect(await collect(run)).to.deep.equal({ reports: [999, 1000], result: "done" });
  });

  it("rethrows the error of the work after its last report", async () => {
    const reports: number[] = [];
    const run = withReports<number, never>(async (report) => {
      report(1);
      await sleep(1);
      report(2);
      throw new Error("broken");
    }, { intervalMs: 10_000 });
    let message = "";
    try {
      for await (const value of run) reports.push(value);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(reports).to.deep.equal([1, 2]);
    expect(message).to.equal("broken");
  });

  it("yields a waiting report while the work continues", async () => {
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const run = withReports<number, string>(async (report) => {
      report(1);
      await sleep(1);
      report(2);
      await finished;
      return "done";
    }, { intervalMs: 20 });
    expect((await run.next()).value).to.equal(1);
    expect((await run.next()).value).to.equal(2);
    finish();
    expect(await run.next()).to.deep.equal({ done: true, value: "done" });
  });

  it("stops the work and awaits it when the consumer leaves", async () => {
    let stopped = false;
    const run = withReports<number, string>(async (report, signal) => {
      report(1);
      while (!signal.aborted) await sleep(1);
      await sleep(5);
      stopped = true;
      return "done";
    }, { intervalMs: 0 });
    for await (const value of run) if (value === 1) break;
    expect(stopped).to.equal(true);
  });

  it("forwards the caller's signal", async () => {
    const controller = new AbortController();
    const run = withReports<number, unknown>(async (report, signal) => {
      report(1);
      while (!signal.aborted) await sleep(1);
      return signal.reason as unknown;
    }, { intervalMs: 0, signal: controller.signal });
    await run.next();
    controller.abort("enough");
    expect(await run.next()).to.deep.equal({ done: true, value: "enough" });
  });

  it("starts with a signal that is already aborted", async () => {
    const run = withReports<number, boolean>((_report, signal) => Promise.resolve(signal.aborted), { intervalMs: 0,
      signal: AbortSignal.abort() });
    expect(await collect(run)).to.deep.equal({ reports: [], result: true });
  });
});
