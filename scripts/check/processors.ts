// Checks the processor requirements of a package on emulated processors:  node --import tsx
// scripts/check/processors.ts On each of them the checkout's own build distills like a new installation. It must work
// on those that meet the requirements of the package's manifest, and on no other: otherwise the manifest requires too
// little or too much.
import { join } from "node:path";
import { run } from "../../lib/install/process.js";
import { LIBTORCH_REQUIRES } from "../package/platform.js";
import { expectNoArguments, requireLinuxX64 } from "../support/command-line.js";
import { BuildError, runMain } from "../support/errors.js";
import { root, withTemporaryDirectory } from "../support/files.js";
import { requireTools } from "../support/tools.js";

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
  expectNoArguments("check:processors");
  requireLinuxX64("PLATFORM", "Run the check on Linux.");
  await requireTools({ "qemu-x86_64": "qemu-user" });

  const has: string[] = [];
  const outcomes: { name: string; works: boolean; should: boolean }[] = [];
  await withTemporaryDirectory("processors", async (directory) => {
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
  });
  const wrong = outcomes.filter(({ works, should }) => works !== should);
  if (wrong.length > 0) {
    throw new BuildError("REQUIREMENT_WRONG",
      `invalid requirements: expected processors with ${LIBTORCH_REQUIRES.join(", ")} to work and others to fail, received ${wrong.map(({ name, works }) => `${name}, which ${works ? "works" : "fails"}`).join("; ")}. `
        + "Fix LIBTORCH_REQUIRES in scripts/package/platform.ts.");
  }
  process.stdout.write(`required of a processor: only ${LIBTORCH_REQUIRES.join(", ")}\n`);
});
