import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { launchProcesses, processEnvironment, type LaunchEvent, type LaunchOptions, type LaunchResult,
  type StopSignal } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";
import { scratchDirectory } from "../lib/small-run.js";

const script = fileURLToPath(new URL("../../support/launched-program.mjs", import.meta.url));

/** Whether a process runs; one that has ended and was not waited for does not. */
async function isAlive(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return !/^State:\s*Z/m.test(status);
}

/** Whether a process still runs after a second, in which one that was killed ends on a busy machine. */
async function staysAlive(pid: number): Promise<boolean> {
  for (let looks = 0; looks < 50 && await isAlive(pid); ++looks) await delay(20);
  return await isAlive(pid);
}

interface Recorded {
  readonly env: Readonly<Record<string, string>>;
  readonly pid: number;
  readonly execArgv: readonly string[];
  readonly hasChannel: boolean;
}

describe("launchProcesses", () => {
  const scratch = scratchDirectory();

  const launch = async (mode: string, options: Partial<LaunchOptions> = {},
    argument = ""): Promise<LaunchResult & { readonly events: LaunchEvent[] }> => {
    const events: LaunchEvent[] = [];
    const result = await launchProcesses({ processes: 3, script, execArgv: [], args: [mode, scratch(), argument],
      onEvent: (event) => events.push(event), ...options });
    for (const event of events)
      if (event.type === "processes-start") {
        for (const pid of event.pids)
          expect(await isAlive(pid)).to.equal(
            false,
          );
      }
    return { ...result, events };
  };
  const recorded = async (rank: number, restarts = 0): Promise<Recorded> =>
    JSON.parse(await readFile(scratch(`env-${rank}-${restarts}`), "utf8")) as Recorded;
  const filesOf = async (kind: string): Promise<string[]> =>
    (await readdir(scratch())).filter((name) => name.startsWith(`${kind}-`)).sort();
  const untilStarted = async (count: number): Promise<void> => {
    while ((await filesOf("pid")).length < count) await delay(20);
  };

  /** Sets variables of this process for one call. */
  const withVariables = async <T>(variables: Readonly<Record<string, string | undefined>>,
    work: () => Promise<T>): Promise<T> => {
    const set = (name: string, value: string | undefined): void => {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    };
    const before = { ...process.env };
    for (const [name, value] of Object.entries(variables)) set(name, value);
    try {
      return await work();
    } finally {
      for (const name of Object.keys(variables)) set(name, before[name]);
    }
  };

  it("describes to each process its place, as processEnvironment reads it", async () => {
    const { exitCode, restarts, events } = await launch("record", { execArgv: ["--no-warnings"] });
    expect({ exitCode, restarts }).to.deep.equal({ exitCode: 0, restarts: 0 });
    const all = await Promise.all([0, 1, 2].map((rank) => recorded(rank)));
    const environments = all.map(({ env }) => processEnvironment(env));
    expect(environments.map((environment) => [environment?.rank, environment?.localRank])).to.deep.equal([[0, 0], [1,
      1], [2, 2]]);
    for (const environment of environments)
      expect(environment).to.deep.include({ launcher: "reviewkd", size: 3, localSize: 3, storeIsHosted: false,
        restarts: 0, prefix: environments[0]?.prefix, master: environments[0]?.master });
    expect(environments[0]?.master.host).to.equal("127.0.0.1");
    expect(environments[0]?.master.port).to.be.within(20_000, 31_999);
    expect(all.every(({ hasChannel }) => hasChannel)).to.equal(true);
    expect(all[0]?.execArgv).to.deep.equal(["--no-warnings"]);
    expect(events).to.deep.equal([{ type: "processes-start", restarts: 0, pids: all.map(({ pid }) => pid) }]);
  });

  it("shares the processors among the processes unless the number of threads is given", async () => {
    const threadsOf = async (variables: Readonly<Record<string, string | undefined>>,
      options: Partial<LaunchOptions> = {}): Promise<(string | undefined)[]> => {
      await withVariables({ OMP_NUM_THREADS: undefined, MKL_NUM_THREADS: undefined, ...variables },
        () => launch("record", { processes: 1, ...options }));
      const { env } = await recorded(0);
      return [env["OMP_NUM_THREADS"], env["MKL_NUM_THREADS"]];
    };
    const [all] = await threadsOf({});
    expect(Number(all)).to.be.at.least(1);
    expect(await threadsOf({}, { processes: 64 })).to.deep.equal([String(Math.max(1, Math.floor(Number(all) / 64))),
      undefined]);
    expect(await threadsOf({ OMP_NUM_THREADS: "7" })).to.deep.equal(["7", undefined]);
    expect(await threadsOf({ OMP_NUM_THREADS: "7", MKL_NUM_THREADS: "3" })).to.deep.equal(["7", "3"]);
    expect(await threadsOf({ OMP_NUM_THREADS: "7", MKL_NUM_THREADS: "3" }, { threads: 2 })).to.deep.equal(["2",
      undefined]);
  });

  it("numbers the processes of all machines, which meet on the first", async () => {
    const options = { processes: 2, nodes: 3, nodeRank: 2, master: { host: "node01", port: 29_500 } };
    await launch("record", options);
    const prefixes = [];
    for (const rank of [4, 5]) {
      const environment = processEnvironment((await recorded(rank)).env);
      expect(environment).to.deep.include({ rank, size: 6, localRank: rank - 4, localSize: 2,
        master: { host: "node01", port: 29_500 } });
      prefixes.push(environment?.prefix);
    }
    await launch("record", { ...options, nodeRank: 0 });
    prefixes.push(processEnvironment((await recorded(0)).env)?.prefix);
    expect(new Set(prefixes).size).to.equal(1);
  });

  it("hides the launcher that it was started by", async () => {
    await withVariables({ TORCHELASTIC_RUN_ID: "outer", TORCHELASTIC_USE_AGENT_STORE: "True", RANK: "0",
      WORLD_SIZE: "9" }, () => launch("record", { processes: 2 }));
    expect(processEnvironment((await recorded(1)).env)).to.deep.include({ launcher: "reviewkd", size: 2,
      storeIsHosted: false });
  });

  it("is refused in a process that was launched itself", async () => {
    const error = await withVariables({ REVIEWKD_LAUNCH: "outer" },
      () => failureOf("PROCESS_ENVIRONMENT", () => launch("record")));
    expect(error.message).to.match(/^invalid environment variable REVIEWKD_LAUNCH: .* received "outer"\. Launch/);
    expect(await readdir(scratch())).to.deep.equal([]);
  });

  it("stops the others when one fails, and returns its exit code", async () => {
    const { exitCode, restarts, events } = await launch("fail", {}, "3");
    expect({ exitCode, restarts }).to.deep.equal({ exitCode: 3, restarts: 0 });
    expect(events.slice(1)).to.deep.equal([{ type: "process-failed", rank: 1, exitCode: 3, signal: null }]);
    expect(await filesOf("signals")).to.deep.equal(["signals-0-0", "signals-2-0"]);
    expect(await readFile(scratch("signals-0-0"), "utf8")).to.equal("SIGTERM\n");
  });

  it("returns 128 and the number of the signal that ended one", async () => {
    const { exitCode, events } = await launch("fail", {}, "SIGKILL");
    expect(exitCode).to.equal(137);
    expect(events[1]).to.include({ exitCode: 137, signal: "SIGKILL" });
  });

  it("takes one that was stopped by itself for a stop of all", async () => {
    const { exitCode, restarts, events } = await launch("fail", { maxRestarts: 3, stopSeconds: 3 }, "130");
    expect({ exitCode, restarts }).to.deep.equal({ exitCode: 130, restarts: 0 });
    // The others do not stop by themselves.
    expect(await filesOf("signals")).to.deep.equal(["signals-0-0", "signals-2-0"]);
    expect(events.map(({ type }) => type)).to.not.include("processes-killed");
  });

  it("sends no second signal to one that saves while those that stopped with it end", async function () {
    if (process.platform === "win32") this.skip();
    const ended = launch("together", { processes: 2, maxRestarts: 3, stopSeconds: 20 });
    await untilStarted(2);
    process.kill(Number(await readFile(scratch("pid-0-0"), "utf8")), "SIGTERM");
    const { exitCode, restarts, events } = await ended;
    expect({ exitCode, restarts }).to.deep.equal({ exitCode: 130, restarts: 0 });
    expect(events.slice(1)).to.deep.equal([{ type: "process-failed", rank: 1, exitCode: 130, signal: null }]);
    expect(await filesOf("saved")).to.deep.equal(["saved-0-0"]);
  });

  it("starts all again, with another port and other keys, when all have ended", async () => {
    const { exitCode, restarts, events } = await launch("fail", { maxRestarts: 2 }, "3");
    expect({ exitCode, restarts }).to.deep.equal({ exitCode: 0, restarts: 1 });
    expect(events.map(({ type }) => type)).to.deep.equal(["processes-start", "process-failed", "processes-start"]);
    expect(await filesOf("pid")).to.deep.equal(["pid-0-0", "pid-0-1", "pid-1-0", "pid-1-1", "pid-2-0", "pid-2-1"]);
    const ports = await Promise.all((await filesOf("port")).map((name) => readFile(scratch(name), "utf8")));
    const [first, again] = ports;
    expect(again).to.not.equal(first);
    expect(ports).to.deep.equal([first, again, first, again, first, again]);
  });

  it("gives up after the restarts that were allowed", async () => {
    const { exitCode, restarts, events } = await launch("broken", { processes: 1, maxRestarts: 2 });
    expect({ exitCode, restarts }).to.deep.equal({ exitCode: 4, restarts: 2 });
    expect(events.filter(({ type }) => type === "process-failed")).to.have.length(3);
  });

  it("ends with its processes and the callback's error if the callback throws", async () => {
    const refusal = new Error("refused");
    const failure: unknown = await launch("run", {
      onEvent() {
        throw refusal;
      },
    }).then(() => undefined, (error: unknown) => error);
    expect(failure).to.equal(refusal);
    for (const name of await filesOf("pid")) {
      for (const pid of (await readFile(scratch(name), "utf8")).split(" "))
        expect(await staysAlive(Number(pid)), `${name}: ${pid}`).to.equal(false);
    }
  });

  it("says so if a process cannot be started", async function () {
    if (process.platform === "win32") this.skip();
    // Node throws this error of the system instead of reporting it by an event.
    const failure = await failureOf("PROCESS_LOST", () => launch("run", {}, "x".repeat(4 << 20)));
    expect(failure.message).to.include("cannot start a process").and.to.include("E2BIG");
  });

  it("kills those that ignore SIGTERM, with the processes that they have started", async function () {
    if (process.platform === "win32") this.skip();
    const { exitCode, events } = await launch("stubborn", { stopSeconds: 1 });
    expect(exitCode).to.equal(3);
    expect(events.map(({ type }) => type)).to.deep.equal(["processes-start", "process-failed", "processes-killed"]);
    expect(await filesOf("ignored")).to.deep.equal(["ignored-0-0", "ignored-2-0"]);
    for (const name of await filesOf("pid")) {
      for (const pid of (await readFile(scratch(name), "utf8")).split(" "))
        expect(await staysAlive(Number(pid)), `${name}: ${pid}`).to.equal(false);
    }
  });

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"] as const) {
    it(`passes ${signal} on once, and does not start again`, async function () {
      if (process.platform === "win32") this.skip();
      const ended = launch("run", { maxRestarts: 3, forwardSignals: ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"] });
      await untilStarted(3);
      process.emit(signal, signal);
      // As npm passes a key press on that has arrived already.
      process.emit(signal, signal);
      const { exitCode, restarts } = await ended;
      expect({ exitCode, restarts }).to.deep.equal({ exitCode: 130, restarts: 0 });
      for (const rank of [0, 1, 2])
        expect(await readFile(scratch(`signals-${rank}-0`), "utf8")).to.equal(`${signal}\n`);
      expect(process.listenerCount("SIGUSR1")).to.equal(0);
    });
  }

  it("stops by an AbortSignal, and reports a process that could not save", async () => {
    const controller = new AbortController();
    const ended = launch("unsaved", { signal: controller.signal, maxRestarts: 3 });
    await untilStarted(3);
    controller.abort();
    const { exitCode, restarts } = await ended;
    expect({ exitCode, restarts }).to.deep.equal({ exitCode: 1, restarts: 0 });
  });

  it("starts nothing once it is stopped", async () => {
    const { exitCode, events } = await launch("record", { signal: AbortSignal.abort() });
    expect(exitCode).to.equal(130);
    expect(events).to.deep.equal([]);
  });

  const wrong: readonly (readonly [name: string, options: Partial<LaunchOptions>, message: RegExp])[] = [
    ["no process", { processes: 0 }, /processes in launch options: expected a whole number > 0, received 0/],
    ["a machine at their number", { nodes: 2, nodeRank: 2, master: { host: "a", port: 1 } },
      /nodeRank in launch options: expected a whole number below nodes, which is 2, received 2/],
    ["several machines without a place to meet", { nodes: 2 }, /master in launch options: expected host and port/],
    ["restarts over several machines", { nodes: 2, master: { host: "a", port: 1 }, maxRestarts: 1 },
      /maxRestarts in launch options: expected 0 for 2 machines, received 1\. Have a scheduler or torchrun restart/],
    ["a port above all", { master: { host: "a", port: 70_000 } }, /master\.port in launch options/],
    ["a signal that cannot be caught", { forwardSignals: ["SIGKILL" as StopSignal] },
      /forwardSignals\[0\] in launch options: expected .*"SIGTERM".*, received "SIGKILL"/],
    ["an unknown option", { restarts: 1 } as Partial<LaunchOptions>,
      /launch options: expected one of the keys .*, received "restarts"\./],
  ];
  for (const [name, options, message] of wrong) {
    it(`refuses ${name}`, async () => {
      const error = await failureOf("INVALID_ARGUMENT", () =>
        launchProcesses({ processes: 2, args: ["record", scratch()], script, ...options }));
      expect(error.message).to.match(message);
      expect(await readdir(join(scratch()))).to.deep.equal([]);
    });
  }
});
