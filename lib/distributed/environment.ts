import { createHash } from "node:crypto";
import { assertObject } from "../config/validation.js";
import { ReviewKdError } from "../errors.js";
import { DEFAULT_PORT, DERIVED_PORTS, LARGEST_PORT } from "./ports.js";
import { firstHost, tasksOnNode } from "./slurm-lists.js";

/** Variables of a process, as in `process.env`. */
export type EnvironmentVariables = Readonly<Record<string, string | undefined>>;

/** A process among those that train together, as its launcher describes it. */
export interface ProcessEnvironment {
  /** The program that started the processes; "variables": RANK and WORLD_SIZE by hand, or by a PyTorchJob. */
  readonly launcher: "torchrun" | "slurm" | "openmpi" | "reviewkd" | "variables";
  /** Index of this process among all, from 0. */
  readonly rank: number;
  /** Number of all processes, at least 2. */
  readonly size: number;
  /** Index of this process among those of its machine, from 0. */
  readonly localRank: number;
  /** Number of processes on this machine; at least `localRank + 1` where the launcher leaves it out. */
  readonly localSize: number;
  /** The address at which the processes meet. */
  readonly master: { readonly host: string; readonly port: number };
  /** Whether the launcher runs the store, so that rank 0 is a client of it as well. */
  readonly storeIsHosted: boolean;
  /**
   * Prefix of all keys in the store: run id and, unless the launcher is torchrun, restart count. The agents of torchrun
   * count restarts each for itself; processes that it has restarted meet by rank 0.
   */
  readonly prefix: string;
  /** How often the launcher has restarted the processes; an agent of torchrun, those of its machine. */
  readonly restarts: number;
}

/** The place of a process among others. */
type Place = Pick<ProcessEnvironment, "rank" | "size" | "localRank" | "localSize">;

/** The variables of one kind of launcher. */
interface Launcher {
  readonly name: ProcessEnvironment["launcher"];
  readonly place: Place;
  /** The machine of rank 0, if all processes run on it or the launcher names it. */
  readonly host: string | undefined;
  /** Identifies the run: the same for all of its processes, and different for others. */
  readonly run: string;
  /** The port if MASTER_PORT is missing. */
  readonly port: number | undefined;
  readonly storeIsHosted: boolean;
  readonly restarts: number;
}

interface Variable {
  readonly name: string;
  readonly value: string | undefined;
}

const LOOPBACK = "127.0.0.1";

/** One process alone: no other variable than its number of processes counts. */
const ALONE: Launcher = { name: "variables", place: { rank: 0, size: 1, localRank: 0, localSize: 1 }, host: undefined,
  run: "none", port: undefined, storeIsHosted: false, restarts: 0 };

/** Spreads the numbers of consecutive jobs over the ports; a prime that does not divide their count. */
const JOB_STRIDE = 7919;

/**
 * The place of this process among those that train together, by the variables of its launcher. RANK and WORLD_SIZE
 * (torchrun, a PyTorchJob, `reviewkd launch`, or by hand) come before those of OpenMPI, and these before those of a
 * step of SLURM.
 *
 * @returns `undefined` if there are no such variables, or if the number of processes is 1, which needs no others.
 * @throws ReviewKdError `PROCESS_ENVIRONMENT`: a variable is missing, is no such number or contradicts another.
 *
 * @example
 * ```ts
 * const { rank, size } = processEnvironment(process.env) ?? { rank: 0, size: 1 };
 * console.log(`process ${rank} of ${size}`);
 * ```
 */
export function processEnvironment(env: EnvironmentVariables = process.env): ProcessEnvironment | undefined {
  assertObject(env, "environment");
  const launcher = fromVariables(env) ?? fromOpenMpi(env) ?? fromSlurm(env);
  if (launcher === undefined || launcher.place.size === 1) return undefined;
  const { name, place, storeIsHosted, restarts, run } = launcher;
  const attempt = name === "torchrun" ? "" : `/${restarts}`;
  return { launcher: name, ...place, master: masterOf(env, launcher), storeIsHosted,
    prefix: `reviewkd/${run}${attempt}`, restarts };
}

