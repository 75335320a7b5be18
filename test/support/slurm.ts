/** A SLURM of this machine alone, on loopback, for tests: a controller and two nodes that are this machine. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Whether SLURM is installed, and may be started: its nodes need root's rights. */
export async function hasSlurm(): Promise<boolean> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const daemons = ["slurmctld", "slurmd"].map((name) => run(name, ["-V"]).then(() => true, () => false));
  return (await Promise.all(daemons)).every((isThere) => isThere);
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}

/** For a command of SLURM on a busy machine; `sbatch --wait` waits for a job. */
const COMMAND_MS = 180_000;
/** How long jobs have to end before their daemons are killed. */
const STOP_MS = 15_000;

/** Daemons that this process has started, and the commands that talk to them. */
export class Slurm {
  private constructor(readonly directory: string, private readonly daemons: readonly ChildProcess[]) {}

  static async start(): Promise<Slurm> {
    const directory = mkdtempSync(join(tmpdir(), "reviewkd-slurm-"));
    const [controller, first, second] = await freePorts(3);
    const file = (name: string): string => join(directory, name);
    mkdirSync(file("state"));
    writeFileSync(file("slurm.conf"), `
ClusterName=test
SlurmctldHost=${hostname()}(127.0.0.1)
SlurmctldPort=${controller}
SlurmUser=root
AuthType=auth/none
CredType=cred/none
# A requeued job waits until the credentials of its former run are void.
AuthInfo=cred_expire=5
MpiDefault=none
# Not linuxproc, which loses programs with a space in their name, such as npm.
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
KillWait=5
SlurmctldPidFile=${file("controller.pid")}
SlurmctldLogFile=${file("controller.log")}
StateSaveLocation=${file("state")}
SlurmdPidFile=${file("%n.pid")}
SlurmdLogFile=${file("%n.log")}
SlurmdSpoolDir=${file("%n.spool")}
NodeName=node1 NodeHostname=${hostname()} NodeAddr=127.0.0.1 Port=${first} CPUs=4 State=UNKNOWN
NodeName=node2 NodeHostname=${hostname()} NodeAddr=127.0.0.1 Port=${second} CPUs=4 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES State=UP
`);
    const env = { ...process.env, SLURM_CONF: file("slurm.conf") };
    const start = (name: string, ...words: string[]): ChildProcess =>
      spawn(name, ["-D", ...words], { env, stdio: "ignore", cwd: directory });
    const slurm = new Slurm(directory, [start("slurmctld"), start("slurmd", "-N", "node1"),
      start("slurmd", "-N", "node2")]);
    while (!(await slurm.#areIdle())) await delay(200);
    return slurm;
  }

  async #areIdle(): Promise<boolean> {
    if (this.daemons.some(({ exitCode }) => exitCode !== null))
      throw new Error(`invalid SLURM: expected three daemons, received one that has ended: ${this.directory}/*.log.`);
    return this.run("sinfo", ["-h", "-o", "%D %t"]).then(({ stdout }) => stdout.trim() === "2 idle", () => false);
  }

  /** The environment of a user of this SLURM, without the variables of a job. */
  environment(variables: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
    const own = Object.entries(process.env).filter(([name]) => !/^(?:npm_|SLURM|NODE_OPTIONS$)/.test(name));
    return { ...Object.fromEntries(own), SLURM_CONF: join(this.directory, "slurm.conf"), ...variables };
  }

  /** Runs one of SLURM's commands to its end; rejects if it fails. */
  run(program: string, words: readonly string[], { cwd = this.directory, variables = {} }: {
    readonly cwd?: string;
    readonly variables?: Readonly<Record<string, string>>;
  } = {}): Promise<{ stdout: string; stderr: string }> {
    return run(program, words, { cwd, env: this.environment(variables), maxBuffer: 1e8, timeout: COMMAND_MS,
      killSignal: "SIGKILL" });
  }

  /** The ids of the jobs that are not done, of arrays those of their tasks; all, or those in one state. */
  async jobs(state?: string): Promise<readonly string[]> {
    const { stdout } = await this.run("squeue", ["-h", "--array", "-o", "%i",
      ...(state === undefined ? [] : ["-t", state])]);
    return stdout.split("\n").filter((id) => id !== "");
  }

  /** A job's state, such as RUNNING, with its exit code and how often it was requeued. */
  async job(id: string): Promise<{ state: string; exitCode: string; restarts: number }> {
    const { stdout } = await this.run("scontrol", ["-o", "show", "job", id]);
    const field = (name: string): string => new RegExp(`\\b${name}=(\\S+)`).exec(stdout)?.[1] ?? "";
    return { state: field("JobState"), exitCode: field("ExitCode"), restarts: Number(field("Restarts")) };
  }

  /** Ends all jobs and the daemons. */
  async stop(): Promise<void> {
    await this.run("scancel", ["--full", "--signal=KILL", "--user=root"]).catch(() => undefined);
    await this.run("scancel", ["--user=root"]).catch(() => undefined);
    const deadline = performance.now() + STOP_MS;
    while (performance.now() < deadline) {
      const { stdout } = await this.run("squeue", ["-h"]).catch(() => ({ stdout: "" }));
      if (stdout.trim() === "") break;
      await delay(200);
    }
    for (const daemon of this.daemons) {
      if (daemon.exitCode !== null) continue;
      const ended = once(daemon, "exit");
      daemon.kill("SIGTERM");
      // A node waits for steps that do not end.
      const killer = setTimeout(() => daemon.kill("SIGKILL"), 5_000);
      await ended;
      clearTimeout(killer);
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}
