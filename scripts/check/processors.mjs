#!/usr/bin/env -S node --import tsx
// Holds what a package asks of a processor against emulated ones:  node --import tsx scripts/check/processors.mjs
// On each of them the checkout's own build distills as somebody would who has just installed it. It has to work on those that have what the
// package's manifest asks for, and on no other: then the manifest asks for too little or for too much.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { LIBTORCH_ASKS_FOR } from "../package/platform.mjs";
import { BuildError, runMain } from "../support/errors.js";
import { run } from "../../lib/install/process.js";

// Intel's processors of 64 bits, the oldest first, as QEMU names them, each with what it brought. It emulates no AVX-512.
const PROCESSORS = [
  { name: "Conroe", year: 2006, brought: ["sse3", "ssse3"] },
  { name: "Penryn", year: 2008, brought: ["sse4_1"] },
  { name: "Nehalem", year: 2008, brought: ["sse4_2", "popcnt"] },
  { name: "SandyBridge", year: 2011, brought: ["avx", "xsave"] },
  { name: "Haswell", year: 2013, brought: ["avx2", "fma", "bmi1", "bmi2", "f16c"] },
];

await runMain(async () => {
  if (process.argv.length > 2) throw new BuildError("USAGE", `expected no words, got ${process.argv.slice(2).join(" ")}`);
  if (process.platform !== "linux" || process.arch !== "x64") throw new BuildError("PLATFORM", `expected linux-x64 for emulating its processors, got ${process.platform}-${process.arch}`);
  const { startError } = await run("qemu-x86_64", ["--version"]);
  if (startError) throw new BuildError("TOOL_MISSING", "expected QEMU for emulating processors, got no qemu-x86_64 on PATH; apt-get install qemu-user");

  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const directory = await mkdtemp(join(tmpdir(), "reviewkd-processors-"));
  /** @type {string[]} */
  const has = [];
  const outcomes = [];
  try {
    for (const { name, year, brought } of PROCESSORS) {
      has.push(...brought);
      process.stderr.write(`processors: distilling on a ${name} of ${year}\n`);
      const { status, stdout, output } = await run("qemu-x86_64", ["-cpu", name, process.execPath, join(root, "test/install/distill.mjs")], { cwd: directory });
      const works = status === 0 && /^\{"losses":\[\d/m.test(stdout);
      const reason = output.split("\n").find((line) => /Error:|error:|signal|instruction/i.test(line))?.trim();
      const should = LIBTORCH_ASKS_FOR.every((set) => has.includes(set));
      process.stdout.write(`${name} (${year}; ${brought.join(", ")}): ${works ? "works" : `fails${reason ? `, ${reason}` : ""}`}\n`);
      outcomes.push({ name, works, should });
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  const wrong = outcomes.filter(({ works, should }) => works !== should);
  if (wrong.length > 0) {
    throw new BuildError("REQUIREMENT_WRONG",
      `expected processors with ${LIBTORCH_ASKS_FOR.join(", ")} to work and others to fail, got ${wrong.map(({ name, works }) => `${name}, which ${works ? "works" : "fails"}`).join("; ")}: `
      + "mend LIBTORCH_ASKS_FOR in scripts/package/platform.mjs");
  }
  process.stdout.write(`a processor needs ${LIBTORCH_ASKS_FOR.join(", ")} and nothing beyond\n`);
});
