import { cpus } from "node:os";
import type { Command } from "commander";
import { isReviewKdError, messageOf, systemInfo, type SystemInfo } from "../../index.js";
import { EXIT } from "../errors.js";
import { processOutput } from "../output.js";
import { addJson } from "../training-flags.js";

/** What is wrong with an installation, and what repairs it. */
interface Fault {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}

const FIXES: Readonly<Record<string, string>> = {
  ADDON_NOT_FOUND: "npm run build",
  ADDON_LOAD_FAILED: "npm run build, with REVIEWKD_LIBTORCH naming the libtorch to use where there are several",
};

const OLDEST_NODE = 20;

/** `reviewkd doctor`: what was found, and what is wrong with it. */
export function addDoctorCommand(program: Command): void {
  const command = program.command("doctor").description("print what was found on this machine, and for each fault its fix");
  addJson(command).action(async (flags: { json?: true }) => {
    const output = processOutput(flags.json === true);
    const faults = nodeFaults();
    const info = await systemInfo().catch((error: unknown) => {
      faults.push(faultOf(error));
      return undefined;
    });
    output.event({ type: "doctor", ...(info ?? {}), healthy: faults.length === 0, faults });
    for (const [name, value] of info === undefined ? withoutAddon() : found(info)) output.line(`${name.padEnd(18)} ${value}`);
    for (const fault of faults) {
      output.line(`\nfault [${fault.code}]: ${fault.message}`);
      output.line(`  fix: ${fault.fix}`);
    }
    if (faults.length === 0) output.line("\neverything is in place");
    if (faults.length > 0) process.exitCode = EXIT.failed;
  });
}

function nodeFaults(): Fault[] {
  const major = Number(process.versions.node.split(".")[0]);
  if (major >= OLDEST_NODE) return [];
  const message = `expected Node ${OLDEST_NODE} or newer for this package, got ${process.versions.node}`;
  return [{ code: "INVALID_ARGUMENT", message, fix: `install Node ${OLDEST_NODE} or newer` }];
}

function faultOf(error: unknown): Fault {
  const code = isReviewKdError(error) ? error.code : "INTERNAL";
  return { code, message: messageOf(error), fix: FIXES[code] ?? "report this with the output of `reviewkd doctor --json`" };
}

function found(info: SystemInfo): [string, string][] {
  const { libtorch, cuda, cpu } = info;
  const devices = cuda.available ? ["cpu", ...cuda.devices.map((name) => `cuda (${name})`)] : ["cpu"];
  const rows: [string, string][] = [
    ["reviewkd", info.version],
    ["addon", info.addonPath],
    ["libtorch", `${libtorch.version}, ${libtorch.cudaBuild ? "CUDA" : "CPU"} build`],
    ["libtorch path", libtorch.path],
    ["devices", devices.join(", ")],
  ];
  if (!cuda.available && cuda.reason !== null) rows.push(["CUDA", `not available: ${cuda.reason}`]);
  rows.push(
    ["threads", String(info.threads)],
    ["processor", `${cpu.model}, ${cpu.cores} cores`],
    ["instruction sets", cpu.instructionSets.join(" ")],
    ["kernels in use", cpu.capability],
    ["node", info.node],
    ["platform", info.platform],
  );
  return rows;
}

function withoutAddon(): [string, string][] {
  return [
    ["addon", "not usable"],
    ["processor", `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores`],
    ["node", process.version],
    ["platform", `${process.platform}-${process.arch}`],
  ];
}