/** RANK and WORLD_SIZE with those that torchrun and `reviewkd launch` add. */
function fromVariables(env: EnvironmentVariables): Launcher | undefined {
  // @env RANK users: Index of this process among those that train together. Default: the variables of OpenMPI and SLURM
  // count, otherwise it trains alone.
  const rank = { name: "RANK", value: env["RANK"] };
  // @env WORLD_SIZE users: Number of processes that train together; `1`: this one trains alone. Default: none with RANK
  // is an error.
  const size = { name: "WORLD_SIZE", value: env["WORLD_SIZE"] };
  // @env LOCAL_RANK users: Index of this process among those of its machine. Default: `0`, one process a machine.
  const localRank = { name: "LOCAL_RANK", value: env["LOCAL_RANK"] };
  // @env LOCAL_WORLD_SIZE users: Number of processes on this machine. Default: `LOCAL_RANK` + 1.
  const localSize = { name: "LOCAL_WORLD_SIZE", value: env["LOCAL_WORLD_SIZE"] };
  if (!isSet(rank) && !isSet(size)) return undefined;
  if (isAlone(rank, size)) return ALONE;
  const place = placeOf(rank, size, localRank, wholeOf(localSize, 1));
  // @env TORCHELASTIC_RUN_ID users: Set by torchrun: identifies the run. Default: not started by torchrun.
  const torchRun = env["TORCHELASTIC_RUN_ID"];
  // @env REVIEWKD_LAUNCH users: Set by `reviewkd launch` in the processes that it starts: identifies the run. Not to be
  // set by hand. Default: not started by it.
  const ownRun = env["REVIEWKD_LAUNCH"];
  // @env TORCHELASTIC_USE_AGENT_STORE users: Set by torchrun: `True` if it runs the store at which the processes meet.
  // Default: rank 0 runs it.
  const storeIsHosted = env["TORCHELASTIC_USE_AGENT_STORE"] === "True";
  // @env TORCHELASTIC_RESTART_COUNT users: Set by torchrun: how often it has restarted the processes. Default: `0`.
  const torchRestarts = { name: "TORCHELASTIC_RESTART_COUNT", value: env["TORCHELASTIC_RESTART_COUNT"] };
  // @env REVIEWKD_RESTART_COUNT users: Set by `reviewkd launch`: how often it has restarted the processes. Default:
  // `0`.
  const ownRestarts = { name: "REVIEWKD_RESTART_COUNT", value: env["REVIEWKD_RESTART_COUNT"] };
  const isTorchRun = torchRun !== undefined || isSet(torchRestarts);
  return {
    name: isTorchRun ? "torchrun" : ownRun === undefined ? "variables" : "reviewkd",
    place,
    host: place.localSize === place.size ? LOOPBACK : undefined,
    run: (isTorchRun ? torchRun : ownRun) ?? "none",
    port: undefined,
    storeIsHosted,
    restarts: wholeOf(isTorchRun ? torchRestarts : ownRestarts, 0) ?? 0,
  };
}

/** The variables that `mpirun` sets. */
function fromOpenMpi(env: EnvironmentVariables): Launcher | undefined {
  // @env OMPI_COMM_WORLD_RANK users: Set by OpenMPI's `mpirun`: index of this process among all. Default: not started
  // by it.
  const rank = { name: "OMPI_COMM_WORLD_RANK", value: env["OMPI_COMM_WORLD_RANK"] };
  // @env OMPI_COMM_WORLD_SIZE users: Set by OpenMPI's `mpirun`: number of all processes. Default: none with
  // OMPI_COMM_WORLD_RANK is an error.
  const size = { name: "OMPI_COMM_WORLD_SIZE", value: env["OMPI_COMM_WORLD_SIZE"] };
  // @env OMPI_COMM_WORLD_LOCAL_RANK users: Set by OpenMPI's `mpirun`: index among the processes of this machine.
  // Default: `0`, one process a machine.
  const localRank = { name: "OMPI_COMM_WORLD_LOCAL_RANK", value: env["OMPI_COMM_WORLD_LOCAL_RANK"] };
  // @env OMPI_COMM_WORLD_LOCAL_SIZE users: Set by OpenMPI's `mpirun`: number of processes on this machine. Default:
  // `OMPI_COMM_WORLD_LOCAL_RANK` + 1.
  const localSize = { name: "OMPI_COMM_WORLD_LOCAL_SIZE", value: env["OMPI_COMM_WORLD_LOCAL_SIZE"] };
  // @env PMIX_NAMESPACE users: Set by OpenMPI's `mpirun`: identifies the run, from which the port derives if
  // MASTER_PORT is missing. Default: port 29500.
  const run = env["PMIX_NAMESPACE"];
  if (!isSet(rank) && !isSet(size)) return undefined;
  if (isAlone(rank, size)) return ALONE;
  const place = placeOf(rank, size, localRank, wholeOf(localSize, 1));
  return { name: "openmpi", place, host: place.localSize === place.size ? LOOPBACK : undefined,
    run: `openmpi-${run ?? "none"}`, port: run === undefined ? DEFAULT_PORT : derivedPort(hashOf(run)),
    storeIsHosted: false, restarts: 0 };
}

