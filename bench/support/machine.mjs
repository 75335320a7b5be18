// The machine on which a figure was measured.
import { cpus, totalmem } from "node:os";
import { systemInfo } from "../../dist/index.js";

export async function describeMachine() {
  const system = await systemInfo();
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    libtorch: system.libtorch.version,
    capability: system.cpu.capability,
    date: new Date().toISOString().slice(0, 10),
  };
}
