// Checks the processor requirements of a package on emulated processors:  node --import tsx
// scripts/check/processors.mjs On each of them the checkout's own build distills like a new installation. It must work
// on those that meet the requirements of the package's manifest, and on no other: otherwise the manifest requires too
// little or too much.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { LIBTORCH_REQUIRES } from "../package/platform.mjs";
import { BuildError, runMain } from "../support/errors.js";
import { run } from "../../lib/install/process.js";

// Intel's 64-bit processors, the oldest first, by QEMU's names, each with the sets that it introduced. QEMU does not
// emulate AVX-512.
const PROCESSORS = [
  { name: "Conroe", year: 2006, brought: ["sse3", "ssse3"] },
  { name: "Penryn", year: 2008, brought: ["sse4_1"] },
  { name: "Nehalem", year: 2008, brought: ["sse4_2", "popcnt"] },
  { name: "SandyBridge", year: 2011, brought: ["avx", "xsave"] },
  { name: "Haswell", year: 2013, brought: ["avx2", "fma", "bmi1", "bmi2", "f16c"] },
];

await runMain(async () => {
  if (process.argv.length > 2)
    throw new BuildError("USAGE",
      `invalid arguments: expected none, received ${process.argv.slice(2).join(" ")}. Run \`npm run check:processors\` without them.`);
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new BuildError("PLATFORM",
      `invalid platform: expected linux-x64, received ${process.platform}-${process.arch}. Run the check on Linux.`);
  const { startError } = await run("qemu-x86_64", ["--version"]);
  if (startError)
    throw new BuildError("TOOL_MISSING", "missing tool: qemu-x86_64 on PATH. Run apt-get install qemu-user on Debian.");

  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const directory = await mkdtemp(join(tmpdir(), "reviewkd-processors-"));
  /** @type {string[]} */
  const has = [];
  const outcomes = [];
  try {
    for (const { name, year, brought } of PROCESSORS) {
      has.push(...brought);
      process.stderr.write(`processors: distilling on a ${name} of ${year}\n`);
      const { status, stdout, output } = await run("qemu-x86_64", ["-cpu", name, process.execPath,
        join(root, "test/install/distill.mjs")], { cwd: directory });
      const works = status === 0 && /^\{"losses":\[\d/m.test(stdout);
      const reason = output.split("\n").find((line) => /Error:|error:|signal|instruction/i.test(line))?.trim();
      const should = LIBTORCH_REQUIRES.every((set) => has.includes(set));
      process.stdout.write(
        `${name} (${year}; ${brought.join(", ")}): ${works ? "works" : `fails${reason ? `, ${reason}` : ""}`}\n`,
      );
      outcomes.push({ name, works, should });
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  const wrong = outcomes.filter(({ works, should }) => works !== should);
  if (wrong.length > 0) {
    throw new BuildError("REQUIREMENT_WRONG",
      `invalid requirements: expected processors with ${LIBTORCH_REQUIRES.join(", ")} to work and others to fail, received ${wrong.map(({ name, works }) => `${name}, which ${works ? "works" : "fails"}`).join("; ")}. `
        + "Fix LIBTORCH_REQUIRES in scripts/package/platform.mjs.");
  }
  process.stdout.write(`required of a processor: only ${LIBTORCH_REQUIRES.join(", ")}\n`);
});