/** The variables of a step that `srun` has started. */
function fromSlurm(env: EnvironmentVariables): Launcher | undefined {
  // @env SLURM_PROCID users: Set by `srun`: index of this process in its step. Default: not started by it.
  const rank = { name: "SLURM_PROCID", value: env["SLURM_PROCID"] };
  // @env SLURM_STEP_ID users: Set by `srun`: the step's number in its job. Default: SLURM_LAUNCH_NODE_IPADDR shows that
  // it is one.
  const step = { name: "SLURM_STEP_ID", value: env["SLURM_STEP_ID"] };
  // @env SLURM_LAUNCH_NODE_IPADDR users: Set by `srun`: the machine that it runs on, where the processes meet if
  // neither MASTER_ADDR nor a list of the nodes is set. Default: SLURM_STEP_ID shows that it is a step.
  const launchNode = { name: "SLURM_LAUNCH_NODE_IPADDR", value: env["SLURM_LAUNCH_NODE_IPADDR"] };
  // The shell of a batch script has SLURM_PROCID=0 and SLURM_NTASKS as well, and is one process all the same.
  if (!isSet(rank) || (!isSet(step) && !isSet(launchNode))) return undefined;
  // @env SLURM_STEP_NUM_TASKS users: Set by `srun`: number of processes of the step. Default: `SLURM_NTASKS`.
  // @env SLURM_NTASKS users: Set by `srun`, also for the job: number of processes. Default: none with SLURM_PROCID is
  // an error.
  const size = firstSet({ name: "SLURM_STEP_NUM_TASKS", value: env["SLURM_STEP_NUM_TASKS"] }, { name: "SLURM_NTASKS",
    value: env["SLURM_NTASKS"] });
  // @env SLURM_LOCALID users: Set by `srun`: index among the processes of this machine. Default: `0`.
  const localRank = { name: "SLURM_LOCALID", value: env["SLURM_LOCALID"] };
  if (isAlone(rank, size)) return ALONE;
  const place = placeOf(rank, size, localRank, slurmLocalSize(env));
  // @env SLURM_JOB_ID users: Set by SLURM: the job's number, from which the port derives with that of the step if
  // MASTER_PORT is missing. Default: port 29500.
  const job = wholeOf({ name: "SLURM_JOB_ID", value: env["SLURM_JOB_ID"] }, 0);
  const stepId = wholeOf(step, 0) ?? 0;
  // @env SLURM_RESTART_COUNT users: Set by SLURM: how often the job was requeued. Default: `0`.
  const restarts = wholeOf({ name: "SLURM_RESTART_COUNT", value: env["SLURM_RESTART_COUNT"] }, 0) ?? 0;
  return { name: "slurm", place, host: slurmHost(env, place) ?? (launchNode.value || undefined),
    run: `slurm-${job ?? "none"}.${stepId}`,
    port: job === undefined ? DEFAULT_PORT : derivedPort(job * JOB_STRIDE + stepId), storeIsHosted: false, restarts };
}

/** The number of processes on this machine, if SLURM says so. */
function slurmLocalSize(env: EnvironmentVariables): number | undefined {
  // @env SLURM_NODEID users: Set by `srun`: index of this machine in the step. Default: the number of processes on
  // each machine is not known.
  const node = wholeOf({ name: "SLURM_NODEID", value: env["SLURM_NODEID"] }, 0);
  // @env SLURM_STEP_TASKS_PER_NODE users: Set by `srun`: the number of processes on each machine. Default: not known.
  const { name, value } = { name: "SLURM_STEP_TASKS_PER_NODE", value: env["SLURM_STEP_TASKS_PER_NODE"] };
  if (node === undefined || !value) return undefined;
  const tasks = tasksOnNode(value, node);
  if (tasks !== undefined) return tasks;
  throw environmentError({ name, value }, `a list such as 2(x3),1 with a number for machine ${node}`, SLURM_REMEDY);
}

/** The machine of rank 0, the first of the step. */
function slurmHost(env: EnvironmentVariables, { size, localSize }: Place): string | undefined {
  if (size === localSize) return LOOPBACK;
  // @env SLURM_STEP_NODELIST users: Set by `srun`: the machines of the step, on the first of which the processes meet.
  // Default: `SLURM_JOB_NODELIST`.
  // @env SLURM_JOB_NODELIST users: Set by SLURM: the machines of the job. Default: `SLURM_LAUNCH_NODE_IPADDR`.
  const list = firstSet({ name: "SLURM_STEP_NODELIST", value: env["SLURM_STEP_NODELIST"] }, {
    name: "SLURM_JOB_NODELIST",
    value: env["SLURM_JOB_NODELIST"],
  });
  if (!list.value) return undefined;
  const host = firstHost(list.value);
  if (host !== undefined) return host;
  throw environmentError(list, "machines such as node[01-04,07]", SLURM_REMEDY);
}

