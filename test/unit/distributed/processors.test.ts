import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { processors } from "../../../lib/distributed/processors.js";
import { scratchDirectory } from "../lib/small-run.js";

describe("processors", () => {
  const scratch = scratchDirectory();
  const quota = async (group: string, text: string): Promise<void> => {
    await mkdir(scratch(group), { recursive: true });
    await writeFile(join(scratch(group), "cpu.max"), text);
  };

  it("are those of the machine without a quota", async () => {
    expect(processors(scratch("none"), "/")).to.equal(availableParallelism());
    await quota("jobs", "max 100000\n");
    expect(processors(scratch(), "/jobs")).to.equal(availableParallelism());
    expect(processors()).to.be.within(1, availableParallelism());
  });

  it("are limited by the quota of any group above, rounded up", async () => {
    await quota("jobs/one", "max 100000\n");
    await quota("jobs", "50000 100000\n");
    expect(processors(scratch(), "/jobs/one")).to.equal(1);
    await quota("jobs", "100000000 100000\n");
    expect(processors(scratch(), "/jobs/one")).to.equal(availableParallelism());
  });
});
