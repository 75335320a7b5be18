// A process, because an addon that is new to this machine is tried in one before it is loaded.
import { expect } from "chai";
import { explainPair } from "../../../lib/index.js";
import { loadAddon } from "../../../lib/install/load.js";
import { addonPath } from "../../../lib/native.js";

describe("the explanation of a pair", () => {
  it("counts the memory of a step also if another file of the addon was loaded meanwhile", async () => {
    const explain = async (): Promise<number> =>
      (await explainPair({ teacher: "resnet8", student: "resnet8", imageSize: [16, 16], batchSize: 4 })).memory.step;
    const before = await explain();
    // The published addon next to that of tests, as with two versions of the package in one process.
    expect(loadAddon().path, "`npm run build:tests` builds the addon of tests").to.not.equal(addonPath());
    expect(await explain()).to.equal(before);
  });
});
