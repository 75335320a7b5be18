import { expect } from "chai";
import { runProgram } from "./child-program.js";

const MIB = 2 ** 20;

describe("a process with a detector", function () {
  this.timeout(600_000);

  it("does not grow by steps and detections with images of changing sizes once it is warm", async () => {
    const { code, stdout, stderr } = await runProgram("detect-many-sizes.mjs", { words: ["200", "200"],
      nodeOptions: ["--expose-gc"] });
    expect(code, stderr).to.equal(0);
    const memory = JSON.parse(stdout) as Record<"training" | "detecting", number[]>;
    for (const [what, tenths] of Object.entries(memory)) {
      const mean = (part: readonly number[]): number => part.reduce((sum, value) => sum + value, 0) / part.length;
      const grown = mean(tenths.slice(8)) - mean(tenths.slice(4, 6));
      // Blocks of the sizes drawn so far are kept for reuse. Images of 60 steps that were not freed would be 50 MiB.
      expect(grown / MIB, `${what}: ${tenths.map((value) => (value / MIB).toFixed(0)).join(", ")} MiB`).to.be.below(24);
    }
  });
});
