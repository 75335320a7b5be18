import { cpus } from "node:os";
import type { Command } from "commander";
import { inspectInstallation, isReviewKdError, messageOf, systemInfo, type InstallationReport,
  type SystemInfo } from "../../index.js";
import { EXIT } from "../errors.js";
import { addAction } from "../options/add-value.js";

interface Fault {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}

const OLDEST_NODE = 20;

export function addDoctorCommand(program: Command): void {
  const command = program.command("doctor").description("check the installation and print a fix for each problem");
  addAction(command, async (output) => {
    const faults = nodeFaults();
    const installation = inspectInstallation();
    const info = await systemInfo().catch((error: unknown) => {
      faults.push(faultOf(error, installation));
      return undefined;
    });
    output.event({ type: "doctor", ...(info ?? {}), gpu: gpuUse(info, installation), installation,
      healthy: faults.length === 0, faults });
    for (const [name, value] of [...(info === undefined ? withoutAddon() : addonRows(info)),
      ...systemRows(info, installation)]) output.line(`${name.padEnd(18)} ${value}`);
    output.line("\nsearched for the addon and its libtorch in");
    for (const { place, outcome, path, reason } of installation.attempts) {
      const about = [path, reason].filter((part) => part !== null).join(": ");
      output.line(`  ${place.padEnd(18)} ${outcome.padEnd(10)} ${about}`);
    }
    for (const { about, reason, fix } of installation.findings) {
      output.line(`\nfinding [${about}]: ${reason}`);
      if (fix !== null) output.line(`  fix: ${fix}`);
    }
    for (const fault of faults) {
      output.line(`\nfault [${fault.code}]: ${fault.message}`);
      output.line(`  fix: ${fault.fix}`);
    }
    if (faults.length === 0) output.line("\nno problems found");
    if (faults.length > 0) process.exitCode = EXIT.failed;
  });
}

function nodeFaults(): Fault[] {
  const major = Number(process.versions.node.split(".")[0]);
  if (major >= OLDEST_NODE) return [];
  const message = `invalid Node version: expected ${OLDEST_NODE} or newer, received ${process.versions.node}.`;
  return [{ code: "INVALID_ARGUMENT", message, fix: `install Node ${OLDEST_NODE} or newer` }];
}

function faultOf(error: unknown, { fix }: InstallationReport): Fault {
  const code = isReviewKdError(error) ? error.code : "INTERNAL";
  return { code, message: messageOf(error), fix: fix ?? "report this with the output of `reviewkd doctor --json`" };
}

/** Whether `device: "auto"` selects a GPU, and the reason if not. */
function gpuUse(info: SystemInfo | undefined,
  { nvidiaDriver }: InstallationReport): { used: boolean; reason: string | null } {
  if (info?.cuda.available === true) return { used: true, reason: null };
  if (nvidiaDriver === null) return { used: false, reason: "this machine has no NVIDIA driver" };
  return { used: false,
    reason: `NVIDIA driver ${nvidiaDriver} is installed, but ${info?.cuda.reason ?? "the addon cannot be loaded"}` };
}

/** Rows that do not require the addon. */
function systemRows(info: SystemInfo | undefined, installation: InstallationReport): [string, string][] {
  const { used, reason } = gpuUse(info, installation);
  return [
    ["GPU", used ? "used by device auto and cuda" : `not used: ${reason ?? "no device"}`],
    ["NVIDIA driver", installation.nvidiaDriver ?? "none"],
    ["C library", installation.libc ?? "the system's own"],
  ];
}

function addonRows(info: SystemInfo): [string, string][] {
  const { libtorch, cuda, cpu } = info;
  const devices = cuda.available ? ["cpu", ...cuda.devices.map((name) => `cuda (${name})`)] : ["cpu"];
  return [
    ["reviewkd", info.version],
    ["addon", info.addonPath],
    ["libtorch", `${libtorch.version}, ${libtorch.cudaBuild ? "CUDA" : "CPU"} build`],
    ["libtorch path", libtorch.path],
    ["devices", devices.join(", ")],
    ...(cuda.plugin === null ? [] : [["CUDA plugin", pluginText(cuda.plugin)] satisfies [string, string]]),
    ["threads", threadsText(info)],
    ["several processes", processesText(info.processGroupBackends)],
    ["processor", `${cpu.model}, ${cpu.cores} cores`],
    ["instruction sets", cpu.instructionSets.join(" ")],
    ["kernels in use", cpu.capability === "DEFAULT" ? "DEFAULT (slowest): this processor has no AVX2" : cpu.capability],
    ["node", info.node],
    ["platform", info.platform],
  ];
}

const THREADS_FROM: Readonly<Record<SystemInfo["threadsFrom"], string>> = {
  cores: "the cores of the machine",
  affinity: "the processors that the system runs this process on",
  quota: "the processor time that this container or group of processes is given",
  OMP_NUM_THREADS: "OMP_NUM_THREADS",
  MKL_NUM_THREADS: "MKL_NUM_THREADS",
};

/** How processes that train together exchange gradients. */
function processesText(backends: readonly string[]): string {
  const cuda = backends.includes("nccl") ? "nccl on CUDA" : "no nccl: it needs a GPU and the CUDA plugin";
  return `${backends.includes("gloo") ? "gloo on the CPU" : "no gloo"}, ${cuda}`;
}

/** The default number of threads, and what determines it. */
function threadsText({ threads, threadsFrom }: SystemInfo): string {
  return `${threads} for each operation, by ${THREADS_FROM[threadsFrom]}`;
}

/** The CUDA plugin's state, with cause and fix: without it CUDA is slower, which is no problem to report. */
function pluginText({ loaded, path, builtFor, reason, fix }: NonNullable<SystemInfo["cuda"]["plugin"]>): string {
  if (loaded) return `${path ?? "?"}, for ${builtFor ?? "unknown devices"}`;
  return `not used${path === null ? "" : ` (${path})`}: ${reason ?? "no reason"}; CUDA works without its kernels, but slower. To fix it: ${fix ?? "npx reviewkd doctor"}`;
}

function withoutAddon(): [string, string][] {
  return [
    ["addon", "not usable"],
    ["processor", `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores`],
    ["node", process.version],
    ["platform", `${process.platform}-${process.arch}`],
  ];
}
