import { expect } from "chai";
import { runProgram } from "./child-program.js";

const MIB = 2 ** 20;

describe("a process with a detector", function () {
  this.timeout(600_000);

  it("does not grow by steps and detections with images of changing sizes once it is warm", async () => {
    const { code, stdout, stderr } = await runProgram("detect-many-sizes.mjs", { words: ["10"],
      nodeOptions: ["--expose-gc"] });
    expect(code, stderr).to.equal(0);
    const memory = JSON.parse(stdout) as Record<"training" | "detecting", number[]>;
    for (const [what, rounds] of Object.entries(memory)) {
      const grown = rounds[9]! - rounds[6]!;
      // Images and masks of the 18 batches between that were not freed would be 15 MiB, their pyramids far more.
      expect(grown / MIB, `${what}: ${rounds.map((value) => (value / MIB).toFixed(0)).join(", ")} MiB`).to.be.below(6);
    }
  });
});
