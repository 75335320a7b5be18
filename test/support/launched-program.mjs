// The program of tests of launchProcesses: `node launched-program.mjs MODE DIRECTORY [ARGUMENT]`. It records what
// happens to it in DIRECTORY, in files that are named after its rank and restart count.
import { spawn } from "node:child_process";
import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [mode, directory, argument] = process.argv.slice(2);
const { RANK: rank, REVIEWKD_RESTART_COUNT: restarts } = process.env;
const isChosen = rank === "1" && restarts === "0";

function record(name, text = "") {
  writeFileSync(join(directory, `${name}-${rank}-${restarts}`), text);
}

/** Ends by itself after a minute, in case that a test fails. */
function wait() {
  setTimeout(() => process.exit(99), 60_000);
}

/** Calls `end` once all processes of this attempt have recorded something, so that none is stopped before it begins. */
function whenAllHave(name, end) {
  const ranks = Array.from({ length: Number(process.env.WORLD_SIZE) }, (_, index) => index);
  const timer = setInterval(() => {
    if (!ranks.every((each) => existsSync(join(directory, `${name}-${each}-${restarts}`)))) return;
    clearInterval(timer);
    setTimeout(end, 100);
  }, 20);
}

function stopBy(signals) {
  for (const signal of signals) {
    process.on(signal, () => {
      appendFileSync(join(directory, `signals-${rank}-${restarts}`), `${signal}\n`);
      setTimeout(() => process.exit(130), 50);
    });
  }
}

const MODES = {
  /** Ends at once. */
  record() {
    const { env, pid, execArgv } = process;
    record("env", JSON.stringify({ env, pid, execArgv, hasChannel: process.channel !== undefined }));
  },
  /** Process 1 of the first attempt fails with the exit code or by the signal of the argument. */
  fail() {
    stopBy(["SIGTERM"]);
    record("pid", String(process.pid));
    record("port", process.env.MASTER_PORT);
    const end = () => (Number(argument) > 0 ? process.exit(Number(argument)) : process.kill(process.pid, argument));
    if (isChosen) whenAllHave("port", end);
    else if (restarts === "0") wait();
  },
  /** Fails each time. */
  broken() {
    process.exit(4);
  },
  /** As `fail`, while the others ignore SIGTERM, and have started processes of their own. */
  stubborn() {
    process.on("SIGTERM", () => record("ignored"));
    const child = spawn(process.execPath, ["-e", "process.on('SIGTERM', () => 0); setTimeout(() => 0, 60_000)"], {
      stdio: "ignore",
    });
    record("pid", `${process.pid} ${child.pid}`);
    if (isChosen) whenAllHave("pid", () => process.exit(3));
    else wait();
  },
  /** Runs until a signal. */
  run() {
    stopBy(["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"]);
    record("pid", String(process.pid));
    wait();
  },
  /**
   * Process 0 saves after its first signal and listens to no second one, which would end it. Process 1 stops with it,
   * sooner.
   */
  together() {
    const stopped = join(directory, "stopped-0-0");
    process.once("SIGTERM", () => {
      record("stopped");
      setTimeout(() => {
        record("saved");
        process.exit(130);
      }, 700);
    });
    record("pid", String(process.pid));
    if (rank === "1") setInterval(() => existsSync(stopped) && process.exit(130), 20);
    wait();
  },
  /** Runs until a signal, and then fails to save: process 1 alone. */
  unsaved() {
    process.on("SIGTERM", () => process.exit(rank === "1" ? 1 : 130));
    record("pid", String(process.pid));
    wait();
  },
};

MODES[mode]();