const SLURM_REMEDY = "Start the command with srun, or set MASTER_ADDR, RANK, WORLD_SIZE and LOCAL_RANK yourself.";

/** A rank above 0 contradicts a size of 1. */
function isAlone(rank: Variable, size: Variable): boolean {
  return wholeOf(size, 1) === 1 && (wholeOf(rank, 0) ?? 0) === 0;
}

/** Far more than have met in any test: a number above is a slip. */
const MOST_PROCESSES = 16_384;

function placeOf(rankVariable: Variable, sizeVariable: Variable, localVariable: Variable,
  knownLocalSize: number | undefined): Place {
  const remedy = `Set both ${rankVariable.name} and ${sizeVariable.name}, or neither to train in one process.`;
  const size = wholeOf(sizeVariable, 1);
  if (size === undefined)
    throw environmentError(sizeVariable, `the number of processes, as ${rankVariable.name} is set`, remedy);
  if (size > MOST_PROCESSES) {
    throw environmentError(sizeVariable, `at most ${MOST_PROCESSES} processes`,
      "Correct it: the processes meet at a store that serves no more.");
  }
  const rank = wholeOf(rankVariable, 0);
  if (rank === undefined)
    throw environmentError(rankVariable, `the index of this process, as ${sizeVariable.name} is set`, remedy);
  if (rank >= size) {
    throw environmentError(rankVariable, `a whole number below ${sizeVariable.name}, which is ${size}`,
      `Give the processes the numbers 0 to ${size - 1}.`);
  }
  const localRank = wholeOf(localVariable, 0) ?? 0;
  const localSize = knownLocalSize ?? localRank + 1;
  if (localRank >= localSize) {
    throw environmentError(localVariable, `a whole number below ${localSize}, the number of processes on this machine`,
      "Number the processes of each machine from 0.");
  }
  if (localSize > size) {
    throw environmentError(sizeVariable, `at least ${localSize}, the number of processes on this machine`,
      "Correct one of the two.");
  }
  return { rank, size, localRank, localSize };
}

function masterOf(env: EnvironmentVariables,
  { name, host: known, port: derived, place }: Launcher): ProcessEnvironment["master"] {
  // @env MASTER_ADDR users: The machine of rank 0, where the processes meet. Default: this machine if all run on it;
  // under SLURM the first machine of the step.
  const address = env["MASTER_ADDR"] || known;
  if (address === undefined) {
    throw environmentError({ name: "MASTER_ADDR", value: undefined },
      `the machine of rank 0, as ${place.size} processes train together`,
      "Set it to a host name or address that all machines reach, for one machine to 127.0.0.1.");
  }
  // @env MASTER_PORT users: The port at which the processes meet. Default: under SLURM and OpenMPI derived from the
  // job; otherwise none is an error.
  const variable = { name: "MASTER_PORT", value: env["MASTER_PORT"] };
  const port = wholeOf(variable, 1, LARGEST_PORT) ?? derived;
  if (port !== undefined) return { host: address, port };
  throw environmentError(variable, `a port for ${name === "variables" ? "RANK and WORLD_SIZE" : name}`,
    `Set it to the same free port for all processes, such as ${DEFAULT_PORT}.`);
}

function derivedPort(seed: number): number {
  return DERIVED_PORTS.first + seed % DERIVED_PORTS.count;
}

/** A number below 2³² for a text. */
function hashOf(text: string): number {
  return createHash("sha256").update(text).digest().readUInt32BE(0);
}

/** An empty variable counts as missing: job files set it so. */
function isSet({ value }: Variable): boolean {
  return value !== undefined && value !== "";
}

function firstSet(first: Variable, second: Variable): Variable {
  return isSet(first) ? first : second;
}

/** A variable's whole number; undefined if it is missing. */
function wholeOf(variable: Variable, least: number, most = Number.MAX_SAFE_INTEGER): number | undefined {
  if (!isSet(variable)) return undefined;
  const text = variable.value?.trim() ?? "";
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `≥ ${least}` : `from ${least} to ${most}`;
  throw environmentError(variable, `a whole number ${range}`, "Correct it, or leave it to the launcher.");
}

function environmentError({ name, value }: Variable, expected: string, remedy: string): ReviewKdError {
  const received = value === undefined ? "nothing" : JSON.stringify(value);
  return new ReviewKdError("PROCESS_ENVIRONMENT",
    `invalid environment variable ${name}: expected ${expected}, received ${received}. ${remedy}`);
}
