import { expect } from "chai";
import { runProgram } from "./child-program.js";

describe("denormal numbers", () => {
  for (const threads of ["1", "2"]) {
    it(`count as zeros in ${threads} of an operation's threads`, async () => {
      const { code, stdout, stderr } = await runProgram("square-tiny-values.mjs", {
        env: { OMP_NUM_THREADS: threads },
      });
      expect(code, stderr).to.equal(0);
      const { count, denormal, normal } = JSON.parse(stdout) as Record<"count" | "denormal" | "normal", number>;
      expect({ denormal, normal }).to.deep.equal({ denormal: count, normal: 0 });
    });
  }
});
